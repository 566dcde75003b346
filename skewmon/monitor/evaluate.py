"""The result of a round for one cluster: offsets, skew, culprits, drift, findings, verdict."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from skewmon.alert.verdict import (
    cluster_verdict,
    line_against_utc_ns,
    pair_verdict,
    skew_lines,
    utc_limit_ns,
    vote_limit_ns,
)
from skewmon.clock import pairs
from skewmon.clock.forecast import UNKNOWN_FORECAST, NodeForecast, node_forecasts
from skewmon.clock.state import STEPS
from skewmon.clock.steps import Movement
from skewmon.culprit.against_utc import UtcLine, utc_line
from skewmon.culprit.decide import NO_CULPRIT, decide, with_last_step
from skewmon.culprit.evidence import ADMIN_BOX
from skewmon.culprit.last_step import last_step
from skewmon.culprit.reference import reference_clock
from skewmon.inventory.faults import inventory_findings
from skewmon.model import (
    BASE,
    NS_PER_S,
    Cluster,
    ClusterView,
    Interval,
    Measured,
    NodeView,
    Outcome,
    Pair,
    Threshold,
    Utc,
    Vote,
)
from skewmon.model.commands import Access
from skewmon.monitor.against_utc import UtcOfRound, confirmed, judged_offsets, offset_to
from skewmon.monitor.axes import NO_AXES, Survey
from skewmon.monitor.changes import clock_changes, largest_step
from skewmon.monitor.node_state import NodeState
from skewmon.monitor.offsets import ClusterOffsets, axis_of, cluster_offsets
from skewmon.monitor.rates import oscillator_rate, rates_on_axis, rates_ppb
from skewmon.monitor.state import MonitorState
from skewmon.probe.clocks import own_boot_id
from skewmon.probe.sweep import Sweep
from skewmon.timesync.findings.derive import (
    admin_box_findings,
    base_rate_ppb,
    cluster_findings,
    node_findings,
    utc_findings,
)
from skewmon.timesync.findings.evidence import NodeEvidence, Reference

#: Up to this many nodes every pair is published; 64 nodes have 2,016 pairs.
ALL_PAIRS_NODES = 64

#: Beyond that, the pairs that are provably furthest apart.
WORST_PAIRS = 100

#: A node that was measured within this time may come back: its absence must not name another node. A server
#: with much memory takes some minutes to boot.
MISSED_NS = 900 * NS_PER_S


class NodeInRound(NamedTuple):
    """One node of a cluster in one round: its outcome, its state, and both as evidence for the decisions."""

    name: str
    outcome: Outcome
    offset: Interval | None
    admin_offset: Interval | None
    axis_offset: Interval | None
    state: NodeState
    moved: Sequence[Movement]  # since the cluster's previous round
    evidence: NodeEvidence

    @property
    def voting(self) -> NodeEvidence:
        """The evidence with the daemon's last answer, which is kept while a few are missing."""
        last = self.state.last_answer.status
        return self.evidence if last is self.evidence.status else replace(self.evidence, status=last)

    @property
    def steps(self) -> list[Movement]:
        """The recent steps of the wall clock, oldest first."""
        return [movement for _, movement in self.state.recent if movement.kind in STEPS]

    def is_missing(self, wall_ns: int) -> bool:
        """Return whether the node is not measured now, but was measured not long ago."""
        last_ns = self.state.last_success_wall_ns
        return self.offset is None and last_ns is not None and wall_ns - last_ns < MISSED_NS

    def view(
        self,
        utc: Utc,
        reference: Reference,
        base_ppb: Interval | None,
        coming: NodeForecast,
    ) -> NodeView:
        """Return the node's part of the cluster's view."""
        state = self.state
        return NodeView(
            name=self.name,
            address=self.evidence.address,
            outcome=self.outcome,
            offset=self.offset,
            admin_offset=self.admin_offset,
            drift=coming.drift,
            oscillator=oscillator_rate(self.outcome, state.clock_update),
            forecast=coming.forecast,
            steps=state.clock_update.steps,
            stepped=largest_step(self.moved),
            last_step=state.last_step and state.last_step[1],
            last_step_at_ns=state.last_step[0] if state.last_step else 0,
            last_success_wall_ns=state.last_success_wall_ns,
            timesync=state.timesync,
            findings=node_findings(self.evidence, reference, state.claimed_findings(self.evidence), base_ppb),
            failures=dict(state.failures),
            unparsed_lines=state.unparsed_lines,
            utc_offset=self.evidence.utc_offset or offset_to(utc.offset, _wall(self.outcome)),
            axis=axis_of(self.outcome),
            axis_offset=self.axis_offset,
        )


