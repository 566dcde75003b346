"""Rates: the oscillator's, the correction's and their sum; only meaningful ones are published."""

from random import Random

import pytest

from skewmon.clock.burst import estimate
from skewmon.clock.drift import ANCHOR_ROUNDS, NOTHING_SEEN, Steering, fit, steer
from skewmon.clock.line import WINDOW, Point
from skewmon.clock.rate import Basis, Rate, Rates
from skewmon.clock.state import ClockState, ClockUpdate, update_clocks
from skewmon.clock.steps import Movement, MovementKind
from skewmon.model import NS_PER_S
from tests.clock.simulator import MS, PPM, Machine, Slew, Step
from tests.clock.test_line import track_of

ROUND_NS = 15 * NS_PER_S


def _follow(machine: Machine, rounds: int) -> list[ClockUpdate]:
    state: ClockState | None = None
    updates = []
    for _ in range(rounds):
        start_ns = machine.at_ns + ROUND_NS
        machine.rest_until(start_ns)
        seen = machine.observe(start_ns)
        state, update = update_clocks(state, seen.burst, estimate(seen.burst, seen.tau_ns))
        updates.append(update)
    return updates


def test_three_rates_are_distinguished() -> None:
    """An oscillator 20 ppm fast under a correction of −15 ppm is 5 ppm net."""
    machine = Machine(Random(1), network="loopback", rate_ppt=20 * PPM)
    machine.slew_ppt = -15 * PPM
    rates = _follow(machine, 60)[-1].rates
    for rate, truth in ((rates.oscillator, 20e-6), (rates.correction, -15e-6), (rates.net, 5e-6)):
        assert rate is not None
        assert rate.lower <= truth <= rate.upper
        assert rate.meaningful
    assert rates.correction is not None
    assert rates.correction.upper - rates.correction.lower < 1e-8


def test_nothing_is_published_before_it_means_something() -> None:
    """Four bursts are no trend, and an interval with both signs is none either unless it is narrow."""
    updates = _follow(Machine(Random(2), rate_ppt=40 * PPM), 40)
    assert all(update.rates.published is None for update in updates[:4])
    drift = updates[-1].rates.published
    assert drift is not None
    assert drift.lower <= 40e-6 <= drift.upper


def test_a_wan_falls_back_to_statistics() -> None:
    """Forty milliseconds of bound say nothing in ten minutes; a fit of the middles does."""
    rate = _follow(Machine(Random(3), network="wan", rate_ppt=30 * PPM), 40)[-1].rates.net
    assert rate is not None
    assert rate.basis is Basis.STATISTICAL
    assert rate.lower <= 30e-6 <= rate.upper


def test_a_program_with_one_clock_has_a_net_rate() -> None:
    """From the middles of its wall clock, as statistics."""
    rates = _follow(Machine(Random(4), rung="bash", rate_ppt=-30 * PPM), 40)[-1].rates
    assert rates.oscillator is None
    assert rates.net is not None
    assert rates.net.basis is Basis.STATISTICAL
    assert rates.net.lower <= -30e-6 <= rates.net.upper


def test_a_step_of_the_wall_clock_is_not_a_rate() -> None:
    """Neither for a node whose oscillator is known nor for one with a single clock."""
    for rung, size_ns in (("python3", 5 * MS), ("bash", 2 * NS_PER_S)):
        machine = Machine(Random(5), rung=rung, rate_ppt=10 * PPM)
        machine.schedule(machine.at_ns + 30 * ROUND_NS + 7 * NS_PER_S, Step(size_ns))
        published = [update.rates.published for update in _follow(machine, 40)]
        assert any(published)
        assert all(abs(drift.ratio - 10e-6) < 5e-6 for drift in published if drift), rung


@pytest.mark.parametrize("confidence_seed", range(3))
def test_a_fit_holds_the_truth_at_its_confidence(confidence_seed: int) -> None:
    """At 99.9 % hardly any of 400 fits through noise may miss the slope."""
    rng, misses = Random(confidence_seed), 0
    for _ in range(400):
        points = [
            Point(at * ROUND_NS, int(at * ROUND_NS * 7e-6 + rng.gauss(0, 20_000)), 250_000)
            for at in range(32, 0, -1)
        ]
        rate = fit(track_of(points))
        misses += rate is not None and not rate.lower <= 7e-6 <= rate.upper
    assert misses <= 4


def test_a_bend_in_the_past_does_not_pass_for_todays_rate() -> None:
    """The runs test drops the points before the bend."""
    rng = Random(6)
    points = [
        Point(at * ROUND_NS, int(abs(at - 16) * ROUND_NS * 50e-6 + rng.gauss(0, 2_000)), 250_000)
        for at in range(32, 0, -1)
    ]
    rate = fit(track_of(points))
    assert rate is not None
    assert rate.lower <= 50e-6 <= rate.upper
    assert rate.samples < 32


def test_too_few_points_are_not_a_trend() -> None:
    """Four points give no rate at all."""
    assert fit(track_of([Point(at, at, 1) for at in range(4, 0, -1)])) is None


def _steer(
    machine: Machine, rounds: int, steering: Steering = NOTHING_SEEN
) -> tuple[Steering, list[Movement]]:
    updates = []
    for _ in range(rounds):
        start_ns = machine.at_ns + ROUND_NS
        machine.rest_until(start_ns)
        steering, slew = steer(steering, machine.observe(start_ns).burst)
        updates += [slew] if slew else []
    return steering, updates


