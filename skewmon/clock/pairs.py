"""From each node's interval to the skew of all pairs, without building all pairs.

Offsets on one axis are against the same oscillator, so the offset of a pair is a subtraction and the
oscillator drops out. Pairs across axes are compared on the common line (``clock.axes``).
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, count, permutations
from operator import itemgetter
from typing import NamedTuple

from skewmon.clock.axes import Lines, lines_of
from skewmon.model import Interval, Pair, Skew


def reference_ns(walls: Mapping[str, Interval]) -> int:
    """Return the median of the nodes' estimates; between the two middle ones if their number is even."""
    estimates = sorted(wall.estimate_ns for wall in walls.values())
    half = len(estimates) // 2
    return estimates[half] if len(estimates) % 2 else (estimates[half - 1] + estimates[half]) // 2


def skew(walls: Mapping[str, Interval]) -> Skew | None:
    """Return the largest |pair offset| in O(n), or None for fewer than two nodes.

    Nodes on different axes are compared by the ends of each axis: k² comparisons for k axes.
    """
    if len(walls) < 2:
        return None
    lines = lines_of(walls)
    found = [_skew_of_line(line.values()) for line in lines.own.values() if len(line) > 1]
    if len(lines.own) > 1:
        reaches = [_reach(line.values()) for line in lines.common.values()]
        found += [_skew_across(one, other) for one, other in permutations(reaches, 2)]
    return Skew(
        max(one.estimate_ns for one in found),
        max(one.lower_ns for one in found),
        max(one.upper_ns for one in found),
    )


def _skew_of_line(line: Iterable[Interval]) -> Skew:
    """Return the skew of two nodes or more on one line.

    The proven part is max(lower) − min(upper): if one node has both, the difference is not positive and
    drops out. The most that cannot be excluded is max(upper) − min(lower) over two *different* nodes.
    """
    intervals = list(line)
    estimates = [interval.estimate_ns for interval in intervals]
    lowers, uppers = [one.lower_ns for one in intervals], [one.upper_ns for one in intervals]
    proven = max(lowers) - min(uppers)
    highest = heapq.nlargest(2, zip(uppers, count()))
    lowest = heapq.nsmallest(2, zip(lowers, count()))
    furthest = max(upper - lower for upper, i in highest for lower, j in lowest if i != j)
    return Skew(max(estimates) - min(estimates), max(0, proven), furthest)


class _Reach(NamedTuple):
    """The outermost lower ends, upper ends and estimates of an axis's nodes on the common line."""

    lowers_ns: tuple[int, int]
    uppers_ns: tuple[int, int]
    estimates_ns: tuple[int, int]


def _reach(line: Iterable[Interval]) -> _Reach:
    ends = [(one.lower_ns, one.upper_ns, one.estimate_ns) for one in line]
    return _Reach(*((min(all_of), max(all_of)) for all_of in zip(*ends, strict=True)))


def _skew_across(one: _Reach, other: _Reach) -> Skew:
    """Return the largest pair offset of nodes on two axes, the first of which is ahead."""
    return Skew(
        max(0, one.estimates_ns[1] - other.estimates_ns[0]),
        max(0, one.lowers_ns[1] - other.uppers_ns[0]),
        max(0, one.uppers_ns[1] - other.lowers_ns[0]),
    )


class _Walk(NamedTuple):
    """Nodes of one axis by how far they are surely ahead, and of the same or another by how far behind."""

    ahead: Sequence[tuple[int, str]]  # the lower end, highest first
    behind: Sequence[tuple[int, str]]  # the upper end, lowest first


def worst_pairs(walls: Mapping[str, Interval], count: int) -> list[tuple[str, str]]:
    """Return the ``count`` pairs that are provably furthest apart, (ahead, behind), worst first.

    With lower ends sorted downwards and upper ends upwards, lower[i] − upper[j] only falls along both, so a
    heap that walks from the corner meets the pairs in order: O(n log n + k² + count log count) for k axes,
    each pair of which has a corner of its own.
    """
    walks = _walks(lines_of(walls))
    found: list[tuple[str, str]] = []
    seen: set[frozenset[str]] = set()

    def key(i: int, j: int, walk: int) -> tuple[int, int, int, int]:
        return (walks[walk].behind[j][0] - walks[walk].ahead[i][0], i, j, walk)

    heap = [key(0, 0, walk) for walk in range(len(walks))]
    heapq.heapify(heap)
    reached = {(0, 0, walk) for walk in range(len(walks))}
    while heap and len(found) < count:
        _, i, j, walk = heapq.heappop(heap)
        ahead, behind = walks[walk].ahead[i][1], walks[walk].behind[j][1]
        pair = frozenset((ahead, behind))
        if len(pair) == 2 and pair not in seen:
            seen.add(pair)
            found.append((ahead, behind))
        for step in ((i + 1, j, walk), (i, j + 1, walk)):
            is_inside = step[0] < len(walks[walk].ahead) and step[1] < len(walks[walk].behind)
            if is_inside and step not in reached:
                reached.add(step)
                heapq.heappush(heap, key(*step))
    return found


def _walks(lines: Lines) -> list[_Walk]:
    """Return the walk through the pairs of each axis, and of each two axes both ways."""
    walks = [_Walk(_ahead(line), _behind(line)) for line in lines.own.values() if line]
    if len(walks) > 1:
        ends = [(_ahead(line), _behind(line)) for line in lines.common.values()]
        walks += [_Walk(ahead, behind) for (ahead, _), (_, behind) in permutations(ends, 2)]
    return walks


def _ahead(line: Mapping[str, Interval]) -> list[tuple[int, str]]:
    lowers = [(clock.lower_ns, name) for name, clock in line.items()]
    return sorted(lowers, key=lambda one: -one[0])


def _behind(line: Mapping[str, Interval]) -> list[tuple[int, str]]:
    return sorted([(clock.upper_ns, name) for name, clock in line.items()], key=itemgetter(0))


def pair_offset(walls: Mapping[str, Interval], node: str, peer: str) -> Pair:
    """Return the offset of one pair: node's clock minus peer's."""
    return Pair(node, peer, walls[node] - walls[peer])


def all_pairs(walls: Mapping[str, Interval]) -> list[Pair]:
    """Return every unordered pair, provably furthest apart first."""
    pairs = [pair_offset(walls, node, peer) for node, peer in combinations(walls, 2)]
    return sorted(pairs, key=lambda pair: (-pair.offset.proven_ns, -abs(pair.offset.estimate_ns)))
