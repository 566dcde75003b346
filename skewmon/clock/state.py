"""The state of one node's clocks between rounds: the interface to history, steps and drift.

``update_clocks`` is a pure function of a node's state, burst and estimate, and returns the new state.
"""

from dataclasses import replace
from typing import NamedTuple

from skewmon.clock.drift import NOTHING_SEEN, Steering, fit, oscillator_rate, rates, steer
from skewmon.clock.held import HeldRates, held_rates, is_due, lasting
from skewmon.clock.history import (
    History,
    HistoryUpdate,
    Proven,
    Reset,
    ResetReason,
    review,
)
from skewmon.clock.interval import UNKNOWN_RATE, RateBounds
from skewmon.clock.line import Point, Track
from skewmon.clock.rate import NOTHING_KNOWN, Rates
from skewmon.clock.sampling import WHOLE_BURST
from skewmon.clock.steps import UNWATCHED_NS, Movement, MovementKind, Readings, follow, went_backwards
from skewmon.clock.wander import Plausible
from skewmon.model import NS_PER_S, Burst, Estimate, Interval

#: Kinds of movement that count as a step of the node's wall clock.
STEPS = frozenset({MovementKind.STEP, MovementKind.LEAP, MovementKind.MOVED})

#: Rounds before the last one that a burst is compared with: a few, because it is done in every round.
LOOK_BACK = (1, 3, 7, 15, 31)

#: Resets that are an event: the oscillator did something that its past excludes.
JUMPS = frozenset({ResetReason.RATE, ResetReason.CONTRADICTION})


class ClockState(NamedTuple):
    """The past of one node's clocks; bounded, and a value."""

    history: History | None = None
    readings: Readings | None = None
    steering: Steering = NOTHING_SEEN
    track: Track = Track()  # of the oscillator, or of the wall clock without one
    steps: int = 0
    held: HeldRates | None = None


class ClockUpdate(NamedTuple):
    """The conclusions from one more burst and the past of a node.

    ``oscillator`` is never wider than the estimate's own, and None if the past proves nothing; ``plausible``
    must not raise an alert. ``reset`` names the reason why the past was dropped.
    """

    oscillator: Proven | None = None
    plausible: Plausible | None = None
    movements: tuple[Movement, ...] = ()
    rates: Rates = NOTHING_KNOWN
    reset: Reset | None = None
    steps: int = 0
    rate: RateBounds = UNKNOWN_RATE  # by which this round's burst was aged
    mean_rate: RateBounds | None = None  # of the oscillator, over the last minutes


def update_clocks(
    state: ClockState | None,
    burst: Burst,
    estimate: Estimate,
    *,
    steady_base: bool = True,
    is_far: bool = False,
) -> tuple[ClockState, ClockUpdate]:
    """Return the state after one more round, and the conclusions from the round and the past.

    ``estimate`` is the burst's own; ``steady_base`` as in ``review``. ``is_far`` says that no verdict on the
    node needs its drift in this round: then a rate may be held that was fitted some rounds ago.
    """
    past = state or ClockState()
    backwards = past.readings is not None and went_backwards(past.readings, burst)
    readings, movements = follow(past.readings, burst, estimate)
    broken = _broken(movements, backwards=backwards)
    if broken is not None:
        past = ClockState(steps=past.steps)
    steering, slew = steer(past.steering, burst)
    if slew is not None:
        movements += (slew,)
    held = past.held if is_far and not movements and _may_hold(past, burst) else None
    point = _point(estimate)
    history, update = _reviewed(past, burst, estimate, point, held, steady_base=steady_base)
    reset = update.reset
    if reset is not None and reset.reason in JUMPS and past.history is not None:
        movements += (Movement(MovementKind.JUMP, past.history.proven.at_ns, estimate.at_ns, reset.moved),)
    stepped = sum(movement.kind in STEPS for movement in movements) if movements else 0
    dropped = reset is not None and reset.reason is not ResetReason.WANDER
    kept = Track() if dropped or (history is None and stepped) else past.track
    track, steps = kept.after(point), past.steps + stepped
    if history is None:
        drift, held = Rates(net=fit(track)), None
    elif held is not None and update.is_held:
        drift = _held(held, steering, history)
    else:
        drift, held = _fitted(history, update, steering, track, is_far=is_far)
    return ClockState(history, readings, steering, track, steps, held), ClockUpdate(
        update.proven,
        update.plausible,
        movements,
        drift,
        reset if broken is None else Reset(broken),
        steps,
        update.rate,
        history.learned.mean if history else None,
    )


def _may_hold(past: ClockState, burst: Burst) -> bool:
    """Return whether a burst need not be part of a fit: it is short, and a fit is not due."""
    history = past.history
    if history is None or len(burst.opening) >= WHOLE_BURST:
        return False
    return not is_due(history.bursts, history.learned.readings[0].lower_ns)


def _held(held: HeldRates, steering: Steering, history: History) -> Rates:
    """Return rates that are held, with another rate of the correction if the last round had one."""
    if steering.slew_ppb is None and held.is_steered_at(steering.latest_ppb):
        return held.rates
    return rates(steering, history.bursts, held.rates.oscillator)


