"""What earlier rounds still say of a node's oscillator.

Only the oscillator (MONOTONIC_RAW minus the base) has a history: it is never stepped and never steered, so an
old bound stays true once it is aged. REALTIME is both, and its history is worthless the moment a daemon acts.

Two kinds of statement come out, and they are different types so that nobody can mix them up:

- ``Proven`` rests on H1 to H3 alone: the oscillator is continuous, and its rate is within RHO_RAW_PPB.
- ``Plausible`` also rests on H6: the rate changes by no more than WANDER_PPB_PER_MIN. Far tighter, and fit
  for drift and forecasts, not for an alert on an offset.

A history lives as long as its key (boot, clocksource) and as long as nothing contradicts it; then it is
dropped with a named reason. A node on a clocksource that may stand still (kvm-clock and its kin) gets neither
from history: a pause smaller than the slack would go unseen. Its history only serves to see the larger ones.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from skewmon.clock.interval import OSCILLATOR, RHO_RAW_PPB, age_slack_ns, aged, intersection, middle_ns
from skewmon.clock.polygon import REACH_NS, Band, Polygon
from skewmon.model import NS_PER_S, Burst, Estimate, Interval

#: Clocksources that no hypervisor stops: the processor's own counter keeps counting while a guest is paused.
#: kvm-clock, hyperv and xen stop with the guest; hpet, acpi_pm and (on KVM) ARM's counter are emulated and
#: may; jiffies loses ticks. An unknown name is no reason to trust.
STEADY_CLOCKSOURCES = frozenset({"tsc"})

#: H6: how fast an oscillator's rate may change. Temperature moves a crystal by about 20 ppb a minute in an
#: air-conditioned room and by up to 1,000 beside a fan that starts; five times the former.
WANDER_PPB_PER_MIN = 100

#: Divides that times dt² (ns²): by two, by the parts in a billion, by the nanoseconds of a minute.
_HALF_PPB_PER_MIN = 2 * 10**9 * 60 * NS_PER_S

#: Older bursts than this are forgotten: their slack by wander has outgrown what even a WAN burst can add.
MAX_AGE_NS = 3 * 3600 * NS_PER_S

#: The newest sightings are kept whether or not they constrain: they will when the older ones have aged.
RECENT = 2

#: No more sightings than this are kept. In simulation from loopback to a WAN eight or twelve give intervals
#: narrower by a thousandth and rates narrower by a twentieth, and take a third or two thirds longer.
MAX_SIGHTINGS = 5

#: A burst is dated at its own instant rather than at the common one where ageing would add more than this
#: share of its width.
AGEING_SHARE = 16


class ResetReason(StrEnum):
    """Why a history was dropped."""

    REBOOT = "reboot"
    CLOCKSOURCE = "clocksource"
    SUSPEND = "suspend"
    RAW_BACKWARDS = "raw-backwards"
    CONTRADICTION = "contradiction"  # beyond what any oscillator can do: a pause, a migration
    WANDER = "wander"  # beyond what H6 allows; perhaps a short pause
    BASE_PAUSED = "base-paused"


@dataclass(frozen=True, slots=True)
class Reset:
    """A history was dropped; ``moved`` is by how much the oscillator left its prediction, where known."""

    reason: ResetReason
    moved: Interval | None = None


@dataclass(frozen=True, slots=True)
class Proven:
    """An offset that follows from H1 to H3."""

    interval: Interval


@dataclass(frozen=True, slots=True)
class Plausible:
    """An offset and its rate that also rest on H6 (wander)."""

    interval: Interval
    rate_lower: float
    rate_upper: float


class Sighting(NamedTuple):
    """The ends between which an offset lay at one instant."""

    at_ns: int
    lower_ns: int
    upper_ns: int


class History(NamedTuple):
    """What is remembered of one node's oscillator; bounded, and a value."""

    boot_id: str
    clocksource: str
    proven: Sighting  # what all bursts so far allow at the last common instant
    polygon: Polygon | None = None
    sightings: tuple[Sighting, ...] = ()  # oldest first
    bursts: int = 1


class Review(NamedTuple):
    """What one more burst and the history make of each other; None where history adds nothing."""

    proven: Proven | None
    plausible: Plausible | None
    reset: Reset | None = None


def wander_slack_ns(dt_ns: int) -> int:
    """Return how far an offset may leave its tangent within ``dt_ns`` (H6), rounded up: omega·dt²/2."""
    return dt_ns * dt_ns * WANDER_PPB_PER_MIN // _HALF_PPB_PER_MIN + 1


def review(history: History | None, burst: Burst, estimate: Estimate) -> tuple[History, Review]:
    """Return the history with one more burst in it, and what follows for ``estimate.at_ns``.

    The results are never wider than ``estimate.oscillator``, which must be known.
    """
    assert estimate.oscillator is not None
    now = estimate.oscillator
    if history is None:
        return _begin(burst, estimate, None)
    if (reason := _key_changed(history, burst)) is not None:
        return _begin(burst, estimate, Reset(reason))
    known_at_ns, known_lower_ns, known_upper_ns = history.proven
    slack_ns = age_slack_ns(estimate.at_ns - known_at_ns, RHO_RAW_PPB)
    lower_ns = max(now.lower_ns, known_lower_ns - slack_ns)
    upper_ns = min(now.upper_ns, known_upper_ns + slack_ns)
    if lower_ns > upper_ns:
        left = now - Interval(known_lower_ns, known_upper_ns).widened(slack_ns)
        return _begin(burst, estimate, Reset(ResetReason.CONTRADICTION, left))
    proven = Interval(lower_ns, upper_ns)
    sightings = sightings_of(burst, estimate)
    polygon, kept = _polygon(history.sightings + sightings, estimate.at_ns, proven)
    if polygon is None and _in_reach(proven):
        return _begin(burst, estimate, Reset(ResetReason.WANDER, _left(history, estimate)))
    grown = History(
        history.boot_id,
        history.clocksource,
        Sighting(estimate.at_ns, lower_ns, upper_ns),
        polygon,
        kept,
        history.bursts + 1,
    )
    if history.clocksource not in STEADY_CLOCKSOURCES:
        return grown, Review(None, None)
    return grown, Review(Proven(proven), _plausible(polygon, proven))


