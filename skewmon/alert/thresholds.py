"""What may be said of a quantity and a line: passed, not passed, or neither.

A quantity is an interval that contains the truth. A line is *passed* only where the near end lies beyond it
and *not passed* only where the far end lies below it; in between nothing is proven.
"""

from enum import StrEnum
from typing import Literal, get_args

from skewmon.alert.profiles import NS_PER_MS, PROFILES
from skewmon.model import Cluster, Interval, Skew, Threshold

#: What a line may be drawn on. ``skew`` is the largest pair offset; ``ahead`` and ``behind`` one node against
#: the reference; ``drift`` its rate in ns/s; ``step`` the size of a jump; the last three are states without
#: a limit.
Kind = Literal["skew", "ahead", "behind", "drift", "step", "unsynchronized", "unreachable", "unknown"]

KINDS: tuple[Kind, ...] = get_args(Kind)

#: Kinds that hold or do not hold; their ``limit_ns`` means nothing.
STATES = frozenset({"unsynchronized", "unreachable", "unknown"})

#: Where a cluster draws no skew line at all, a jump of node-mixin's 50 ms is still worth a word.
STEP_LIMIT_NS = 50 * NS_PER_MS

#: A jump is over in an instant; its alert stays this long, so that a person has time to see it.
STEP_SHOWN_FOR_S = 900.0

#: An unreachable node is told after a reboot's worth of time, and gone once it answers steadily.
UNREACHABLE = Threshold("warning", 0, "unreachable", for_s=300.0, clear_for_s=60.0)

#: A time daemon needs some minutes after its start before it calls itself synchronised.
UNSYNCHRONIZED = Threshold("warning", 0, "unsynchronized", for_s=900.0, clear_for_s=60.0)

#: Without data nothing is proven; longer than this, that itself is the news.
UNKNOWN = Threshold("warning", 0, "unknown", for_s=600.0, clear_for_s=60.0)


class Judgement(StrEnum):
    """What is proven of one quantity against one line."""

    BREACH = "breach"
    OK = "ok"
    AMBIGUOUS = "ambiguous"


def judge(quantity: Interval | Skew, threshold: Threshold) -> Judgement:
    """Judge a quantity against a line of any kind that has a limit."""
    near_ns, far_ns = _ends(quantity, threshold.kind)
    if near_ns > threshold.limit_ns:
        return Judgement.BREACH
    return Judgement.OK if far_ns < threshold.limit_ns else Judgement.AMBIGUOUS


def _ends(quantity: Interval | Skew, kind: str) -> tuple[int, int]:
    """Return what the quantity is at least and at most, in the direction in which the kind counts."""
    if kind == "ahead":
        return quantity.lower_ns, quantity.upper_ns
    if kind == "behind":
        return -quantity.upper_ns, -quantity.lower_ns
    if isinstance(quantity, Skew):
        return quantity.lower_ns, quantity.upper_ns
    return quantity.proven_ns, quantity.furthest_ns


def lines_of(cluster: Cluster) -> tuple[Threshold, ...]:
    """Return every line that is in force for a cluster.

    A cluster's own lines replace those of its profile that have the same kind and severity. A cluster with
    neither has the default profile. The standing lines are always drawn and may be replaced likewise.
    Merging twice changes nothing, so it does not matter whether the configuration has merged already.
    """
    profile = cluster.profile or (None if draws_limit(cluster.thresholds) else "default")
    given = (*(PROFILES[profile].thresholds if profile else ()), *cluster.thresholds)
    standing = [line for line in _standing(given) if line.kind not in {own.kind for own in given}]
    merged = {(line.kind, line.severity): line for line in (*given, *standing)}
    return tuple(_instant(line) for line in merged.values())


def draws_limit(thresholds: tuple[Threshold, ...]) -> bool:
    """Tell whether any line limits a quantity; lines on states alone leave the default ones standing."""
    return any(line.kind not in STATES for line in thresholds)


def _standing(given: tuple[Threshold, ...]) -> tuple[Threshold, ...]:
    """Return the lines that every cluster has; a jump counts from the lowest skew line on."""
    limit_ns = min((line.limit_ns for line in given if line.kind == "skew"), default=STEP_LIMIT_NS)
    return (Threshold("warning", limit_ns, "step"), UNREACHABLE, UNSYNCHRONIZED, UNKNOWN)


def _instant(line: Threshold) -> Threshold:
    """Return the line with the times that its kind allows: a jump cannot last, but it can be shown."""
    if line.kind != "step":
        return line
    return Threshold(line.severity, line.limit_ns, "step", 0.0, max(line.clear_for_s, STEP_SHOWN_FOR_S))
