"""Any pair can be had, the worst first, at the cost of those asked for."""

import time
from dataclasses import replace
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from skewmon.config.limits import MAX_NODES
from skewmon.export.api import PAIRS_MAX
from skewmon.export.pairs import query
from skewmon.model import ClusterView, Interval, PairVerdict
from tests.export import samples

OFFSETS = st.lists(st.tuples(st.integers(-(10**10), 10**10), st.integers(0, 10**8)), min_size=0, max_size=12)


def view_of(offsets: list[tuple[int, int]]) -> ClusterView:
    """Return a cluster whose nodes have these offsets and bounds."""
    return samples.cluster_view(
        tuple(samples.node(f"n{n}", offset, bound) for n, (offset, bound) in enumerate(offsets))
    )


@given(OFFSETS)
def test_every_pair_is_returned_once_and_the_worst_comes_first(offsets: list[tuple[int, int]]) -> None:
    """Without filters the query is all unordered pairs in descending order of their proven offset."""
    view = view_of(offsets)
    pairs = query(view, 1_000, None, 0)
    proven = [pair.offset.proven_ns for pair in pairs]
    assert proven == sorted(proven, reverse=True)
    names = {frozenset((pair.node, pair.peer)) for pair in pairs}
    assert names == {frozenset(pair) for pair in combinations([node.name for node in view.nodes], 2)}
    assert len(pairs) == len(names)


@given(OFFSETS, st.integers(1, 10**10))
def test_the_least_size_is_a_proven_one(offsets: list[tuple[int, int]], min_ns: int) -> None:
    """Exactly the pairs that are certainly that far apart are returned."""
    view = view_of(offsets)
    wanted = [pair for pair in query(view, 1_000, None, 0) if pair.offset.proven_ns >= min_ns]
    assert query(view, 1_000, None, min_ns) == wanted


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
    (far,) = query(samples.ambiguous().clusters[0], 10, None, 0)
    assert far.verdict is PairVerdict.AMBIGUOUS
    agreed = query(samples.healthy().clusters[0], 10, None, 0)
    assert [pair.verdict for pair in agreed] == [PairVerdict.OK] * 3


def test_a_query_narrows_by_node_size_and_number() -> None:
    """All three filters apply together, and the requested node comes first in each pair."""
    view = samples.jumped().clusters[0]
    assert [(p.node, p.peer) for p in query(view, 10, "etcd2", 0)] == [
        ("etcd2", "etcd3"),
        ("etcd2", "etcd1"),
    ]
    assert [(p.node, p.peer) for p in query(view, 10, "etcd2", samples.MS)] == [("etcd2", "etcd3")]
    assert len(query(view, 2, None, 0)) == 2
    assert query(view, 10, "absent", 0) == []


def test_a_silent_node_has_no_pairs() -> None:
    """Only nodes measured in the last round are compared."""
    view = samples.silent().clusters[0]
    assert query(view, 10, samples.JUMPED, 0) == []
    assert len(query(view, 10, None, 0)) == 1


def test_the_worst_of_half_a_million_pairs_are_those_of_the_jumped_node() -> None:
    """A large cluster answers too."""
    worst = query(samples.thousand().clusters[0], 100, None, 0)
    assert {pair.node for pair in worst} == {"n0500"}


def test_the_largest_question_is_answered_before_the_next_exchange_is_late() -> None:
    """As many pairs as may be asked for, of as many nodes as there may be: some tens of milliseconds."""
    one = samples.node("n0")
    nodes = [
        replace(one, name=f"n{number}", offset=Interval.around(number * 1_000, 40_000))
        for number in range(MAX_NODES)
    ]
    view = replace(samples.healthy().clusters[0], nodes=tuple(nodes))

    def answering_s(node: str | None) -> float:
        began_s = time.thread_time()
        assert len(query(view, PAIRS_MAX, node, 0)) == PAIRS_MAX
        return time.thread_time() - began_s

    for node in (None, "n7"):
        assert min(answering_s(node) for _ in range(3)) < 0.15
