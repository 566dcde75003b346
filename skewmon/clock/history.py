"""Conclusions from earlier rounds about a node's oscillator.

Only the oscillator (MONOTONIC_RAW minus the base) has a history: it is never stepped and never steered, so an
old bound stays true once it is aged. REALTIME is both, and its history is worthless the moment a daemon acts.

Two kinds of statement come out, and they are different types so that they cannot be mixed up:

- ``Proven`` rests on H1 to H3 alone: the oscillator is continuous, and its rate within the bounds learned.
- ``Plausible`` also rests on H6: the rate changes by no more than WANDER_PPB_PER_MIN. Far tighter, and fit
  for drift and forecasts, not for an alert on an offset.

A history lives as long as its key (boot, clocksource) and as long as nothing contradicts it; then it is
dropped with a named reason. On a clocksource that may stand still (kvm-clock and its kin), of the node or of
the base, earlier offsets prove nothing: a pause smaller than the slack would go unseen. There the history
serves to see larger pauses, and gives the rate by which the current burst ages.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from skewmon.clock.burst import oscillator_at
from skewmon.clock.held import HeldRates
from skewmon.clock.interval import UNKNOWN_RATE, RateBounds, aged
from skewmon.clock.oscillator import Constraint, LearnedRate
from skewmon.clock.wander import Plausible, constraints_of, in_reach, plausible_of
from skewmon.model import Burst, Estimate, Interval

#: Clocksources that no hypervisor stops: the processor's own counter keeps counting while a guest is paused.
#: kvm-clock, hyperv and xen stop with the guest; hpet, acpi_pm and (on KVM) ARM's counter are emulated and
#: may; jiffies loses ticks. An unknown name is not trusted.
STEADY_CLOCKSOURCES = frozenset({"tsc"})

#: The least width of a conclusion from history as a share of the narrowest burst of the node without its
#: quanta. A burst is as wide as the path is long, so the true offset keeps its distance from both ends; a
#: history that leaves less has probably lost it, because the rate jumped by less than can be proven. Earlier
#: offsets are then not used in this round, which is always safe. A constant: 7/8 still lets the best request
#: and the best reply of different bursts meet.
LEAST_SHARE = (7, 8)


class ResetReason(StrEnum):
    """Why a history, or the part of it that rests on H6, was dropped."""

    REBOOT = "reboot"
    CLOCKSOURCE = "clocksource"
    SUSPEND = "suspend"
    RAW_BACKWARDS = "raw-backwards"
    CONTRADICTION = "contradiction"  # no oscillator can do this: a pause, a migration
    RATE = "rate"  # H2b is broken: its rate jumped, or a short pause
    WANDER = "wander"  # H6 is broken; the proven part stays
    BASE_PAUSED = "base-paused"
    AXIS = "axis"  # it is measured from another vantage, or from one that rebooted or slept


@dataclass(frozen=True, slots=True)
class Reset:
    """A history was dropped; ``moved`` is by how much the oscillator left its prediction, if known."""

    reason: ResetReason
    moved: Interval | None = None


@dataclass(frozen=True, slots=True)
class Proven:
    """An offset that follows from H1 to H3."""

    interval: Interval


class History(NamedTuple):
    """The past of one node's oscillator; bounded, and a value."""

    boot_id: str
    clocksource: str
    proven: Constraint  # at the last common instant
    constraints: tuple[Constraint, ...] = ()  # oldest first
    bursts: int = 1
    calm_bursts: int = 1  # that the constraints rest on
    learned: LearnedRate = LearnedRate()
    narrowest_ns: int = 0  # burst so far, without the quanta
    wandered_ns: int | None = None  # when the rate last changed faster than H6 allows
    waiting: Constraint | None = None  # for the next fit: the narrowest offset since the last one


class HistoryUpdate(NamedTuple):
    """The results of one more burst and the history; None if the history adds nothing."""

    proven: Proven | None
    plausible: Plausible | None
    reset: Reset | None = None
    rate: RateBounds = UNKNOWN_RATE  # by which the burst was aged
    is_held: bool = False  # ``plausible`` is of an earlier burst, with which this one agrees


def review(
    history: History | None,
    burst: Burst,
    estimate: Estimate,
    *,
    steady_base: bool = True,
    held: HeldRates | None = None,
) -> tuple[History, HistoryUpdate]:
    """Return the history with one more burst in it, and the results for ``estimate.at_ns``.

    The results are never wider than ``estimate.oscillator``, which must be known. ``steady_base`` says that
    the base does not stand still unnoticed. Rates that are ``held`` are not fitted again if the burst agrees
    with them.
    """
    assert estimate.oscillator is not None
    now, at_ns = estimate.oscillator, estimate.at_ns
    if history is None:
        return _begin(burst, estimate, None)
    if (reason := _key_changed(history, burst)) is not None:
        return _begin(burst, estimate, Reset(reason))
    steady = steady_base and history.clocksource in STEADY_CLOCKSOURCES
    rate = history.learned.bounds(_end_ns(burst, at_ns))
    fresh = oscillator_at(burst, at_ns, rate) if rate != UNKNOWN_RATE else now
    known = _aged(history.proven, at_ns, rate)
    if fresh is None or fresh.upper_ns < known.lower_ns or fresh.lower_ns > known.upper_ns:
        return _begin(burst, estimate, _contradicted(history, now, known, at_ns))
    narrowest_ns = min(history.narrowest_ns, _path_width_ns(burst, fresh))
    proven = _narrowed(fresh, known, narrowest_ns) if steady else fresh
    reading = Constraint(at_ns, proven.lower_ns, proven.upper_ns)
    learned = history.learned.after(reading, steady=steady)
    if held is not None and not held.holds_at(reading):
        held = None
    plausible, kept, calm, reset = _extended(history, burst, at_ns, proven, rate, held)
    grown = History(
        history.boot_id,
        history.clocksource,
        reading,
        kept,
        history.bursts + 1,
        calm,
        learned,
        narrowest_ns,
        history.wandered_ns if reset is None else at_ns,
        _narrower(history.waiting, reading) if held is not None else None,
    )
    shown = Proven(proven) if steady or rate != UNKNOWN_RATE else None
    return grown, HistoryUpdate(shown, plausible if steady else None, reset, rate, held is not None)


