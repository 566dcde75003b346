"""Rounds for tests: clusters whose offsets, votes and claims are written down in one line."""

from collections.abc import Mapping
from dataclasses import replace

from skewmon.alert.thresholds import in_force
from skewmon.errors import Reason
from skewmon.model import (
    Burst,
    Cluster,
    ClusterView,
    Estimate,
    Failed,
    Interval,
    Measured,
    Node,
    NodeView,
    Pair,
    Program,
    Skew,
    SyncStatus,
    Threshold,
    Verdict,
    Vote,
)

US = 1_000
MS = 1_000_000
S = 1_000_000_000
WALL_NS = 1_795_351_187_123_456_789

WARNING = Threshold("warning", 50 * MS, for_s=60.0, clear_for_s=60.0)
CRITICAL = Threshold("critical", 1 * S, for_s=0.0, clear_for_s=60.0)

MEASURED = Measured(Burst(Program(probe="python3"), ()), Estimate(0, Interval(0, 0), 80 * US, 8))
NO_VERDICT = Vote("none")
UNDETERMINED = Vote("undetermined", evidence="Two nodes cannot outvote each other.")


def named(*culprits: str) -> Vote:
    """Return a vote that blames these nodes."""
    return Vote("named", culprits, f"{len(culprits)} of the nodes against the rest.")


def node(name: str, offset_ns: int = 0, bound_ns: int = 40 * US, **fields: object) -> NodeView:
    """Return a node that was measured."""
    view = NodeView(name, f"{name}.example.com", MEASURED, Interval.around(offset_ns, bound_ns))
    return replace(view, **{"timesync": SyncStatus("chronyd", synchronized=True), **fields})  # type: ignore[arg-type] # any field of a view


def missing(name: str) -> NodeView:
    """Return a node that was not measured."""
    return NodeView(name, f"{name}.example.com", Failed(Reason.NO_ANSWER, "It is silent.", "Is it up?"))


def view(
    *nodes: NodeView,
    vote: Vote = NO_VERDICT,
    lines: tuple[Threshold, ...] = (WARNING, CRITICAL),
    name: str = "prod",
) -> ClusterView:
    """Return a cluster after a round, with its skew and worst pair."""
    cluster = Cluster(
        name, tuple(Node(one.name, one.address) for one in nodes), thresholds=in_force(None, lines)
    )
    offsets = {one.name: one.offset for one in nodes if one.offset is not None}
    skew, worst = _skew(offsets)
    return ClusterView(cluster, Verdict.OK, WALL_NS, 0.5, nodes, skew, worst, vote)


def offsets(vote: Vote = NO_VERDICT, bound_ns: int = 40 * US, **offsets_ns: int) -> ClusterView:
    """Return a cluster whose nodes have these offsets."""
    return view(*(node(name, offset_ns, bound_ns) for name, offset_ns in offsets_ns.items()), vote=vote)


def _skew(offsets: Mapping[str, Interval]) -> tuple[Skew | None, Pair | None]:
    """Return the largest pair offset by looking at every pair."""
    pairs = [Pair(a, b, offsets[a] - offsets[b]) for a in offsets for b in offsets if a < b]
    if not pairs:
        return None, None
    worst = max(pairs, key=lambda pair: (pair.offset.proven_ns, abs(pair.offset.estimate_ns)))
    return Skew(
        max(abs(pair.offset.estimate_ns) for pair in pairs),
        max(pair.offset.proven_ns for pair in pairs),
        max(pair.offset.furthest_ns for pair in pairs),
    ), worst
