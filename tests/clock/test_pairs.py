"""Skew and pairs: the short way gives the same as comparing every pair."""

from itertools import combinations, permutations

from hypothesis import given
from hypothesis import strategies as st

from skewmon.clock.pairs import all_pairs, pair_offset, reference_ns, skew, worst_pairs
from skewmon.model import NS_PER_S, Interval

SPAN_NS = 10**13

lowers = st.one_of(st.integers(-20, 20), st.integers(-SPAN_NS, SPAN_NS))
widths = st.one_of(st.integers(0, 10), st.integers(0, SPAN_NS))
intervals = st.tuples(lowers, widths).map(lambda two: Interval(two[0], two[0] + two[1]))
clusters = st.lists(intervals, max_size=12).map(
    lambda found: {f"n{number}": interval for number, interval in enumerate(found, 1)}
)


@given(clusters)
def test_the_skew_is_the_largest_of_all_pairs(walls: dict[str, Interval]) -> None:
    """Estimate, proven part and upper bound, each over every pair."""
    offsets = [walls[node] - walls[peer] for node, peer in combinations(walls, 2)]
    found = skew(walls)
    if len(walls) < 2:
        assert found is None
        return
    assert found is not None
    assert found.lower_ns == max(offset.proven_ns for offset in offsets)
    assert found.upper_ns == max(offset.furthest_ns for offset in offsets)
    estimates = [interval.estimate_ns for interval in walls.values()]
    assert found.estimate_ns == max(abs(one - other) for one, other in permutations(estimates, 2))


@given(clusters, st.integers(-(10**18), 10**18))
def test_the_skew_does_not_depend_on_the_admin_box(walls: dict[str, Interval], by_ns: int) -> None:
    """A base that is off by anything is off for all nodes alike."""
    moved = {name: wall.shifted(by_ns) for name, wall in walls.items()}
    assert skew(moved) == skew(walls)
    assert [pair.offset for pair in all_pairs(moved)] == [pair.offset for pair in all_pairs(walls)]


@given(clusters, st.data())
def test_the_proven_skew_never_exceeds_the_truth(walls: dict[str, Interval], data: st.DataObject) -> None:
    """Whatever the clocks are within their intervals: the truth lies between proven and upper end."""
    truths = [data.draw(st.integers(wall.lower_ns, wall.upper_ns)) for wall in walls.values()]
    found = skew(walls)
    if found is not None:
        assert found.lower_ns <= max(truths) - min(truths) <= found.upper_ns


@given(clusters, intervals)
def test_another_node_never_shrinks_the_skew(walls: dict[str, Interval], more: Interval) -> None:
    """A larger cluster is at least as far apart, provably and possibly."""
    before, after = skew(walls), skew({**walls, "another": more})
    if before is not None:
        assert after is not None
        assert after.lower_ns >= before.lower_ns
        assert after.upper_ns >= before.upper_ns


@given(intervals, intervals)
def test_a_pair_seen_from_the_other_side_is_its_mirror_image(one: Interval, other: Interval) -> None:
    """Node minus peer is the negative of peer minus node, end for end."""
    walls = {"a": one, "b": other}
    forward, back = pair_offset(walls, "a", "b").offset, pair_offset(walls, "b", "a").offset
    assert forward == -back
    assert forward.proven_ns == back.proven_ns
    assert forward.furthest_ns == back.furthest_ns


def test_a_pair_is_positive_if_the_node_is_ahead_of_its_peer() -> None:
    """The sign of the contract: 70 seconds ahead are plus 70 seconds."""
    walls = {"ahead": Interval.around(70 * NS_PER_S, 1_000), "right": Interval.around(0, 2_000)}
    offset = pair_offset(walls, "ahead", "right").offset
    assert offset == Interval(70 * NS_PER_S - 3_000, 70 * NS_PER_S + 3_000)


@given(clusters, st.integers(0, 80))
def test_the_worst_pairs_are_those_of_all_pairs(walls: dict[str, Interval], count: int) -> None:
    """In the order of their proven parts, each pair once, the one that is ahead first."""
    found = worst_pairs(walls, count)
    gaps = sorted(
        (
            max(walls[a].lower_ns - walls[b].upper_ns, walls[b].lower_ns - walls[a].upper_ns)
            for a, b in combinations(walls, 2)
        ),
        reverse=True,
    )
    assert [walls[ahead].lower_ns - walls[behind].upper_ns for ahead, behind in found] == gaps[:count]
    assert len({frozenset(pair) for pair in found}) == len(found)


@given(clusters)
def test_every_pair_is_listed_once_and_the_worst_first(walls: dict[str, Interval]) -> None:
    """All of them, by their proven part."""
    found = all_pairs(walls)
    assert {frozenset((pair.node, pair.peer)) for pair in found} == {
        frozenset(pair) for pair in combinations(walls, 2)
    }
    assert len(found) == len(walls) * (len(walls) - 1) // 2
    proven = [pair.offset.proven_ns for pair in found]
    assert proven == sorted(proven, reverse=True)
    assert all(pair.offset == walls[pair.node] - walls[pair.peer] for pair in found)


@given(clusters.filter(len))
def test_the_reference_leaves_as_many_nodes_ahead_as_behind(walls: dict[str, Interval]) -> None:
    """The median of the estimates: one wrong clock cannot drag it away."""
    reference = reference_ns(walls)
    estimates = [wall.estimate_ns for wall in walls.values()]
    ahead = sum(estimate > reference for estimate in estimates)
    behind = sum(estimate < reference for estimate in estimates)
    assert ahead <= len(walls) / 2
    assert behind <= len(walls) / 2
    assert min(estimates) <= reference <= max(estimates)


def test_one_node_that_is_days_off_leaves_the_reference_with_the_others() -> None:
    """Two nodes in order and one three days behind."""
    walls = {
        "n1": Interval.around(0, 10),
        "n2": Interval.around(100, 10),
        "n3": Interval.around(-3 * 86_400 * NS_PER_S, 10),
    }
    assert reference_ns(walls) == 0


def test_a_thousand_nodes_take_no_time() -> None:
    """The skew of a thousand nodes needs no half a million pairs; nor do the hundred worst."""
    walls = {f"n{number}": Interval.around(number * 7_919 % 1_000, 10) for number in range(1_000)}
    found = skew(walls)
    assert found is not None
    assert (found.lower_ns, found.estimate_ns, found.upper_ns) == (979, 999, 1_019)
    assert len(worst_pairs(walls, 100)) == 100
