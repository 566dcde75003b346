"""What the page says about a cluster, in sentences; numbers in few digits, rounded to the safe side."""

import math

from skewmon.alert.words import at_least, at_most
from skewmon.model import NS_PER_S, ClusterView, Failed, Interval, Skew, Verdict
from skewmon.units import UNITS

#: Names in a sentence; the table has them all.
NAMES_MAX = 3

#: Figures of an estimate; its bound says how many of them mean something.
_FIGURES = 4


def sentence(view: ClusterView) -> str:
    """Return the verdict on a cluster as one or two sentences."""
    if view.skew is None:
        return f"Nothing can be said: {_measured(view)}."
    culprits = _culprits(view, view.skew)
    match view.verdict:
        case Verdict.OK:
            return f"{_agreed(view)} agree within {at_most(view.skew.upper_ns)}."
        case Verdict.WARNING | Verdict.CRITICAL:
            return culprits
        case Verdict.AMBIGUOUS:
            return f"Not proven either way: the clocks are {extent(view.skew)} apart."
    return f"Only {_measured(view)}. Those agree within {at_most(view.skew.upper_ns)}."


def extent(skew: Skew) -> str:
    """Return what is proven of a skew and what cannot be excluded."""
    if skew.lower_ns == 0:
        return f"at most {at_most(skew.upper_ns)}"
    return f"at least {at_least(skew.lower_ns)} and at most {at_most(skew.upper_ns)}"


def names(of: tuple[str, ...]) -> str:
    """Return the first few names, and how many more there are."""
    shown = of[:NAMES_MAX]
    more = len(of) - len(shown)
    if more:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1]))) if shown else ""


def offset(interval: Interval) -> str:
    """Return the estimate with its sign."""
    sign = "+" if interval.estimate_ns > 0 else "−" if interval.estimate_ns < 0 else ""
    return sign + span(abs(interval.estimate_ns))


def bound(interval: Interval) -> str:
    """Return the bound, rounded up."""
    return f"± {at_most(interval.bound_ns)}"


def span(value_ns: int) -> str:
    """Return a span of time in the largest unit that fits, in few figures."""
    unit_ns, unit = next(((ns, name) for ns, name in UNITS if value_ns >= ns), UNITS[-1])
    value = value_ns / unit_ns
    return f"{value:.{_FIGURES}g} {unit}" if value < 10**_FIGURES else f"{value:,.0f} {unit}"


def claimed(offset_s: float) -> str:
    """Return an offset that a time daemon claims; it may be any number."""
    if not math.isfinite(offset_s):
        return "no number"
    offset_ns = round(offset_s * NS_PER_S)
    return offset(Interval(offset_ns, offset_ns))


def ago(seconds: float) -> str:
    """Return a length of time as a person says it."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def reason(failed: Failed) -> str:
    """Return why a node was not measured, as words instead of a label."""
    return failed.reason.value.replace("-", " ")


def _measured(view: ClusterView) -> str:
    return f"{view.measured} of {len(view.nodes)} nodes {'was' if view.measured == 1 else 'were'} measured"


def _agreed(view: ClusterView) -> str:
    if view.measured == len(view.nodes):
        return "Both clocks" if view.measured == 2 else f"All {view.measured} clocks"
    return f"{view.measured} of {len(view.nodes)} clocks"


def _culprits(view: ClusterView, skew: Skew) -> str:
    wrong = [node for node in view.nodes if node.name in view.vote.culprits]
    apart = f"the clocks are at least {at_least(skew.lower_ns)} apart"
    if len(wrong) == 1 and wrong[0].offset is not None:
        return f"{wrong[0].name} is {_side(wrong[0].offset)}: {apart}."
    if wrong:
        return f"{names(view.vote.culprits)} are wrong: {apart}."
    pair = f" The worst pair is {view.worst.node} and {view.worst.peer}." if view.worst else ""
    return f"{apart[0].upper()}{apart[1:]}; which of them is wrong cannot be told.{pair}"


def _side(of: Interval) -> str:
    return f"{span(abs(of.estimate_ns))} {'ahead' if of.estimate_ns > 0 else 'behind'}"
