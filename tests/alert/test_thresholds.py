"""Lines are judged by the proven end and left by the other one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skewmon.alert.thresholds import STEP_LIMIT_NS, Judgement, in_force, judge
from skewmon.model import Interval, Skew, Threshold
from tests.alert.views import CRITICAL, MS, WARNING, S

BREACH, OK, AMBIGUOUS = Judgement.BREACH, Judgement.OK, Judgement.AMBIGUOUS

ends = st.integers(-(10**12), 10**12)
intervals = st.tuples(ends, ends).map(lambda pair: Interval(min(pair), max(pair)))
limits = st.integers(1, 10**12)


@pytest.mark.parametrize(
    ("kind", "lower", "upper", "judgement"),
    [
        ("skew", 11, 12, BREACH),
        ("skew", -12, -11, BREACH),
        ("skew", -12, 12, AMBIGUOUS),
        ("skew", 9, 11, AMBIGUOUS),
        ("skew", -9, 9, OK),
        ("skew", 10, 10, AMBIGUOUS),
        ("ahead", 11, 12, BREACH),
        ("ahead", -99, -98, OK),
        ("ahead", 9, 11, AMBIGUOUS),
        ("behind", -12, -11, BREACH),
        ("behind", 98, 99, OK),
        ("behind", -11, -9, AMBIGUOUS),
        ("drift", -12, -11, BREACH),
        ("drift", -1, 1, OK),
        ("step", 11, 12, BREACH),
        ("step", 0, 0, OK),
    ],
)
def test_every_kind_looks_in_its_own_direction(
    kind: str, lower: int, upper: int, judgement: Judgement
) -> None:
    """A line at 10 against intervals on either side of it, for each kind with a limit."""
    assert judge(Interval(lower, upper), Threshold("warning", 10, kind)) is judgement


@pytest.mark.parametrize(
    ("lower", "upper", "judgement"), [(11, 20, BREACH), (0, 9, OK), (9, 11, AMBIGUOUS), (10, 10, AMBIGUOUS)]
)
def test_a_skew_is_judged_by_its_bounds_and_not_by_its_estimate(
    lower: int, upper: int, judgement: Judgement
) -> None:
    """The estimate of a skew plays no part."""
    for estimate_ns in (lower, upper):
        assert judge(Skew(estimate_ns, lower, upper), Threshold("warning", 10)) is judgement


@given(interval=intervals, limit_ns=limits, truth=st.floats(0, 1))
def test_what_is_judged_is_true_of_every_value_inside(
    interval: Interval, limit_ns: int, truth: float
) -> None:
    """A breach is one, and health is health, wherever in the interval the truth lies."""
    value_ns = interval.lower_ns + round(truth * interval.width_ns)
    value_ns = min(max(value_ns, interval.lower_ns), interval.upper_ns)
    for kind, quantity_ns in (("skew", abs(value_ns)), ("ahead", value_ns), ("behind", -value_ns)):
        judgement = judge(interval, Threshold("warning", limit_ns, kind))
        assert judgement is not BREACH or quantity_ns > limit_ns
        assert judgement is not OK or quantity_ns < limit_ns


@given(interval=intervals, low=limits, high=limits, kind=st.sampled_from(["skew", "ahead", "behind"]))
def test_a_higher_line_is_never_breached_first(interval: Interval, low: int, high: int, kind: str) -> None:
    """Judgements are monotone in the limit."""
    rank = {OK: 0, AMBIGUOUS: 1, BREACH: 2}
    low, high = min(low, high), max(low, high)
    near = judge(interval, Threshold("warning", low, kind))
    assert rank[judge(interval, Threshold("warning", high, kind))] <= rank[near]


@given(interval=intervals, more=st.integers(0, 10**9), limit_ns=limits)
def test_less_knowledge_never_proves_more(interval: Interval, more: int, limit_ns: int) -> None:
    """A wider interval is judged the same or ambiguous."""
    line = Threshold("warning", limit_ns)
    assert judge(interval.widened(more), line) in {judge(interval, line), AMBIGUOUS}


def _limits(profile: str | None = None, *own: Threshold) -> dict[tuple[str, str], int]:
    return {(line.kind, line.severity): line.limit_ns for line in in_force(profile, own)}


def test_a_cluster_without_thresholds_has_the_default_ones() -> None:
    """Neither thresholds nor profile: the default profile."""
    limits = _limits()
    assert limits["skew", "warning"] == 50 * MS
    assert limits["skew", "critical"] == 1 * S


def test_own_thresholds_replace_those_of_the_profile() -> None:
    """Those of the same kind and severity; the rest of the profile stays."""
    limits = _limits("hbase", Threshold("warning", 7 * S))
    assert limits["skew", "warning"] == 7 * S
    assert limits["skew", "critical"] == 30 * S


def test_own_thresholds_without_a_profile_have_no_default_beside_them() -> None:
    """The default profile is for clusters without a limit."""
    assert ("skew", "critical") not in _limits(None, Threshold("warning", 7 * S))


def test_own_states_do_not_switch_off_the_default_thresholds() -> None:
    """A line on unreachable nodes is no line on skew."""
    limits = _limits(None, Threshold("critical", 0, "unreachable"))
    assert limits["skew", "critical"] == 1 * S
    assert ("unreachable", "warning") not in limits


def test_of_two_own_thresholds_that_are_alike_the_last_is_in_force() -> None:
    """An alert is known by kind and severity, so there cannot be two."""
    assert _limits(None, Threshold("warning", 7 * S), Threshold("warning", 9 * S))["skew", "warning"] == 9 * S


def test_a_jump_counts_from_the_lowest_skew_line_on() -> None:
    """The standing line on steps follows the cluster's own idea of much."""
    assert _limits(None, CRITICAL, WARNING)["step", "warning"] == 50 * MS
    assert _limits("loki")["step", "warning"] == STEP_LIMIT_NS


def test_a_line_on_steps_asks_for_no_patience() -> None:
    """A jump lasts an instant, so ``for`` would hide it; it is shown for a while instead."""
    own = Threshold("critical", 2 * S, "step", for_s=600.0, clear_for_s=1.0)
    line = next(line for line in in_force(None, [own]) if line.kind == "step")
    assert (line.for_s, line.clear_for_s) == (0.0, 900.0)
