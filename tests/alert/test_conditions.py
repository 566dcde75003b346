"""The state of each alert's condition after a round."""

from dataclasses import replace

import pytest

from skewmon.alert.alerts import ConditionState, Key, Texts
from skewmon.alert.conditions import EVALUATORS, observe
from skewmon.model import (
    ClusterView,
    Drift,
    Finding,
    Interval,
    NodeView,
    SyncStatus,
    Threshold,
    ThresholdKind,
)
from tests.alert.views import MS, NO_VERDICT, UNDETERMINED, S, missing, named, node, offsets, view


def conditions(
    round_: ClusterView, kind: str = "skew", severity: str = "critical"
) -> dict[str | None, ConditionState]:
    """Return the condition of each node, and of the cluster under None."""
    return {
        sample.key.node: sample.condition
        for sample in observe(round_).samples
        if (sample.key.kind, sample.key.severity) == (kind, severity)
    }


def texts(round_: ClusterView, key: Key) -> Texts:
    """Return the texts of one alert."""
    describe = next(sample.describe for sample in observe(round_).samples if sample.key == key)
    assert describe is not None
    return describe()


def test_every_kind_has_an_evaluator() -> None:
    """Every kind of line has samples."""
    assert set(EVALUATORS) == set(ThresholdKind)


def test_a_healthy_cluster_is_clear_everywhere() -> None:
    """Nothing is proven against any node."""
    samples = observe(offsets(a=0, b=20_000, c=-10_000)).samples
    assert {sample.condition for sample in samples} == {ConditionState.CLEAR}


def test_a_named_culprit_is_proven_and_the_others_are_clear() -> None:
    """The cluster's own alert leaves the blame to the culprit's."""
    found = conditions(offsets(named("a"), a=70 * S, b=0, c=0))
    assert found == {
        None: ConditionState.SHARED,
        "a": ConditionState.PROVEN,
        "b": ConditionState.CLEAR,
        "c": ConditionState.CLEAR,
    }


def test_without_a_culprit_the_cluster_is_to_blame() -> None:
    """Two nodes that disagree: both are beyond the line, neither is blamed."""
    found = conditions(offsets(UNDETERMINED, a=70 * S, b=0))
    assert found == {None: ConditionState.PROVEN, "a": ConditionState.SHARED, "b": ConditionState.SHARED}


def test_a_line_inside_the_interval_is_ambiguous_for_every_node() -> None:
    """With bounds of 40 s, 70 s may be less than the line."""
    assert set(conditions(offsets(a=70 * S, b=0, bound_ns=40 * S)).values()) == {ConditionState.AMBIGUOUS}


def test_a_node_that_was_not_measured_is_unknown() -> None:
    """No data is no verdict."""
    found = conditions(view(node("a"), node("b"), missing("c")))
    assert found == {
        None: ConditionState.CLEAR,
        "a": ConditionState.CLEAR,
        "b": ConditionState.CLEAR,
        "c": ConditionState.UNKNOWN,
    }


def test_one_measured_node_leaves_the_skew_unknown() -> None:
    """The skew line is unknown, and the line on knowledge itself is passed."""
    round_ = view(node("a"), missing("b"))
    assert set(conditions(round_).values()) == {ConditionState.UNKNOWN}
    assert conditions(round_, "unknown", "warning") == {None: ConditionState.PROVEN}


@pytest.mark.parametrize("left", [(), (node("a"),), (missing("a"),)])
def test_a_cluster_of_one_has_nothing_to_compare(left: tuple[NodeView, ...]) -> None:
    """Measured or silent, a lone node is neither apart nor unknown; its own conditions count."""
    lines = tuple(Threshold("critical", S, kind) for kind in ThresholdKind)
    kinds = {sample.key.kind for sample in observe(view(*left, lines=lines)).samples}
    assert kinds == ({"step", "unsynchronized", "unreachable"} if left else set())


def test_one_dead_node_is_to_blame_for_itself() -> None:
    """The others answer, so the fault is there."""
    found = conditions(view(node("a"), node("b"), missing("c")), "unreachable", "warning")
    assert found == {"a": ConditionState.CLEAR, "b": ConditionState.CLEAR, "c": ConditionState.PROVEN}


def test_when_no_node_answers_no_single_node_is_blamed() -> None:
    """A cut cable at the admin box is one alert, not one a node."""
    found = conditions(view(missing("a"), missing("b")), "unreachable", "warning")
    assert set(found.values()) == {ConditionState.SHARED}


