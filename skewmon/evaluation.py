"""What a round amounts to for one cluster: offsets, skew, culprits, drift, findings, verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

from skewmon.alert.verdict import cluster_verdict, pair_verdict, skew_lines, vote_limit_ns
from skewmon.clock import pairs
from skewmon.clock.culprit import NOBODY
from skewmon.clock.drift import Rate, Rates
from skewmon.clock.forecast import discipline, forecast
from skewmon.clock.memory import STEPS
from skewmon.clock.steps import Kind, Movement
from skewmon.hearing import Bystander, Hearing
from skewmon.ledger import Ledger, Record, place_of
from skewmon.model import (
    NS_PER_S,
    Cluster,
    ClusterView,
    Finding,
    Interval,
    Measured,
    Node,
    NodeView,
    Outcome,
    Pair,
)
from skewmon.probe.base import own_boot_id
from skewmon.probe.sweep import Sweep
from skewmon.timesync.evidence import History, NodeEvidence
from skewmon.timesync.findings import claimed_findings, cluster_findings, jury, node_findings

#: Up to this many nodes every pair is published; 64 nodes have 2,016 pairs.
ALL_PAIRS_NODES = 64

#: Beyond that, the pairs that are provably furthest apart.
WORST_PAIRS = 100


def evaluate(
    cluster: Cluster, outcomes: Mapping[str, Outcome], sweep: Sweep, ledger: Ledger, wall_ns: int
) -> ClusterView:
    """Return what one cluster amounts to, from each of its nodes' outcomes by name."""
    records = {node.name: ledger.record(place_of(node)) for node in cluster.nodes}
    since_ns = ledger.evaluated_ns.get(cluster.name, sweep.at_ns - round(cluster.interval_s * NS_PER_S))
    ledger.evaluated_ns[cluster.name] = sweep.at_ns
    moved = {name: record.moved_since(since_ns) for name, record in records.items()}
    walls = {name: one.estimate.wall for name, one in outcomes.items() if isinstance(one, Measured)}
    reference_ns = pairs.reference_ns(walls) if walls else 0
    offsets = {name: wall.shifted(-reference_ns) for name, wall in walls.items()}
    skew = pairs.skew(offsets)
    nets = _net_rates({name: records[name].recollection.rates for name in offsets})
    rates, apart = _rates_to_reference(nets), _against_the_other(offsets, nets)
    published = _published_pairs(cluster, offsets)
    views = {
        node.name: _node_view(
            node,
            outcomes[node.name],
            offsets.get(node.name),
            sweep.admin,
            records[node.name],
            moved[node.name],
        )
        for node in cluster.nodes
    }
    views = {
        name: _with_outlook(view, rates.get(name), apart.get(name), cluster) for name, view in views.items()
    }
    evidence = {
        node.name: _evidence(node, views[node.name], records[node.name], moved[node.name])
        for node in cluster.nodes
    }
    limit_ns = vote_limit_ns(cluster.thresholds, skew)
    verdict_on_nodes = NOBODY
    if limit_ns is not None:
        bystander = None
        if not _is_measured(outcomes, sweep.admin):
            bystander = Bystander(sweep.admin.shifted(-reference_ns), ledger.admin_status)
        jumps = {name: _jumps(record) for name, record in records.items()}
        hearing = Hearing(evidence, bystander, jumps, sweep.at_ns, wall_ns)
        verdict_on_nodes = hearing.verdict(limit_ns, published[0])
    judges = jury(evidence, verdict_on_nodes)
    ledger.rounds[cluster.name] += 1
    return ClusterView(
        cluster=cluster,
        verdict=cluster_verdict(cluster.thresholds, skew, offsets, len(cluster.nodes)),
        at_wall_ns=wall_ns,
        duration_s=sweep.duration_s,
        nodes=tuple(
            replace(
                view,
                findings=node_findings(
                    evidence[name], evidence, judges, _claimed(evidence[name], records[name])
                ),
            )
            for name, view in views.items()
        ),
        skew=skew,
        worst=published[0] if published else None,
        vote=verdict_on_nodes,
        pairs=tuple(published),
        findings=cluster_findings(evidence, verdict_on_nodes, limit_ns),
        rounds=ledger.rounds[cluster.name],
    )


def _node_view(
    node: Node,
    outcome: Outcome,
    offset: Interval | None,
    admin: Interval,
    record: Record,
    moved: Sequence[Movement],
) -> NodeView:
    jumps = [m.size for m in moved if m.kind in STEPS and m.size is not None]
    return NodeView(
        name=node.name,
        address=node.address,
        outcome=outcome,
        offset=offset,
        admin_offset=outcome.estimate.wall - admin if isinstance(outcome, Measured) else None,
        steps=record.recollection.steps,
        stepped=max(jumps, key=lambda size: size.proven_ns, default=None),
        last_success_wall_ns=record.last_success_wall_ns,
        timesync=record.timesync,
        failures=dict(record.failures),
        unparsed_lines=record.unparsed_lines,
    )


