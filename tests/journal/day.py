"""A simulated day whose truth is known: clocks that step, drift and are corrected, outages, ambiguous bounds.

The truth is evaluated every second; a round every 15 s has intervals that contain it, with bounds that change
and errors inside them.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from skewmon.model import ClusterView, Event, EventKind, Interval, Threshold, ThresholdKind, Vote
from tests.alert.views import NO_VERDICT
from tests.journal.rounds import HOUR_S, MS, a_round

DAY_S = 86_400
INTERVAL_S = 15

WARNING_NS, CRITICAL_NS, UTC_NS = 50 * MS, 1_000 * MS, 30 * MS
LINES = (
    Threshold("warning", WARNING_NS),
    Threshold("critical", CRITICAL_NS),
    Threshold("critical", UTC_NS, ThresholdKind.UTC),
)

#: Hours in which bounds are so wide that the warning line lies within them.
AMBIGUOUS_S = range(15 * 3_600, 16 * 3_600)

#: Hours in which skewmon does not run.
STOPPED_S = range(20 * 3_600, 21 * 3_600 + 600)

#: UTC minus the reference of the offsets.
UTC_OFFSET_NS = -5 * MS


def _steady(_at_s: float) -> int:
    return 200_000


def _stepping(at_s: float) -> int:
    """Ahead by 2 s from 03:10:07 to 05:20:11."""
    return 2_000 * MS if 11_407 <= at_s < 19_211 else 0


def _drifting(at_s: float) -> int:
    """Drifts by 20 ppm from 08:00 to 10:00, and is slewed back by noon."""
    if at_s < 28_800:
        return -100_000
    if at_s < 36_000:
        return -100_000 + round((at_s - 28_800) * 20_000)
    return max(-100_000, 143_900_000 - round((at_s - 36_000) * 20_000))


#: Offsets to the reference as a function of the second of the day, and the seconds without an answer.
CLOCKS: dict[str, Callable[[float], int]] = {"a": _steady, "b": _stepping, "c": _drifting, "d": lambda _: 0}
OUTAGES: dict[str, list[range]] = {"d": [range(43_200, 45_000)], "b": [range(12_000, 12_600)]}


@dataclass
class Truth:
    """The figures that the report must contain."""

    skew_ns: int = 0
    skew_s: dict[int, int] = field(default_factory=dict)  # seconds beyond each limit
    offset_ns: dict[str, int] = field(default_factory=dict)
    utc_ns: dict[str, int] = field(default_factory=dict)
    offset_s: dict[tuple[str, int], int] = field(default_factory=dict)
    utc_s: dict[str, int] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)


def truth(since_s: int = 0, until_s: int = DAY_S) -> Truth:
    """Return the truth of a span, of every second for times, and of every round for extremes."""
    found = Truth(skew_s={WARNING_NS: 0, CRITICAL_NS: 0}, steps={"b": 2})
    for at_s in range(since_s, until_s):
        offsets = {name: clock(at_s) for name, clock in CLOCKS.items()}
        skew_ns = max(offsets.values()) - min(offsets.values())
        for limit_ns in found.skew_s:
            found.skew_s[limit_ns] += skew_ns > limit_ns
        for name, offset_ns in offsets.items():
            for limit_ns in found.skew_s:
                key = (name, limit_ns)
                found.offset_s[key] = found.offset_s.get(key, 0) + (abs(offset_ns) > limit_ns)
            utc_ns = offset_ns - UTC_OFFSET_NS
            found.utc_s[name] = found.utc_s.get(name, 0) + (abs(utc_ns) > UTC_NS)
            if at_s % INTERVAL_S == 0 and at_s not in STOPPED_S and not _is_out(name, at_s):
                found.offset_ns[name] = max(found.offset_ns.get(name, 0), abs(offset_ns))
                found.utc_ns[name] = max(found.utc_ns.get(name, 0), abs(utc_ns))
        if at_s % INTERVAL_S == 0 and at_s not in STOPPED_S:
            seen = [offset_ns for name, offset_ns in offsets.items() if not _is_out(name, at_s)]
            found.skew_ns = max(found.skew_ns, max(seen) - min(seen))
    return found


def rounds(seed: int, until_s: int = DAY_S, name: str = "prod") -> Iterator[ClusterView]:
    """Yield the rounds of the day, or of its first seconds, with bounds and errors of a seed."""
    chance = random.Random(seed)
    for at_s in range(0, until_s, INTERVAL_S):
        if at_s in STOPPED_S:
            continue
        offsets = {
            node: None if _is_out(node, at_s) else _measured(clock(at_s), at_s, chance)
            for node, clock in CLOCKS.items()
        }
        utc = {node: one.shifted(-UTC_OFFSET_NS) for node, one in offsets.items() if one is not None}
        wrong = [node for node, one in offsets.items() if one is not None and one.proven_ns > WARNING_NS]
        vote = Vote("named", tuple(wrong), "evidence") if wrong else NO_VERDICT
        yield a_round(at_s, offsets, vote=vote, name=name, lines=LINES, utc=utc)


def events(cluster: str = "prod") -> list[Event]:
    """Return the journal's events: that the daemon started, and the steps."""
    jump = "The clock of b jumped"
    steps = ((11_415, f"{jump} forward by 2 s."), (19_215, f"{jump} back by 2 s."))
    return [
        Event((HOUR_S + 1) * 1_000_000_000, EventKind.STARTED, "skewmon started."),
        *(Event((HOUR_S + at_s) * 1_000_000_000, EventKind.STEP, text, cluster, "b") for at_s, text in steps),
    ]


def _is_out(node: str, at_s: int) -> bool:
    return any(at_s in outage for outage in OUTAGES.get(node, ()))


def _measured(offset_ns: int, at_s: int, chance: random.Random) -> Interval:
    """Return an interval that contains the truth, anywhere within it."""
    width_ns = chance.randrange(100_000, 2 * MS) + (90 * MS if at_s in AMBIGUOUS_S else 0)
    below_ns = chance.randrange(width_ns)
    return Interval(offset_ns - below_ns, offset_ns - below_ns + width_ns)
