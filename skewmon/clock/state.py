"""What is remembered of one node from round to round; the one door to history, steps and drift.

``remember`` is a pure function: the cycle keeps one ``Memory`` a node, hands it in with the node's burst and
estimate, and stores the one it gets back.
"""

from dataclasses import dataclass, replace

from skewmon.clock.drift import NOTHING_KNOWN, NOTHING_SEEN, WINDOW, Point, Rates, Steering, fit, rates, steer
from skewmon.clock.history import (
    History,
    HistoryUpdate,
    Proven,
    Reset,
    ResetReason,
    review,
)
from skewmon.clock.interval import UNKNOWN_RATE, RateBounds
from skewmon.clock.steps import Movement, MovementKind, Readings, follow, went_backwards
from skewmon.clock.wander import Plausible
from skewmon.model import Burst, Estimate

#: What a ``Movement`` must be to count as a step of the node's wall clock.
STEPS = frozenset({MovementKind.STEP, MovementKind.LEAP, MovementKind.MOVED})

#: Resets that are an event: the oscillator did something that its past excludes.
JUMPS = frozenset({ResetReason.RATE, ResetReason.CONTRADICTION})


@dataclass(frozen=True, slots=True)
class Memory:
    """Everything that is known of one node's past; bounded, and a value."""

    history: History | None = None
    readings: Readings | None = None
    steering: Steering = NOTHING_SEEN
    points: tuple[Point, ...] = ()  # newest first: of the oscillator, or of the wall clock without one
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Recollection:
    """What one more burst and the past together say of a node.

    ``oscillator`` is never wider than the estimate's own and None where history proves nothing;
    ``plausible`` must not raise an alert. ``reset`` names why the past was dropped.
    """

    oscillator: Proven | None = None
    plausible: Plausible | None = None
    movements: tuple[Movement, ...] = ()
    rates: Rates = NOTHING_KNOWN
    reset: Reset | None = None
    steps: int = 0
    rate: RateBounds = UNKNOWN_RATE  # by which this round's burst was aged
    mean_rate: RateBounds | None = None  # of the oscillator, over the last minutes


def remember(
    memory: Memory | None, burst: Burst, tau_ns: int, estimate: Estimate, *, steady_base: bool = True
) -> tuple[Memory, Recollection]:
    """Return the memory after one more round, and the conclusions from the round and the past together.

    ``estimate`` is the burst's own, at the common instant ``tau_ns``; ``steady_base`` as in ``review``.
    """
    assert estimate.at_ns == tau_ns, "the estimate of this very round"
    past = memory or Memory()
    backwards = past.readings is not None and went_backwards(past.readings, burst)
    readings, movements = follow(past.readings, burst, estimate)
    broken = _broken(movements, backwards=backwards)
    if broken is not None:
        past = Memory(steps=past.steps)
    steering, slew = steer(past.steering, burst)
    if slew is not None:
        movements += (slew,)
    history, update = _reviewed(past, burst, estimate, steady_base=steady_base)
    reset = update.reset
    if reset is not None and reset.reason in JUMPS and past.history is not None:
        movements += (Movement(MovementKind.JUMP, past.history.proven.at_ns, estimate.at_ns, reset.moved),)
    stepped = sum(movement.kind in STEPS for movement in movements)
    dropped = reset is not None and reset.reason is not ResetReason.WANDER
    kept = () if dropped or (history is None and stepped) else past.points
    now = Memory(history, readings, steering, (_point(estimate), *kept)[:WINDOW], past.steps + stepped)
    drift = rates(steering, history, update.plausible, now.points) if history else Rates(net=fit(now.points))
    return now, Recollection(
        update.proven,
        update.plausible,
        movements,
        drift,
        reset if broken is None else Reset(broken),
        now.steps,
        update.rate,
        history.learned.mean if history else None,
    )


def _broken(movements: tuple[Movement, ...], *, backwards: bool) -> ResetReason | None:
    """Return why the past says nothing of the present any more, or None where it does."""
    if not movements and not backwards:
        return None  # as a thousand nodes do, round after round
    kinds = {movement.kind for movement in movements}
    if MovementKind.REBOOT in kinds:
        return ResetReason.REBOOT
    if backwards:
        return ResetReason.RAW_BACKWARDS
    return ResetReason.SUSPEND if MovementKind.SUSPEND in kinds else None


def _reviewed(
    past: Memory, burst: Burst, estimate: Estimate, *, steady_base: bool
) -> tuple[History | None, HistoryUpdate]:
    if estimate.oscillator is None:
        return None, HistoryUpdate(None, None)
    return review(past.history, burst, estimate, steady_base=steady_base)


def _point(estimate: Estimate) -> Point:
    followed = estimate.oscillator or estimate.wall
    return Point(estimate.at_ns, followed.estimate_ns, followed.width_ns)


def tightened(estimate: Estimate, recollection: Recollection) -> Estimate:
    """Return the estimate with what history proves of the oscillator, never wider than it was."""
    if recollection.oscillator is None or estimate.oscillator is None or estimate.correction is None:
        return estimate
    if recollection.oscillator.interval == estimate.oscillator:
        return estimate  # as on any quiet path
    oscillator = estimate.oscillator.meet(recollection.oscillator.interval)
    wall = estimate.wall.meet(oscillator + estimate.correction) if oscillator else None
    return replace(estimate, oscillator=oscillator, wall=wall) if wall else estimate


def forgotten(memory: Memory, mistaken_steps: int = 0) -> Memory:
    """Return a memory without what was measured against a base that stood still.

    A wall clock that is known against the base alone seems to have stepped then: ``mistaken_steps``.
    """
    readings = memory.readings if memory.readings is not None and memory.readings.raw_ns is not None else None
    return replace(memory, history=None, readings=readings, points=(), steps=memory.steps - mistaken_steps)
