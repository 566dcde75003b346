"""Lines against UTC: one alert a node, one for a cluster that is off as a whole, none without proof."""

from dataclasses import replace

import pytest

from skewmon.alert.alerts import Cause, ConditionState, Key
from skewmon.alert.conditions import observe
from skewmon.alert.machine import State, step
from skewmon.alert.thresholds import in_force
from skewmon.alert.verdict import cluster_verdict, line_against_utc_ns, utc_limit_ns
from skewmon.model import (
    ClusterView,
    Interval,
    ReferenceView,
    Threshold,
    ThresholdKind,
    Utc,
    UtcState,
    Verdict,
)
from tests.alert.views import CRITICAL, MS, S, missing, node, view

UTC_LINE = Threshold("critical", 50 * MS, ThresholdKind.UTC, clear_for_s=60.0)

REFERENCES = tuple(
    ReferenceView(f"ntp{k}", Interval(-1, 1), success=True, upstream=f"ntp{k}") for k in (1, 2, 3)
)

CONFIRMED = Utc(UtcState.CONFIRMED, Interval(0, 0), references=REFERENCES)


def off(utc: Utc = CONFIRMED, bound_ns: int = MS, **ahead_ns: int | None) -> ClusterView:
    """Return a cluster of nodes that are so far ahead of UTC, or not measured."""
    nodes = [
        missing(name)
        if ahead is None
        else node(name, ahead, bound_ns, utc_offset=Interval.around(ahead, bound_ns))
        for name, ahead in ahead_ns.items()
    ]
    return replace(view(*nodes, lines=(CRITICAL, UTC_LINE)), utc=utc)


def conditions(seen: ClusterView) -> dict[str | None, str]:
    """Return the state of each UTC condition by node."""
    samples = [one for one in observe(seen).samples if one.key.kind is ThresholdKind.UTC]
    return {one.key.node: one.condition for one in samples}


def firing(state: State) -> list[str | None]:
    """Return the nodes of the alerts on UTC that fire."""
    return [key.node for key in state.firing if key.kind is ThresholdKind.UTC]


def test_each_node_that_is_off_has_an_alert() -> None:
    """The sentence has the bounds, the line and the references."""
    seen = off(a=0, b=0, c=-200 * MS)
    assert conditions(seen) == {None: "shared", "a": "clear", "b": "clear", "c": "proven"}
    state, _ = step(State(), observe(seen), 0)
    assert firing(state) == ["c"]
    (alert,) = (state.alert(key) for key in state.firing if key.kind is ThresholdKind.UTC)
    assert alert.key == Key("prod", ThresholdKind.UTC, "critical", "c")
    assert alert.key.name == "SkewmonUtcDivergence"
    assert alert.summary == "The clock of c is off UTC."
    assert alert.description == (
        "c (c.example.com) is behind UTC by at least 199 ms and at most 201 ms (line: 50 ms). "
        "UTC is confirmed by ntp1, ntp2, ntp3."
    )


def test_all_nodes_off_together_are_one_alert() -> None:
    """The nodes agree with each other, so no alert on skew reports them."""
    seen = off(a=200 * MS, b=201 * MS, c=200 * MS, d=200 * MS, e=None)
    assert conditions(seen)[None] == "proven"
    assert set(conditions(seen).values()) == {"proven", "ambiguous", "unknown"}
    state, _ = step(State(), observe(seen), 0)
    assert firing(state) == [None]
    (alert,) = (state.alert(key) for key in state.firing if key.kind is ThresholdKind.UTC)
    assert alert.description.startswith(
        "4 of 4 measured clocks are at least 199 ms ahead of UTC (line: 50 ms): a, b, c, d."
    )


def test_nodes_off_on_both_sides_are_not_off_together() -> None:
    """Each is wrong in its own way."""
    state, _ = step(State(), observe(off(a=200 * MS, b=-200 * MS)), 0)
    assert firing(state) == ["a", "b"]


def test_the_clusters_alert_starts_beside_those_of_nodes_that_went_first() -> None:
    """Daemons follow a wrong server one after the other; the last one makes it another incident."""
    state, _ = step(State(), observe(off(a=200 * MS, b=0, c=0)), 0)
    state, _ = step(state, observe(off(a=200 * MS, b=200 * MS, c=0)), 15 * S)
    assert firing(state) == ["a", "b"]
    state, _ = step(state, observe(off(a=200 * MS, b=200 * MS, c=200 * MS)), 30 * S)
    assert set(firing(state)) == {"a", "b", None}
    for second in (45, 105):
        state, _ = step(state, observe(off(a=0, b=0, c=0)), second * S)
    assert firing(state) == []


def test_the_nodes_take_over_from_the_cluster() -> None:
    """One node is corrected: the others are named, and the alert without a name ends."""
    state, _ = step(State(), observe(off(a=200 * MS, b=200 * MS, c=200 * MS)), 0)
    state, ended = step(state, observe(off(a=200 * MS, b=200 * MS, c=0)), 15 * S)
    assert firing(state) == ["a", "b"]
    assert [one.cause for one in ended if one.alert.key.node is None] == ["superseded"]


