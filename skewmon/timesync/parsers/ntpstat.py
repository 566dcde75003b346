"""``ntpstat``: three sentences of either generation, the original in C and the shell script after it."""

import re
from dataclasses import dataclass

from skewmon.model import SyncStatus
from skewmon.timesync import refid as refids
from skewmon.timesync.parsers.report import LineTally, ToolReport
from skewmon.timesync.parsers.values import number, whole

TOOL = "ntpstat"

#: Printed for the machine's own oscillator.
_LOCAL_NET = "local net"

#: Printed for a server without a name.
_NAMELESS = frozenset({"NTP server", "unspecified", "unknown source"})

_SYNCHRONIZED = re.compile(
    r"synchroni[sz]ed to (?P<kind>\S+(?: \S+){0,2}?)"
    r"(?: \((?P<parens>[^()]*(?:\([^()]*\))?)\)| (?P<bare>[0-9A-Fa-f:.]+)| <IP (?:unreadable|unknown)>)?"
    r"(?: at stratum (?P<stratum>[0-9]+)|, stratum (?:unknown|unreadable))?"
)
_UNSYNCHRONIZED = re.compile(r"unsynchroni[sz]ed|clock is not synchroni[sz]ed", re.IGNORECASE)
_WITHIN = re.compile(r"time correct to within (?P<ms>[0-9.]+) ms(?: \(exceeded maximum of \S+ ms\))?")
_POLL = re.compile(r"polling server every (?P<s>[0-9]+) s")
_NOT_SAID = re.compile(
    r"time server re-?starting|poll interval (?:unknown|unreadable)|"
    r"(?:time )?(?:accuracy|uncertainty) (?:unknown|unreadable)|"
    r"(?:time|accuracy) correct to within unknown.*|"
    r".*ntpstat: line [0-9]+: .*: exponent less than 0 .*"  # bash, of a reference clock polled each second
)


#: Each output has one sentence of each kind.
_KINDS = {
    "state": re.compile(f"{_SYNCHRONIZED.pattern}|(?i:{_UNSYNCHRONIZED.pattern})"),
    "bound": _WITHIN,
    "poll": _POLL,
}


@dataclass(slots=True)
class _Sentences:
    """Values of the sentences read so far."""

    synchronized: bool | None = None
    kind: str | None = None
    address: str | None = None
    stratum: int | None = None
    bound_s: float | None = None
    poll_s: float | None = None


def parse(text: str, stderr: str = "", status: int = 0) -> ToolReport:
    """Read ntpstat's sentences; the bound includes the offset, as the tool computes it."""
    tally = LineTally(TOOL)
    said = _Sentences()
    for line in text.splitlines():
        if _understand(line.strip(), said, tally):
            tally.understood()
        else:
            tally.other(line)
    tally.others(stderr.splitlines())
    return tally.report(_status(said), found=said != _Sentences(), exit_status=status)


def _understand(line: str, said: _Sentences, tally: LineTally) -> bool:
    kind = next((kind for kind, pattern in _KINDS.items() if pattern.fullmatch(line)), line)
    is_known = kind != line or _NOT_SAID.fullmatch(line) is not None
    return is_known and not tally.in_second(kind, line) and _read(line, said)


def _read(line: str, said: _Sentences) -> bool:
    if found := _SYNCHRONIZED.fullmatch(line):
        said.synchronized = True
        said.kind, said.address = found["kind"], found["parens"] or found["bare"]
        said.stratum = whole(found["stratum"] or "")
    elif _UNSYNCHRONIZED.fullmatch(line):
        said.synchronized = False
    elif found := _WITHIN.fullmatch(line):
        milliseconds = number(found["ms"])
        said.bound_s = None if milliseconds is None else milliseconds / 1000
    elif found := _POLL.fullmatch(line):
        poll = whole(found["s"])
        said.poll_s = None if poll is None else float(poll)
    else:
        return _NOT_SAID.fullmatch(line) is not None
    return True


def _status(said: _Sentences) -> SyncStatus:
    is_free_running = said.kind == _LOCAL_NET
    address = said.address
    return SyncStatus(
        "unknown",
        synchronized=said.synchronized,
        stratum=said.stratum,
        source=address or (None if said.kind in _NAMELESS else said.kind),
        refid="LOCL" if is_free_running else refids.of_address(address or ""),
        root_distance_s=said.bound_s,
        poll_s=said.poll_s,
    )
