"""Pairs on demand: any pair of a cluster, worst first, from the offsets of all nodes to one reference."""

import heapq
from collections.abc import Iterator, Sequence
from itertools import islice

from skewmon.model import ClusterView, Interval, Measured, Pair, PairVerdict, Threshold

#: How many pairs a cluster has in metrics and JSON where it cannot have them all.
WORST_PAIRS = 100

Offset = tuple[str, Interval]


def measured_offsets(view: ClusterView) -> list[Offset]:
    """Return the nodes of the last round that have an offset, in the order of the cluster."""
    return [
        (node.name, node.offset)
        for node in view.nodes
        if node.offset is not None and isinstance(node.outcome, Measured)
    ]


def every_pair(view: ClusterView) -> Iterator[Pair]:
    """Yield every unordered pair once, in the order of the cluster."""
    limit_ns = skew_limit_ns(view.cluster.thresholds)
    offsets = measured_offsets(view)
    for place, first in enumerate(offsets):
        for second in offsets[place + 1 :]:
            yield _pair(first, second, limit_ns)


def worst_first(view: ClusterView) -> Iterator[Pair]:
    """Yield every unordered pair once, the largest estimate first, at a cost of the pairs taken only.

    In ascending order of the estimates the largest difference is that of the two ends; whatever starts
    further inside cannot be larger than what started before it. So a heap holds one candidate a start.
    """
    limit_ns = skew_limit_ns(view.cluster.thresholds)
    offsets = sorted(measured_offsets(view), key=_centre)
    last = len(offsets) - 1
    centres = [_centre(offset) for offset in offsets]
    heap = [(centres[0] - centres[last], 0, last)] if last > 0 else []
    while heap:
        _, low, high = heapq.heappop(heap)
        yield _pair(offsets[high], offsets[low], limit_ns)
        if high - 1 > low:
            heapq.heappush(heap, (centres[low] - centres[high - 1], low, high - 1))
        if high == last and low + 1 < last:
            heapq.heappush(heap, (centres[low + 1] - centres[last], low + 1, last))


def query(view: ClusterView, limit: int, node: str | None, min_ns: int) -> list[Pair]:
    """Return at most ``limit`` pairs of at least ``min_ns``, worst first; only those of ``node`` if given."""
    pairs = worst_first(view) if node is None else _pairs_of(view, node)
    chosen: list[Pair] = []
    for pair in islice(pairs, limit):
        if abs(pair.offset.estimate_ns) < min_ns:
            break
        chosen.append(pair)
    return chosen


def skew_limit_ns(thresholds: Sequence[Threshold]) -> int | None:
    """Return the lowest line for the skew, the one that a pair is judged by."""
    return min((threshold.limit_ns for threshold in thresholds if threshold.kind == "skew"), default=None)


def _pairs_of(view: ClusterView, node: str) -> Iterator[Pair]:
    limit_ns = skew_limit_ns(view.cluster.thresholds)
    offsets = measured_offsets(view)
    own = next((offset for offset in offsets if offset[0] == node), None)
    if own is None:
        return
    others = (offset for offset in offsets if offset[0] != node)
    for other in sorted(others, key=lambda other: -abs(_centre(other) - _centre(own))):
        yield _pair(own, other, limit_ns)


def _pair(first: Offset, second: Offset, limit_ns: int | None) -> Pair:
    offset = first[1] - second[1]
    return Pair(first[0], second[0], offset, _verdict(offset, limit_ns))


def _verdict(offset: Interval, limit_ns: int | None) -> PairVerdict:
    if limit_ns is None:
        return PairVerdict.UNKNOWN
    if offset.proven_ns > limit_ns:
        return PairVerdict.BREACH
    return PairVerdict.OK if offset.furthest_ns <= limit_ns else PairVerdict.AMBIGUOUS


def _centre(offset: Offset) -> int:
    """Twice the estimate: exact, where a halved odd sum would be rounded."""
    return offset[1].lower_ns + offset[1].upper_ns
