"""Which of two clocks moved: a node's step is its own, known on the node itself, with two nodes as with many.

Who moved need not be wrong: it may have jumped to the right time. So this is told beside the vote.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from skewmon.clock.steps import Movement
from skewmon.model import Interval, Pair


class Mover(NamedTuple):
    """The node that moved, by how much (forward positive), and the instant of the base by which it had."""

    name: str
    size: Interval
    before_ns: int


def who_moved(pair: Pair, limit_ns: int, jumps: Mapping[str, Sequence[Movement]]) -> Mover | None:
    """Return the one of a pair that was set, where that alone took them further apart than the limit.

    ``jumps`` holds each node's steps, oldest first. None where neither's explain the distance, or both's do.
    """
    found = []
    for name, offset in ((pair.node, pair.offset), (pair.peer, -pair.offset)):
        moved = Interval(0, 0)
        for jump in reversed(jumps.get(name, ())):
            moved += jump.size or Interval(0, 0)
            if (offset - moved).furthest_ns <= limit_ns:
                found.append(Mover(name, moved, jump.before_ns))
                break
    return found[0] if len(found) == 1 else None
