"""The first block of the status output: running time daemons, and the time of the node's clock."""

import re
from dataclasses import dataclass, replace

from skewmon.timesync.parsers.values import number

_PROCESS = re.compile(r"(?P<place>process|contained) (?P<pid>[0-9]{1,10}) (?P<name>\S+) ?(?P<command>.*)")

_HIDDEN_LINE = "processes hidden"
_BUSYBOX_LINE = "ntpd busybox"
_WORDS = frozenset({"clock", "boot", "uname", "container"})

#: The kernel cuts a process's name after 15 characters (TASK_COMM_LEN), as in ``systemd-timesyn``.
_NAMES = {"systemd-timesyn": "timesyncd", "systemd-timesyncd": "timesyncd", "ntp-daemon": "ntpd-rs"}

#: Name of busybox's ntpd among the daemons; for the status it is an ntpd without tools.
BUSYBOX = "busybox ntpd"

#: Of the PTP programs only this one may steer the system clock; its arguments decide.
_PHC2SYS = "phc2sys"

_SYSTEM_CLOCK = "CLOCK_REALTIME"

#: Daemons that steer the system clock.
DISCIPLINES = frozenset({"ntpd", "ntpsec", "chronyd", "timesyncd", "openntpd", "ntpd-rs", BUSYBOX, _PHC2SYS})


@dataclass(frozen=True, slots=True)
class Process:
    """A time daemon that runs, by the name it has in a status; a watcher leaves the clock alone.

    One that is contained runs in a container of the machine: it seldom may touch the clock, and the tools
    outside do not reach it.
    """

    daemon: str
    watcher: bool = False
    contained: bool = False


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """Facts that no time tool prints; ``hidden`` if other users' processes cannot be seen.

    ``guest`` of a container, whose clock is its host's.
    """

    clock_s: float | None = None
    boot_id: str = ""
    system: str = ""
    processes: tuple[Process, ...] = ()
    hidden: bool = True
    guest: bool = False
    unparsed: tuple[str, ...] = ()

    @property
    def running(self) -> tuple[str, ...]:
        """Every daemon that runs, once, in the order met."""
        return tuple(dict.fromkeys(process.daemon for process in self.processes))

    @property
    def at_hand(self) -> tuple[str, ...]:
        """Those that the tools of the machine itself can ask."""
        return tuple(dict.fromkeys(process.daemon for process in self.processes if not process.contained))

    @property
    def watching(self) -> tuple[str, ...]:
        """Those that run and leave the clock alone, such as ``chronyd -x``."""
        return tuple(name for name in self.running if name not in self._hands_on)

    @property
    def _hands_on(self) -> tuple[str, ...]:
        steering = (one.daemon for one in self.processes if not (one.watcher or one.contained))
        return tuple(dict.fromkeys(steering))

    def knowing(self, implementation: str) -> "NodeFacts":
        """Return the same facts with every ntpd under the name of its implementation."""
        named = (
            replace(one, daemon=implementation) if one.daemon == "ntpd" else one for one in self.processes
        )
        return replace(self, processes=tuple(named))

    @property
    def disciplining(self) -> tuple[str, ...]:
        """Those that could steer the clock."""
        return tuple(name for name in self._hands_on if name in DISCIPLINES)


def read(text: str) -> NodeFacts:
    """Read the block; without one nothing is known, so processes count as hidden."""
    lines = text.splitlines()
    busybox = _BUSYBOX_LINE in lines
    values: dict[str, str] = {}
    processes, unparsed = [], []
    for line in lines:
        word, _, rest = line.partition(" ")
        found = _PROCESS.fullmatch(line)
        if found:
            process = _process(found["name"], found["command"], busybox=busybox)
            processes.append(replace(process, contained=found["place"] == "contained"))
        elif word in _WORDS:
            values[word] = rest
        elif line.strip() and line not in {_HIDDEN_LINE, _BUSYBOX_LINE}:
            unparsed.append(line)
    return NodeFacts(
        clock_s=number(values.get("clock", "")),
        boot_id=values.get("boot", ""),
        system=values.get("uname", ""),
        processes=_resolved(processes),
        hidden=_HIDDEN_LINE in lines or not lines,
        guest="container" in values,
        unparsed=tuple(unparsed),
    )


def _resolved(processes: list[Process]) -> tuple[Process, ...]:
    """Name OpenNTPD's parent, which looks like any ntpd, after its children, whose titles name it."""
    generic = Process("ntpd")
    if not any(process.daemon == "openntpd" for process in processes):
        return tuple(processes)
    return tuple(process for process in processes if process != generic)


def _process(name: str, command: str, *, busybox: bool) -> Process:
    words = command.split()
    if name == "chronyd":
        return Process("chronyd", watcher=any(_has_flag(word, flag) for word in words[1:] for flag in "xQ"))
    if name == "ntpd":
        return Process(_ntpd(command, busybox=busybox), watcher=_queries_only(words, busybox=busybox))
    if name == _PHC2SYS:
        return Process(name, watcher=not _steers_the_system_clock(words[1:]))
    return Process(_NAMES.get(name, name))


def _steers_the_system_clock(words: list[str]) -> bool:
    """Return whether phc2sys sets the system clock (phc2sys(8)), and not another one or a daemon's."""
    if _value(words, "E") == "ntpshm":
        return False
    if any(_has_flag(word, "a") for word in words):
        return any(_has_flag(word, "r") for word in words)
    source, sink = _value(words, "s"), _value(words, "c")
    return source not in {None, _SYSTEM_CLOCK} and sink in {None, _SYSTEM_CLOCK}


def _value(words: list[str], flag: str) -> str | None:
    """Return the value of a short option, in the same word or in the next."""
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word.startswith(f"-{flag}"):
            return word.removeprefix(f"-{flag}") or after
    return None


def _ntpd(command: str, *, busybox: bool) -> str:
    if command.startswith("ntpd: "):  # OpenNTPD's processes say which engine they are
        return "openntpd"
    if "ntpsec" in command:
        return "ntpsec"
    return BUSYBOX if busybox or "busybox" in command else "ntpd"


def _queries_only(words: list[str], *, busybox: bool) -> bool:
    """Busybox's ``ntpd -w`` only asks; ``ntpd -q`` of the others sets the clock once, which is steering."""
    return busybox and any(_has_flag(word, "w") for word in words[1:])


def _has_flag(word: str, flag: str) -> bool:
    """Return whether a word is a group of short options with this one in it."""
    return word.startswith("-") and not word.startswith("--") and flag in word