def evaluate(
    cluster: Cluster, sweep: Sweep, state: MonitorState, wall_ns: int, seen: Survey = NO_AXES
) -> ClusterView:
    """Return the view of one cluster after the round was committed; changes nothing."""
    rounds, utc = state.rounds(cluster.name), state.references.utc_at(sweep.at_ns)
    on_axes, known = cluster_offsets(cluster, sweep, rounds.axis), UtcOfRound(utc, _utc_on_axes(state, seen))
    nodes = [*_nodes_in_round(cluster, sweep, state, on_axes, seen, wall_ns, known)]
    offsets = on_axes.nodes
    evidence = {one.name: one.evidence for one in nodes}
    skew = pairs.skew(offsets)
    lines = skew_lines(cluster.thresholds)
    limit_ns = vote_limit_ns(cluster.thresholds, skew)
    published = _published_pairs(offsets, lines)
    admin = _admin_box(sweep.admin, on_axes, state, utc)
    vote = _vote(nodes, admin, limit_ns, wall_ns, utc_line(utc, utc_limit_ns(cluster.thresholds, limit_ns)))
    if limit_ns is not None:
        step = last_step(published[0], limit_ns, {one.name: one.steps for one in nodes})
        vote = with_last_step(vote, step, wall_ns - sweep.at_ns, limit_ns)
    known_utc = confirmed(utc)
    reference = reference_clock(evidence, vote, known_utc and on_axes.to_reference(known_utc))
    base_ppb = base_rate_ppb(evidence.values())
    forecasts = _node_forecasts(nodes, on_axes, lines, _axes_ppb(on_axes, state))
    return ClusterView(
        cluster=cluster,
        verdict=cluster_verdict(
            cluster.thresholds, skew, offsets, len(cluster.nodes), judged_offsets(evidence, utc)
        ),
        at_wall_ns=wall_ns,
        duration_s=sweep.duration_s,
        nodes=tuple(
            one.view(utc, reference, base_ppb, forecasts.get(one.name, UNKNOWN_FORECAST)) for one in nodes
        ),
        skew=skew,
        worst=published[0] if published else None,
        vote=vote,
        pairs=tuple(published),
        findings=(
            *admin_box_findings(evidence, admin, lines[0].limit_ns if lines else None),
            *cluster_findings(evidence, vote, limit_ns, base_ppb),
            *utc_findings(evidence, utc, line_against_utc_ns(cluster.thresholds)),
            *inventory_findings(cluster),
        ),
        rounds=rounds.number,
        at_ns=sweep.at_ns,
        utc=utc,
        axis=on_axes.axis,
        vantages=seen.views(cluster, sweep),
    )


def _utc_on_axes(state: MonitorState, seen: Survey) -> dict[str, Utc]:
    """Return UTC minus each axis at its common instant, if references were queried from there."""
    known = state.axis_references
    return {label: known[label].utc_at(one.axis.at_ns) for label, one in seen.axes.items() if label in known}


