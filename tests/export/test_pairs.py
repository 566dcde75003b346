"""Any pair can be had, the worst first, at the cost of those asked for."""

from itertools import combinations, islice

from hypothesis import given
from hypothesis import strategies as st

from skewmon.export.pairs import every_pair, query, worst_first
from skewmon.model import ClusterView, PairVerdict
from tests.export import samples

OFFSETS = st.lists(st.tuples(st.integers(-(10**10), 10**10), st.integers(0, 10**8)), min_size=0, max_size=12)


def view_of(offsets: list[tuple[int, int]]) -> ClusterView:
    """Return a cluster whose nodes have these offsets and bounds."""
    return samples.cluster_view(
        tuple(samples.node(f"n{n}", offset, bound) for n, (offset, bound) in enumerate(offsets))
    )


@given(OFFSETS)
def test_worst_first_yields_every_pair_once_in_descending_order(offsets: list[tuple[int, int]]) -> None:
    """The lazy order is the order of a full sort."""
    view = view_of(offsets)
    pairs = list(worst_first(view))
    sizes = [abs(pair.offset.estimate_ns) for pair in pairs]
    assert sizes == sorted(sizes, reverse=True)
    names = {frozenset((pair.node, pair.peer)) for pair in pairs}
    assert names == {frozenset(pair) for pair in combinations([node.name for node in view.nodes], 2)}
    assert len(pairs) == len(names) == len(list(every_pair(view)))


def test_a_pair_is_the_difference_of_two_offsets() -> None:
    """The bounds of the two nodes add up, and the pair is judged by the lowest line."""
    view = samples.jumped().clusters[0]
    (pair,) = query(view, limit=1, node=None, min_ns=0)
    assert (pair.node, pair.peer) == ("etcd3", "etcd1")
    assert pair.offset.estimate_ns == samples.JUMP_NS + 12 * samples.US
    assert pair.offset.bound_ns == 80 * samples.US
    assert pair.verdict is PairVerdict.BREACH


def test_verdicts_follow_the_interval() -> None:
    """A line inside the interval is ambiguous, never a breach."""
    (far,) = every_pair(samples.ambiguous().clusters[0])
    assert far.verdict is PairVerdict.AMBIGUOUS
    assert {pair.verdict for pair in every_pair(samples.healthy().clusters[0])} == {PairVerdict.OK}


def test_a_query_narrows_by_node_size_and_number() -> None:
    """All three filters hold, and a node is always named first where it is asked for."""
    view = samples.jumped().clusters[0]
    assert [(p.node, p.peer) for p in query(view, 10, "etcd2", 0)] == [("etcd2", "etcd3"), ("etcd2", "etcd1")]
    assert [(p.node, p.peer) for p in query(view, 10, "etcd2", samples.MS)] == [("etcd2", "etcd3")]
    assert len(query(view, 2, None, 0)) == 2
    assert query(view, 10, "nobody", 0) == []


def test_a_silent_node_has_no_pairs() -> None:
    """Only what was measured in the last round is compared."""
    view = samples.silent().clusters[0]
    assert query(view, 10, samples.JUMPED, 0) == []
    assert len(query(view, 10, None, 0)) == 1


def test_the_worst_of_half_a_million_pairs_are_found_without_looking_at_all() -> None:
    """The work grows with the pairs taken, so a query of a large cluster is cheap."""
    view = samples.thousand().clusters[0]
    worst = list(islice(worst_first(view), 100))
    assert {pair.node for pair in worst} == {"n0500"}
