"""From each node's interval to the skew of all pairs, without building all pairs.

Every wall offset is against the same base, so the offset of a pair is a subtraction and the base drops out.
"""

import heapq
from collections.abc import Mapping
from itertools import combinations

from skewmon.model import Interval, Pair, Skew


def reference_ns(walls: Mapping[str, Interval]) -> int:
    """Return the median of the nodes' estimates; between the two middle ones if their number is even."""
    estimates = sorted(wall.estimate_ns for wall in walls.values())
    half = len(estimates) // 2
    return estimates[half] if len(estimates) % 2 else (estimates[half - 1] + estimates[half]) // 2


def skew(walls: Mapping[str, Interval]) -> Skew | None:
    """Return the largest |pair offset| in O(n), or None for fewer than two nodes.

    The proven part is max(lower) − min(upper): if one node has both, the difference is not positive and
    drops out. The most that cannot be excluded is max(upper) − min(lower) over two *different* nodes.
    """
    if len(walls) < 2:
        return None
    intervals = list(walls.values())
    estimates = [interval.estimate_ns for interval in intervals]
    proven = max(i.lower_ns for i in intervals) - min(i.upper_ns for i in intervals)
    highest = heapq.nlargest(2, ((interval.upper_ns, at) for at, interval in enumerate(intervals)))
    lowest = heapq.nsmallest(2, ((interval.lower_ns, at) for at, interval in enumerate(intervals)))
    furthest = max(upper - lower for upper, i in highest for lower, j in lowest if i != j)
    return Skew(max(estimates) - min(estimates), max(0, proven), furthest)


def worst_pairs(walls: Mapping[str, Interval], count: int) -> list[tuple[str, str]]:
    """Return the ``count`` pairs that are provably furthest apart, (ahead, behind), worst first.

    With lower ends sorted downwards and upper ends upwards, lower[i] − upper[j] only falls along both, so a
    heap that walks from the corner meets the pairs in order: O(n log n + count log count).
    """
    ahead = sorted(walls, key=lambda name: -walls[name].lower_ns)
    behind = sorted(walls, key=lambda name: walls[name].upper_ns)
    found: list[tuple[str, str]] = []
    seen: set[frozenset[str]] = set()

    def key(i: int, j: int) -> tuple[int, int, int]:
        return (walls[behind[j]].upper_ns - walls[ahead[i]].lower_ns, i, j)

    heap = [key(0, 0)] if walls else []
    reached = {(0, 0)}
    while heap and len(found) < count:
        _, i, j = heapq.heappop(heap)
        pair = frozenset((ahead[i], behind[j]))
        if len(pair) == 2 and pair not in seen:
            seen.add(pair)
            found.append((ahead[i], behind[j]))
        for step in ((i + 1, j), (i, j + 1)):
            if max(step) < len(walls) and step not in reached:
                reached.add(step)
                heapq.heappush(heap, key(*step))
    return found


def pair_offset(walls: Mapping[str, Interval], node: str, peer: str) -> Pair:
    """Return the offset of one pair: node's clock minus peer's."""
    return Pair(node, peer, walls[node] - walls[peer])


def all_pairs(walls: Mapping[str, Interval]) -> list[Pair]:
    """Return every unordered pair, provably furthest apart first."""
    pairs = [pair_offset(walls, node, peer) for node, peer in combinations(walls, 2)]
    return sorted(pairs, key=lambda pair: (-pair.offset.proven_ns, -abs(pair.offset.estimate_ns)))
