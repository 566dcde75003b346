"""The thresholds in force, and the judgement of a quantity against one: passed, not passed, or neither.

A quantity is an interval that contains the true value. A line is *passed* only if the near end lies beyond it
and *not passed* only if the far end lies below it; otherwise nothing is proven.
"""

import difflib
from collections.abc import Iterable
from enum import StrEnum

from skewmon.alert.profiles import NS_PER_MS, PROFILES
from skewmon.errors import echoed
from skewmon.model import Interval, Skew, Threshold, ThresholdKind

#: The profile of a cluster that names neither a profile nor a threshold with a limit.
DEFAULT_PROFILE = "default"

#: Kinds that are either true or false; their ``limit_ns`` has no meaning.
STATES = frozenset({ThresholdKind.UNSYNCHRONIZED, ThresholdKind.UNREACHABLE, ThresholdKind.UNKNOWN})

#: Kinds that limit no distance between the nodes; with these alone a cluster keeps the default profile.
APART_FROM_SKEW = STATES | {ThresholdKind.UTC}

#: The step line of a cluster without a skew line: the 50 ms of node-mixin.
STEP_LIMIT_NS = 50 * NS_PER_MS

#: A step is over in an instant; its alert stays this long, so that a person has time to see it.
STEP_SHOWN_FOR_S = 900.0

#: An unreachable node is reported after the time of a reboot, until it has answered for a minute.
UNREACHABLE = Threshold("warning", 0, ThresholdKind.UNREACHABLE, for_s=300.0, clear_for_s=60.0)

#: A time daemon needs some minutes after its start before it claims to be synchronized.
UNSYNCHRONIZED = Threshold("warning", 0, ThresholdKind.UNSYNCHRONIZED, for_s=900.0, clear_for_s=60.0)

#: Without data nothing is proven; after this long, the lack of data is reported.
UNKNOWN = Threshold("warning", 0, ThresholdKind.UNKNOWN, for_s=600.0, clear_for_s=60.0)


class Judgement(StrEnum):
    """The result of one quantity against one line."""

    BREACH = "breach"
    OK = "ok"
    AMBIGUOUS = "ambiguous"


def judge(quantity: Interval | Skew, threshold: Threshold) -> Judgement:
    """Judge a quantity against a line of any kind that has a limit."""
    near_ns, far_ns = _ends(quantity, threshold.kind)
    if near_ns > threshold.limit_ns:
        return Judgement.BREACH
    return Judgement.OK if far_ns < threshold.limit_ns else Judgement.AMBIGUOUS


def _ends(quantity: Interval | Skew, kind: ThresholdKind) -> tuple[int, int]:
    """Return the lower and upper bound of the quantity, in the direction that the kind counts in."""
    if kind == ThresholdKind.AHEAD:
        return quantity.lower_ns, quantity.upper_ns
    if kind == ThresholdKind.BEHIND:
        return -quantity.upper_ns, -quantity.lower_ns
    if isinstance(quantity, Skew):
        return quantity.lower_ns, quantity.upper_ns
    return quantity.proven_ns, quantity.furthest_ns


def in_force(profile: str | None, own: Iterable[Threshold]) -> tuple[Threshold, ...]:
    """Return every threshold of a cluster, from the name of its profile and its own thresholds.

    Own thresholds replace those of the profile that have the same kind and severity; of two own ones that are
    alike, the last counts. Without a profile, a cluster whose own thresholds limit nothing has the default
    one. The standing thresholds are always added, unless the cluster has its own of that kind.
    """
    own = tuple(own)
    named = effective_profile(profile, own)
    given = (*(PROFILES[named].thresholds if named else ()), *own)
    standing = [line for line in _standing(given) if line.kind not in {one.kind for one in given}]
    merged = {(line.kind, line.severity): line for line in (*given, *standing)}
    return tuple(_instant(line) for line in merged.values())


def effective_profile(profile: str | None, own: tuple[Threshold, ...]) -> str | None:
    """Return the profile below a cluster's own thresholds; those on states and UTC keep the default one."""
    if profile is None and not any(line.kind not in APART_FROM_SKEW for line in own):
        return DEFAULT_PROFILE
    return profile


def check_profile(name: str) -> str:
    """Return the name of a profile that exists; raise ValueError with the nearest one."""
    if name in PROFILES:
        return name
    near = difflib.get_close_matches(name, PROFILES, n=1)
    advice = f"did you mean {near[0]}?" if near else "`skewmon profiles` lists them"
    raise ValueError(f"there is no profile {echoed(name)}; {advice}")


def _standing(given: tuple[Threshold, ...]) -> tuple[Threshold, ...]:
    """Return the lines that every cluster has; steps count from the lowest skew line on."""
    limit_ns = min(
        (line.limit_ns for line in given if line.kind == ThresholdKind.SKEW), default=STEP_LIMIT_NS
    )
    return (Threshold("warning", limit_ns, ThresholdKind.STEP), UNREACHABLE, UNSYNCHRONIZED, UNKNOWN)


def _instant(line: Threshold) -> Threshold:
    """Return the line with the times that its kind allows: a step does not last, but it can be shown."""
    if line.kind != ThresholdKind.STEP:
        return line
    return Threshold(
        line.severity, line.limit_ns, ThresholdKind.STEP, 0.0, max(line.clear_for_s, STEP_SHOWN_FOR_S)
    )