def test_the_rate_of_the_correction_looks_back_as_far_as_the_window() -> None:
    """Few readings are kept, and the oldest of them is never older than the window, nor much younger."""
    machine, steering = Machine(Random(8)), NOTHING_SEEN
    for rounds in range(1, 3 * WINDOW):
        steering, _ = _steer(machine, 1, steering)
        span_ns = steering.anchors[0].at_ns - steering.anchors[-1].at_ns
        looked_back = round(span_ns / ROUND_NS)
        assert min(rounds - 1, WINDOW - ANCHOR_ROUNDS) <= looked_back <= min(rounds - 1, WINDOW)
    assert len(steering.anchors) <= 1 + WINDOW // ANCHOR_ROUNDS


@pytest.mark.parametrize("ppm", [100, -500, 83_333])
def test_a_slew_is_reported_once_when_it_begins(ppm: int) -> None:
    """However many rounds it lasts, and its end is not another one."""
    machine = Machine(Random(7))
    machine.slew_ppt = 12 * PPM
    steering, updates = _steer(machine, 8)
    assert updates == []
    machine.schedule(machine.at_ns + 1, Slew(ppm * PPM))
    steering, updates = _steer(machine, 6, steering)
    (slew,) = updates
    assert slew.kind is MovementKind.SLEW
    assert slew.rate_ppb is not None
    assert ppm * 1000 in slew.rate_ppb
    assert steering.slew_ppb is not None
    assert ppm * 1000 in steering.slew_ppb
    machine.schedule(machine.at_ns + 1, Slew(12 * PPM))
    steering, updates = _steer(machine, 8, steering)
    assert updates == []
    assert (steering.slewing_rounds, steering.slew_ppb) == (0, None)


def test_an_ordinary_frequency_correction_is_not_a_slew() -> None:
    """A daemon that holds a poor crystal with 300 ppm is doing its job, also on first sight."""
    machine = Machine(Random(8))
    machine.slew_ppt = 300 * PPM
    _, updates = _steer(machine, 40)
    assert updates == []


def test_a_lasting_change_becomes_the_usual_correction() -> None:
    """After half an hour a new frequency is a frequency, and the next slew is seen against it."""
    machine = Machine(Random(9))
    steering, _ = _steer(machine, 8)
    machine.slew_ppt = 80 * PPM
    steering, updates = _steer(machine, 45, steering)
    assert len(updates) == 1
    assert steering.slewing_rounds == 0
    machine.slew_ppt = 200 * PPM
    _, updates = _steer(machine, 2, steering)
    assert len(updates) == 1


def test_readings_too_close_together_are_not_compared() -> None:
    """Two bursts within a second give no rate and do not disturb the known one."""
    machine = Machine(Random(10))
    steering, _ = _steer(machine, 3)
    again, slew = steer(steering, machine.observe(machine.at_ns + MS).burst)
    assert again == steering
    assert slew is None


def test_a_narrow_rate_around_zero_means_something() -> None:
    """That it hardly drifts is worth saying; that it drifts between −9 and +9 ppm is not."""
    assert Rate(-5e-7, 5e-7, Basis.BOUNDED, 5).meaningful
    assert not Rate(-9e-6, 9e-6, Basis.BOUNDED, 50).meaningful
    assert not Rate(9e-6, 9.1e-6, Basis.BOUNDED, 4).meaningful
    assert Rates().published is None


@pytest.mark.parametrize("ppm", [-30, 4, 40])
def test_a_rate_that_was_changed_is_not_reported_as_the_old_one(ppm: int) -> None:
    """A daemon that sets another frequency moves the clock at once; eight minutes of mean would say less."""
    machine = Machine(Random(11), network="loopback", rate_ppt=5 * PPM)
    machine.slew_ppt = -4 * PPM
    changed_ns = machine.at_ns + 40 * ROUND_NS + NS_PER_S
    machine.schedule(changed_ns, Slew(ppm * PPM))
    resolved = 1e-7  # by two readings a round apart, each known to a microsecond
    updates = [update.rates for update in _follow(machine, 90)][
        41:
    ]  # the first whole round at the new rate is in
    truth = (5 + ppm) * 1e-6
    for rates in updates:
        for rate, actual in ((rates.correction, ppm * 1e-6), (rates.net, truth)):
            assert rate is not None
            assert rate.lower - resolved <= actual <= rate.upper + resolved
    last = updates[-1].net
    assert last is not None
    assert last.meaningful
    assert last.upper - last.lower < 2e-6


def test_a_wall_clock_that_stepped_has_no_rate_until_it_was_seen_again() -> None:
    """If a node has one clock only, its offsets before the step are not part of its trend."""
    machine = Machine(Random(12), rung="bash", rate_ppt=10 * PPM)
    machine.schedule(machine.at_ns + 30 * ROUND_NS + 7 * NS_PER_S, Step(2 * NS_PER_S))
    updates = _follow(machine, 40)
    (stepped,) = (number for number, update in enumerate(updates) if update.movements)
    assert updates[stepped - 1].rates.net is not None
    assert [updates[number].rates.net for number in range(stepped, stepped + 4)] == [None] * 4
    assert updates[stepped + 4].rates.net is not None
