"""Findings from the measurement: against the node's claims, and from its own clocks."""

from collections.abc import Iterator

from skewmon.model import NS_PER_S, Finding, FindingKind, Interval, SyncStatus
from skewmon.text import at_most, date, span_of_seconds
from skewmon.timesync.findings import advice
from skewmon.timesync.findings.catalogue import finding
from skewmon.timesync.findings.evidence import (
    NOTHING_MOVED,
    NodeEvidence,
    Reference,
    claimed_bound_s,
    own_offset,
    proven,
    speaker,
)
from skewmon.timesync.findings.facts import BUSYBOX
from skewmon.timesync.refid import of_address

#: ntpd gives up beyond 1000 s unless started with -g, and beyond 128 ms steps rather than slews.
PANIC_NS = 1_000 * NS_PER_S
STEP_NS = 128_000_000

#: Zones differ by multiples of half an hour (a few by 45 min), at most by 14 h; "within a few seconds".
ZONE_STEP_NS = 1_800 * NS_PER_S
ZONE_SLACK_NS = 5 * NS_PER_S
ZONE_MOST_NS = 14 * 3_600 * NS_PER_S

#: How far two other time scales are ahead of UTC: TAI since the leap second of 2016, and for ever 19 s less
#: the time of GPS. The next leap second, if ever there is one, will move both.
TIME_SCALES_NS = ((37 * NS_PER_S, "TAI, the time scale of PTP,"), (18 * NS_PER_S, "GPS time"))

#: A node on the wrong time scale is otherwise well synchronized: a quarter of a second leaves room for a slow
#: path, and little for chance.
SCALE_SLACK_NS = NS_PER_S // 4

#: An offset nearer than this is no other time scale, nor time zone, nor date.
NEAREST_SCALE_NS = 18 * NS_PER_S - SCALE_SLACK_NS

#: Off by a day or more the clock shows another date; no time zone explains it.
DATE_NS = 86_400 * NS_PER_S

#: GPS sends the number of the week in ten bits (IS-GPS-200, 20.3.3.3.1.1): 19.6 years. Such a source is
#: otherwise right; a minute leaves room for leap seconds and a daemon that has not corrected the rest.
ROLLOVER_WEEKS = 1_024
ROLLOVER_NS = ROLLOVER_WEEKS * 7 * 86_400 * NS_PER_S
ROLLOVER_SLACK_NS = 60 * NS_PER_S

#: A rate beyond this is steering, not an oscillator: crystals differ by some tens of ppm.
SLEW_PPM = 50.0

_NTPD = frozenset({"ntpd", "ntpsec"})


def offset_rules(node: NodeEvidence, reference: Reference) -> Iterator[Finding]:
    """Yield the findings of one node's measured offset and its history."""
    offset = reference.distance(node)
    if offset is not None and offset.furthest_ns >= NEAREST_SCALE_NS:
        yield from _zone(node, offset)
        yield from _scale(node, offset)
        yield from _date(node, offset, reference.name)
    if offset is not None and offset.proven_ns > 0 and node.status is not None:
        yield from _panic(node, offset, node.status, reference.name)
        yield from _off(node, offset, node.status, reference)
    if node.history is not NOTHING_MOVED:
        yield from _history(node)


def _zone(node: NodeEvidence, offset: Interval) -> Iterator[Finding]:
    steps = round(offset.estimate_ns / ZONE_STEP_NS)
    if steps == 0 or abs(steps) * ZONE_STEP_NS > ZONE_MOST_NS:
        return
    rest = offset.shifted(-steps * ZONE_STEP_NS)
    if rest.furthest_ns > ZONE_SLACK_NS:
        return
    side = "ahead" if steps > 0 else "behind"
    says_so = node.status is not None and node.status.rtc_local
    kept = ", and systemd reports it, too" if says_so else ""
    yield finding(
        FindingKind.TIME_ZONE_ERROR,
        f"{node.name} is {abs(steps) / 2:g} h {side} to within {at_most(rest.furthest_ns)}: "
        f"its hardware clock is probably kept in local time{kept}",
        advice.hardware_clock(node),
    )


def _scale(node: NodeEvidence, offset: Interval) -> Iterator[Finding]:
    for scale_ns, name in TIME_SCALES_NS:
        if abs(abs(offset.estimate_ns) - scale_ns) > SCALE_SLACK_NS:
            continue  # nearly every node, nearly every round
        rest = offset.shifted(-scale_ns if offset.estimate_ns > 0 else scale_ns)
        if rest.furthest_ns > SCALE_SLACK_NS:
            continue
        side = "ahead" if offset.estimate_ns > 0 else "behind"
        yield finding(
            FindingKind.TIME_SCALE_ERROR,
            f"{node.name} is {scale_ns // NS_PER_S} s {side} to within {at_most(rest.furthest_ns)}, "
            f"the distance of {name} from UTC: the node, or its source, takes one scale for the other",
            advice.time_scale(node),
        )


