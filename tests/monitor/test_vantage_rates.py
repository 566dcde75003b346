"""Rates on several axes: products of rates, clocks that move between the axes' instants, rates that jump."""

from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skewmon.clock import burst as burst_module
from skewmon.clock.interval import RateBounds, correction
from skewmon.clock.rate import Basis, Rate, Rates
from skewmon.clock.state import ClockUpdate
from skewmon.model import NS_PER_S, Burst, Interval, Measured
from skewmon.monitor.rates import rates_on_axis, rates_ppb
from skewmon.monitor.state import MonitorState
from tests.clock.simulator import MS, PPM, SLEW_LIMIT_PPT, US, RateJump, Slew, Step, constant, queueing
from tests.monitor.sites import START_NS, Site, Sites, misses, round_of

#: H2a, and the kernel's limit of a slew, in ppb.
OSCILLATORS = st.integers(-1_000_000, 1_000_000)
CORRECTIONS = st.integers(-100_000_000, 100_000_000)


def exactly(*rates_ppb: int) -> Fraction:
    """Return the rate of a clock that is measured by a chain of clocks, in ppb."""
    product = Fraction(1)
    for rate_ppb in rates_ppb:
        product *= 1 + Fraction(rate_ppb, 10**9)
    return (product - 1) * 10**9


def rate_of(ppb: int) -> Rate:
    """Return a rate that is known exactly."""
    return Rate(ppb / 1e9, ppb / 1e9, Basis.BOUNDED, 9)


@given(OSCILLATORS, OSCILLATORS, CORRECTIONS, st.integers(0, 200_000))
def test_rates_against_the_base_are_products(
    node_ppb: int, axis_ppb: int, correction_ppb: int, half_ppb: int
) -> None:
    """Of the node against its vantage, the vantage against the base, and the clock against its oscillator."""
    mean = RateBounds(node_ppb - half_ppb, node_ppb + half_ppb)
    update = ClockUpdate(rates=Rates(correction=rate_of(correction_ppb)), mean_rate=mean)
    oscillator, wall = rates_ppb(update, Interval(axis_ppb - half_ppb, axis_ppb + half_ppb))
    assert oscillator is not None
    assert wall is not None
    for off_ppb in (-half_ppb, half_ppb):
        truth = exactly(node_ppb + off_ppb, axis_ppb + off_ppb)
        assert oscillator.lower_ns <= truth <= oscillator.upper_ns
        truth = exactly(node_ppb + off_ppb, axis_ppb + off_ppb, correction_ppb)
        assert wall.lower_ns <= truth <= wall.upper_ns
    assert oscillator.width_ns <= 4 * half_ppb * 1.01 + 2


@given(OSCILLATORS, OSCILLATORS, CORRECTIONS)
def test_a_rate_against_another_axis_is_a_product(own_ppb: int, other_ppb: int, net_ppb: int) -> None:
    """Of the node against its own axis, and of that against the other one."""
    rates = Rates(net=rate_of(net_ppb))
    axes_ppb = {"eu": Interval(own_ppb, own_ppb), "ap": Interval(other_ppb, other_ppb)}
    net = rates_on_axis(rates, axes_ppb, "eu", "ap").net
    assert net is not None
    there = (1 + exactly(net_ppb, own_ppb) / 10**9) / (1 + Fraction(other_ppb, 10**9)) - 1
    assert net.lower - 1e-12 <= there <= net.upper + 1e-12
    assert net.upper - net.lower <= 5e-9


def asymmetric(seed: int) -> Sites:
    """Return sites whose paths take their time one way only: each truth is at an end of its bound.

    The vantages are as far off as H2a allows: between the instants of two axes, that is 0.1 ms.
    """
    dice = Random(seed)
    rates = [dice.choice([-850, 850]) * PPM for _ in range(2)]
    return Sites(
        [
            Site(seed, "", constant(50 * US, 50 * US), 2),
            Site(seed + 1, "eu", constant(20 * US, 150 * MS), 2, rate_ppt=rates[0]),
            Site(seed + 2, "ap", constant(150 * MS, 20 * US), 2, rate_ppt=rates[1]),
        ]
    )


