"""Findings from the claims of one node's time daemon, and from missing ones."""

from collections.abc import Iterator

from skewmon.model import Finding, FindingKind, SyncStatus
from skewmon.text import names, span_of_seconds
from skewmon.timesync.claim import age_s, is_stale, poll_s
from skewmon.timesync.findings import advice
from skewmon.timesync.findings.catalogue import finding
from skewmon.timesync.findings.evidence import NodeEvidence, followed, own_offset, speaker
from skewmon.timesync.findings.facts import DISCIPLINES
from skewmon.timesync.parsers.messages import ToolOutcome
from skewmon.timesync.source import GOOD, is_free_running, is_provided, is_refclock, servers, usable

#: With four sources one wrong one is outvoted by three (RFC 8633 section 3.2, "use enough time sources").
ENOUGH_SOURCES = 4

#: ntpd and the kernel stop at 500 ppm (RFC 5905 MAXFREQ); at the stop ntpd reports 500.000 or just below.
FREQUENCY_LIMIT_PPM = 499.9

#: An SNTP client follows one server by design; counting its sources would say so for ever.
_SNTP = frozenset({"timesyncd"})


def daemon_rules(node: NodeEvidence) -> Iterator[Finding]:
    """Yield the findings of one node's claims; none if it was not queried."""
    status = node.status
    if status is None:
        return
    yield from _who(node, status)
    yield from _synchronization(node, status)
    yield from _sources(node, status)
    yield from _falsetickers(node, status)
    yield from _frequency(node, status)
    yield from _failed(node, status)
    yield from _unparsed(node, status)


def _who(node: NodeEvidence, status: SyncStatus) -> Iterator[Finding]:
    if status.daemon == "none":
        yield finding(FindingKind.NO_TIME_DAEMON, f"No time daemon runs on {node.name}", advice.units(node))
    rivals = [name for name in status.daemons if name in DISCIPLINES]
    if len(rivals) > 1:
        yield finding(
            FindingKind.TWO_TIME_DAEMONS,
            f"{names(rivals)} run on {node.name} at the same time and may pull its clock in two directions",
            advice.units(node),
        )


def _synchronization(node: NodeEvidence, status: SyncStatus) -> Iterator[Finding]:
    if status.synchronized is False and status.daemon != "none":
        message = f"{speaker(node, status)} on {node.name} {_denial(status)}"
        yield finding(FindingKind.UNSYNCHRONIZED, message, advice.state(node))
    if status.synchronized and is_free_running(status):
        yield finding(
            FindingKind.LOCAL_ISLAND,
            f"{speaker(node, status)} on {node.name} follows the machine's own oscillator "
            "and calls that synchronized",
            advice.sources(node),
        )
    yield from _slow_correction(node, status)
    heard_s = age_s(status)
    if status.synchronized and heard_s is not None and is_stale(status):
        yield finding(
            FindingKind.STALE_SYNC,
            f"{speaker(node, status)} on {node.name} says synchronized, but "
            f"last heard {span_of_seconds(heard_s)} ago, "
            f"{heard_s / poll_s(status):.0f} poll intervals",
            advice.sources(node),
        )


def _slow_correction(node: NodeEvidence, status: SyncStatus) -> Iterator[Finding]:
    """Report a chronyd that is synchronized and far off by its own figures: it slews for hours."""
    own = own_offset(status)
    if status.daemon == "chronyd" and status.synchronized and own is not None:
        yield finding(
            FindingKind.CORRECTS_SLOWLY,
            f"chronyd on {node.name} is synchronized, but {own}; it slews the clock, "
            "and 'makestep' corrects it at once",
            advice.step(node),
        )


def _denial(status: SyncStatus) -> str:
    if status.stratum is not None and status.stratum >= 16:
        return "says that it is not synchronized (stratum 16)"
    if status.leap == "unsynchronized":
        return "says that it is not synchronized (leap indicator 3)"
    return "says that it is not synchronized"


def _sources(node: NodeEvidence, status: SyncStatus) -> Iterator[Finding]:
    listed, answering = servers(status), usable(status)
    if not listed:
        return
    if not answering:
        message = f"No source of {node.name} answers ({names([peer.name for peer in listed])})"
        yield finding(FindingKind.NO_REACHABLE_SOURCE, message, advice.sources(node))
    elif status.daemon in _SNTP or any(is_refclock(peer) or is_provided(peer) for peer in answering):
        # A clock of the machine's own needs no majority of servers, and a cloud's wants none beside it: its
        # provider smears leap seconds, and others do not.
        return
    elif len(answering) == 1:
        yield finding(
            FindingKind.SINGLE_SOURCE,
            f"{node.name} has one source that answers ({answering[0].name}), and nothing to check it against",
            advice.sources(node),
        )
    elif len(answering) < ENOUGH_SOURCES:
        yield finding(
            FindingKind.FEW_SOURCES,
            f"{node.name} has {len(answering)} sources that answer; with fewer than {ENOUGH_SOURCES} "
            "a wrong one is not reliably outvoted",
            advice.sources(node),
        )


def _falsetickers(node: NodeEvidence, status: SyncStatus) -> Iterator[Finding]:
    false = [peer.name for peer in status.peers if peer.state == "falseticker"]
    if not false:
        return
    good = [peer for peer in usable(status) if peer.state in GOOD]
    # If the daemon follows a source, a majority exists: late NMEA next to its PPS is not a disagreement.
    lost = followed(status) is None and len(false) >= len(good)
    verdict = "no majority is left to follow" if lost else "outvoted by the others"
    noun = "source" if len(false) == 1 else "sources"
    yield finding(
        FindingKind.FALSETICKERS,
        f"{node.name} marks {len(false)} {noun} as false ({names(false)}); {verdict}",
        advice.sources(node),
        worst=lost,
    )


def _frequency(node: NodeEvidence, status: SyncStatus) -> Iterator[Finding]:
    kernel = None if status.kernel is None else status.kernel.frequency_ppm
    ppm = status.frequency_ppm if status.frequency_ppm is not None else kernel
    limit = "daemons other than chronyd correct" if status.daemon == "chronyd" else "daemons correct"
    if ppm is not None and abs(ppm) >= FREQUENCY_LIMIT_PPM:
        side = "fast" if ppm > 0 else "slow"
        yield finding(
            FindingKind.FREQUENCY_LIMIT,
            f"The oscillator of {node.name} runs {abs(ppm):.0f} ppm {side}; {limit} 500 ppm at most",
            advice.state(node),
        )


def _failed(node: NodeEvidence, status: SyncStatus) -> Iterator[Finding]:
    """Report tools that gave no answer, except those whose lines are named as unparsed."""
    named = {f"{line.partition(':')[0]}: {ToolOutcome.UNPARSED}" for line in status.unparsed}
    failed = [failure for failure in status.failures if failure not in named]
    if not failed:
        return
    tool = failed[0].partition(":")[0]
    yield finding(
        FindingKind.TOOL_FAILED,
        f"Not all time tools of {node.name} could be asked ({'; '.join(failed).rstrip('.')})",
        advice.tool(node, tool),
    )


def _unparsed(node: NodeEvidence, status: SyncStatus) -> Iterator[Finding]:
    if not status.unparsed:
        return
    tool = status.unparsed[0].partition(":")[0]
    count = len(status.unparsed)
    yield finding(
        FindingKind.UNPARSED_OUTPUT,
        f"{count} {'line' if count == 1 else 'lines'} of the time tools of {node.name} could not be read, "
        f"the first of {tool}",
        advice.reparse(node, tool),
    )