@pytest.mark.parametrize("state", [one for one in UtcState if one is not UtcState.CONFIRMED])
def test_unconfirmed_utc_starts_and_ends_nothing(state: UtcState) -> None:
    """Two references, a leap second, or silence."""
    unsure = replace(CONFIRMED, state=state)
    assert set(conditions(off(unsure, a=200 * MS, b=0)).values()) == {"unknown"}
    firing_state, _ = step(State(), observe(off(a=200 * MS, b=0)), 0)
    for second in (15, 80, 150):
        firing_state, changes = step(firing_state, observe(off(unsure, a=0, b=0)), second * S)
        assert (firing(firing_state), changes) == (["a"], ())


def test_without_references_there_is_nothing_to_judge() -> None:
    """A line alone has no result."""
    assert conditions(off(Utc(), a=200 * MS, b=200 * MS)) == {}


def test_alerts_end_with_a_reason_when_the_references_are_removed() -> None:
    """Those of nodes and that of the cluster, also if UTC was not confirmed before."""
    unsure = replace(CONFIRMED, state=UtcState.UNCONFIRMED)
    for begun in (off(a=200 * MS, b=0), off(a=200 * MS, b=200 * MS)):
        state, _ = step(State(), observe(begun), 0)
        state, _ = step(state, observe(off(unsure, a=200 * MS, b=0)), 15 * S)
        fired = firing(state)
        state, ended = step(state, observe(off(Utc(), a=200 * MS, b=0)), 30 * S)
        assert [
            (one.alert.key.node, one.cause) for one in ended if one.alert.key.kind is ThresholdKind.UTC
        ] == [(node, Cause.WITHDRAWN) for node in fired]
        assert fired
        assert firing(state) == []


def test_a_path_that_cannot_prove_the_line_is_ambiguous() -> None:
    """It is 40 ms away, known to 30 ms."""
    seen = off(bound_ns=30 * MS, a=40 * MS, b=40 * MS)
    assert set(conditions(seen).values()) == {ConditionState.AMBIGUOUS}


# --- verdict and lines ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("utc", "verdict"),
    [
        (None, Verdict.OK),
        ({}, Verdict.UNKNOWN),
        ({"a": Interval(0, 1)}, Verdict.UNKNOWN),
        ({"a": Interval(0, 1), "b": Interval(0, 1)}, Verdict.OK),
        ({"a": Interval(0, 1), "b": Interval(0, 80 * MS)}, Verdict.AMBIGUOUS),
        ({"a": Interval(0, 1), "b": Interval(-80 * MS, -60 * MS)}, Verdict.CRITICAL),
        ({"b": Interval(-80 * MS, -60 * MS)}, Verdict.CRITICAL),
    ],
)
def test_a_line_against_utc_counts_in_the_verdict(utc: dict[str, Interval] | None, verdict: Verdict) -> None:
    """None are no references; an empty mapping is UTC that is not confirmed."""
    seen = off(a=0, b=0)
    offsets = {"a": Interval(0, 0), "b": Interval(0, 0)}
    assert cluster_verdict((CRITICAL, UTC_LINE), seen.skew, offsets, 2, utc) is verdict


def test_a_single_clock_can_be_compared_with_utc() -> None:
    """It has no pair, so without a line against UTC its verdict stays unknown."""
    alone = {"a": Interval(0, 0)}
    assert cluster_verdict((UTC_LINE,), None, alone, 1, alone) is Verdict.OK
    assert cluster_verdict((CRITICAL,), None, alone, 1, alone) is Verdict.UNKNOWN
    assert cluster_verdict((UTC_LINE,), None, alone, 2, alone) is Verdict.UNKNOWN


def test_a_line_against_utc_keeps_the_default_profile() -> None:
    """It says nothing about the distance between nodes."""
    kinds = {(line.kind, line.severity) for line in in_force(None, (UTC_LINE,))}
    assert kinds >= {("utc", "critical"), ("skew", "warning"), ("skew", "critical")}


def test_the_line_against_utc_is_the_lowest_that_applies() -> None:
    """That of a vote only while the nodes vote; without a line of its own, a cluster has that on skew."""
    assert utc_limit_ns((CRITICAL, UTC_LINE), None) == 50 * MS
    assert utc_limit_ns((CRITICAL, UTC_LINE), 10 * MS) == 10 * MS
    assert utc_limit_ns((CRITICAL, UTC_LINE), S) == 50 * MS
    assert utc_limit_ns((CRITICAL,), None) is None
    assert line_against_utc_ns((CRITICAL, UTC_LINE)) == 50 * MS
    assert line_against_utc_ns((CRITICAL,)) == S
    assert line_against_utc_ns(()) is None