def _fitted(
    history: History, update: HistoryUpdate, steering: Steering, track: Track, *, is_far: bool
) -> tuple[Rates, HeldRates | None]:
    """Return the rates by a fit, and the same to be held in the next rounds if that is allowed."""
    rate, is_calm = oscillator_rate(history, update.plausible, track)
    wide = lasting(rate) if is_far and is_calm and rate is not None else None
    found = rates(steering, history.bursts, wide or rate)
    if wide is None or update.plausible is None:
        return found, None
    return found, held_rates(history.proven, update.plausible, found)


def _broken(movements: tuple[Movement, ...], *, backwards: bool) -> ResetReason | None:
    """Return the reason why the past no longer applies, or None if it does."""
    if not movements and not backwards:
        return None  # nearly every node, nearly every round
    kinds = {movement.kind for movement in movements}
    if MovementKind.REBOOT in kinds:
        return ResetReason.REBOOT
    if backwards:
        return ResetReason.RAW_BACKWARDS
    return ResetReason.SUSPEND if MovementKind.SUSPEND in kinds else None


def _reviewed(
    past: ClockState,
    burst: Burst,
    estimate: Estimate,
    point: Point,
    held: HeldRates | None,
    *,
    steady_base: bool,
) -> tuple[History | None, HistoryUpdate]:
    if estimate.oscillator is None:
        return None, HistoryUpdate(None, None)
    history, update = review(past.history, burst, estimate, steady_base=steady_base, held=held)
    if past.history is None or update.reset is not None:
        return history, update
    since_ns = past.history.learned.readings[0].at_ns
    moved = _crept(past.track, since_ns, point, update.rate)
    if moved is None:
        return history, update
    history, update = review(None, burst, estimate, steady_base=steady_base)
    return history, update._replace(reset=Reset(ResetReason.RATE, moved))


def _crept(track: Track, since_ns: int, now: Point, rate: RateBounds) -> Interval | None:
    """Return by how much a rate that jumped led the oscillator away over several rounds, or None.

    If bursts are wide, each agrees with the one before it, and only some that are further apart contradict.
    """
    (now_ns, now_offset_ns, now_width_ns), (slowest_ppb, fastest_ppb) = now, rate
    for back in LOOK_BACK:
        if back >= track.length:
            return None
        before_ns, offset_ns, width_ns = track.point(back)
        if before_ns < since_ns:
            return None
        elapsed_ns, moved_ns = now_ns - before_ns, now_offset_ns - offset_ns
        widths_ns = (now_width_ns + 1) // 2 + (width_ns + 1) // 2
        least_ns = moved_ns - widths_ns + -elapsed_ns * fastest_ppb // NS_PER_S
        most_ns = moved_ns + widths_ns - elapsed_ns * slowest_ppb // NS_PER_S
        if least_ns > 0 or most_ns < 0:
            return Interval(least_ns, most_ns)
    return None


def _point(estimate: Estimate) -> Point:
    followed = estimate.oscillator or estimate.wall
    return Point(estimate.at_ns, followed.estimate_ns, followed.width_ns)


def tightened(estimate: Estimate, update: ClockUpdate) -> Estimate:
    """Return the estimate narrowed by the proven offset of the oscillator."""
    wall, correction = estimate.wall, estimate.correction
    if update.oscillator is None or estimate.oscillator is None or correction is None:
        return estimate
    oscillator = estimate.oscillator.meet(update.oscillator.interval)
    if oscillator is None:
        return estimate
    lower_ns = max(wall.lower_ns, oscillator.lower_ns + correction.lower_ns)
    upper_ns = min(wall.upper_ns, oscillator.upper_ns + correction.upper_ns)
    if lower_ns > upper_ns:
        return estimate
    narrowed = Interval(lower_ns, upper_ns)
    return Estimate(
        estimate.at_ns, narrowed, estimate.round_trip_ns, estimate.samples, oscillator, correction
    )


def on_another_axis(state: ClockState, seen_ns: int) -> ClockState:
    """Return the state without everything measured against an oscillator that is not used any longer.

    The node's own clocks were last read after ``seen_ns`` of the axis that is used from now on.
    """
    readings = state.readings
    if readings is not None:
        readings = readings._replace(seen_ns=seen_ns, since_ns=UNWATCHED_NS, wall=None)
    return ClockState(readings=readings, steering=Steering(usual=state.steering.usual), steps=state.steps)


def on_base(movements: tuple[Movement, ...], to_base: Interval) -> tuple[Movement, ...]:
    """Return movements on an axis with instants of the base; the spans grow by the width of ``to_base``."""
    return tuple(
        replace(
            movement,
            after_ns=movement.after_ns - to_base.upper_ns
            if movement.after_ns != UNWATCHED_NS
            else UNWATCHED_NS,
            before_ns=movement.before_ns - to_base.lower_ns,
        )
        for movement in movements
    )


def without_base(state: ClockState, mistaken_steps: int = 0) -> ClockState:
    """Return the state without everything measured against a base that stood still.

    A wall clock that is known against the base alone seems to have stepped then: ``mistaken_steps``.
    """
    readings = state.readings if state.readings is not None and state.readings.raw_ns is not None else None
    return state._replace(
        history=None, readings=readings, track=Track(), steps=state.steps - mistaken_steps, held=None
    )
