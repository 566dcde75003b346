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
from skewmon.clock.oscillator import (
    CHANGE_WITHIN_NS,
    KEPT_NS,
    MOST_READINGS,
    Constraint,
    LearnedRate,
)
from skewmon.clock.state import ClockState, ClockUpdate, tightened, update_clocks
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

#: A drift is compared with the mean rate of the truth over the bursts that it rests on, but over so long at
#: most: five rounds of 15 s.
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

    state: ClockState | None = None
    updates: list[ClockUpdate] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)
    now_ns: list[int] = field(default_factory=list)
    before_ns: list[int] = field(default_factory=list)
    misses: int = 0
    _before: tuple[int, Interval] | None = None

    def take(self, seen: Observation) -> None:
        """Follow one more round."""
        plain = estimate(seen.burst, seen.tau_ns)
        self.state, update = update_clocks(self.state, seen.burst, plain)
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

    def true_rate(self, last: int, samples: int) -> float:
        """Return the mean rate of the truth over so many rounds up to one, within DRIFT_NS."""
        now = self.truths[last]
        used = self.truths[max(0, last + 1 - samples) :]
        first = next(one for one in used if now.at_ns - one.at_ns <= DRIFT_NS)
        return (now.oscillator_units - first.oscillator_units) / 1e12 / (now.at_ns - first.at_ns)


def machine_of(seed: int, ppm: int, network: str = "lan") -> Machine:
    """Return a node with such an oscillator, at a random phase of its wander."""
    machine = Machine(Random(seed), network=network, rate_ppt=ppm * PPM)
    machine.advance(machine.at_ns + Random(seed).randrange(2 * WANDER_NS))
    machine.rate_ppt += triangle_ppt(machine.at_ns)
    return machine


def observations(
    machine: Machine, interval_s: int, rounds: int, lead_ns: int = MS, lag_ns: int = MS
) -> Iterator[Observation]:
    """Yield the rounds of a node whose rate wanders between them."""
    start_ns = machine.at_ns
    for number in range(1, rounds + 1):
        at_ns = start_ns + number * interval_s * NS_PER_S
        machine.rest_until(at_ns, wander_ppt=wander_ppt(machine.at_ns, at_ns - machine.at_ns))
        yield machine.observe(at_ns, lead_ns=lead_ns, lag_ns=lag_ns)


def followed(machine: Machine, interval_s: int, rounds: int, lead_ns: int = MS, lag_ns: int = MS) -> Followed:
    """Return a node after so many rounds."""
    result = Followed()
    for seen in observations(machine, interval_s, rounds, lead_ns, lag_ns):
        result.take(seen)
    return result


@pytest.mark.parametrize(
    ("interval_s", "lead_ns", "lag_ns", "share"),
    [(2, MS, MS, 1.0), (15, MS, MS, 1.0), (15, 1500 * MS, 500 * MS, 0.85)],
    ids=["small cluster, 2 s", "small cluster, 15 s", "round of two seconds"],
)
def test_bounds_of_good_nodes_are_no_wider_than_under_a_constant_of_100_ppm(
    interval_s: int, lead_ns: int, lag_ns: int, share: float
) -> None:
    """Compared round by round in one run; in a large cluster, whose rounds last for seconds, narrower."""
    result = followed(machine_of(3, 0), interval_s, 60, lead_ns, lag_ns)
    assert result.misses == 0
    assert len(result.before_ns) == len(result.now_ns)
    assert median(result.now_ns[5:]) <= share * median(result.before_ns[5:])


@pytest.mark.parametrize("interval_s", INTERVALS_S)
@pytest.mark.parametrize("ppm", RATES_PPM)
def test_no_oscillator_is_missed_and_its_drift_is_published(ppm: int, interval_s: int) -> None:
    """From perfect to badly calibrated, while the rate wanders by 15 ppm within minutes."""
    result = followed(machine_of(ppm, ppm, network="loopback"), interval_s, 200)
    assert result.misses == 0
    published, first = 0, DRIFT_NS // (interval_s * NS_PER_S)
    for number, update in enumerate(result.updates[first:], first):
        rate = update.rates.oscillator
        if ppm and rate is not None and rate.meaningful:
            published += 1
            assert rate.ratio == pytest.approx(result.true_rate(number, rate.samples), rel=0.02)
    assert published >= (0.9 * (200 - first) if ppm else 0)


@pytest.mark.parametrize("network", ["loopback", "lan"])
@pytest.mark.parametrize("interval_s", INTERVALS_S)
def test_the_interval_of_a_drift_holds_the_rate_while_it_wanders(interval_s: int, network: str) -> None:
    """A rate that changes thirty times faster than H6 allows is not believed to be calm."""
    result = followed(machine_of(5, 90, network=network), interval_s, 200)
    errors_ppm = []
    for number, update in enumerate(result.updates[20:], 20):
        rate = update.rates.oscillator
        assert rate is not None
        truth = result.true_rate(number, rate.samples)
        errors_ppm.append(abs(rate.ratio - truth) * 1e6)
        assert rate.lower <= truth <= rate.upper
    assert median(errors_ppm) < 0.1
    assert max(errors_ppm) < 0.4


