"""Skew, pairs and extremes over several axes: the short way gives the same as comparing every pair."""

import time
from itertools import combinations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skewmon.alert.furthest_peers import furthest_peers
from skewmon.clock.axes import Extremes, hull
from skewmon.clock.pairs import all_pairs, pair_offset, skew, worst_pairs
from skewmon.culprit.vote import vote
from skewmon.model import AxisOffset, Interval
from tests.clock.fleets import around, placed, random_fleet

dices = st.randoms(use_true_random=False)


def compare_with_all_pairs(dice: Random) -> None:
    """Compare skew, worst pairs and furthest peers with those over every pair of a random fleet."""
    fleet, truths = random_fleet(dice)
    pairs = {(one, other): fleet[one] - fleet[other] for one, other in combinations(fleet, 2)}
    found = skew(fleet)
    assert found is not None
    assert found.lower_ns == max(offset.proven_ns for offset in pairs.values())
    assert found.upper_ns == max(offset.furthest_ns for offset in pairs.values())
    assert found.lower_ns <= found.estimate_ns <= found.upper_ns
    assert found.lower_ns <= max(truths.values()) - min(truths.values()) <= found.upper_ns
    for (one, other), offset in pairs.items():
        assert truths[one] - truths[other] in offset
    worst = [fleet[ahead] - fleet[behind] for ahead, behind in worst_pairs(fleet, 7)]
    ranked = sorted((max(one.lower_ns, -one.upper_ns) for one in pairs.values()), reverse=True)
    assert [one.lower_ns for one in worst] == ranked[:7]
    assert len(set(map(frozenset, worst_pairs(fleet, 7)))) == len(worst)
    peers = furthest_peers(fleet, ())
    for name, clock in fleet.items():
        gaps = [clock - other for peer, other in fleet.items() if peer != name]
        assert peers[name].skew.lower_ns == max(gap.proven_ns for gap in gaps)
        assert peers[name].skew.upper_ns == max(gap.furthest_ns for gap in gaps)
        assert (clock - fleet[peers[name].peer]).proven_ns == peers[name].skew.lower_ns


@settings(deadline=None, max_examples=300)
@given(dices)
def test_the_short_way_equals_all_pairs(dice: Random) -> None:
    """For any nodes on any axes; and every pair contains the truth."""
    compare_with_all_pairs(dice)


@pytest.mark.prove
def test_the_short_way_equals_all_pairs_in_ten_thousand_fleets() -> None:
    """The same, in fleets that each seed draws."""
    for seed in range(10_000):
        compare_with_all_pairs(Random(seed))


@settings(deadline=None)
@given(dices)
def test_one_axis_gives_the_results_of_plain_intervals(dice: Random) -> None:
    """A cluster behind one vantage is compared there, whatever the base shows."""
    fleet, _ = random_fleet(dice)
    alone = {name: placed("v", clock.own, clock.common) for name, clock in fleet.items()}
    plain: dict[str, Interval] = {name: clock.own for name, clock in fleet.items()}
    assert skew(alone) == skew(plain)
    assert worst_pairs(alone, 9) == worst_pairs(plain, 9)
    assert [pair.offset for pair in all_pairs(alone)] == [pair.offset for pair in all_pairs(plain)]


@settings(deadline=None)
@given(dices, st.integers(0, 5_000))
def test_extremes_are_apart_if_a_pair_is(dice: Random, limit_ns: int) -> None:
    """Of two groups of nodes on any axes."""
    fleet = list(random_fleet(dice)[0].values())
    cut = dice.randint(1, len(fleet) - 1)
    pairs = ((one, other) for one in fleet[:cut] for other in fleet[cut:])
    expected = any((one - other).proven_ns > limit_ns for one, other in pairs)
    assert Extremes(fleet[:cut]).are_apart(Extremes(fleet[cut:]), limit_ns) == expected


def test_pairs_of_one_axis_are_narrow_and_others_as_wide_as_their_axes() -> None:
    """Two nodes in a rack 80 ms away, and one beside the admin box."""
    near, far = Interval.around(0, 50), Interval.around(0, 40_000_000)
    fleet = {"a": placed("v", near, far), "b": placed("v", near, far), "c": placed("", near, near)}
    assert pair_offset(fleet, "a", "b").offset == Interval.around(0, 100)
    assert pair_offset(fleet, "a", "c").offset == Interval.around(0, 40_000_050)


def test_a_machine_on_two_axes_is_compared_on_the_common_line() -> None:
    """Its hull has the common line alone."""
    one, other = placed("v", Interval(0, 1), Interval(-9, 9)), placed("w", Interval(70, 71), Interval(-5, 5))
    both = hull([one, other])
    assert isinstance(both, AxisOffset)
    assert both.axis is None
    assert both - one == Interval(-18, 18)
    assert hull([one, one]) == one


def fleet_of(nodes: int, axes: int) -> dict[str, AxisOffset]:
    """Return a fleet of which a third is some milliseconds off."""
    dice, found = Random(nodes), dict[str, AxisOffset]()
    for number in range(nodes):
        truth_ns = dice.randint(-(10**7), 10**7) if number % 3 else 0
        own = around(dice, truth_ns, 40_000, 80_000)
        found[f"n{number}"] = placed(f"v{number % axes}", own, around(dice, truth_ns, 10**6, 10**7))
    return found


def seconds(fleet: dict[str, AxisOffset]) -> float:
    """Return the processor time of skew, worst pairs and vote, the best of five."""
    boot_ids = {name: name for name in fleet}
    times = []
    for _ in range(5):
        began = time.process_time()
        skew(fleet)
        worst_pairs(fleet, 100)
        vote(fleet, boot_ids, (), 1_000_000)
        times.append(time.process_time() - began)
    return min(times)


def test_the_cost_does_not_grow_with_the_pairs() -> None:
    """Four times the nodes have sixteen times the pairs."""
    assert seconds(fleet_of(4_000, 10)) < 10 * seconds(fleet_of(1_000, 10))


@pytest.mark.prove
def test_three_thousand_nodes_on_ten_axes_take_fifty_milliseconds() -> None:
    """Skew, the hundred worst pairs and the vote."""
    assert seconds(fleet_of(3_000, 10)) < 0.050
