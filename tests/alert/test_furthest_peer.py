"""The fast search for each node's furthest peer agrees with a comparison of all pairs."""

from hypothesis import given
from hypothesis import strategies as st

from skewmon.alert.furthest_peers import furthest_peers
from skewmon.model import Interval

ends = st.integers(-50, 50)
intervals = st.tuples(ends, ends).map(lambda pair: Interval(min(pair), max(pair)))
clusters = st.dictionaries(st.sampled_from("abcdefgh"), intervals, max_size=8)


@given(offsets=clusters, blamed=st.sets(st.sampled_from("abcdefgh")))
def test_the_fast_search_agrees_with_all_pairs(offsets: dict[str, Interval], blamed: set[str]) -> None:
    """For any intervals and culprits, the bounds are those of the worst pair with another node."""
    found = furthest_peers(offsets, blamed)
    peers = [name for name in offsets if name not in blamed] or list(offsets)
    for name, own in offsets.items():
        gaps = {peer: own - offsets[peer] for peer in peers if peer != name}
        if not gaps:
            assert name not in found
            continue
        assert found[name].skew.lower_ns == max(gap.proven_ns for gap in gaps.values())
        assert found[name].skew.upper_ns == max(gap.furthest_ns for gap in gaps.values())
        assert gaps[found[name].peer].proven_ns == found[name].skew.lower_ns


def test_a_culprit_is_measured_against_the_others_and_they_are_cleared() -> None:
    """Good nodes are judged among themselves, not against the one that is wrong."""
    offsets = {"a": Interval(70, 71), "b": Interval(0, 1), "c": Interval(0, 2)}
    found = furthest_peers(offsets, {"a"})
    assert found["a"].skew.lower_ns == 69
    assert found["b"].skew.upper_ns == 2


def test_a_node_alone_has_no_furthest_peer() -> None:
    """One clock cannot disagree with itself."""
    assert furthest_peers({"a": Interval(0, 1)}, ()) == {}