def _begin(burst: Burst, estimate: Estimate, reset: Reset | None) -> tuple[History, HistoryUpdate]:
    assert estimate.oscillator is not None
    now = estimate.oscillator
    seen = constraints_of(burst, estimate.at_ns, now, UNKNOWN_RATE)
    _, kept = plausible_of(seen, estimate.at_ns, now, UNKNOWN_RATE)
    reading = Constraint(estimate.at_ns, now.lower_ns, now.upper_ns)
    history = History(
        burst.program.boot_id,
        burst.program.clocksource,
        reading,
        kept,
        learned=LearnedRate((reading,)),
        narrowest_ns=_path_width_ns(burst, now),
    )
    return history, HistoryUpdate(None, None, reset)


def _key_changed(history: History, burst: Burst) -> ResetReason | None:
    if burst.program.boot_id != history.boot_id:
        return ResetReason.REBOOT
    if burst.program.clocksource != history.clocksource:
        return ResetReason.CLOCKSOURCE
    return None


def _end_ns(burst: Burst, at_ns: int) -> int:
    return at_ns if burst.closing is None else max(at_ns, burst.closing.received_ns)


def _path_width_ns(burst: Burst, seen: Interval) -> int:
    """Return the width of a burst that is not owed to the resolution of the node's clock."""
    assert burst.program.raw is not None
    return max(0, seen.width_ns - burst.program.raw.early_ns - burst.program.raw.late_ns)


def _narrowed(fresh: Interval, known: Interval, narrowest_ns: int) -> Interval:
    """Return a burst narrowed by earlier ones, or the burst alone if that leaves too little."""
    if known.lower_ns <= fresh.lower_ns and fresh.upper_ns <= known.upper_ns:
        return fresh
    lower_ns, upper_ns = max(fresh.lower_ns, known.lower_ns), min(fresh.upper_ns, known.upper_ns)
    part, whole = LEAST_SHARE
    return Interval(lower_ns, upper_ns) if (upper_ns - lower_ns) * whole >= narrowest_ns * part else fresh


def _aged(reading: Constraint, at_ns: int, rate: RateBounds) -> Interval:
    return aged(reading, at_ns - reading.at_ns, rate)


def _contradicted(history: History, now: Interval, known: Interval, at_ns: int) -> Reset:
    """Return the reset of a history that one more burst contradicts."""
    possible = _aged(history.proven, at_ns, UNKNOWN_RATE).meet(now)
    reason = ResetReason.CONTRADICTION if possible is None else ResetReason.RATE
    return Reset(reason, now - known if now.meet(known) is None else None)


def _extended(
    history: History, burst: Burst, at_ns: int, proven: Interval, rate: RateBounds, held: HeldRates | None
) -> tuple[Plausible | None, tuple[Constraint, ...], int, Reset | None]:
    """Return the rate after one more burst, its constraints and bursts; begun again if H6 is broken."""
    if held is not None:
        return held.plausible, history.constraints, history.calm_bursts, None
    seen = constraints_of(burst, at_ns, proven, rate)
    waiting = () if history.waiting is None else (history.waiting,)
    plausible, kept = plausible_of(history.constraints + waiting + seen, at_ns, proven, rate)
    if plausible is not None or not in_reach(proven):
        return plausible, kept, history.calm_bursts + 1, None
    plausible, kept = plausible_of(seen, at_ns, proven, rate)
    return plausible, kept, 1, Reset(ResetReason.WANDER)


def _narrower(one: Constraint | None, other: Constraint) -> Constraint:
    """Return the narrower of two offsets."""
    if one is None or other.upper_ns - other.lower_ns < one.upper_ns - one.lower_ns:
        return other
    return one


def base_pause(moved: Collection[Interval], followed: int) -> Interval | None:
    """Return how long the base itself stood still, or None if the nodes do not show that."""
    common = base_deviation(moved, followed)
    return common if common is not None and common.lower_ns > 0 else None


def base_deviation(moved: Collection[Interval], followed: int) -> Interval | None:
    """Return by how much the nodes seem to have moved because the base did, or None if it did not.

    ``moved`` holds by how much each contradicting node's oscillator left its prediction in this round, of
    ``followed`` nodes with a history. If one node leaps, it moved; if more than half of them do, by one
    common amount, the admin box did.
    """
    if len(moved) < 2 or len(moved) * 2 <= followed:
        return None
    common: Interval | None = None
    for gained in moved:
        # While the base stood still the oscillators did not, and ran apart.
        interval = aged(gained, gained.furthest_ns, UNKNOWN_RATE)
        common = interval if common is None else common.meet(interval)
        if common is None:
            return None
    return common if common is not None and 0 not in common else None
