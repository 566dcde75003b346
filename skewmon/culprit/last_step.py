"""The last step of a pair: which of two clocks was set, by its own readings. Evidence, not a verdict.

A node's step is known on the node itself, with two nodes as with many. The clock that was set need not be
wrong: it may have been set right.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from skewmon.clock.steps import Movement
from skewmon.model import Interval, Pair


class LastStep(NamedTuple):
    """The node that was set, by how much (forward positive), and an instant of the base when it had been."""

    name: str
    peer: str
    size: Interval
    before_ns: int


def last_step(pair: Pair, limit_ns: int, steps: Mapping[str, Sequence[Movement]]) -> LastStep | None:
    """Return the step without which the pair would be within the line.

    ``steps`` holds each node's steps, oldest first. None if the steps of neither node explain the distance,
    or those of both do.
    """
    found = []
    for name, peer, offset in ((pair.node, pair.peer, pair.offset), (pair.peer, pair.node, -pair.offset)):
        moved = Interval(0, 0)
        for step in reversed(steps.get(name, ())):
            moved += step.size or Interval(0, 0)
            if (offset - moved).furthest_ns <= limit_ns:
                found.append(LastStep(name, peer, moved, step.before_ns))
                break
    return found[0] if len(found) == 1 else None
