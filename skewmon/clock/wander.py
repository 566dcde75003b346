"""Conclusions about a node's oscillator that also rest on H6: its rate changes slowly.

Far tighter than the proven ones, and fit for drift and forecasts, not for an alert on an offset.
"""

from dataclasses import dataclass
from itertools import islice

from skewmon.clock.interval import OSCILLATOR, RateBounds, intersection, middle_ns
from skewmon.clock.oscillator import Constraint
from skewmon.clock.polygon import REACH_NS, Band, Polygon
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


@dataclass(frozen=True, slots=True)
class Plausible:
    """An offset and its rate that also rest on H6 (wander)."""

    interval: Interval
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
    """Whether an interval is narrow enough for a polygon."""
    return interval.width_ns < REACH_NS


def polygon_of(
    constraints: tuple[Constraint, ...], at_ns: int, now: Interval, rate: RateBounds
) -> tuple[Polygon | None, tuple[Constraint, ...]]:
    """Return the polygon of all constraints at ``at_ns``, and those worth keeping; both oldest first.

    The oldest know the rate best, so that most of the newer ones have nothing left to cut. A constraint that
    is not a side of the polygon is dropped once it is no longer recent.
    """
    box = Polygon.box(at_ns, now.lower_ns, now.upper_ns, rate)
    if box is None:
        return None, ()
    young = [constraint for constraint in constraints if at_ns - constraint.at_ns <= MAX_AGE_NS]
    bands = [_band(constraint, at_ns) for constraint in young]
    polygon = box.clipped(band for band in bands if band[0])  # the box holds this very instant
    if polygon is None:
        return None, ()
    older = zip(young[:-RECENT], bands, strict=False)
    sides = (constraint for constraint, band in older if polygon.touches(band))
    return polygon, (*islice(sides, MAX_CONSTRAINTS - RECENT), *young[-RECENT:])


def _band(constraint: Constraint, at_ns: int) -> Band:
    dt_ns = constraint.at_ns - at_ns
    slack_ns = wander_slack_ns(dt_ns)
    return dt_ns, constraint.lower_ns - slack_ns, constraint.upper_ns + slack_ns


def plausible_of(polygon: Polygon | None, within: Interval) -> Plausible | None:
    """Return the offset and the rate of a polygon, no wider than the proven offset."""
    if polygon is None:
        return None
    lower, upper = polygon.offset_ns()
    # The polygon's margin may stick out by a nanosecond; history only ever tightens.
    lower, upper = max(lower, within.lower_ns), min(upper, within.upper_ns)
    return Plausible(Interval(lower, upper) if lower <= upper else within, *polygon.rate())
