"""Conclusions about a node's oscillator that also rest on H6: its rate changes slowly.

Far tighter than the proven ones, and fit for drift and forecasts, not for an alert on an offset.
"""

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from skewmon.clock.interval import OSCILLATOR, RateBounds, intersection, middle_ns
from skewmon.clock.oscillator import Constraint
from skewmon.clock.slopes import REACH_NS, Band, slopes
from skewmon.model import NS_PER_S, Burst, Interval

#: H6: how fast an oscillator's rate may change. Temperature moves a crystal by about 20 ppb a minute in an
#: air-conditioned room and by up to 1,000 beside a fan that starts; five times the former.
WANDER_PPB_PER_MIN = 100

#: Divides that times dt² (ns²): by two, by the parts in a billion, by the nanoseconds of a minute.
_HALF_PPB_PER_MIN = 2 * 10**9 * 60 * NS_PER_S

#: Older bursts than this are dropped: their slack by wander exceeds even the gain from a WAN burst.
MAX_AGE_NS = 3 * 3600 * NS_PER_S

#: The newest constraints are kept whether or not they cut: they will when the older ones have aged.
RECENT = 2

#: No more constraints than this are kept. In simulation from loopback to a WAN eight or twelve give intervals
#: narrower by a thousandth and rates narrower by a twentieth, and take a third or two thirds longer.
MAX_CONSTRAINTS = 5

#: A burst is dated at its own instant rather than at the common one if ageing would add more than this share
#: of its width.
AGEING_SHARE = 16


class Plausible(NamedTuple):
    """Bounds of a rate that also rest on H6 (wander)."""

    rate_lower: float
    rate_upper: float


def wander_slack_ns(dt_ns: int) -> int:
    """Return how far an offset may leave its tangent within ``dt_ns`` (H6), rounded up: omega·dt²/2."""
    return dt_ns * dt_ns * WANDER_PPB_PER_MIN // _HALF_PPB_PER_MIN + 1


def constraints_of(burst: Burst, at_ns: int, now: Interval, rate: RateBounds) -> tuple[Constraint, ...]:
    """Return the constraints of a burst, dated at the instants at which they are sharpest."""
    last_ns = middle_ns(burst.opening[-1])
    slack_ns = (at_ns - last_ns) * (rate.upper_ppb - rate.lower_ppb) // (2 * NS_PER_S)
    if slack_ns * AGEING_SHARE <= now.width_ns:
        return (Constraint(at_ns, now.lower_ns, now.upper_ns),)
    parts = [(burst.opening, last_ns)]
    if burst.closing is not None:
        parts.append(((burst.closing,), middle_ns(burst.closing)))
    return tuple(
        Constraint(instant_ns, seen.lower_ns, seen.upper_ns)
        for exchanges, instant_ns in parts
        if (seen := intersection(exchanges, burst.program, instant_ns, OSCILLATOR, rate))
    )


def in_reach(interval: Interval) -> bool:
    """Whether an interval is narrow enough to bound a rate."""
    return interval.width_ns < REACH_NS


def plausible_of(
    constraints: tuple[Constraint, ...], at_ns: int, now: Interval, rate: RateBounds
) -> tuple[Plausible | None, tuple[Constraint, ...]]:
    """Return the rate at ``at_ns`` that all constraints allow, and those worth keeping; both oldest first.

    A constraint that no possible line touches is dropped once it is no longer recent.
    """
    if not in_reach(now):
        return None, ()
    young = constraints
    while young and at_ns - young[0].at_ns > MAX_AGE_NS:
        young = young[1:]
    bands = _bands(young, at_ns, now)
    found = slopes(bands, rate.lower_ppb / NS_PER_S, rate.upper_ppb / NS_PER_S)
    if found is None:
        return None, ()
    sides = (one for number, one in enumerate(young[:-RECENT]) if found.has_side(bands, number))
    kept = (*islice(sides, MAX_CONSTRAINTS - RECENT), *young[-RECENT:])
    return Plausible(found.least, found.greatest), kept


def _bands(constraints: Sequence[Constraint], at_ns: int, now: Interval) -> list[Band]:
    """Return the offsets at ``at_ns`` of all tangents that wander allows, and the present one last."""
    zero_ns = now.lower_ns
    bands = []
    for instant_ns, lower_ns, upper_ns in constraints:
        dt_ns = instant_ns - at_ns
        if dt_ns:
            slack_ns = wander_slack_ns(dt_ns)
            bands.append((dt_ns, lower_ns - slack_ns - zero_ns, upper_ns + slack_ns - zero_ns))
    bands.append((0, 0, now.upper_ns - zero_ns))
    return bands
