"""Derives the state of every alert's condition from a round's view of a cluster."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial

from skewmon.alert import conditions_node
from skewmon.alert.alerts import BEYOND, ConditionSample, ConditionState, Key, Observation, Texts
from skewmon.alert.conditions_node import STATES, Condition, Evaluator
from skewmon.alert.conditions_utc import utc
from skewmon.alert.furthest_peers import FurthestPeer, furthest_peers
from skewmon.alert.messages import (
    check_command,
    direction,
    next_command,
    quoted,
    reasons,
    sentence,
    skew_bounds,
)
from skewmon.alert.thresholds import Judgement, judge
from skewmon.model import ClusterView, CulpritVerdict, NodeView, Threshold, ThresholdKind

#: Kinds that compare the clocks of a cluster; a single clock is its own reference.
COMPARING = frozenset(
    {
        ThresholdKind.SKEW,
        ThresholdKind.AHEAD,
        ThresholdKind.BEHIND,
        ThresholdKind.DRIFT,
        ThresholdKind.UNKNOWN,
    }
)


def observe(view: ClusterView, followed: Iterable[Key] | None = None) -> Observation:
    """Return the samples of a round: for every line of the cluster, of every node and of the cluster itself.

    With ``followed``, conditions of other alerts have no sample unless they are beyond their lines. A cluster
    that is configured with fewer than two nodes has no pairs, so its comparing lines have no samples. A
    configured node counts, measured or not.
    """
    nodes_of = None if followed is None else _by_line(followed)
    samples: list[ConditionSample] = []
    for line in view.cluster.thresholds:
        if len(view.nodes) < 2 and line.kind in COMPARING:
            continue
        nodes = None if nodes_of is None else nodes_of.get((line.kind, line.severity), ())
        samples += (
            ConditionSample(
                Key(view.name, line.kind, line.severity, node),
                line,
                condition,
                describe if condition in BEYOND else None,
            )
            for node, condition, describe in EVALUATORS[line.kind](view, line)
            if condition in BEYOND or nodes is None or node in nodes
        )
    return Observation(view.name, view.at_wall_ns, tuple(samples))


def _by_line(keys: Iterable[Key]) -> dict[tuple[str, str], set[str | None]]:
    """Return the nodes of some alerts by kind and severity of their lines."""
    found: dict[tuple[str, str], set[str | None]] = {}
    for key in keys:
        found.setdefault((key.kind, key.severity), set()).add(key.node)
    return found


def skew(view: ClusterView, line: Threshold) -> Iterator[Condition]:
    """Judge the cluster as a whole, and each node against its furthest peer that is not a culprit."""
    culprits = frozenset(view.vote.culprits if view.vote.verdict == CulpritVerdict.NAMED else ())
    yield _cluster_skew(view, line, culprits)
    if view.skew is not None and judge(view.skew, line) is Judgement.OK and not culprits:
        for node in view.nodes:  # no pair is as far apart; the furthest peer need not be known
            yield node.name, ConditionState.UNKNOWN if node.offset is None else ConditionState.CLEAR, None
        return
    offsets = {node.name: node.offset for node in view.nodes if node.offset is not None}
    furthest = furthest_peers(offsets, culprits)
    for node in view.nodes:
        yield _node_skew(view, node, line, furthest.get(node.name), culprits)


def _cluster_skew(view: ClusterView, line: Threshold, culprits: Collection[str]) -> Condition:
    """Judge the whole cluster; the alert machine prefers a node's alert if there is one."""
    condition = ConditionState.UNKNOWN if view.skew is None else STATES[judge(view.skew, line)]
    if condition is ConditionState.PROVEN and culprits:
        condition = ConditionState.SHARED
    return None, condition, partial(_describe_cluster, view, line)


def _describe_cluster(view: ClusterView, line: Threshold) -> Texts:
    assert view.skew is not None, view.name
    pair = f" between {view.worst.node} and {view.worst.peer}" if view.worst else ""
    return Texts(
        f"The clocks of {view.name} disagree.",
        f"The skew{pair} is {skew_bounds(view.skew, line)}."
        f"{sentence(view.vote.evidence or 'The wrong clock cannot be determined')}{quoted(view.findings)}",
        check_command(view),
    )


def _node_skew(
    view: ClusterView,
    node: NodeView,
    line: Threshold,
    furthest: FurthestPeer | None,
    culprits: Collection[str],
) -> Condition:
    """Judge one node; only the alert of a named culprit may start."""
    if furthest is None:
        return node.name, ConditionState.UNKNOWN, None
    condition = STATES[judge(furthest.skew, line)]
    if condition is ConditionState.PROVEN and node.name not in culprits:
        condition = ConditionState.SHARED
    return node.name, condition, partial(_describe_node, view, node, line, furthest)


def _describe_node(view: ClusterView, node: NodeView, line: Threshold, furthest: FurthestPeer) -> Texts:
    return Texts(
        f"The clock of {node.name} is wrong.",
        f"{node.name} ({node.address}) differs from {furthest.peer} by {skew_bounds(furthest.skew, line)}"
        f"{direction(node)}.{sentence(view.vote.evidence)}{quoted(node.findings)}",
        next_command(view, node),
    )


def unknown(view: ClusterView, _line: Threshold) -> Iterator[Condition]:
    """Report a cluster without a known skew."""
    condition = ConditionState.PROVEN if view.skew is None else ConditionState.CLEAR
    yield None, condition, partial(_describe_unknown, view)


def _describe_unknown(view: ClusterView) -> Texts:
    return Texts(
        f"The skew of {view.name} is unknown.",
        f"Of {len(view.nodes)} nodes {view.measured} could be measured; a skew needs two. "
        f"Alerts that fire stay as they are.{reasons(view)}",
        check_command(view),
    )


#: The evaluator of each kind of threshold.
EVALUATORS: Mapping[str, Evaluator] = {
    ThresholdKind.SKEW: skew,
    ThresholdKind.UNKNOWN: unknown,
    ThresholdKind.AHEAD: conditions_node.ahead,
    ThresholdKind.BEHIND: conditions_node.behind,
    ThresholdKind.DRIFT: conditions_node.drift,
    ThresholdKind.STEP: conditions_node.step,
    ThresholdKind.UTC: utc,
    ThresholdKind.UNSYNCHRONIZED: conditions_node.unsynchronized,
    ThresholdKind.UNREACHABLE: conditions_node.unreachable,
}
