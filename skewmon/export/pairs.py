"""Pairs on demand: any pair of a cluster, computed from the offsets of all nodes to one reference."""

from heapq import nsmallest
from itertools import islice, takewhile
from typing import Literal

from skewmon.alert.thresholds import judge
from skewmon.alert.verdict import skew_lines
from skewmon.clock.pairs import pair_offset, worst_pairs
from skewmon.model import ClusterView, Interval, Measured, Pair, PairVerdict, Threshold
from skewmon.runtime.gil_yield import yielding_gil

PairExport = Literal["auto", "all", "worst", "none"]

#: Pairs made in about a millisecond.
PAIRS_A_TURN = 256

#: Pairs of a large cluster in metrics and JSON.
WORST_PAIRS = 100


def measured_offsets(view: ClusterView) -> dict[str, Interval]:
    """Return the offset of every node that was measured in the last round."""
    return {
        node.name: node.offset
        for node in view.nodes
        if node.offset is not None and isinstance(node.outcome, Measured)
    }


def query(view: ClusterView, limit: int, node: str | None, min_ns: int) -> list[Pair]:
    """Return at most ``limit`` pairs, provably furthest apart first, proven to be at least ``min_ns`` apart.

    With ``node``, only its pairs are returned, and it comes first in each.
    """
    offsets = measured_offsets(view)
    if node is None:
        pairs = [
            pair_offset(offsets, *names) for names in yielding_gil(worst_pairs(offsets, limit), PAIRS_A_TURN)
        ]
    elif node in offsets:
        peers = yielding_gil(offsets.keys() - {node}, PAIRS_A_TURN)
        pairs = nsmallest(limit, (pair_offset(offsets, node, peer) for peer in peers), key=_rank)
    else:
        pairs = []
    far_enough = takewhile(lambda pair: pair.offset.proven_ns >= min_ns, pairs)
    line = skew_line(view)
    return [judged(pair, line) for pair in islice(far_enough, limit)]


def _rank(pair: Pair) -> tuple[int, int, str]:
    """Return the sort key: provably furthest apart first, then by name."""
    return (-pair.offset.proven_ns, -abs(pair.offset.estimate_ns), pair.peer)


def skew_line(view: ClusterView) -> Threshold | None:
    """Return the cluster's lowest line for the skew, which pairs are compared with."""
    return next(iter(skew_lines(view.cluster.thresholds)), None)


def judged(pair: Pair, line: Threshold | None) -> Pair:
    """Return the pair with its verdict."""
    verdict = PairVerdict(judge(pair.offset, line).value) if line else PairVerdict.UNKNOWN
    return Pair(pair.node, pair.peer, pair.offset, verdict)