def _begin(burst: Burst, estimate: Estimate, reset: Reset | None) -> tuple[History, Review]:
    assert estimate.oscillator is not None
    now, sightings = estimate.oscillator, sightings_of(burst, estimate)
    polygon, kept = _polygon(sightings, estimate.at_ns, now)
    history = History(
        burst.program.boot_id,
        burst.program.clocksource,
        Sighting(estimate.at_ns, now.lower_ns, now.upper_ns),
        polygon,
        kept,
    )
    return history, Review(None, None, reset)


def _key_changed(history: History, burst: Burst) -> ResetReason | None:
    if burst.program.boot_id != history.boot_id:
        return ResetReason.REBOOT
    if burst.program.clocksource != history.clocksource:
        return ResetReason.CLOCKSOURCE
    return None


def sightings_of(burst: Burst, estimate: Estimate) -> tuple[Sighting, ...]:
    """Return what a burst saw of the oscillator, dated where it is sharpest."""
    assert estimate.oscillator is not None
    now, last_ns = estimate.oscillator, middle_ns(burst.opening[-1])
    if age_slack_ns(estimate.at_ns - last_ns, RHO_RAW_PPB) * AGEING_SHARE <= now.width_ns:
        return (Sighting(estimate.at_ns, now.lower_ns, now.upper_ns),)
    parts = [(burst.opening, last_ns)]
    if burst.closing is not None:
        parts.append(((burst.closing,), middle_ns(burst.closing)))
    return tuple(
        Sighting(at_ns, seen.lower_ns, seen.upper_ns)
        for exchanges, at_ns in parts
        if (seen := intersection(exchanges, burst.program, at_ns, OSCILLATOR))
    )


def _in_reach(interval: Interval) -> bool:
    return interval.width_ns < REACH_NS


def _polygon(
    sightings: tuple[Sighting, ...], at_ns: int, now: Interval
) -> tuple[Polygon | None, tuple[Sighting, ...]]:
    """Return what all sightings leave at ``at_ns``, and those worth keeping; both oldest first.

    The oldest know the rate best, so that most of the newer ones have nothing left to cut. A sighting that
    is no side of the polygon is dropped once it is no longer recent.
    """
    box = Polygon.box(at_ns, now.lower_ns, now.upper_ns, RHO_RAW_PPB / NS_PER_S)
    if box is None:
        return None, ()
    young = [sighting for sighting in sightings if at_ns - sighting.at_ns <= MAX_AGE_NS]
    bands = [_band(sighting, at_ns) for sighting in young]
    polygon = box.clipped(band for band in bands if band[0])  # the box is what is known of this very instant
    if polygon is None:
        return None, ()
    older = zip(young[:-RECENT], bands, strict=False)
    sides = (sighting for sighting, band in older if polygon.touches(band))
    return polygon, (*islice(sides, MAX_SIGHTINGS - RECENT), *young[-RECENT:])


def _band(sighting: Sighting, at_ns: int) -> Band:
    dt_ns = sighting.at_ns - at_ns
    slack_ns = wander_slack_ns(dt_ns)
    return dt_ns, sighting.lower_ns - slack_ns, sighting.upper_ns + slack_ns


def _plausible(polygon: Polygon | None, within: Interval) -> Plausible | None:
    if polygon is None:
        return None
    lower, upper = polygon.offset_ns()
    # The polygon's margin may stick out by a nanosecond; history only ever tightens.
    lower, upper = max(lower, within.lower_ns), min(upper, within.upper_ns)
    return Plausible(Interval(lower, upper) if lower <= upper else within, *polygon.rate())


def _left(history: History, estimate: Estimate) -> Interval | None:
    """Return by how much the oscillator left what the last polygon predicts."""
    assert estimate.oscillator is not None
    if history.polygon is None:
        return None
    dt_ns = estimate.at_ns - history.polygon.at_ns
    predicted = Interval(*history.polygon.offset_ns(dt_ns)).widened(wander_slack_ns(dt_ns))
    return estimate.oscillator - predicted


def base_pause(moved: Collection[Interval], followed: int) -> Interval | None:
    """Return for how long the base itself stood still, or None where the nodes do not say so.

    ``moved`` holds by how much each contradicting node's oscillator left its prediction in this round, of
    ``followed`` nodes with a history. One node that leaps ahead is that node's affair; more than half of
    them, by one common amount, is the admin box's.
    """
    if len(moved) < 2 or len(moved) * 2 <= followed:
        return None
    common: Interval | None = None
    for gained in moved:
        # While the base stood still the oscillators did not, and ran apart.
        interval = aged(gained, gained.furthest_ns, RHO_RAW_PPB)
        common = interval if common is None else common.meet(interval)
        if common is None:
            return None
    return common if common is not None and common.lower_ns > 0 else None
