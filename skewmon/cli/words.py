"""Numbers and sentences as a person reads them in a terminal."""

from skewmon.alert.thresholds import Judgement, judge
from skewmon.alert.verdict import skew_lines
from skewmon.alert.words import sentence
from skewmon.model import ClusterView, Failed, Pair, Verdict
from skewmon.text import at_least, at_most, exact, names


def verdict_sentence(view: ClusterView) -> str:
    """Return what the round proves of a cluster, in one or two sentences."""
    return f"{_proven(view)}{_missing(view)}"


def _proven(view: ClusterView) -> str:
    if view.skew is None:
        return _nothing_to_compare(view)
    if view.verdict in (Verdict.WARNING, Verdict.CRITICAL):
        return _breach(view)
    least, most = at_least(view.skew.lower_ns), at_most(view.skew.upper_ns)
    lines = skew_lines(view.cluster.thresholds)
    unclear = [line for line in lines if judge(view.skew, line) is Judgement.AMBIGUOUS]
    if unclear:
        return (
            f"The clocks are between {least} and {most} apart, and the {unclear[0].severity} line of "
            f"{exact(unclear[0].limit_ns)} lies in between: more cannot be proven over this network."
        )
    beyond = f", below the line of {exact(lines[0].limit_ns)}" if lines else ""
    return f"The {view.measured} clocks measured agree to within {most}{beyond}."


def _breach(view: ClusterView) -> str:
    assert view.skew is not None
    skew = f"The clocks are at least {at_least(view.skew.lower_ns)} apart"
    if view.worst and view.skew.lower_ns:
        skew += f": {_worst_pair(view.worst, view.vote.culprits)}"
    return f"{skew}." if view.vote.verdict == "none" else f"{skew}.{sentence(view.vote.evidence)}"


def _worst_pair(pair: Pair, culprits: tuple[str, ...]) -> str:
    """Return which clock is ahead of which, the wrong one first."""
    ahead, behind = (pair.node, pair.peer) if pair.offset.estimate_ns > 0 else (pair.peer, pair.node)
    return f"{behind} is behind {ahead}" if behind in culprits else f"{ahead} is ahead of {behind}"


def _nothing_to_compare(view: ClusterView) -> str:
    if len(view.nodes) == 1:
        return "One node has no other to be compared with; name two or more."
    return "Fewer than two nodes were measured, so no skew is known."


def _missing(view: ClusterView) -> str:
    missing = [node.name for node in view.nodes if isinstance(node.outcome, Failed)]
    if not missing:
        return ""
    return f" Not measured: {names(missing)}."
