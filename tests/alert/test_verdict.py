"""The verdict of one round: the worst that holds, and never ok without data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skewmon.alert.verdict import cluster_verdict, pair_verdict, skew_lines, vote_limit_ns
from skewmon.model import Interval, PairVerdict, Skew, Threshold, Verdict

LINES = (Threshold("critical", 100), Threshold("warning", 10))
HERE = {"a": Interval(0, 0), "b": Interval(0, 0)}


def _skew(lower_ns: int, upper_ns: int) -> Skew:
    return Skew((lower_ns + upper_ns) // 2, lower_ns, upper_ns)


@pytest.mark.parametrize(
    ("skew", "measured", "verdict"),
    [
        (_skew(0, 9), 2, Verdict.OK),
        (_skew(0, 11), 2, Verdict.AMBIGUOUS),
        (_skew(11, 12), 2, Verdict.WARNING),
        (_skew(11, 900), 2, Verdict.WARNING),
        (_skew(101, 102), 2, Verdict.CRITICAL),
        (_skew(0, 9), 3, Verdict.UNKNOWN),
        (_skew(0, 11), 3, Verdict.UNKNOWN),
        (_skew(101, 102), 3, Verdict.CRITICAL),
        (None, 2, Verdict.UNKNOWN),
    ],
)
def test_the_worst_that_is_proven_counts_and_missing_data_is_never_health(
    skew: Skew | None, measured: int, verdict: Verdict
) -> None:
    """Two nodes have offsets; with ``measured`` of 3 one node is missing."""
    assert cluster_verdict(LINES, skew, HERE, measured) is verdict


@pytest.mark.parametrize(("kind", "sign"), [("ahead", 1), ("behind", -1)])
def test_one_sided_lines_count_for_each_node(kind: str, sign: int) -> None:
    """One node beyond the line is enough, on its own side."""
    lines = (Threshold("warning", 10, kind),)
    off = Interval(sign * 12, sign * 12)
    for offset, verdict in ((off, Verdict.WARNING), (-off, Verdict.OK)):
        assert cluster_verdict(lines, _skew(0, 1), {**HERE, "b": offset}, 2) is verdict


def test_lines_that_one_round_cannot_judge_are_left_to_the_alerts() -> None:
    """Steps, drift and claims need history or a daemon's word."""
    lines = tuple(
        Threshold("critical", 1, kind) for kind in ("step", "drift", "unsynchronized", "unreachable")
    )
    assert cluster_verdict(lines, _skew(500, 501), HERE, 2) is Verdict.OK


@given(lower=st.integers(0, 200), more=st.integers(0, 200), wider=st.integers(0, 200))
def test_less_knowledge_never_proves_more(lower: int, more: int, wider: int) -> None:
    """A wider interval is at most as bad, and never turns into health."""
    rank = {Verdict.OK: 0, Verdict.AMBIGUOUS: 1, Verdict.WARNING: 2, Verdict.CRITICAL: 3}
    near = cluster_verdict(LINES, _skew(lower, lower + more), HERE, 2)
    wide = cluster_verdict(LINES, _skew(max(0, lower - wider), lower + more + wider), HERE, 2)
    assert wide is Verdict.AMBIGUOUS or rank[wide] <= rank[near]
    assert not (wide is Verdict.OK and near is not Verdict.OK)


def test_a_vote_is_held_about_the_lowest_line_that_is_passed() -> None:
    """If no line is passed, no node is to blame."""
    assert [line.limit_ns for line in skew_lines(LINES)] == [10, 100]
    assert vote_limit_ns(LINES, _skew(11, 12)) == 10
    assert vote_limit_ns(LINES, _skew(10, 12)) is None
    assert vote_limit_ns(LINES, None) is None
    assert vote_limit_ns((), _skew(11, 12)) is None


@pytest.mark.parametrize(
    ("offset", "verdict"),
    [
        (Interval(-12, -11), PairVerdict.BREACH),
        (Interval(-9, 9), PairVerdict.OK),
        (Interval(9, 11), PairVerdict.AMBIGUOUS),
    ],
)
def test_a_pair_is_judged_by_the_lowest_line(offset: Interval, verdict: PairVerdict) -> None:
    """And without a line it is unknown."""
    assert pair_verdict(offset, skew_lines(LINES)) is verdict
    assert pair_verdict(offset, []) is PairVerdict.UNKNOWN
