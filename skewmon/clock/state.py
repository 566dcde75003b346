"""What is remembered of one node from round to round; the one door to history, steps and drift.

``remember`` is a pure function: the cycle keeps one ``Memory`` a node, hands it in with the node's burst and
estimate, and stores the one it gets back.
"""

from dataclasses import dataclass, replace

from skewmon.clock.drift import NOTHING_KNOWN, NOTHING_SEEN, WINDOW, Point, Rates, Steering, fit, rates, steer
from skewmon.clock.history import History, Plausible, Proven, Reset, ResetReason, review
from skewmon.clock.steps import Movement, MovementKind, Readings, follow, went_backwards
from skewmon.model import Burst, Estimate

#: What a ``Movement`` must be to count as a step of the node's wall clock.
STEPS = frozenset({MovementKind.STEP, MovementKind.LEAP, MovementKind.MOVED})


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


def remember(
    memory: Memory | None, burst: Burst, tau_ns: int, estimate: Estimate
) -> tuple[Memory, Recollection]:
    """Return the memory after one more round, and what the round and the past say together.

    ``estimate`` is the burst's own, at the common instant ``tau_ns``.
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
    history, proven, plausible, reset = _reviewed(past, burst, estimate)
    stepped = sum(movement.kind in STEPS for movement in movements)
    kept = () if reset or (history is None and stepped) else past.points
    now = Memory(history, readings, steering, (_point(estimate), *kept)[:WINDOW], past.steps + stepped)
    drift = rates(steering, plausible, history.bursts, now.points) if history else Rates(net=fit(now.points))
    reset = reset if broken is None else Reset(broken)
    return now, Recollection(proven, plausible, movements, drift, reset, now.steps)


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
    past: Memory, burst: Burst, estimate: Estimate
) -> tuple[History | None, Proven | None, Plausible | None, Reset | None]:
    if estimate.oscillator is None:
        return None, None, None, None
    history, result = review(past.history, burst, estimate)
    return history, result.proven, result.plausible, result.reset


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
