"""Derives the state of every alert's condition from a round's view of a cluster."""

from collections.abc import Collection, Iterator, Mapping

from skewmon.alert import conditions_node
from skewmon.alert.alerts import ConditionSample, ConditionState, Key, Observation
from skewmon.alert.conditions_node import STATES, Evaluator
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


def observe(view: ClusterView) -> Observation:
    """Return the samples of a round: for every line of the cluster, of every node and of the cluster itself.

    A cluster that is configured with fewer than two nodes has no pairs, so its comparing lines have no
    samples. A configured node counts, measured or not.
    """
    samples = [
        sample
        for line in view.cluster.thresholds
        if len(view.nodes) >= 2 or line.kind not in COMPARING
        for sample in EVALUATORS[line.kind](view, line)
    ]
    return Observation(view.name, view.at_wall_ns, tuple(samples))


def skew(view: ClusterView, line: Threshold) -> Iterator[ConditionSample]:
    """Judge the cluster as a whole, and each node against its furthest peer that is not a culprit."""
    culprits = frozenset(view.vote.culprits if view.vote.verdict == CulpritVerdict.NAMED else ())
    yield _cluster_skew(view, line, culprits)
    if view.skew is not None and judge(view.skew, line) is Judgement.OK and not culprits:
        for node in view.nodes:  # no pair is as far apart; the furthest peer need not be known
            condition = ConditionState.UNKNOWN if node.offset is None else ConditionState.CLEAR
            yield ConditionSample(Key(view.name, line.kind, line.severity, node.name), line, condition)
        return
    offsets = {node.name: node.offset for node in view.nodes if node.offset is not None}
    furthest = furthest_peers(offsets, culprits)
    for node in view.nodes:
        yield _node_skew(view, node, line, furthest.get(node.name), culprits)


def _cluster_skew(view: ClusterView, line: Threshold, culprits: Collection[str]) -> ConditionSample:
    """Judge the whole cluster; the alert machine prefers a node's alert if there is one."""
    key = Key(view.name, line.kind, line.severity)
    condition = ConditionState.UNKNOWN if view.skew is None else STATES[judge(view.skew, line)]
    if view.skew is None or condition is not ConditionState.PROVEN:
        return ConditionSample(key, line, condition)
    pair = f" between {view.worst.node} and {view.worst.peer}" if view.worst else ""
    return ConditionSample(
        key,
        line,
        ConditionState.SHARED if culprits else ConditionState.PROVEN,
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
) -> ConditionSample:
    """Judge one node; only the alert of a named culprit may start."""
    key = Key(view.name, line.kind, line.severity, node.name)
    condition = ConditionState.UNKNOWN if furthest is None else STATES[judge(furthest.skew, line)]
    if furthest is None or condition is not ConditionState.PROVEN:
        return ConditionSample(key, line, condition)
    return ConditionSample(
        key,
        line,
        ConditionState.PROVEN if node.name in culprits else ConditionState.SHARED,
        f"The clock of {node.name} is wrong.",
        f"{node.name} ({node.address}) differs from {furthest.peer} by {skew_bounds(furthest.skew, line)}"
        f"{direction(node)}.{sentence(view.vote.evidence)}{quoted(node.findings)}",
        next_command(view, node),
    )


def unknown(view: ClusterView, line: Threshold) -> Iterator[ConditionSample]:
    """Report a cluster without a known skew."""
    key = Key(view.name, line.kind, line.severity)
    if view.skew is not None:
        yield ConditionSample(key, line, ConditionState.CLEAR)
        return
    yield ConditionSample(
        key,
        line,
        ConditionState.PROVEN,
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