async def missed_across(seed: int) -> int:
    """Return the misses of some rounds in which a clock is slewed at the limit and another is stepped."""
    sites, state, dice, found = asymmetric(seed), MonitorState(), Random(seed), 0
    for number in range(6):
        sites.rest(START_NS + number * 15 * NS_PER_S)
        slewed, stepped = dice.sample([name for name in sites.machines if "near" not in name], 2)
        sites.machines[slewed].schedule(sites.at_ns + MS, Slew(dice.choice([-1, 1]) * SLEW_LIMIT_PPT))
        moment_ns = sites.at_ns + dice.randrange(300 * MS)
        sites.machines[stepped].schedule(moment_ns, Step(dice.choice([-1, 1]) * 5 * MS))
        (view,) = (await round_of(sites.cluster, sites.sweep(), state)).views
        found += len(misses(view, sites))
        sites.machines[slewed].schedule(sites.at_ns + MS, Slew(0))
    return found


async def test_pairs_across_sites_hold_a_slew_and_a_step_between_the_instants() -> None:
    """The instants of two axes are up to a path apart: a slew at the limit moves a clock by 12 ms in it."""
    assert sum([await missed_across(seed) for seed in range(20)]) == 0


def _before(burst: Burst, at_ns: int) -> Interval:
    """Return the correction as the last opening exchange read it, not enclosed by a later reading."""
    assert at_ns
    return Interval(*correction(burst.opening[-1], burst.program))


async def test_without_readings_that_enclose_the_instant_pairs_across_sites_would_miss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The wide bound of a path does not hide it if the path takes its time one way only."""
    monkeypatch.setattr(burst_module, "correction_at", _before)
    assert sum([await missed_across(seed) for seed in range(5)]) > 0


async def missed_by_jump(seed: int, jump_ppt: int) -> tuple[int, int]:
    """Return the misses of a site within whose round an oscillator jumps, and how often they were too large.

    Explained is the jump for as long as the round's exchanges with a node took.
    """
    dice, state, missed, unexplained = Random(seed), MonitorState(), 0, 0
    far = Site(seed, "eu", queueing(dice, 40 * MS, 40 * MS, 10 * MS), 3, rate_ppt=dice.randrange(300) * PPM)
    sites, jump_round = Sites([far]), dice.randrange(4, 12)
    for number in range(jump_round + 3):
        sites.rest(START_NS + number * 15 * NS_PER_S)
        if number == jump_round:
            jumping = dice.choice([far.vantage, *far.nodes.values()])
            jumping.schedule(
                sites.at_ns + dice.randrange(250 * MS), RateJump(dice.choice([-1, 1]) * jump_ppt)
            )
        (view,) = (await round_of(sites.cluster, sites.sweep(), state)).views
        for shown in view.nodes:
            assert isinstance(shown.outcome, Measured)
            local = shown.outcome.local
            assert local is not None
            assert local.burst.closing is not None
            truth_ns, wall = sites.local_truth(far, shown.name, local.axis.at_ns), local.estimate.wall
            outside_ns = max(wall.lower_ns - truth_ns, truth_ns - wall.upper_ns) - 1
            span_ns = local.burst.closing.received_ns - local.burst.opening[0].sent_ns
            missed += outside_ns > 0
            unexplained += outside_ns > span_ns * jump_ppt / 1e12
    return missed, unexplained


@pytest.mark.parametrize(("jump_ppm", "may_miss"), [(20, False), (400, True)])
async def test_only_a_rate_that_breaks_its_hypothesis_shifts_an_interval(
    jump_ppm: int, may_miss: bool
) -> None:
    """H2b allows 20 ppm; more shifts one interval by no more than the jump within the round's exchanges."""
    found = [await missed_by_jump(seed, jump_ppm * PPM) for seed in range(16)]
    assert (sum(missed for missed, _ in found) > 0) == may_miss
    assert sum(unexplained for _, unexplained in found) == 0
