"""What a round amounts to for one cluster: offsets, skew, culprits, drift, findings, verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

from skewmon.alert.verdict import cluster_verdict, pair_verdict, skew_lines, vote_limit_ns
from skewmon.clock import pairs
from skewmon.clock.culprit import NOBODY, vote
from skewmon.clock.drift import Rate, Rates
from skewmon.clock.forecast import discipline, forecast
from skewmon.clock.memory import STEPS
from skewmon.clock.steps import Kind, Movement
from skewmon.ledger import Ledger, Record, place_of
from skewmon.model import (
    NS_PER_S,
    Cluster,
    ClusterView,
    Interval,
    Measured,
    Node,
    NodeView,
    Outcome,
    Pair,
)
from skewmon.probe.sweep import Sweep
from skewmon.timesync.evidence import History, NodeEvidence
from skewmon.timesync.findings import cluster_findings, jury, node_findings
from skewmon.timesync.roots import accepted, witnesses

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
    offsets = offsets_to_reference(outcomes)
    skew = pairs.skew(offsets)
    rates = _rates_to_reference({name: records[name].recollection.rates for name in offsets})
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
    views = {name: _with_outlook(view, rates.get(name), cluster) for name, view in views.items()}
    evidence = {
        node.name: _evidence(node, views[node.name], records[node.name], moved[node.name])
        for node in cluster.nodes
    }
    limit_ns = vote_limit_ns(cluster.thresholds, skew)
    verdict_on_nodes = NOBODY
    if limit_ns is not None:
        verdict_on_nodes = vote(offsets, limit_ns, witnesses(evidence, limit_ns), accepted(evidence))
    judges = jury(evidence, verdict_on_nodes)
    ledger.rounds[cluster.name] += 1
    return ClusterView(
        cluster=cluster,
        verdict=cluster_verdict(cluster.thresholds, skew, offsets, len(cluster.nodes)),
        at_wall_ns=wall_ns,
        duration_s=sweep.duration_s,
        nodes=tuple(
            replace(view, findings=node_findings(evidence[name], evidence, judges))
            for name, view in views.items()
        ),
        skew=skew,
        worst=published[0] if published else None,
        vote=verdict_on_nodes,
        pairs=tuple(published),
        findings=cluster_findings(evidence, verdict_on_nodes, limit_ns),
        rounds=ledger.rounds[cluster.name],
    )


def offsets_to_reference(outcomes: Mapping[str, Outcome]) -> dict[str, Interval]:
    """Return each measured node's clock minus the median of their estimates."""
    walls = {name: one.estimate.wall for name, one in outcomes.items() if isinstance(one, Measured)}
    if not walls:
        return {}
    reference = pairs.reference_ns(walls)
    return {name: wall.shifted(-reference) for name, wall in walls.items()}


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


def _rates_to_reference(rates: Mapping[str, Rates]) -> dict[str, Rate]:
    """Return each node's net rate against the cluster's reference instead of the base.

    The reference moves as the median node does; a median of intervals is the interval of the medians.
    """
    nets = {name: one.net for name, one in rates.items() if one.net is not None}
    if not nets or len(nets) < len(rates):
        return {}
    lower = median(net.lower for net in nets.values())
    upper = median(net.upper for net in nets.values())
    samples = min(net.samples for net in nets.values())
    return {name: net.plus(Rate(-upper, -lower, net.basis, samples)) for name, net in nets.items()}


def _with_outlook(view: NodeView, rate: Rate | None, cluster: Cluster) -> NodeView:
    """Return the view with its drift, and where that leads as far as it is certain."""
    if rate is None or view.offset is None or not rate.meaningful:
        return view
    limits_ns = [line.limit_ns for line in skew_lines(cluster.thresholds)]
    outlook = forecast(view.offset, rate, limits_ns, discipline(view.timesync))
    return replace(view, drift=Rates(net=rate).published, forecast=outlook)


def _evidence(node: Node, view: NodeView, record: Record, moved: Sequence[Movement]) -> NodeEvidence:
    history = _history(view, record, moved)
    return NodeEvidence(node.name, record.timesync, view.offset, history, login(node), node.address)


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
