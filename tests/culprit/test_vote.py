"""Counting by sorted ends equals counting over all pairs, and less knowledge rejects no clock."""

from itertools import combinations, product
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from skewmon.culprit.camps import camps
from skewmon.culprit.machines import merged
from skewmon.culprit.vote import Voters, vote
from skewmon.model import Interval
from tests.clock.fleets import random_fleet

offsets = st.one_of(st.integers(-5, 5), st.integers(-10_000, 10_000))
intervals = st.builds(Interval.around, offsets, st.integers(0, 500))
fleets = st.lists(intervals, min_size=1, max_size=10).map(
    lambda found: {f"n{number}": one for number, one in enumerate(found, 1)}
)
limits = st.integers(0, 5_000)


def apart(one: Interval, other: Interval, limit_ns: int) -> bool:
    """Return whether two clocks are proven further apart than the limit."""
    return (one - other).proven_ns > limit_ns


@given(fleets, limits)
def test_the_count_equals_that_over_all_pairs(clocks: dict[str, Interval], limit_ns: int) -> None:
    """For every clock."""
    voters = Voters(clocks.values(), limit_ns)
    for clock in clocks.values():
        assert voters.against(clock) == sum(apart(clock, other, limit_ns) for other in clocks.values())


@given(st.randoms(use_true_random=False), limits)
def test_the_count_over_several_axes_equals_that_over_all_pairs(dice: Random, limit_ns: int) -> None:
    """Each pair on the line that both clocks share."""
    clocks = list(random_fleet(dice)[0].values())
    voters = Voters(clocks, limit_ns)
    for clock in clocks:
        assert voters.against(clock) == sum(apart(clock, other, limit_ns) for other in clocks)


@given(st.randoms(use_true_random=False), limits)
def test_camps_of_several_axes_are_split_by_proven_gaps_alone(dice: Random, limit_ns: int) -> None:
    """Machines that are not proven apart are in one camp, or on one axis with nothing in between."""
    machines = merged(random_fleet(dice)[0], {})
    found = camps(machines, limit_ns)
    assert sorted(name for camp in found for name in camp.names) == sorted(
        name for one in machines for name in one.names
    )
    for one, other in combinations(found, 2):
        for machine, its in product(one.machines, other.machines):
            assert (machine.hull - its.hull).proven_ns > limit_ns


@given(fleets, limits, st.sets(st.sampled_from("abc")), st.data())
def test_outliers_equal_their_definition(
    clocks: dict[str, Interval], limit_ns: int, missing: set[str], data: st.DataObject
) -> None:
    """More than half of the other machines, and more than half of the other names."""
    boot_ids = {name: data.draw(st.sampled_from(["", "x", "y"])) for name in clocks}
    hulls = [machine.hull for machine in merged(clocks, boot_ids)]

    def rejected(clock: Interval, voters: list[Interval]) -> bool:
        return 2 * sum(apart(clock, one, limit_ns) for one in voters) > len(voters) + len(missing) - 1

    expected = {
        name for name, one in clocks.items() if rejected(one, [*clocks.values()]) and rejected(one, hulls)
    }
    found = vote(clocks, boot_ids, missing, limit_ns)
    assert found.outliers == expected
    assert {name for one in found.outlying for name in one.names} >= expected
    assert len(found.outlying) + len(found.others) == len(hulls)


@given(fleets, limits, st.integers(0, 2_000), st.integers(0, 5_000), st.integers(-(10**18), 10**18))
def test_less_knowledge_and_a_higher_line_make_no_outlier(
    clocks: dict[str, Interval], limit_ns: int, wider_ns: int, more_ns: int, by_ns: int
) -> None:
    """And another base changes nothing."""
    found = vote(clocks, {}, (), limit_ns).outliers
    wide = {name: one.widened(wider_ns) for name, one in clocks.items()}
    assert vote(wide, {}, (), limit_ns + more_ns).outliers <= found
    assert (
        vote({name: one.shifted(by_ns) for name, one in clocks.items()}, {}, (), limit_ns).outliers == found
    )