def jumped(seed: int, interval_s: int, network: str) -> tuple[Followed, int]:
    """Return a node whose rate jumps by 200 ppm either way, and the number of rounds before that."""
    rng = Random(seed)
    machine = machine_of(seed, rng.choice(RATES_PPM), network=network)
    jump_ppt, rounds = rng.choice((-200, 200)) * PPM, rng.randrange(5, 25)
    result = Followed()
    for seen in observations(machine, interval_s, rounds):
        result.take(seen)
    machine.schedule(machine.at_ns + rng.randrange(interval_s * NS_PER_S - 10 * MS), RateJump(jump_ppt))
    for seen in observations(machine, interval_s, 10):
        result.take(seen)
    return result, rounds


def test_history_that_leaves_less_than_any_burst_would_miss_a_jump(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the least width, a jump that is too small to be proven pushes the truth out."""
    assert sum(jumped(seed, 2, "lan")[0].misses for seed in range(20)) == 0
    monkeypatch.setattr("skewmon.clock.history.LEAST_SHARE", (0, 1))
    assert sum(jumped(seed, 2, "lan")[0].misses for seed in range(20)) > 0


@pytest.mark.parametrize("network", ["loopback", "lan"])
@pytest.mark.parametrize("interval_s", INTERVALS_S)
def test_a_rate_that_jumps_is_an_event_and_no_miss(interval_s: int, network: str) -> None:
    """By 200 ppm either way at any instant between two rounds; the history begins again within two rounds."""
    for seed in range(40):
        result, rounds = jumped(seed, interval_s, network)
        assert result.misses == 0
        jumps = [
            number
            for number, update in enumerate(result.updates)
            for movement in update.movements
            if movement.kind is MovementKind.JUMP
        ]
        assert jumps, seed
        assert rounds <= jumps[0] <= rounds + 2


@pytest.mark.parametrize("network", ["lan-loaded", "lan-forward"])
def test_a_rate_that_jumps_between_wide_bursts_is_an_event(network: str) -> None:
    """Each burst agrees with the one before it; those further apart do not."""
    for seed in range(40):
        result, rounds = jumped(seed, 2, network)
        after = [movement.kind for update in result.updates[rounds:] for movement in update.movements]
        assert MovementKind.JUMP in after, seed
        assert not any(update.movements for update in result.updates[:rounds])


@given(
    st.lists(st.integers(1, 700), min_size=2, max_size=40),
    st.integers(-900_000, 900_000),
    st.integers(0, 5_000_000),
    st.booleans(),
)
def test_learned_bounds_hold_the_rate(gaps_s: list[int], rate_ppb: int, half_ns: int, steady: bool) -> None:
    """At any spacing of the rounds, for any width; and few readings are kept, none of them for long."""
    learned, at_ns = LearnedRate(), 0
    for gap_s in gaps_s:
        at_ns += gap_s * NS_PER_S
        offset_ns = at_ns * rate_ppb // NS_PER_S
        learned = learned.after(Constraint(at_ns, offset_ns - half_ns, offset_ns + half_ns), steady=steady)
        assert len(learned.readings) <= MOST_READINGS
        assert at_ns - learned.readings[0].at_ns <= KEPT_NS
        bounds = learned.bounds(at_ns)
        assert bounds.lower_ppb <= rate_ppb <= bounds.upper_ppb
        assert learned.bounds(learned.readings[0].at_ns + CHANGE_WITHIN_NS + 1) == UNKNOWN_RATE


def test_two_rounds_bound_the_rate_to_five_ppm_and_its_changes() -> None:
    """At 15 s and 40 us: 2e/T either way about the mean, and 20 ppm about that."""
    half_ns, offset_ns = 40_000, 15 * 300_000
    learned = LearnedRate().after(Constraint(0, -half_ns, half_ns), steady=True)
    assert learned.bounds(0) == UNKNOWN_RATE
    later = Constraint(15 * NS_PER_S, offset_ns - half_ns, offset_ns + half_ns)
    learned = learned.after(later, steady=True)
    assert learned.mean == pytest.approx((300_000 - 5_333, 300_000 + 5_333), abs=1)
    assert learned.bounds(later.at_ns) == pytest.approx((300_000 - 25_333, 300_000 + 25_333), abs=1)


def test_one_unseen_pause_does_not_falsify_the_rate_of_a_clock_that_may_stand_still() -> None:
    """Of two spans one is without the pause, and the hull of both holds its rate."""
    for pause_after in range(1, 8):
        learned = LearnedRate()
        for number in range(8):
            offset_ns = -100_000 if number >= pause_after else 0
            reading = Constraint(number * 2 * NS_PER_S, offset_ns - 1_000, offset_ns + 1_000)
            learned = learned.after(reading, steady=False)
            bounds = learned.bounds(reading.at_ns)
            assert bounds.lower_ppb <= 0 <= bounds.upper_ppb


def test_a_history_that_contradicts_even_1000_ppm_is_another_reset() -> None:
    """A second of pause is no rate; 200 ppm are."""
    for jump_ppm, reason in ((200, ResetReason.RATE), (5_000, ResetReason.CONTRADICTION)):
        machine = machine_of(1, 0, network="loopback")
        result = Followed()
        for seen in observations(machine, 15, 5):
            result.take(seen)
        machine.rate_ppt += jump_ppm * PPM
        (seen,) = observations(machine, 15, 1)
        _, update = update_clocks(result.state, seen.burst, estimate(seen.burst, seen.tau_ns))
        assert update.reset is not None
        assert update.reset.reason is reason
        assert update.reset.moved is not None
