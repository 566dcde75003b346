"""Rounds for the record: views of clusters at an instant, from offsets in one line."""

from collections.abc import Mapping
from dataclasses import replace

from skewmon.alert.thresholds import in_force
from skewmon.alert.verdict import cluster_verdict
from skewmon.model import (
    NS_PER_S,
    Cluster,
    ClusterView,
    Interval,
    Node,
    NodeView,
    ReferenceView,
    Threshold,
    Utc,
    UtcState,
    Vote,
)
from skewmon.model.references import NO_UTC
from tests.alert.views import MEASURED, NO_VERDICT, missing, view

MS = 1_000_000

#: A whole hour of the wall clock: 2026-11-18T12:00:00Z.
HOUR_S = 1_795_003_200

WARNING = Threshold("warning", 50 * MS)
CRITICAL = Threshold("critical", 1_000 * MS)
LINES = (WARNING, CRITICAL)
REFERENCES = (ReferenceView("ntp1", success=True), ReferenceView("ntp2"))


def a_round(
    at_s: float,
    offsets: Mapping[str, Interval | None],
    *,
    vote: Vote = NO_VERDICT,
    name: str = "prod",
    interval_s: float = 15.0,
    lines: tuple[Threshold, ...] = LINES,
    utc: Mapping[str, Interval] | None = None,
    state: UtcState = UtcState.CONFIRMED,
) -> ClusterView:
    """Return the view of a round ``at_s`` seconds after HOUR_S; a node without an offset was not measured."""
    nodes = tuple(
        missing(node)
        if offset is None
        else NodeView(node, f"{node}.example.com", MEASURED, offset, utc_offset=(utc or {}).get(node))
        for node, offset in offsets.items()
    )
    seen = view(*nodes, vote=vote, name=name)
    cluster = Cluster(
        name,
        tuple(Node(node.name, node.address) for node in nodes),
        interval_s,
        thresholds=in_force(None, lines),
    )
    at_ns = round(at_s * NS_PER_S)
    measured = {node: offset for node, offset in offsets.items() if offset is not None}
    return replace(
        seen,
        cluster=cluster,
        utc=Utc(state, references=REFERENCES) if utc else NO_UTC,
        verdict=cluster_verdict(cluster.thresholds, seen.skew, measured, len(nodes)),
        at_ns=at_ns + NS_PER_S,
        at_wall_ns=HOUR_S * NS_PER_S + at_ns,
    )


def offsets(bound_ns: int = 40_000, **offsets_ns: int) -> dict[str, Interval | None]:
    """Return offsets with one bound."""
    return {node: Interval.around(offset_ns, bound_ns) for node, offset_ns in offsets_ns.items()}