def _date(node: NodeEvidence, offset: Interval, reference: str) -> Iterator[Finding]:
    """Report a clock that shows another date, and a receiver that lost count of its weeks."""
    if offset.proven_ns < DATE_NS:
        return
    rollovers = round(offset.estimate_ns / ROLLOVER_NS)
    rest = offset.shifted(-rollovers * ROLLOVER_NS)
    if rollovers and rest.furthest_ns <= ROLLOVER_SLACK_NS:
        side = "ahead of" if rollovers > 0 else "behind"
        yield finding(
            FindingKind.GPS_WEEK_ROLLOVER,
            f"{node.name} is {abs(rollovers) * ROLLOVER_WEEKS:,} weeks {side} {reference} "
            f"to within {at_most(rest.furthest_ns)}{_shown(node)}: GPS counts weeks up to "
            f"{ROLLOVER_WEEKS:,}, and a receiver behind its source took the wrong count",
            advice.sources(node),
        )
        return
    yield finding(
        FindingKind.WRONG_DATE,
        f"{node.name} is {proven(offset, reference)}{_shown(node)}",
        advice.hardware_clock(node),
    )


def _shown(node: NodeEvidence) -> str:
    return "" if node.wall_ns is None else f"; its clock shows {date(node.wall_ns)}"


def _panic(node: NodeEvidence, offset: Interval, status: SyncStatus, whom: str) -> Iterator[Finding]:
    if status.daemon not in _NTPD or BUSYBOX in status.daemons:  # busybox's steps a clock however far off
        return
    if offset.proven_ns > PANIC_NS:
        yield finding(
            FindingKind.PANIC_THRESHOLD,
            f"{node.name} is {proven(offset, whom)}; "
            f"beyond 1000 s {status.daemon} exits and corrects nothing",
            advice.restart(node),
            worst=True,
        )
    elif offset.proven_ns > STEP_NS and node.history.step_s is None:
        yield finding(
            FindingKind.PANIC_THRESHOLD,
            f"{node.name} is {proven(offset, whom)}; "
            f"{status.daemon} steps a clock that is more than 128 ms off, and has not yet",
            advice.state(node),
        )


def _off(node: NodeEvidence, offset: Interval, status: SyncStatus, reference: Reference) -> Iterator[Finding]:
    """Report a claim only if it and the claim of a typical other node cannot both be true.

    If no other node claims a bound, report it only of a culprit.
    """
    own_s = claimed_bound_s(status)
    if not status.synchronized or offset.proven_ns <= own_s * NS_PER_S:
        return  # nothing to refute
    typical_s = reference.typical_claim_s(own_s)
    if typical_s is None and node.name not in reference.culprits:
        return
    if offset.proven_ns <= (own_s + (typical_s or 0.0)) * NS_PER_S:
        return
    source = "" if status.source is None else f" to {status.source}"
    if not source and of_address(status.refid or "") is not None:
        source = f" to the reference ID {status.refid}"  # of an IPv6 server it only looks like an address
    claim = source if status.root_distance_s is None else f"{source} to within {span_of_seconds(own_s)}"
    own = own_offset(status)
    quote = "" if own is None else f", and {speaker(node, status)} itself {own}"
    yield finding(
        FindingKind.CLAIMS_SYNC_BUT_OFF,
        f"{speaker(node, status)} on {node.name} says synchronized{claim}, "
        f"yet its clock is {proven(offset, reference.name)}{quote}",
        advice.sources(node),
    )


def _history(node: NodeEvidence) -> Iterator[Finding]:
    history = node.history
    if history.step_s is not None:
        side = "forward" if history.step_s > 0 else "backward"
        yield finding(
            FindingKind.STEPPED,
            f"The wall clock of {node.name} jumped {side} by {span_of_seconds(history.step_s)}",
            advice.log(node),
        )
    if history.suspended_s:
        yield finding(
            FindingKind.SUSPENDED,
            f"{node.name} was suspended for {span_of_seconds(history.suspended_s)}",
            advice.kernel_log(node),
        )
    if history.rebooted:
        yield finding(FindingKind.REBOOTED, f"{node.name} was rebooted", node.on_node("uptime -s"))
    if history.slew_ppm is not None and abs(history.slew_ppm) > SLEW_PPM:
        side = "fast" if history.slew_ppm > 0 else "slow"
        yield finding(
            FindingKind.SLEWING,
            f"The clock of {node.name} is being run {abs(history.slew_ppm):.0f} ppm {side} to correct it",
            advice.state(node),
        )