@pytest.mark.parametrize(
    ("status", "condition"),
    [
        (None, ConditionState.UNKNOWN),
        (SyncStatus("unknown"), ConditionState.UNKNOWN),
        (SyncStatus("none"), ConditionState.PROVEN),
        (SyncStatus("chronyd", synchronized=True), ConditionState.CLEAR),
        (SyncStatus("ntpd", synchronized=False), ConditionState.PROVEN),
    ],
)
def test_a_claim_counts_only_when_it_is_made(status: SyncStatus | None, condition: ConditionState) -> None:
    """Silence of the time daemon is neither health nor a fault."""
    round_ = view(node("a", timesync=status), node("b"))
    assert conditions(round_, "unsynchronized", "warning")["a"] is condition


def test_a_stale_claim_of_a_silent_node_does_not_count() -> None:
    """A claim from before the node went away proves nothing now."""
    gone = replace(missing("a"), timesync=SyncStatus("ntpd", synchronized=False))
    assert conditions(view(gone, node("b")), "unsynchronized", "warning")["a"] is ConditionState.UNKNOWN


def test_a_step_is_seen_in_the_round_that_finds_it() -> None:
    """The size decides; a measured node without a step stood still."""
    round_ = view(
        node("a", stepped=Interval(-2 * S, -2 * S + 500)), node("b", stepped=Interval(5, 9)), node("c")
    )
    assert conditions(round_, "step", "warning") == {
        "a": ConditionState.PROVEN,
        "b": ConditionState.CLEAR,
        "c": ConditionState.CLEAR,
    }
    said = texts(round_, Key("prod", "step", "warning", "a")).description
    assert "set back by at least 1.999 s" in said


def test_drift_is_judged_in_nanoseconds_a_second() -> None:
    """200 ppm against a line of 100 ppm, and an interval that straddles it."""
    lines = (Threshold("warning", 100_000, "drift"),)
    round_ = view(
        node("a", drift=Drift(2e-4, 1.9e-4, 2.1e-4)),
        node("b", drift=Drift(-1e-4, -2e-4, 0.0)),
        node("c"),
        lines=lines,
    )
    found = conditions(round_, "drift", "warning")
    assert found == {"a": ConditionState.PROVEN, "b": ConditionState.AMBIGUOUS, "c": ConditionState.UNKNOWN}
    assert "190 ppm" in texts(round_, Key("prod", "drift", "warning", "a")).description


@pytest.mark.parametrize(("kind", "offset_ns"), [("ahead", 5 * S), ("behind", -5 * S)])
def test_one_sided_lines_look_one_way(kind: str, offset_ns: int) -> None:
    """A node on the right side of the reference is beyond the line, one on the other side is not."""
    lines = (Threshold("warning", 1 * S, kind),)
    round_ = view(node("a", offset_ns), node("b", -offset_ns), lines=lines)
    assert conditions(round_, kind, "warning") == {"a": ConditionState.PROVEN, "b": ConditionState.CLEAR}
    assert "the reference by at least 4.999 s and at most 5.001 s (line: 1 s)" in (
        texts(round_, Key("prod", kind, "warning", "a")).description
    )


def test_the_texts_of_a_culprit_have_bounds_evidence_and_the_next_command() -> None:
    """Bounds, line, evidence, the finding's message and its command."""
    finding = Finding("no-source", "critical", "chronyd has no reachable source.", "chronyc sources -v")
    quiet = Finding("leap", "info", "Nothing to see.", "true")
    round_ = view(node("a", 70 * S, findings=(quiet, finding)), node("b"), node("c"), vote=named("a"))
    found = texts(round_, Key("prod", "skew", "critical", "a"))
    assert found.summary == "The clock of a is wrong."
    assert "at least 69.99 s and at most 70.01 s (line: 1 s), ahead." in found.description
    assert "1 of the nodes against the rest. chronyd has no reachable source." in found.description
    assert "Nothing to see" not in found.description
    assert found.next == "chronyc sources -v"


def test_the_texts_of_a_cluster_name_the_pair() -> None:
    """Without a culprit the alert names the pair."""
    found = texts(offsets(UNDETERMINED, a=70 * S, b=0), Key("prod", "skew", "critical"))
    assert "The skew between a and b is at least 69.99 s" in found.description
    assert "Two nodes cannot outvote each other." in found.description


def test_unreachable_nodes_come_with_reason_and_advice() -> None:
    """The reason is the one of the metrics."""
    found = texts(view(node("b"), node("c"), missing("a")), Key("prod", "unreachable", "warning", "a"))
    assert found.description == "a (a.example.com): no-answer. It is silent. Is it up?"


def test_blame_without_a_breach_opens_nothing() -> None:
    """A vote that names a node within the line is of no consequence here."""
    assert set(conditions(offsets(named("a"), a=10 * MS, b=0, c=0)).values()) == {ConditionState.CLEAR}


def test_no_vote_at_all_blames_nobody() -> None:
    """A proven breach without any verdict is treated as undetermined."""
    assert conditions(offsets(NO_VERDICT, a=70 * S, b=0))[None] is ConditionState.PROVEN
