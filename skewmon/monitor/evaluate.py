"""What a round amounts to for one cluster: offsets, skew, culprits, drift, findings, verdict."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from skewmon.alert.verdict import cluster_verdict, pair_verdict, skew_lines, vote_limit_ns
from skewmon.clock import pairs
from skewmon.clock.outlook import UNKNOWN, Outlook, outlooks
from skewmon.clock.state import STEPS
from skewmon.clock.steps import Movement, MovementKind
from skewmon.culprit.decide import NO_CULPRIT, decide, with_last_step
from skewmon.culprit.evidence import ADMIN_BOX
from skewmon.culprit.last_step import last_step
from skewmon.culprit.reference import reference_clock
from skewmon.model import (
    NS_PER_S,
    Cluster,
    ClusterView,
    Endpoint,
    Finding,
    Interval,
    Measured,
    Node,
    NodeView,
    Outcome,
    Pair,
    Threshold,
    Vote,
)
from skewmon.monitor.node_state import NodeState
from skewmon.monitor.state import MonitorState
from skewmon.probe.clocks import own_boot_id
from skewmon.probe.sweep import Sweep
from skewmon.timesync.findings.derive import cluster_findings, node_findings
from skewmon.timesync.findings.evidence import ClockChanges, NodeEvidence

#: Nearly every node, nearly every round.
NOTHING_MOVED = ClockChanges()

#: Up to this many nodes every pair is published; 64 nodes have 2,016 pairs.
ALL_PAIRS_NODES = 64

#: Beyond that, the pairs that are provably furthest apart.
WORST_PAIRS = 100

#: A node that was measured within this time may come back: its absence must not name another node. A server
#: with much memory takes some minutes to boot.
MISSED_NS = 900 * NS_PER_S


def evaluate(
    cluster: Cluster, found: Mapping[Endpoint, Outcome], sweep: Sweep, state: MonitorState, wall_ns: int
) -> ClusterView:
    """Return the view of one cluster after the round was committed; changes nothing."""
    records = {node.name: state.node(node.endpoint) for node in cluster.nodes}
    outcomes = {node.name: found[node.endpoint] for node in cluster.nodes}
    rounds = state.rounds(cluster.name)
    moved = {name: record.moved_since(rounds.since_ns) for name, record in records.items()}
    walls = {name: one.estimate.wall for name, one in outcomes.items() if isinstance(one, Measured)}
    reference_ns = pairs.reference_ns(walls) if walls else 0
    offsets = {name: wall.shifted(-reference_ns) for name, wall in walls.items()}
    skew = pairs.skew(offsets)
    lines = skew_lines(cluster.thresholds)
    published = _published_pairs(offsets, lines)
    evidence = {
        node.name: _evidence(
            node, outcomes[node.name], offsets.get(node.name), records[node.name], moved[node.name]
        )
        for node in cluster.nodes
    }
    limit_ns = vote_limit_ns(cluster.thresholds, skew)
    vote = NO_CULPRIT
    if limit_ns is not None:
        admin = sweep.admin.shifted(-reference_ns)
        vote = _vote(evidence, records, limit_ns, _admin(admin, state), wall_ns)
        steps = {name: _steps(record) for name, record in records.items()}
        step = last_step(published[0], limit_ns, steps)
        vote = with_last_step(vote, step, wall_ns - sweep.at_ns, limit_ns)
    reference = reference_clock(evidence, vote)
    going = outlooks(
        offsets,
        {name: records[name].recollection.rates for name in offsets},
        {name: records[name].timesync for name in offsets},
        [line.limit_ns for line in lines],
    )
    return ClusterView(
        cluster=cluster,
        verdict=cluster_verdict(cluster.thresholds, skew, offsets, len(cluster.nodes)),
        at_wall_ns=wall_ns,
        duration_s=sweep.duration_s,
        nodes=tuple(
            _node_view(
                outcomes[name],
                sweep.admin,
                records[name],
                moved[name],
                node,
                node_findings(node, reference, records[name].claimed_findings(node)),
                going.get(name, UNKNOWN),
            )
            for name, node in evidence.items()
        ),
        skew=skew,
        worst=published[0] if published else None,
        vote=vote,
        pairs=tuple(published),
        findings=cluster_findings(evidence, vote, limit_ns),
        rounds=rounds.number,
    )


def _node_view(
    outcome: Outcome,
    admin: Interval,
    record: NodeState,
    moved: Sequence[Movement],
    node: NodeEvidence,
    findings: tuple[Finding, ...],
    going: Outlook,
) -> NodeView:
    return NodeView(
        name=node.name,
        address=node.address,
        outcome=outcome,
        offset=node.offset,
        admin_offset=outcome.estimate.wall - admin if isinstance(outcome, Measured) else None,
        drift=going.drift,
        forecast=going.forecast,
        steps=record.recollection.steps,
        stepped=_largest_step(moved),
        last_success_wall_ns=record.last_success_wall_ns,
        timesync=record.timesync,
        findings=findings,
        failures=dict(record.failures),
        unparsed_lines=record.unparsed_lines,
    )


def _largest_step(moved: Sequence[Movement]) -> Interval | None:
    jumps = [one.size for one in moved if one.kind in STEPS and one.size is not None]
    return max(jumps, key=lambda size: size.proven_ns, default=None)


def _evidence(
    node: Node, outcome: Outcome, offset: Interval | None, record: NodeState, moved: Sequence[Movement]
) -> NodeEvidence:
    history = _history(record, moved)
    boot_id = outcome.burst.program.boot_id if isinstance(outcome, Measured) else ""
    return NodeEvidence(node.name, record.timesync, offset, history, login(node), node.address, boot_id)


def _history(record: NodeState, moved: Sequence[Movement]) -> ClockChanges:
    """Return what the node's own clocks told since the cluster's last round, and a slew while it lasts."""
    by_kind: dict[MovementKind, Movement] = {movement.kind: movement for movement in moved}
    slept = by_kind[MovementKind.SUSPEND].size if MovementKind.SUSPEND in by_kind else None
    stepped, slew_ppb = _largest_step(moved), record.recollection.rates.slew_ppb
    if not by_kind and slew_ppb is None:
        return NOTHING_MOVED
    return ClockChanges(
        step_s=stepped.estimate_ns / NS_PER_S if stepped else None,
        suspended_s=slept.estimate_ns / NS_PER_S if slept else None,
        rebooted=True if MovementKind.REBOOT in by_kind else None,
        slew_ppm=slew_ppb.estimate_ns / 1000 if slew_ppb else None,
    )


def login(node: Node) -> str:
    """Return the command that logs in to a node as skewmon does."""
    if node.ssh.login:
        return node.ssh.login
    proxy = f" -o {shlex.quote(f'ProxyCommand={node.ssh.proxy_command}')}" if node.ssh.proxy_command else ""
    port = f" -p {node.ssh.port}" if node.ssh.port != 22 else ""
    jump = f" -J {','.join(node.ssh.jump)}" if node.ssh.jump else ""
    user = f"{node.ssh.user}@" if node.ssh.user else ""
    return f"ssh{port}{jump}{proxy} {user}{node.address}"


def _published_pairs(offsets: Mapping[str, Interval], lines: list[Threshold]) -> list[Pair]:
    """Return every pair of a small cluster, the worst of a large one, worst first, each with its verdict."""
    if len(offsets) <= ALL_PAIRS_NODES:
        chosen = pairs.all_pairs(offsets)
    else:
        chosen = [pairs.pair_offset(offsets, *pair) for pair in pairs.worst_pairs(offsets, WORST_PAIRS)]
    return [replace(pair, verdict=pair_verdict(pair.offset, lines)) for pair in chosen]


def _vote(
    evidence: Mapping[str, NodeEvidence],
    records: Mapping[str, NodeState],
    limit_ns: int,
    admin: NodeEvidence,
    wall_ns: int,
) -> Vote:
    """Return the decision on nodes that are further apart than the line, by their daemons' last answers."""
    claiming = {
        name: replace(node, status=records[name].last_answer.status) for name, node in evidence.items()
    }
    missing = frozenset(
        name for name, node in evidence.items() if node.offset is None and _is_missed(records[name], wall_ns)
    )
    return decide(claiming, limit_ns, admin=admin, missing=missing)


def _admin(offset: Interval, state: MonitorState) -> NodeEvidence:
    return NodeEvidence(ADMIN_BOX, state.admin_answer.status, offset, boot_id=own_boot_id())


def _is_missed(record: NodeState, wall_ns: int) -> bool:
    """Return whether a node that is not measured now was measured not long ago."""
    return record.last_success_wall_ns is not None and wall_ns - record.last_success_wall_ns < MISSED_NS


def _steps(record: NodeState) -> list[Movement]:
    return [movement for _, movement in record.recent if movement.kind in STEPS]
