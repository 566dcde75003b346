"""What a round shows of each node by itself: where its clock stands, whether it answers, what it claims."""

from collections.abc import Callable, Iterator, Mapping

from skewmon.alert.alerts import ConditionSample, Key, Sight
from skewmon.alert.thresholds import Judgement, judge
from skewmon.alert.words import bounds, next_command, probe_command, quoted, sentence
from skewmon.model import ClusterView, Failed, Interval, Measured, NodeView, SyncStatus, Threshold
from skewmon.text import rate

Observer = Callable[[ClusterView, Threshold], Iterator[ConditionSample]]

#: Puts a quantity that is beyond its line in words.
Tell = Callable[[Interval, Threshold], str]

#: What a judgement means for an alert that one node alone is to blame for.
SIGHTS: Mapping[Judgement, Sight] = {
    Judgement.BREACH: Sight.PROVEN,
    Judgement.OK: Sight.CLEAR,
    Judgement.AMBIGUOUS: Sight.AMBIGUOUS,
}

#: Drift is kept as a ratio of seconds; lines are drawn in whole nanoseconds a second.
_NS_PER_RATIO = 1e9

#: The jump of a clock that did not jump.
_STILL = Interval(0, 0)


def ahead(view: ClusterView, line: Threshold) -> Iterator[ConditionSample]:
    """Judge how far each node is ahead of the reference."""
    for node in view.nodes:
        yield _judged(view, node, line, node.offset, "is ahead", _tell_ahead)


def behind(view: ClusterView, line: Threshold) -> Iterator[ConditionSample]:
    """Judge how far each node is behind the reference."""
    for node in view.nodes:
        yield _judged(view, node, line, node.offset, "is behind", _tell_behind)


def drift(view: ClusterView, line: Threshold) -> Iterator[ConditionSample]:
    """Judge the rate at which each node leaves the reference, rounded outwards to whole nanoseconds."""
    for node in view.nodes:
        value = None
        if node.drift is not None:
            value = Interval(
                int(node.drift.lower * _NS_PER_RATIO) - 1, int(node.drift.upper * _NS_PER_RATIO) + 1
            )
        yield _judged(view, node, line, value, "runs at a wrong rate", _tell_drift)


def step(view: ClusterView, line: Threshold) -> Iterator[ConditionSample]:
    """Judge the jump that this round found; a measured node without one stood still."""
    for node in view.nodes:
        yield _judged(view, node, line, node.stepped or _STILL, "was stepped", _tell_step)


def _judged(
    view: ClusterView, node: NodeView, line: Threshold, value: Interval | None, headline: str, tell: Tell
) -> ConditionSample:
    """Return the reading of a quantity that a node has by itself; without a measurement it has none."""
    key = Key(view.name, line.kind, line.severity, node.name)
    if value is None or not isinstance(node.outcome, Measured):
        return ConditionSample(key, line, Sight.UNKNOWN)
    sight = SIGHTS[judge(value, line)]
    if sight is not Sight.PROVEN:
        return ConditionSample(key, line, sight)  # words take most of the time, and only proof needs them
    return ConditionSample(
        key,
        line,
        sight,
        f"The clock of {node.name} {headline}.",
        f"{node.name} ({node.address}): {tell(value, line)}.{quoted(node.findings)}",
        next_command(view, node),
    )


def _tell_ahead(value: Interval, line: Threshold) -> str:
    return f"ahead of the reference by {bounds(value.lower_ns, value.upper_ns, line)}"


def _tell_behind(value: Interval, line: Threshold) -> str:
    return f"behind the reference by {bounds(-value.upper_ns, -value.lower_ns, line)}"


def _tell_drift(value: Interval, line: Threshold) -> str:
    return f"gaining between {rate(value.lower_ns)} and {rate(value.upper_ns)} (line: {rate(line.limit_ns)})"


def _tell_step(value: Interval, line: Threshold) -> str:
    way = "forward" if value.estimate_ns > 0 else "back"
    return f"set {way} by {bounds(value.proven_ns, value.furthest_ns, line)}"


def unsynchronized(view: ClusterView, line: Threshold) -> Iterator[ConditionSample]:
    """Tell whose time daemon says that it is not synchronised, or does not run."""
    for node in view.nodes:
        key = Key(view.name, line.kind, line.severity, node.name)
        status = node.timesync if isinstance(node.outcome, Measured) else None
        sight = _claimed(status)
        if status is None or sight is not Sight.PROVEN:
            yield ConditionSample(key, line, sight)
            continue
        said = "no time daemon runs" if status.daemon == "none" else f"{status.daemon} is not synchronised"
        yield ConditionSample(
            key,
            line,
            sight,
            f"Time synchronisation of {node.name} is broken.",
            f"{node.name} ({node.address}): {said}.{quoted(node.findings)}",
            next_command(view, node),
        )


def _claimed(status: SyncStatus | None) -> Sight:
    if status is not None and status.daemon == "none":
        return Sight.PROVEN
    if status is None or status.synchronized is None:
        return Sight.UNKNOWN
    return Sight.CLEAR if status.synchronized else Sight.PROVEN


def unreachable(view: ClusterView, line: Threshold) -> Iterator[ConditionSample]:
    """Tell who could not be measured.

    Where nobody could, the fault is likelier on this side: SkewmonSkewUnknown tells it once, instead of one
    alert a node.
    """
    unanswered = Sight.SHARED if view.measured == 0 and len(view.nodes) > 1 else Sight.PROVEN
    for node in view.nodes:
        key = Key(view.name, line.kind, line.severity, node.name)
        if not isinstance(node.outcome, Failed):
            yield ConditionSample(key, line, Sight.CLEAR)
            continue
        yield ConditionSample(
            key,
            line,
            unanswered,
            f"{node.name} cannot be measured.",
            f"{node.name} ({node.address}): {node.outcome.reason.value}."
            f"{sentence(node.outcome.detail)}{sentence(node.outcome.advice)}",
            probe_command(view, node),
        )
