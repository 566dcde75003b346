"""The nodes whose next bursts may stop early: the part of ``samples: auto`` that looks at lines."""

from collections.abc import Iterable, Mapping

from skewmon.clock.sampling import NEW_ROUNDS, PART_OF_LINE, BurstGoal, near_line
from skewmon.model import Cluster, ClusterView, Endpoint, Interval, Measured, Threshold, ThresholdKind
from skewmon.monitor.node_state import NodeState

#: Lines on distances, which bounds decide.
DISTANCES = frozenset({ThresholdKind.SKEW, ThresholdKind.AHEAD, ThresholdKind.BEHIND, ThresholdKind.UTC})

Goals = Mapping[Endpoint, BurstGoal]


def goals_after(view: ClusterView, states: Mapping[Endpoint, NodeState]) -> Goals:
    """Return the goals of a cluster's nodes that need no whole burst in the next round.

    None if the cluster has a number of samples, no line on a distance, or a line on drift, which needs the
    narrowest bursts that can be had.
    """
    cluster = view.cluster
    lines = [line for line in cluster.thresholds if line.kind in DISTANCES]
    if (
        cluster.samples is not None
        or not lines
        or any(line.kind is ThresholdKind.DRIFT for line in cluster.thresholds)
    ):
        return {}
    lines_ns = tuple(sorted({line.limit_ns for line in lines}))
    near = _near(view, lines)
    goals: dict[Endpoint, BurstGoal] = {}
    for node, shown in zip(cluster.nodes, view.nodes, strict=True):
        outcome, state = shown.outcome, states.get(node.endpoint)
        if isinstance(outcome, Measured) and state and shown.name not in near and _is_known(state):
            goals[node.endpoint] = BurstGoal(lines_ns, outcome.estimate.wall, outcome.estimate.at_ns)
    return goals


def shared_goals(clusters: Iterable[Cluster], goals_of: Mapping[str, Goals]) -> dict[Endpoint, BurstGoal]:
    """Return the goals of a round; a node of several clusters has the lines of all, if each has a goal."""
    shared: dict[Endpoint, BurstGoal] = {}
    refused: set[Endpoint] = set()
    for cluster in clusters:
        goals = goals_of.get(cluster.name, {})
        for node in cluster.nodes:
            goal, other = goals.get(node.endpoint), shared.get(node.endpoint)
            if goal is None:
                refused.add(node.endpoint)
            elif other is None:
                shared[node.endpoint] = goal
            elif goal.lines_ns != other.lines_ns:
                lines_ns = tuple(sorted({*goal.lines_ns, *other.lines_ns}))
                shared[node.endpoint] = other._replace(lines_ns=lines_ns)
    for endpoint in refused:
        shared.pop(endpoint, None)
    return shared


def _is_known(state: NodeState) -> bool:
    history = state.clock_state.history if state.clock_state else None
    return history is not None and history.bursts >= NEW_ROUNDS


def _near(view: ClusterView, lines: Iterable[Threshold]) -> set[str]:
    """Return the nodes for which a line is, or may soon be, within the bounds of what it judges."""
    near: set[str] = set()
    offsets = {node.name: node.offset for node in view.nodes if node.offset is not None}
    for line in lines:
        margin_ns = line.limit_ns // PART_OF_LINE
        if line.kind is ThresholdKind.SKEW:
            if view.skew is not None and view.skew.upper_ns >= line.limit_ns - margin_ns:
                near |= near_line(offsets, line.limit_ns, margin_ns)
            continue
        to_utc = line.kind is ThresholdKind.UTC
        for node in view.nodes:
            judged = node.utc_offset if to_utc else node.offset
            if judged is not None and _meets(judged, line.limit_ns, margin_ns):
                near.add(node.name)
    return near


def _meets(offset: Interval, limit_ns: int, margin_ns: int) -> bool:
    """Return whether an offset may lie within the margin of the limit, on either side."""
    widened = offset.widened(margin_ns)
    return any(widened.lower_ns <= side <= widened.upper_ns for side in (-limit_ns, limit_ns))
