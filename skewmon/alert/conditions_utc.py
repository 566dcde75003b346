"""The condition of lines against UTC: one alert for each node, or one for all of them together.

Only confirmed UTC is judged. While it is not confirmed, or the path cannot prove it, alerts stay as they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from skewmon.alert.alerts import ConditionState, Texts
from skewmon.alert.conditions_node import STATES, Condition
from skewmon.alert.messages import bounds, check_command, next_command, quoted, sentence
from skewmon.alert.thresholds import Judgement, judge
from skewmon.model import ClusterView, Interval, NodeView, Threshold
from skewmon.text import at_least, exact, names
from skewmon.timesync.findings.rules_utc import off_together


def utc(view: ClusterView, line: Threshold) -> Iterator[Condition]:
    """Judge each node against UTC; without references there is nothing to judge.

    If all measured nodes are off on one side, only the alert of the cluster may start, and those of the nodes
    stay as they are: their time is wrong together, so their common source is.
    """
    if not view.utc.references:
        return
    offsets = view.utc_offsets
    judged = {name: judge(offset, line) for name, offset in offsets.items()}
    together = off_together(offsets.values(), line.limit_ns)
    yield _cluster(view, line, offsets, judged, together=together)
    for node in view.nodes:
        if node.name not in judged:
            yield node.name, ConditionState.UNKNOWN, None
            continue
        condition = STATES[judged[node.name]]
        if condition is ConditionState.PROVEN and together:
            condition = ConditionState.AMBIGUOUS  # neither starts nor ends this alert
        yield node.name, condition, partial(_describe_node, view, node, line, offsets[node.name])


def _describe_node(view: ClusterView, node: NodeView, line: Threshold, offset: Interval) -> Texts:
    return Texts(
        f"The clock of {node.name} is off UTC.",
        f"{node.name} ({node.address}) is {described(offset, line)}."
        f"{_witnesses(view)}{quoted(node.findings)}",
        next_command(view, node),
    )


def described(offset: Interval, line: Threshold) -> str:
    """Return how far a clock is from UTC: ``ahead of UTC by at least … and at most … (line: 50 ms)``."""
    side = "ahead of" if offset.lower_ns > 0 else "behind"
    return f"{side} UTC by {bounds(offset.proven_ns, offset.furthest_ns, line)}"


def _cluster(
    view: ClusterView,
    line: Threshold,
    offsets: Mapping[str, Interval],
    judged: Mapping[str, Judgement],
    *,
    together: bool,
) -> Condition:
    """Judge the cluster: proven if all nodes are off together, shared if the nodes' own alerts report it."""
    far = [name for name, judgement in judged.items() if judgement is Judgement.BREACH]
    if not far:
        return None, _not_proven(view, judged), None
    condition = ConditionState.PROVEN if together else ConditionState.SHARED
    return None, condition, partial(_describe_cluster, view, line, offsets, far)


def _describe_cluster(
    view: ClusterView, line: Threshold, offsets: Mapping[str, Interval], far: Sequence[str]
) -> Texts:
    ahead = [name for name in far if offsets[name].lower_ns > 0]
    side = "ahead of" if len(ahead) == len(far) else "from" if ahead else "behind"
    least = at_least(min(offsets[name].proven_ns for name in far))
    return Texts(
        f"The clocks of {view.name} are off UTC.",
        f"{len(far)} of {len(offsets)} measured clocks are at least {least} {side} UTC "
        f"(line: {exact(line.limit_ns)}): {names(far)}.{_witnesses(view)}{quoted(view.findings)}",
        check_command(view),
    )


def _not_proven(view: ClusterView, judged: Mapping[str, Judgement]) -> ConditionState:
    """Return the state of a cluster of which no node is proven off: clear if two or more are proven right.

    Nodes that are not measured do not count, as they do not for a skew.
    """
    if len(judged) < min(2, len(view.nodes)):
        return ConditionState.UNKNOWN
    right = all(judgement is Judgement.OK for judgement in judged.values())
    return ConditionState.CLEAR if right else ConditionState.AMBIGUOUS


def _witnesses(view: ClusterView) -> str:
    agreeing = [one.name for one in view.utc.references if one.agrees]
    return sentence(f"UTC is confirmed by {names(agreeing)}")
