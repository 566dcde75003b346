"""Oscillators from perfect to badly calibrated, wandering within minutes: bounds, drift, and no miss."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skewmon.clock.burst import estimate, oscillator_at
from skewmon.clock.history import ResetReason
from skewmon.clock.interval import UNKNOWN_RATE, RateBounds, aged
from skewmon.clock.memory import Memory, Recollection, remember, tightened
from skewmon.clock.oscillator import (
    CHANGE_PPB,
    CHANGE_WITHIN_NS,
    KEPT_NS,
    MOST_READINGS,
    Constraint,
    LearnedRate,
)
from skewmon.clock.steps import MovementKind
from skewmon.model import NS_PER_S, Estimate, Interval
from tests.clock.simulator import MS, PPM, Machine, Observation, RateJump, Truth, holds

RATES_PPM = (0, 90, 150, 300, 800)
INTERVALS_S = (2, 15)

#: A rate goes up and down by this, each within so long: 3 ppm a minute.
WANDER_PPM = 15
WANDER_NS = 300 * NS_PER_S

#: The bound on rates that H2a and H2b replace.
BEFORE = RateBounds(-100_000, 100_000)

#: The drift that is published is compared with the mean rate of the truth over so long: five rounds of 15 s.
DRIFT_NS = 75 * NS_PER_S


def wander_ppt(at_ns: int, span_ns: int) -> int:
    """Return the change of a triangular wander over a span that begins at an instant."""
    return triangle_ppt(at_ns + span_ns) - triangle_ppt(at_ns)


def triangle_ppt(at_ns: int) -> int:
    """Return a wander of WANDER_PPM in all about zero."""
    phase_ns = at_ns % (2 * WANDER_NS)
    return WANDER_PPM * PPM * min(phase_ns, 2 * WANDER_NS - phase_ns) // WANDER_NS - WANDER_PPM * PPM // 2


@dataclass
class Followed:
    """One node round after round: the updates, the truths, and the bounds now and by the old constant."""

    memory: Memory | None = None
    updates: list[Recollection] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)
    now_ns: list[int] = field(default_factory=list)
    before_ns: list[int] = field(default_factory=list)
    misses: int = 0
    _before: tuple[int, Interval] | None = None

    def take(self, seen: Observation) -> None:
        """Follow one more round."""
        plain = estimate(seen.burst, seen.tau_ns)
        self.memory, update = remember(self.memory, seen.burst, seen.tau_ns, plain)
        self.updates.append(update)
        self.truths.append(seen.truth)
        self._compare(seen, tightened(plain, update))

    def _compare(self, seen: Observation, tight: Estimate) -> None:
        assert tight.oscillator is not None
        self.misses += not holds(tight.oscillator, seen.truth.oscillator_units)
        self.misses += not holds(tight.wall, seen.truth.wall_units)
        self.now_ns.append(tight.oscillator.bound_ns)
        before = oscillator_at(seen.burst, seen.tau_ns, BEFORE)
        if before is None:
            return  # the old constant cannot explain the burst
        if self._before is not None:
            before = before.meet(aged(self._before[1], seen.tau_ns - self._before[0], BEFORE)) or before
        self._before = seen.tau_ns, before
        self.before_ns.append(before.bound_ns)

    def true_rate(self, last: int) -> float:
        """Return the mean rate of the truth over DRIFT_NS up to one round."""
        now = self.truths[last]
        first = next(one for one in self.truths if now.at_ns - one.at_ns <= DRIFT_NS)
        return (now.oscillator_units - first.oscillator_units) / 1e12 / (now.at_ns - first.at_ns)


def machine_of(seed: int, ppm: int, **options: str) -> Machine:
    """Return a node with such an oscillator, at a random phase of its wander."""
    machine = Machine(Random(seed), rate_ppt=ppm * PPM, **options)
    machine.advance(machine.at_ns + Random(seed).randrange(2 * WANDER_NS))
    machine.rate_ppt += triangle_ppt(machine.at_ns)
    return machine


def observations(machine: Machine, interval_s: int, rounds: int, lead_ns: int = MS) -> Iterator[Observation]:
    """Yield the rounds of a node whose rate wanders between them."""
    start_ns = machine.at_ns
    for number in range(1, rounds + 1):
        at_ns = start_ns + number * interval_s * NS_PER_S
        machine.rest_until(at_ns, wander_ppt=wander_ppt(machine.at_ns, at_ns - machine.at_ns))
        yield machine.observe(at_ns, lead_ns=lead_ns)


def followed(machine: Machine, interval_s: int, rounds: int, lead_ns: int = MS) -> Followed:
    """Return a node after so many rounds."""
    result = Followed()
    for seen in observations(machine, interval_s, rounds, lead_ns):
        result.take(seen)
    return result


@pytest.mark.parametrize("interval_s", INTERVALS_S)
@pytest.mark.parametrize("ppm", RATES_PPM)
def test_no_oscillator_is_missed_and_its_drift_is_published(ppm: int, interval_s: int) -> None:
    """From perfect to badly calibrated, while the rate wanders by 15 ppm within minutes."""
    result = followed(machine_of(ppm, ppm, network="loopback"), interval_s, 200)
    assert result.misses == 0
    published = 0
    for number, update in enumerate(result.updates[10:], 10):
        rate = update.rates.oscillator
        if ppm and rate is not None and rate.meaningful:
            published += 1
            assert rate.ratio == pytest.approx(result.true_rate(number), rel=0.02)
    assert published >= (185 if ppm else 0)