def _net_rates(rates: Mapping[str, Rates]) -> dict[str, Rate]:
    """Return each node's net rate; nothing where one of them is unknown, for then the reference's is too."""
    nets = {name: one.net for name, one in rates.items() if one.net is not None}
    return nets if len(nets) == len(rates) else {}


def _rates_to_reference(nets: Mapping[str, Rate]) -> dict[str, Rate]:
    """Return each node's net rate against the cluster's reference instead of the base.

    The reference moves as the median node does; a median of intervals is the interval of the medians.
    """
    if not nets:
        return {}
    lower = median(net.lower for net in nets.values())
    upper = median(net.upper for net in nets.values())
    samples = min(net.samples for net in nets.values())
    return {name: net.plus(Rate(-upper, -lower, net.basis, samples)) for name, net in nets.items()}


def _against_the_other(
    offsets: Mapping[str, Interval], nets: Mapping[str, Rate]
) -> dict[str, tuple[Interval, Rate]]:
    """Return how each of two clocks stands and drifts against the other; nothing of more or fewer.

    The reference of two lies midway and moves with both: their skew passes a line long before either is as
    far from the reference.
    """
    if len(offsets) != 2 or not nets:
        return {}
    one, other = offsets
    return {
        name: (offsets[name] - offsets[peer], nets[name].minus(nets[peer]))
        for name, peer in ((one, other), (other, one))
    }


def _with_outlook(
    view: NodeView, rate: Rate | None, apart: tuple[Interval, Rate] | None, cluster: Cluster
) -> NodeView:
    """Return the view with its drift, and where that leads as far as it is certain."""
    if rate is None or view.offset is None or not rate.meaningful:
        return view
    limits_ns = [line.limit_ns for line in skew_lines(cluster.thresholds)]
    offset, leaving = apart or (view.offset, rate)
    outlook = forecast(offset, leaving, limits_ns, discipline(view.timesync))
    return replace(view, drift=Rates(net=rate).published, forecast=outlook)


def _evidence(node: Node, view: NodeView, record: Record, moved: Sequence[Movement]) -> NodeEvidence:
    history = _history(view, record, moved)
    return NodeEvidence(node.name, record.timesync, view.offset, history, login(node), node.address)


def _claimed(evidence: NodeEvidence, record: Record) -> tuple[Finding, ...]:
    """Return what a node's claims amount to, worked out once each time its daemon was asked."""
    if evidence.name not in record.claimed:
        record.claimed[evidence.name] = claimed_findings(evidence)
    return record.claimed[evidence.name]


def _history(view: NodeView, record: Record, moved: Sequence[Movement]) -> History:
    """Return what the node's own clocks told since the cluster's last round, and a slew while it lasts."""
    by_kind: dict[Kind, Movement] = {movement.kind: movement for movement in moved}
    slept = by_kind[Kind.SUSPEND].size if Kind.SUSPEND in by_kind else None
    slew_ppb = record.recollection.rates.slew_ppb
    return History(
        step_s=view.stepped.estimate_ns / NS_PER_S if view.stepped else None,
        suspended_s=slept.estimate_ns / NS_PER_S if slept else None,
        rebooted=True if Kind.REBOOT in by_kind else None,
        slew_ppm=slew_ppb.estimate_ns / 1000 if slew_ppb else None,
    )


def login(node: Node) -> str:
    """Return the command that logs in to a node as skewmon does."""
    port = f" -p {node.ssh.port}" if node.ssh.port != 22 else ""
    jump = f" -J {','.join(node.ssh.jump)}" if node.ssh.jump else ""
    user = f"{node.ssh.user}@" if node.ssh.user else ""
    return f"ssh{port}{jump} {user}{node.address}"


def _published_pairs(cluster: Cluster, offsets: Mapping[str, Interval]) -> list[Pair]:
    """Return every pair of a small cluster, the worst of a large one, worst first, each with its verdict."""
    lines = skew_lines(cluster.thresholds)
    if len(offsets) <= ALL_PAIRS_NODES:
        chosen = pairs.all_pairs(offsets)
    else:
        chosen = [pairs.pair_offset(offsets, *pair) for pair in pairs.worst_pairs(offsets, WORST_PAIRS)]
    return [replace(pair, verdict=pair_verdict(pair.offset, lines)) for pair in chosen]


def _is_measured(outcomes: Mapping[str, Outcome], admin: Interval) -> bool:
    """Tell whether the admin box is one of the nodes: the same kernel, and no other wall clock."""
    return any(
        isinstance(one, Measured)
        and one.burst.program.boot_id == own_boot_id()
        and 0 in one.estimate.wall - admin
        for one in outcomes.values()
    )


def _jumps(record: Record) -> list[Movement]:
    return [movement for _, movement in record.recent if movement.kind in STEPS]
