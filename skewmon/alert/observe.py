"""From a round's view of a cluster to what it shows of every alert's condition."""

from collections.abc import Iterator, Mapping

from skewmon.alert import observe_node
from skewmon.alert.alerts import ConditionSample, Key, Observation, Sight
from skewmon.alert.observe_node import SIGHTS, Observer
from skewmon.alert.reach import Reach, reaches
from skewmon.alert.thresholds import judge
from skewmon.alert.words import check_command, direction, next_command, quoted, reasons, sentence, skew_bounds
from skewmon.model import ClusterView, CulpritVerdict, NodeView, Threshold, ThresholdKind

#: Lines that compare a cluster's clocks; its reference is their median, so that one alone is its own.
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
    """Return what a round shows of every line of its cluster, for every node and for the cluster itself.

    A cluster that is configured with fewer than two nodes has no pair that could be apart, and the lines that
    compare are not drawn for it. A node that cannot be measured is configured all the same.
    """
    readings = [
        reading
        for line in view.cluster.thresholds
        if len(view.nodes) >= 2 or line.kind not in COMPARING
        for reading in OBSERVERS[line.kind](view, line)
    ]
    return Observation(view.name, view.at_wall_ns, tuple(readings))


def observe_skew(view: ClusterView, line: Threshold) -> Iterator[ConditionSample]:
    """Judge the cluster as a whole, and each node against those whom nobody blames."""
    yield _cluster_skew(view, line)
    offsets = {node.name: node.offset for node in view.nodes if node.offset is not None}
    reached = reaches(offsets, _blamed(view))
    for node in view.nodes:
        yield _node_skew(view, node, line, reached)


def _blamed(view: ClusterView) -> frozenset[str]:
    return frozenset(view.vote.culprits if view.vote.verdict == CulpritVerdict.NAMED else ())


def _cluster_skew(view: ClusterView, line: Threshold) -> ConditionSample:
    """Judge the whole cluster; the machine lets a named alert take over where there is one."""
    key = Key(view.name, line.kind, line.severity)
    sight = Sight.UNKNOWN if view.skew is None else SIGHTS[judge(view.skew, line)]
    if view.skew is None or sight is not Sight.PROVEN:
        return ConditionSample(key, line, sight)
    pair = f" between {view.worst.node} and {view.worst.peer}" if view.worst else ""
    return ConditionSample(
        key,
        line,
        Sight.SHARED if _blamed(view) else Sight.PROVEN,
        f"The clocks of {view.name} disagree.",
        f"The skew{pair} is {skew_bounds(view.skew, line)}."
        f"{sentence(view.vote.evidence or 'Which clock is wrong cannot be told')}{quoted(view.findings)}",
        check_command(view),
    )


def _node_skew(
    view: ClusterView, node: NodeView, line: Threshold, reached: Mapping[str, Reach]
) -> ConditionSample:
    """Judge one node; only a named culprit's alert may begin."""
    key = Key(view.name, line.kind, line.severity, node.name)
    reach = reached.get(node.name)
    sight = Sight.UNKNOWN if reach is None else SIGHTS[judge(reach.skew, line)]
    if reach is None or sight is not Sight.PROVEN:
        return ConditionSample(key, line, sight)
    return ConditionSample(
        key,
        line,
        Sight.PROVEN if node.name in _blamed(view) else Sight.SHARED,
        f"The clock of {node.name} is wrong.",
        f"{node.name} ({node.address}) differs from {reach.peer} by {skew_bounds(reach.skew, line)}"
        f"{direction(node)}.{sentence(view.vote.evidence)}{quoted(node.findings)}",
        next_command(view, node),
    )


def observe_unknown(view: ClusterView, line: Threshold) -> Iterator[ConditionSample]:
    """Tell whether the skew is known at all."""
    key = Key(view.name, line.kind, line.severity)
    if view.skew is not None:
        yield ConditionSample(key, line, Sight.CLEAR)
        return
    yield ConditionSample(
        key,
        line,
        Sight.PROVEN,
        f"The skew of {view.name} is unknown.",
        f"Of {len(view.nodes)} nodes {view.measured} could be measured; a skew needs two. "
        f"Alerts that fire stay as they are.{reasons(view)}",
        check_command(view),
    )


#: What looks at a line of each kind.
OBSERVERS: Mapping[str, Observer] = {
    ThresholdKind.SKEW: observe_skew,
    ThresholdKind.UNKNOWN: observe_unknown,
    ThresholdKind.AHEAD: observe_node.ahead,
    ThresholdKind.BEHIND: observe_node.behind,
    ThresholdKind.DRIFT: observe_node.drift,
    ThresholdKind.STEP: observe_node.step,
    ThresholdKind.UNSYNCHRONIZED: observe_node.unsynchronized,
    ThresholdKind.UNREACHABLE: observe_node.unreachable,
}
