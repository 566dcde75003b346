"""Numbers and sentences as a person reads them in a terminal."""

from collections.abc import Sequence

from skewmon.alert.thresholds import Judgement, judge
from skewmon.alert.verdict import skew_lines
from skewmon.alert.words import at_least, at_most, sentence
from skewmon.model import ClusterView, Failed, Interval, Pair, Verdict
from skewmon.units import UNITS, span

#: Names in a sentence; the table has them all.
MAX_NAMES = 5


def harmless(text: str) -> str:
    """Return a text of foreign origin such that no terminal takes it for a command."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def estimate(value_ns: int, bound_ns: int) -> str:
    """Return a signed estimate with as many digits as its bound supports: ``+70.000012 s``."""
    unit_ns, unit = next(((ns, name) for ns, name in UNITS if abs(value_ns) >= ns), UNITS[-1])
    digits = max(0, len(str(unit_ns)) - len(str(max(1, bound_ns // 10))))
    return f"{value_ns / unit_ns:+.{min(digits, 6)}f} {unit}"


def bound(value_ns: int) -> str:
    """Return a span in two or three digits, never smaller than it is: ``32 us``."""
    unit_ns, unit = next(((ns, name) for ns, name in UNITS if value_ns >= ns), UNITS[-1])
    scaled = -(-value_ns // unit_ns) if value_ns >= 10 * unit_ns else -(-value_ns * 10 // unit_ns) / 10
    return f"{scaled:g} {unit}"


def offset(interval: Interval) -> tuple[str, str]:
    """Return an offset and its bound."""
    return estimate(interval.estimate_ns, interval.bound_ns), bound(interval.bound_ns)


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
            f"{span(unclear[0].limit_ns)} lies in between: more cannot be proven over this network."
        )
    beyond = f", below the line of {span(lines[0].limit_ns)}" if lines else ""
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
    return f" Not measured: {few(missing)}."


def few(names: Sequence[str]) -> str:
    """Return the first of these names, and how many more there are."""
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
