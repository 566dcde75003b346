"""The sentence on UTC in a cluster's verdict: how far its clocks are off, and what could not be judged."""

from typing import NamedTuple

from skewmon.alert.thresholds import Judgement, judge
from skewmon.alert.verdict import utc_lines
from skewmon.model import ClusterView, UtcState
from skewmon.text import at_least, at_most, exact, names


class UtcWords(NamedTuple):
    """The sentence, empty without references and lines, and whether a line against UTC is passed."""

    text: str = ""
    breached: bool = False


NO_UTC_WORDS = UtcWords()


def utc_words(view: ClusterView) -> UtcWords:
    """Return the sentence on a cluster's clocks against UTC."""
    lines, offsets = utc_lines(view.cluster.thresholds), view.utc_offsets
    if not offsets:
        return UtcWords(_not_judged(view, exact(lines[0].limit_ns)) if lines else "")
    judged = {name: judge(offset, lines[0]) for name, offset in offsets.items()} if lines else {}
    far = [name for name, judgement in judged.items() if judgement is Judgement.BREACH]
    most = at_most(max(offset.furthest_ns for offset in offsets.values()))
    if far:
        return UtcWords(_breach(view, far), breached=True)
    if Judgement.AMBIGUOUS in judged.values():
        line = f"the {lines[0].severity} line of {exact(lines[0].limit_ns)}"
        return UtcWords(f"They are up to {most} from UTC as far as is known, and {line} cannot be proven.")
    return UtcWords(f"They are within {most} of UTC." if len(offsets) > 1 else f"It is within {most} of UTC.")


def _not_judged(view: ClusterView, limit: str) -> str:
    if not view.utc.references:
        return f"The line of {limit} to UTC is not judged: no references are configured."
    if view.utc.state is UtcState.CONFIRMED:
        return f"The line of {limit} to UTC cannot be judged: no clock's offset to UTC is known."
    return f"The line of {limit} to UTC cannot be judged: the references do not confirm UTC."


def _breach(view: ClusterView, far: list[str]) -> str:
    """Return which clocks are how far off; nothing if the evidence on the wrong clocks says so already."""
    offsets = [view.utc_offsets[name] for name in far]
    ahead = sum(offset.lower_ns > 0 for offset in offsets)
    side = "ahead of" if ahead == len(far) else "from" if ahead else "behind"
    least = at_least(min(offset.proven_ns for offset in offsets))
    if len(far) == 1:
        return f"{far[0]} is at least {least} {side} UTC."
    which = "All of them" if len(far) == len(view.utc_offsets) else names(far)
    return f"{which} are at least {least} {side} UTC."
