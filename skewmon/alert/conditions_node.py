"""Conditions of single nodes: offset, drift, steps, reachability, and the state of the time daemon."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from skewmon.alert.alerts import ConditionState, Describe, Texts
from skewmon.alert.messages import bounds, next_command, probe_command, quoted, sentence
from skewmon.alert.thresholds import Judgement, judge
from skewmon.model import ClusterView, Failed, Interval, Measured, NodeView, SyncStatus, Threshold
from skewmon.text import rate

#: The node of an alert, or None for its cluster's; its condition's state; the texts of one beyond its line.
Condition = tuple[str | None, ConditionState, Describe | None]

Evaluator = Callable[[ClusterView, Threshold], Iterator[Condition]]

#: Describes a quantity that is beyond its line.
DescribeQuantity = Callable[[Interval, Threshold], str]

#: The state of a condition that concerns one node alone, by judgement.
STATES: Mapping[Judgement, ConditionState] = {
    Judgement.BREACH: ConditionState.PROVEN,
    Judgement.OK: ConditionState.CLEAR,
    Judgement.AMBIGUOUS: ConditionState.AMBIGUOUS,
}

#: Drift is a ratio of seconds; its lines are in whole nanoseconds a second.
_NS_PER_RATIO = 1e9

#: The step of a clock that did not step.
_STILL = Interval(0, 0)


def ahead(view: ClusterView, line: Threshold) -> Iterator[Condition]:
    """Judge how far each node is ahead of the reference."""
    for node in view.nodes:
        yield _judged(view, node, line, node.offset, "is ahead", _describe_ahead)


def behind(view: ClusterView, line: Threshold) -> Iterator[Condition]:
    """Judge how far each node is behind the reference."""
    for node in view.nodes:
        yield _judged(view, node, line, node.offset, "is behind", _describe_behind)


def drift(view: ClusterView, line: Threshold) -> Iterator[Condition]:
    """Judge the drift of each node from the reference, rounded outwards to whole nanoseconds."""
    for node in view.nodes:
        value = None
        if node.drift is not None:
            value = Interval(
                int(node.drift.lower * _NS_PER_RATIO) - 1, int(node.drift.upper * _NS_PER_RATIO) + 1
            )
        yield _judged(view, node, line, value, "runs at a wrong rate", _describe_drift)


def step(view: ClusterView, line: Threshold) -> Iterator[Condition]:
    """Judge the step that this round found; a measured node without one did not step."""
    still = STATES[judge(_STILL, line)]
    for node in view.nodes:
        if node.stepped is None and isinstance(node.outcome, Measured):
            yield node.name, still, None  # nearly every node, nearly every round
        else:
            yield _judged(view, node, line, node.stepped or _STILL, "was stepped", _describe_step)


def _judged(
    view: ClusterView,
    node: NodeView,
    line: Threshold,
    value: Interval | None,
    headline: str,
    describe: DescribeQuantity,
) -> Condition:
    """Return the state of a quantity of one node; without a measurement it is UNKNOWN."""
    if value is None or not isinstance(node.outcome, Measured):
        return node.name, ConditionState.UNKNOWN, None
    condition = STATES[judge(value, line)]
    if condition is not ConditionState.PROVEN:
        return node.name, condition, None
    return node.name, condition, partial(_describe, view, node, line, value, headline, describe)


def _describe(
    view: ClusterView,
    node: NodeView,
    line: Threshold,
    value: Interval,
    headline: str,
    describe: DescribeQuantity,
) -> Texts:
    return Texts(
        f"The clock of {node.name} {headline}.",
        f"{node.name} ({node.address}): {describe(value, line)}.{quoted(node.findings)}",
        next_command(view, node),
    )


def _describe_ahead(value: Interval, line: Threshold) -> str:
    return f"ahead of the reference by {bounds(value.lower_ns, value.upper_ns, line)}"


def _describe_behind(value: Interval, line: Threshold) -> str:
    return f"behind the reference by {bounds(-value.upper_ns, -value.lower_ns, line)}"


def _describe_drift(value: Interval, line: Threshold) -> str:
    return f"gaining between {rate(value.lower_ns)} and {rate(value.upper_ns)} (line: {rate(line.limit_ns)})"


def _describe_step(value: Interval, line: Threshold) -> str:
    way = "forward" if value.estimate_ns > 0 else "back"
    return f"set {way} by {bounds(value.proven_ns, value.furthest_ns, line)}"


def unsynchronized(view: ClusterView, _line: Threshold) -> Iterator[Condition]:
    """Report nodes whose time daemon claims to be unsynchronized, or does not run."""
    for node in view.nodes:
        status = node.timesync if isinstance(node.outcome, Measured) else None
        yield node.name, _claimed(status), partial(_describe_claim, view, node)


def _claimed(status: SyncStatus | None) -> ConditionState:
    if status is not None and status.daemon == "none":
        return ConditionState.PROVEN
    if status is None or status.synchronized is None:
        return ConditionState.UNKNOWN
    return ConditionState.CLEAR if status.synchronized else ConditionState.PROVEN


def _describe_claim(view: ClusterView, node: NodeView) -> Texts:
    assert node.timesync is not None, node.name
    daemon = node.timesync.daemon
    problem = "no time daemon runs" if daemon == "none" else f"{daemon} is not synchronized"
    return Texts(
        f"Time synchronization of {node.name} is broken.",
        f"{node.name} ({node.address}): {problem}.{quoted(node.findings)}",
        next_command(view, node),
    )


def unreachable(view: ClusterView, _line: Threshold) -> Iterator[Condition]:
    """Report nodes that could not be measured.

    If none could, the fault is more likely on this side: SkewmonSkewUnknown reports it once, instead of one
    alert for each node.
    """
    failed = ConditionState.SHARED if view.measured == 0 and len(view.nodes) > 1 else ConditionState.PROVEN
    for node in view.nodes:
        if isinstance(node.outcome, Failed):
            yield node.name, failed, partial(_describe_failure, view, node, node.outcome)
        else:
            yield node.name, ConditionState.CLEAR, None


def _describe_failure(view: ClusterView, node: NodeView, failed: Failed) -> Texts:
    return Texts(
        f"{node.name} cannot be measured.",
        f"{node.name} ({node.address}): {failed.reason.value}."
        f"{sentence(failed.detail)}{sentence(failed.advice)}",
        probe_command(view, node),
    )