def _nodes_in_round(
    cluster: Cluster,
    sweep: Sweep,
    state: MonitorState,
    on_axes: ClusterOffsets,
    seen: Survey,
    wall_ns: int,
    utc: UtcOfRound,
) -> Iterator[NodeInRound]:
    since_ns, axes_ppb = state.rounds(cluster.name).since_ns, _axes_ppb(on_axes, state)
    for node in cluster.nodes:
        name, endpoint = node.name, node.endpoint
        record, outcome = state.node(endpoint), sweep.outcomes[endpoint]
        moved = record.moved_since(since_ns)
        wall, offset = _wall(outcome), on_axes.nodes.get(name)
        admin_offset = None if wall is None else wall - sweep.admin
        evidence = NodeEvidence(
            name,
            record.timesync,
            offset,
            clock_changes(record, moved),
            Access(node, cluster.config_file),
            node.address,
            outcome.burst.program.boot_id if isinstance(outcome, Measured) else "",
            *rates_ppb(record.clock_update, axes_ppb.get(axis_of(outcome))),
            None if admin_offset is None else wall_ns + admin_offset.estimate_ns,
            utc.offset_of(outcome),
            seen.evidence(endpoint, sweep),
        )
        own = on_axes.own.get(name)
        yield NodeInRound(name, outcome, offset, admin_offset, own, record, moved, evidence)


def _axes_ppb(on_axes: ClusterOffsets, state: MonitorState) -> dict[str, Interval | None]:
    """Return the rates of the axes that nodes are measured on against the base, as far as they are known."""
    return {label: state.axis_rate_ppb(label) for label in on_axes.labels | {BASE}}


def _wall(outcome: Outcome) -> Interval | None:
    return outcome.estimate.wall if isinstance(outcome, Measured) else None


def _published_pairs(offsets: Mapping[str, Interval], lines: list[Threshold]) -> list[Pair]:
    """Return every pair of a small cluster, the worst of a large one, worst first, each with its verdict."""
    if len(offsets) <= ALL_PAIRS_NODES:
        chosen = pairs.all_pairs(offsets)
    else:
        chosen = [pairs.pair_offset(offsets, *pair) for pair in pairs.worst_pairs(offsets, WORST_PAIRS)]
    return [replace(pair, verdict=pair_verdict(pair.offset, lines)) for pair in chosen]


def _vote(
    nodes: Sequence[NodeInRound], admin: NodeEvidence, limit_ns: int | None, wall_ns: int, utc: UtcLine | None
) -> Vote:
    """Return the decision on nodes that are further apart than the line, by their daemons' last answers."""
    if limit_ns is None and utc is None:
        return NO_CULPRIT
    missing = frozenset(one.name for one in nodes if one.is_missing(wall_ns))
    return decide({one.name: one.voting for one in nodes}, limit_ns, admin=admin, missing=missing, utc=utc)


def _admin_box(wall: Interval, on_axes: ClusterOffsets, state: MonitorState, utc: Utc) -> NodeEvidence:
    return NodeEvidence(
        ADMIN_BOX,
        state.admin_answer.status,
        on_axes.admin,
        boot_id=own_boot_id(),
        utc_offset=offset_to(confirmed(utc), wall),
    )


def _node_forecasts(
    nodes: Sequence[NodeInRound],
    on_axes: ClusterOffsets,
    lines: Sequence[Threshold],
    axes_ppb: Mapping[str, Interval | None],
) -> dict[str, NodeForecast]:
    """Return the nodes' drift against the reference; ``axes_ppb`` are the rates of the axes to the base."""
    measured = [one for one in nodes if one.offset is not None]
    return node_forecasts(
        on_axes.nodes,
        {
            one.name: rates_on_axis(
                one.state.clock_update.rates, axes_ppb, axis_of(one.outcome), on_axes.axis
            )
            for one in measured
        },
        {one.name: one.state.timesync for one in measured},
        [line.limit_ns for line in lines],
        [one.name for one in measured if axis_of(one.outcome) == on_axes.axis],
    )
