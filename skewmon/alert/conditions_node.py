"""Conditions of single nodes: offset, drift, steps, reachability, and the state of the time daemon."""

from collections.abc import Callable, Iterator, Mapping

from skewmon.alert.alerts import ConditionSample, ConditionState, Key
from skewmon.alert.messages import bounds, next_command, probe_command, quoted, sentence
from skewmon.alert.thresholds import Judgement, judge
from skewmon.model import ClusterView, Failed, Interval, Measured, NodeView, SyncStatus, Threshold
from skewmon.text import rate

Evaluator = Callable[[ClusterView, Threshold], Iterator[ConditionSample]]

#: Describes a quantity that is beyond its line.
Describe = Callable[[Interval, Threshold], str]

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


def ahead(view: ClusterView, line: Threshold) -> Iterator[ConditionSample]:
    """Judge how far each node is ahead of the reference."""
    for node in view.nodes:
        yield _judged(view, node, line, node.offset, "is ahead", _describe_ahead)


def behind(view: ClusterView, line: Threshold) -> Iterator[ConditionSample]:
    """Judge how far each node is behind the reference."""
    for node in view.nodes:
        yield _judged(view, node, line, node.offset, "is behind", _describe_behind)


def drift(view: ClusterView, line: Threshold) -> Iterator[ConditionSample]:
    """Judge the drift of each node from the reference, rounded outwards to whole nanoseconds."""
    for node in view.nodes:
        value = None
        if node.drift is not None:
            value = Interval(
                int(node.drift.lower * _NS_PER_RATIO) - 1, int(node.drift.upper * _NS_PER_RATIO) + 1
            )
        yield _judged(view, node, line, value, "runs at a wrong rate", _describe_drift)


def step(view: ClusterView, line: Threshold) -> Iterator[ConditionSample]:
    """Judge the step that this round found; a measured node without one did not step."""
    for node in view.nodes:
        yield _judged(view, node, line, node.stepped or _STILL, "was stepped", _describe_step)


def _judged(
    view: ClusterView,
    node: NodeView,
    line: Threshold,
    value: Interval | None,
    headline: str,
    describe: Describe,
) -> ConditionSample:
    """Return the sample of a quantity of one node; without a measurement it is UNKNOWN."""
    key = Key(view.name, line.kind, line.severity, node.name)
    if value is None or not isinstance(node.outcome, Measured):
        return ConditionSample(key, line, ConditionState.UNKNOWN)
    condition = STATES[judge(value, line)]
    if condition is not ConditionState.PROVEN:
        return ConditionSample(key, line, condition)  # texts take most of the time, and only proof needs them
    return ConditionSample(
        key,
        line,
        condition,
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


def unsynchronized(view: ClusterView, line: Threshold) -> Iterator[ConditionSample]:
    """Report nodes whose time daemon claims to be unsynchronized, or does not run."""
    for node in view.nodes:
        key = Key(view.name, line.kind, line.severity, node.name)
        status = node.timesync if isinstance(node.outcome, Measured) else None
        condition = _claimed(status)
        if status is None or condition is not ConditionState.PROVEN:
            yield ConditionSample(key, line, condition)
            continue
        none = status.daemon == "none"
        problem = "no time daemon runs" if none else f"{status.daemon} is not synchronized"
        yield ConditionSample(
            key,
            line,
            condition,
            f"Time synchronization of {node.name} is broken.",
            f"{node.name} ({node.address}): {problem}.{quoted(node.findings)}",
            next_command(view, node),
        )


def _claimed(status: SyncStatus | None) -> ConditionState:
    if status is not None and status.daemon == "none":
        return ConditionState.PROVEN
    if status is None or status.synchronized is None:
        return ConditionState.UNKNOWN
    return ConditionState.CLEAR if status.synchronized else ConditionState.PROVEN


def unreachable(view: ClusterView, line: Threshold) -> Iterator[ConditionSample]:
    """Report nodes that could not be measured.

    If none could, the fault is more likely on this side: SkewmonSkewUnknown reports it once, instead of one
    alert for each node.
    """
    failed = ConditionState.SHARED if view.measured == 0 and len(view.nodes) > 1 else ConditionState.PROVEN
    for node in view.nodes:
        key = Key(view.name, line.kind, line.severity, node.name)
        if not isinstance(node.outcome, Failed):
            yield ConditionSample(key, line, ConditionState.CLEAR)
            continue
        yield ConditionSample(
            key,
            line,
            failed,
            f"{node.name} cannot be measured.",
            f"{node.name} ({node.address}): {node.outcome.reason.value}."
            f"{sentence(node.outcome.detail)}{sentence(node.outcome.advice)}",
            probe_command(view, node),
        )
