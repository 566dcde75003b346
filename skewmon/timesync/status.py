"""One SyncStatus from the reports of all tools of a node; the daemon that disciplines the clock counts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import get_args

from skewmon.model import DaemonName, KernelClock, SyncStatus
from skewmon.timesync.findings import facts as node_facts
from skewmon.timesync.findings.facts import BUSYBOX, NodeFacts
from skewmon.timesync.parsers.registry import PARSERS
from skewmon.timesync.parsers.report import KILLED, ToolOutcome, ToolReport
from skewmon.timesync.script import FACTS, ToolOutput

#: Family → its tools, the most detailed first. If several daemons answer and none or all of them claim to be
#: synchronized, the first family in this order is shown, and all are named.
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "chronyd": ("chronyc-tracking", "chronyc-sources"),
    "ntpd": ("ntpq-rv", "ntpq"),
    "ntpd-rs": ("ntp-ctl",),
    "openntpd": ("ntpctl",),
    "timesyncd": ("timesync-status", "show-timesync"),
}

#: Running daemon → family whose tools query it.
_FAMILY_OF = {"ntpsec": "ntpd", "openntpd": "openntpd", "chronyd": "chronyd", "timesyncd": "timesyncd"}

#: Daemons that clear the kernel's STA_UNSYNC while they hold the clock; OpenNTPD and busybox never do, and
#: chronyd only if ``rtcsync`` is configured.
_TELL_THE_KERNEL = frozenset({"ntpd", "ntpsec", "timesyncd", "ntpd-rs"})

#: The kernel's maximum error if no daemon corrects it; timedatectl calls everything below synchronized.
UNBOUNDED_S = 16.0

#: Outcomes that are worth an operator's look; a daemon that does not run is no failure of its tool.
_FAILURES = frozenset({ToolOutcome.TIMED_OUT, ToolOutcome.REFUSED, ToolOutcome.UNPARSED})


#: The kernel lets its maximum error grow by 500 ppm from one update to the next: 1024 s, NTP's longest usual
#: poll, without any.
ABANDONED_S = 0.512


#: Lines of one tool that are kept although not understood: the first few show its format.
UNPARSED_MOST = 200


@dataclass(frozen=True, slots=True)
class _Heard:
    """All reports of one node."""

    facts: NodeFacts
    reports: Mapping[str, ToolReport]
    killed: frozenset[str]
    flooded: tuple[str, ...]

    def parsed(self, *tools: str) -> tuple[SyncStatus, ...]:
        """Return the statuses of the named tools that printed a value."""
        reports = (self.reports[tool] for tool in tools if tool in self.reports)
        return tuple(report.status for report in reports if report.status != _silent(report))


def assemble(outputs: Mapping[str, ToolOutput]) -> SyncStatus:
    """Return the one status of the outputs of all tools (``script.split``)."""
    heard = _hear(outputs)
    answers = _answers(heard)
    if any(answer.daemon == "ntpsec" for answer in answers):
        heard = replace(heard, facts=heard.facts.knowing("ntpsec"))
    kernel = _kernel(heard)
    chosen = _choose(answers, heard.facts)
    status = _silence(heard, kernel) if chosen is None else _complete(chosen, heard.facts, kernel)
    daemons = dict.fromkeys([*heard.facts.running, *(answer.daemon for answer in answers)])
    steering = [name for name in daemons if name not in heard.facts.watching]
    return replace(
        status,
        kernel=kernel,
        daemons=tuple(steering or [*daemons][:1]),  # a mere watcher is named if no other daemon runs
        unparsed=_unparsed(heard),
        suspects=_suspects(heard, status, kernel),
        failures=_failures(heard),
    )


def _hear(outputs: Mapping[str, ToolOutput]) -> _Heard:
    reports = {
        name: PARSERS[name](
            output.stdout, output.stderr, KILLED[0] if output.status is None else output.status
        )
        for name, output in outputs.items()
        if name in PARSERS
    }
    facts = outputs.get(FACTS)
    return _Heard(
        node_facts.read("" if facts is None else facts.stdout),
        reports,
        frozenset(name for name, output in outputs.items() if output.timed_out),
        tuple(name for name, output in outputs.items() if output.flooded),
    )


def _silent(report: ToolReport) -> SyncStatus:
    return SyncStatus("unknown", unparsed=report.unparsed)


def _answers(heard: _Heard) -> tuple[SyncStatus, ...]:
    answers = []
    for family, tools in FAMILIES.items():
        said = heard.parsed(*tools)
        if said:
            answers.append(replace(merged(said), daemon=_daemon(family, said, heard.facts)))
    return tuple(answers)


def merged(statuses: Iterable[SyncStatus]) -> SyncStatus:
    """Return one status in which every field is the first that was printed."""
    result = SyncStatus("unknown")
    for status in statuses:
        missing = {
            field.name: getattr(status, field.name)
            for field in fields(SyncStatus)
            if getattr(result, field.name) in (None, (), "unknown")
        }
        result = replace(result, **missing)
    return result


def _daemon(family: str, said: tuple[SyncStatus, ...], facts: NodeFacts) -> DaemonName:
    """Name the daemon: by its own version if printed, else by the running process, else by its family."""
    named = next((status.daemon for status in said if status.daemon != "unknown"), None)
    if named is not None:
        return named
    running = (name for name in facts.running if _FAMILY_OF.get(name, name) == family)
    return _literal(next(running, family))


def _literal(name: str) -> DaemonName:
    if name == BUSYBOX:
        return "ntpd"
    return next((known for known in get_args(DaemonName) if known == name), "unknown")


def _choose(answers: tuple[SyncStatus, ...], facts: NodeFacts) -> SyncStatus | None:
    """Return the answer of the daemon that may steer the clock and claims to be synchronized."""
    if not answers:
        return None
    steering = [answer for answer in answers if not facts.processes or answer.daemon in facts.disciplining]
    candidates = steering or list(answers)
    return next((answer for answer in candidates if answer.synchronized), candidates[0])


def _complete(status: SyncStatus, facts: NodeFacts, kernel: KernelClock | None) -> SyncStatus:
    """Add the values that follow from two sources together."""
    last_update_s = status.last_update_s
    if last_update_s is None and status.updated_wall_s is not None and facts.clock_s is not None:
        last_update_s = max(0.0, facts.clock_s - status.updated_wall_s)
    synchronized = status.synchronized
    if status.daemon == "timesyncd" and kernel is not None:
        # timesyncd prints only its last packet; it reports synchronization to the kernel by the maximum
        # error: the flag stays up if the hardware clock is kept in local time.
        bounded = None if kernel.max_error_s is None else kernel.max_error_s < UNBOUNDED_S
        synchronized = kernel.synchronized if bounded is None else bounded
    return replace(status, last_update_s=last_update_s, synchronized=synchronized)


def _silence(heard: _Heard, kernel: KernelClock | None) -> SyncStatus:
    """Return the status of a node whose daemons did not answer: processes, ntpstat and kernel."""
    facts = heard.facts
    said = merged(heard.parsed("ntpstat"))
    running = next(iter(sorted(facts.disciplining, key=lambda name: _literal(name) == "unknown")), None)
    synchronized = said.synchronized
    if synchronized is None and kernel is not None and (kernel.synchronized or _tells_the_kernel(facts)):
        synchronized = kernel.synchronized
    if running is None:
        # A kernel that is kept in step without a daemon in sight is kept from elsewhere: the host of a
        # container, a hypervisor's agent, PTP.
        kept = synchronized and not _abandoned(kernel)
        is_alone = not facts.hidden and not facts.guest and not facts.running and not kept
        return replace(said, daemon="none" if is_alone else "unknown", synchronized=synchronized)
    return replace(said, daemon=_literal(running), synchronized=synchronized)


def _tells_the_kernel(facts: NodeFacts) -> bool:
    """Return whether the running daemons report synchronization to the kernel; phc2sys need not.

    The daemons of a container's host are not known.
    """
    return not facts.guest and all(name in _TELL_THE_KERNEL for name in facts.running)


def _abandoned(kernel: KernelClock | None) -> bool:
    """Return whether the kernel repeats the claim of a daemon that is gone; it does so for nine hours."""
    return kernel is not None and (kernel.max_error_s or 0.0) > ABANDONED_S


def _kernel(heard: _Heard) -> KernelClock | None:
    said = [heard.reports[tool].status.kernel for tool in ("ntptime", "timedatectl") if tool in heard.reports]
    return next((kernel for kernel in said if kernel is not None and kernel.synchronized is not None), None)


def _relevant(heard: _Heard, tool: str) -> bool:
    """Return whether a tool's silence matters: not if its daemon does not run."""
    return heard.facts.hidden or not any(tool in tools for tools in FAMILIES.values()) or _runs(heard, tool)


