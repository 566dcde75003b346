"""What the page says about a cluster, in sentences; numbers in few digits, rounded to the safe side."""

from skewmon.model import ClusterView, Failed, Interval, Skew, Verdict
from skewmon.text import at_least, at_most, names, span


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
