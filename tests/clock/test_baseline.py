"""A disturbed burst is known by the node's own past, and a repeat only narrows it."""

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from skewmon.clock.baseline import DISTURBED, FEWEST, REMEMBERED, BurstBaseline, burst_width_ns, joined
from skewmon.clock.burst import estimate
from skewmon.model import Burst, Exchange, Program, Quantum
from tests.clock.simulator import MS, PPM, US, Machine, Slew, Step, holds, queueing

seeds = st.integers(0, 2**32)
widths = st.integers(0, 10**10)

PROGRAM = Program("python3", raw=Quantum(0, 1))


def known(*widths_ns: int) -> BurstBaseline:
    """Return the baseline after bursts of these widths."""
    usual = BurstBaseline()
    for width_ns in widths_ns:
        usual = usual.after(width_ns)
    return usual


@given(st.lists(widths, max_size=FEWEST - 1), widths)
def test_no_burst_is_disturbed_at_first(past: list[int], width_ns: int) -> None:
    """Too few bursts are no custom."""
    assert not known(*past).disturbed(width_ns)


@given(st.lists(widths, min_size=FEWEST, max_size=3 * REMEMBERED))
def test_at_most_half_of_the_baseline_was_disturbed(past: list[int]) -> None:
    """Whatever the path is like, asking again stays the exception."""
    usual = known(*past)
    assert sum(usual.disturbed(width_ns) for width_ns in usual.widths_ns) <= len(usual.widths_ns) // 2


def test_a_burst_is_compared_with_the_median() -> None:
    """One terrible burst does not change the baseline."""
    usual = known(100, 104, 96, 10**9, 100)
    assert not usual.disturbed(round(100 * DISTURBED))
    assert usual.disturbed(round(100 * DISTURBED) + 1)


def test_a_path_that_became_worse_for_good_is_accepted() -> None:
    """After half of the baseline the new width is the median."""
    usual = known(*[100] * REMEMBERED)
    rounds = 0
    while usual.disturbed(1_000):
        usual, rounds = usual.after(1_000), rounds + 1
    assert rounds == REMEMBERED // 2


def test_the_width_is_that_of_the_best_request_and_the_best_reply() -> None:
    """They may come from different exchanges, whatever the offset."""
    slow_forth = Exchange(0, 1_000, 0, 0, raw_in_ns=70_900, raw_out_ns=70_900)
    slow_back = Exchange(2_000, 3_000, 0, 0, raw_in_ns=72_100, raw_out_ns=72_150)
    assert burst_width_ns((slow_forth,)) == 1_000
    assert burst_width_ns((slow_forth, slow_back)) == 70_100 - 69_900


@given(seeds)
def test_joined_bursts_hold_the_truth_and_are_no_wider_than_either(seed: int) -> None:
    """Also if the wall clock is stepped and slewed in between, since only the oscillator is joined."""
    rng = Random(seed)
    machine = Machine(
        rng, network=queueing(rng, 100 * US, 100 * US, 500 * US), rate_ppt=rng.randint(-100, 100) * PPM
    )
    machine.schedule(machine.at_ns + rng.randint(1, 20 * MS), Step(rng.randint(-MS, MS)))
    machine.schedule(machine.at_ns + rng.randint(1, 20 * MS), Slew(500 * PPM))
    first, _ = machine.exchanges(machine.at_ns, 8)
    seen = machine.observe(machine.at_ns + rng.randint(1, 10 * MS))
    both = replace(joined(Burst(seen.burst.program, first), seen.burst), closing=seen.burst.closing)
    assert len(both.opening) == 16
    found = estimate(both, seen.tau_ns)
    alone = estimate(seen.burst, seen.tau_ns)
    assert found.oscillator is not None
    assert alone.oscillator is not None
    assert holds(found.oscillator, seen.truth.oscillator_units)
    assert holds(found.wall, seen.truth.wall_units)
    assert alone.oscillator.hull(found.oscillator) == alone.oscillator
    assert burst_width_ns(both.opening) <= burst_width_ns(seen.burst.opening)


def test_a_restarted_program_is_not_joined_with_the_old_one() -> None:
    """It may run after a reboot, and then its clocks are others."""
    one = Exchange(0, 1_000, 0, 0, raw_in_ns=500, raw_out_ns=500)
    again = Burst(replace(PROGRAM), (one,))
    assert joined(Burst(PROGRAM, (one, one)), again) is again