def _runs(heard: _Heard, tool: str) -> bool:
    """Return whether the daemon of a tool is seen to run."""
    family = next((name for name, tools in FAMILIES.items() if tool in tools), None)
    return any(_FAMILY_OF.get(name, name) == family for name in heard.facts.at_hand)


def _failures(heard: _Heard) -> tuple[str, ...]:
    failed = [
        f"{tool}: {report.outcome}"
        for tool, report in heard.reports.items()
        if report.outcome in _FAILURES and (tool in heard.killed or _relevant(heard, tool))
    ]
    deaf = [
        f"{tool}: no answer, although its daemon runs"
        for tool, report in heard.reports.items()
        if report.outcome is ToolOutcome.NOT_RUNNING and _runs(heard, tool)
    ]
    return (*failed, *deaf, *(f"{tool}: more output than is read" for tool in heard.flooded))


def _unparsed(heard: _Heard) -> tuple[str, ...]:
    lines = [f"{FACTS}: {line}" for line in heard.facts.unparsed]
    return (
        *lines,
        *(
            f"{tool}: {line}"
            for tool, report in heard.reports.items()
            if tool not in heard.flooded  # reported as a failure
            for line in report.unparsed[:UNPARSED_MOST]
        ),
    )


def _suspects(heard: _Heard, status: SyncStatus, kernel: KernelClock | None) -> tuple[str, ...]:
    named = [f"{tool}: {suspect}" for tool, report in heard.reports.items() for suspect in report.suspects]
    words: list[tuple[str, bool | None]] = []
    if "ntpstat" in heard.reports:
        words.append(("ntpstat", heard.reports["ntpstat"].status.synchronized))
    if kernel is not None and status.daemon in _TELL_THE_KERNEL:
        words.append(("the kernel", kernel.synchronized))
    named += [
        f"{status.daemon} says {_SYNCHRONIZED[status.synchronized]}, {other} says {_SYNCHRONIZED[word]}"
        for other, word in words
        if word is not None and status.synchronized is not None and word != status.synchronized
    ]
    return tuple(named)


_SYNCHRONIZED = {True: "synchronized", False: "unsynchronized"}
