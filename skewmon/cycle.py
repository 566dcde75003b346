"""One round, from nodes to what the world sees of their clusters.

exchanges → estimates → what history adds → offsets to the reference → skew and worst pairs → who is wrong →
findings → verdict.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from skewmon.alert.verdict import cluster_verdict, pair_verdict, skew_lines, vote_limit_ns
from skewmon.clock import pairs
from skewmon.clock.culprit import NOBODY, vote
from skewmon.ledger import Ledger, Place, Record, place_of
from skewmon.model import Cluster, ClusterView, Interval, Measured, Node, NodeView, Outcome, Pair, Skew, Vote
from skewmon.probe.link import Link
from skewmon.probe.sweep import Sweep, Sweeper

#: Up to this many nodes every pair is published; 64 nodes have 2,016 pairs.
ALL_PAIRS_NODES = 64

#: Beyond that, the pairs that are provably furthest apart.
WORST_PAIRS = 100


async def cycle(
    clusters: Sequence[Cluster], links: Mapping[Place, Link], sweeper: Sweeper, ledger: Ledger
) -> list[ClusterView]:
    """Measure every node of these clusters once, at one common instant, and evaluate each cluster."""
    places = list(dict.fromkeys(place_of(node) for cluster in clusters for node in cluster.nodes))
    samples = max(cluster.samples for cluster in clusters)
    sweep = await sweeper.sweep([links[place] for place in places], samples)
    wall_ns = time.time_ns()
    outcomes = {
        place: ledger.note_outcome(place, outcome, wall_ns)
        for place, outcome in zip(places, sweep.outcomes, strict=True)
    }
    return [evaluate(cluster, sweep, outcomes, ledger, wall_ns) for cluster in clusters]


def evaluate(
    cluster: Cluster, sweep: Sweep, outcomes: Mapping[Place, Outcome], ledger: Ledger, wall_ns: int
) -> ClusterView:
    """Return what one cluster amounts to."""
    found = {node.name: outcomes[place_of(node)] for node in cluster.nodes}
    walls = {name: one.estimate.wall for name, one in found.items() if isinstance(one, Measured)}
    reference = pairs.reference_ns(walls) if walls else 0
    offsets = {name: wall.shifted(-reference) for name, wall in walls.items()}
    skew = pairs.skew(offsets)
    ledger.rounds[cluster.name] += 1
    published = _published_pairs(cluster, offsets)
    return ClusterView(
        cluster=cluster,
        verdict=cluster_verdict(cluster.thresholds, skew, offsets, len(cluster.nodes)),
        at_wall_ns=wall_ns,
        duration_s=sweep.duration_s,
        nodes=tuple(
            _node_view(
                node, found[node.name], offsets.get(node.name), sweep.admin, ledger.record(place_of(node))
            )
            for node in cluster.nodes
        ),
        skew=skew,
        worst=published[0] if published else None,
        vote=_vote(cluster, skew, offsets),
        pairs=tuple(published),
        rounds=ledger.rounds[cluster.name],
    )


def _node_view(
    node: Node, outcome: Outcome, offset: Interval | None, admin: Interval, record: Record
) -> NodeView:
    recollection = record.recollection
    return NodeView(
        name=node.name,
        address=node.address,
        outcome=outcome,
        offset=offset,
        admin_offset=outcome.estimate.wall - admin if isinstance(outcome, Measured) else None,
        steps=recollection.steps,
        last_success_wall_ns=record.last_success_wall_ns,
        timesync=record.timesync,
        failures=dict(record.failures),
        unparsed_lines=record.unparsed_lines,
    )


def _published_pairs(cluster: Cluster, offsets: Mapping[str, Interval]) -> list[Pair]:
    """Return every pair of a small cluster, the worst of a large one, worst first, each with its verdict."""
    lines = skew_lines(cluster.thresholds)
    if len(offsets) <= ALL_PAIRS_NODES:
        chosen = pairs.all_pairs(offsets)
    else:
        chosen = [pairs.pair_offset(offsets, *pair) for pair in pairs.worst_pairs(offsets, WORST_PAIRS)]
    return [replace(pair, verdict=pair_verdict(pair.offset, lines)) for pair in chosen]


def _vote(cluster: Cluster, skew: Skew | None, offsets: Mapping[str, Interval]) -> Vote:
    limit_ns = vote_limit_ns(cluster.thresholds, skew)
    return NOBODY if limit_ns is None else vote(offsets, limit_ns)
