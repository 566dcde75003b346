"""Snapshots for tests: rounds with and without trouble."""

from dataclasses import replace

from skewmon.alert.alerts import Key
from skewmon.clock.pairs import all_pairs
from skewmon.errors import Reason
from skewmon.export.catalogue import METRICS
from skewmon.export.pairs import judged, query, skew_line
from skewmon.export.published import DaemonStats
from skewmon.model import (
    NS_PER_S,
    AxisOffset,
    Burst,
    Cluster,
    ClusterView,
    Discipline,
    Drift,
    Estimate,
    Failed,
    Finding,
    Forecast,
    Interval,
    Inventory,
    Measured,
    Node,
    NodeView,
    Passing,
    Peer,
    Program,
    ReferenceView,
    RejectedEntry,
    Skew,
    Snapshot,
    SyncStatus,
    Threshold,
    ThresholdKind,
    Utc,
    UtcReason,
    UtcState,
    VantageView,
    Verdict,
    Vote,
)

WALL_NS = 1_795_351_187_123_456_789  # 2026-11-22T12:39:47.123456789Z
AT_NS = 30 * 1_000_000_000  # of the base: the common instant of the round
US = 1_000
MS = 1_000_000
JUMP_NS = 70 * NS_PER_S
JUMPED = "etcd3"

UNANIMOUS = Vote("none")

THRESHOLDS = (
    Threshold("warning", 50 * MS, for_s=60.0, clear_for_s=60.0),
    Threshold("critical", NS_PER_S, clear_for_s=60.0),
    Threshold("warning", 20_000, ThresholdKind.DRIFT),
    Threshold("warning", 0, ThresholdKind.UNREACHABLE, for_s=300.0),
)

#: Text that a hostile or broken node may send; must never become markup, and must not stop an encoder.
HOSTILE = "<img src=x onerror=alert(1)>\"'&\udcff\n\\"

STATS = DaemonStats(
    reload_success_wall_ns=WALL_NS,
    notifications={"webhook": 2},
    notification_failures={("webhook", "timeout"): 1},
    firing=(
        Key("etcd-prod", "skew", "critical", JUMPED),
        Key("etcd-prod", "ahead", "critical", JUMPED),
        Key("etcd-prod", "unknown", "warning"),
    ),
    page_url="https://skewmon.example.com",
    history_resets={"rebooted": 1},
    journal_healthy=False,
    journal_held_up=3,
    journal_given_up=2,
    journal_restarted=1,
    record_healthy=True,
    record_held_up=2,
    record_given_up=4,
    self_check_failures={"canary": 0},
    internal_errors={"node": 1},
)


def chrony(source: str = "192.0.2.1") -> SyncStatus:
    """Return the claim of a healthy chronyd with two sources."""
    return SyncStatus(
        daemon="chronyd",
        synchronized=True,
        stratum=3,
        source=source,
        offset_s=0.000_021,
        root_distance_s=0.004,
        reach=0o377,
        leap="none",
        peers=(
            Peer(source, "system", stratum=2, reach=0o377, offset_s=0.000_021, tally="*"),
            Peer("192.0.2.9", "unreachable", reach=0, tally="?"),
        ),
    )


def measured(round_trip_ns: int = 400 * US) -> Measured:
    """Return the outcome of a node that answered."""
    estimate = Estimate(0, Interval.around(0, round_trip_ns // 2), round_trip_ns, samples=8)
    return Measured(Burst(Program(probe="python3", clocksource="tsc"), opening=()), estimate)


def node(
    name: str, offset_ns: int = 0, bound_ns: int = 40 * US, timesync: SyncStatus | None = None
) -> NodeView:
    """Return a measured node."""
    offset = Interval.around(offset_ns, bound_ns)
    return NodeView(
        name=name,
        address=f"{name}.example.com",
        outcome=measured(),
        offset=offset,
        admin_offset=offset.shifted(3 * MS),
        drift=Drift(1.5e-6, 1e-6, 2e-6),
        steps=0,
        last_success_wall_ns=WALL_NS,
        timesync=timesync or chrony(),
    )


def unreachable(name: str, reason: Reason = Reason.NO_ANSWER) -> NodeView:
    """Return a node that did not answer."""
    failed = Failed(
        reason,
        f"{name}.example.com:22 does not answer within 10 s.",
        "Check that the machine is up and that the firewall admits the admin box.",
    )
    return NodeView(
        name=name,
        address=f"{name}.example.com",
        outcome=failed,
        last_success_wall_ns=WALL_NS - 3_600 * NS_PER_S,
        failures={reason: 240},
    )


def cluster_view(
    nodes: tuple[NodeView, ...],
    name: str = "etcd-prod",
    verdict: Verdict = Verdict.OK,
    vote: Vote = UNANIMOUS,
) -> ClusterView:
    """Return a cluster with skew and pairs computed from the offsets of its nodes."""
    cluster = Cluster(name, tuple(Node(view.name, view.address) for view in nodes), thresholds=THRESHOLDS)
    view = ClusterView(
        cluster, verdict, WALL_NS, 0.8, nodes, skew=None, worst=None, vote=vote, rounds=41, at_ns=AT_NS
    )
    worst = tuple(query(view, 100, None, 0))
    offsets = {node.name: node.offset for node in nodes if node.offset}
    pairs = tuple(judged(pair, skew_line(view)) for pair in all_pairs(offsets)) if len(nodes) <= 64 else worst
    if not worst:
        return view
    offset = worst[0].offset
    skew = Skew(abs(offset.estimate_ns), offset.proven_ns, offset.furthest_ns)
    return replace(view, skew=skew, worst=worst[0], pairs=pairs)


def snapshot(*views: ClusterView) -> Snapshot:
    """Return a snapshot of the given clusters."""
    return Snapshot(WALL_NS, views)


def healthy() -> Snapshot:
    """Return three nodes that agree within microseconds."""
    return snapshot(cluster_view((node("etcd1", -12 * US), node("etcd2", 3 * US), node(JUMPED, 25 * US))))


def jumped(ahead_ns: int = JUMP_NS) -> Snapshot:
    """Return a cluster with one clock 70 seconds ahead or so, whose time daemon claims to be synchronized."""
    finding = Finding(
        "claims-sync-but-off",
        "critical",
        "chronyd says synchronized within 4.0 ms, yet the clock is at least 69.999 s ahead of the majority.",
        "ssh etcd3.example.com chronyc -n sources",
    )
    step = Interval.around(JUMP_NS, US)
    wrong = replace(
        node(JUMPED, ahead_ns), steps=1, last_step=step, last_step_at_ns=0, findings=(finding,), drift=None
    )
    vote = Vote("named", (JUMPED,), "etcd1 and etcd2 agree within 95 us; etcd3 is 70 s from both.")
    nodes = (node("etcd1", -12 * US), node("etcd2", 3 * US), wrong)
    return snapshot(cluster_view(nodes, verdict=Verdict.CRITICAL, vote=vote))


def silent() -> Snapshot:
    """Return a cluster of which one node does not answer."""
    nodes = (node("etcd1", -12 * US), node("etcd2", 3 * US), unreachable(JUMPED))
    return snapshot(cluster_view(nodes, verdict=Verdict.UNKNOWN))


def ambiguous() -> Snapshot:
    """Return a cluster whose bounds are too wide for a verdict on the warning threshold."""
    nodes = (node("far1", -20 * MS, 30 * MS), node("far2", 20 * MS, 30 * MS))
    return snapshot(cluster_view(nodes, "far", verdict=Verdict.AMBIGUOUS, vote=Vote("undetermined")))


def hostile() -> Snapshot:
    """Return a cluster in which every text that a node controls is an attack."""
    finding = Finding("unparsed-output", "info", HOSTILE, HOSTILE)
    evil = replace(
        node(f"evil{HOSTILE}", 5 * MS, timesync=replace(chrony(HOSTILE), unparsed=(HOSTILE,))),
        findings=(finding,),
    )
    dead = replace(unreachable("dead"), outcome=Failed(Reason.NOT_SSH, HOSTILE, HOSTILE))
    vote = Vote("named", (evil.name,), HOSTILE)
    return snapshot(cluster_view((node("good"), evil, dead), HOSTILE, vote=vote))


def thousand(count: int = 1_000) -> Snapshot:
    """Return many nodes, one of which jumped and every 50th of which is silent."""
    nodes = tuple(
        unreachable(f"n{number:04}")
        if number % 50 == 49
        else node(f"n{number:04}", (number * 7_919) % 9_001 * US // 10)
        for number in range(count)
    )
    wrong = replace(node("n0500", JUMP_NS), steps=1)
    nodes = tuple(wrong if view.name == wrong.name else view for view in nodes)
    vote = Vote("named", (wrong.name,), "979 nodes agree within 1 ms.")
    return snapshot(cluster_view(nodes, "big", verdict=Verdict.CRITICAL, vote=vote))


#: A clock that nothing steers, 20 ms and 970 ms from its lines.
FORECAST = Forecast(
    ahead=True,
    discipline=Discipline.FREE,
    passings=(Passing(50 * MS, 100.0, 200.0), Passing(1_000 * MS, 4_850.0, 9_700.0)),
)


def breaching() -> Snapshot:
    """Return a cluster of which one clock drifts towards the warning line."""
    free = SyncStatus("chronyd", synchronized=False)
    drifting = replace(node("b", 30 * MS), drift=Drift(2e-4, 1e-4, 3e-4), forecast=FORECAST, timesync=free)
    return snapshot(cluster_view((node("a"), drifting), "lab"))


def references(*, confirmed: bool = True) -> Snapshot:
    """Return a cluster whose nodes are 5 ms behind UTC by three references; a fourth one lies."""
    views = (
        *(
            ReferenceView(f"ntp{n}", Interval.around(0, MS), True, 1, upstream=f"192.0.2.{n}")
            for n in (1, 2, 3)
        ),
        ReferenceView("liar", Interval.around(300 * MS, MS), True, 2, falseticker=True, round_trip_ns=MS),
        ReferenceView("silent", reason="silence", rejected={"silence": 3}),
        ReferenceView(HOSTILE, reason="spoofed", rejected={"spoofed": 64}),
    )
    utc = Utc(UtcState.CONFIRMED, Interval.around(0, MS), "", views)
    if not confirmed:
        utc = replace(utc, state=UtcState.UNCONFIRMED, reason=UtcReason.NO_MAJORITY)
    nodes = (node("r1"), node("r2", 2 * US))
    view = cluster_view(
        tuple(replace(one, utc_offset=Interval.around(-5 * MS, 2 * MS)) for one in nodes), "utc"
    )
    lines = (*view.cluster.thresholds, Threshold("warning", 100 * MS, ThresholdKind.UTC))
    cluster = replace(view.cluster, thresholds=lines)
    return snapshot(replace(view, cluster=cluster, utc=utc, at_ns=AT_NS + 1))


def vantages() -> Snapshot:
    """Return two nodes behind a vantage, one beside the admin box, and one whose vantage runs no relay."""
    far = AxisOffset(-40 * MS, 40 * MS, "", Interval(0, US), Interval(-40 * MS, 40 * MS))
    on_site = (
        replace(node("v1"), axis="bastion.eu", axis_offset=Interval.around(-2 * US, 71 * US)),
        replace(node("v2"), axis="bastion.eu", axis_offset=Interval.around(2 * US, 68 * US)),
    )
    beside = replace(node("d1"), offset=far, axis_offset=Interval(0, US))
    views = (
        VantageView("bastion.eu", Interval.around(7, 40 * MS), 2, contradicting=("v1",)),
        VantageView(HOSTILE, failed=Failed(Reason.NO_PROGRAM, "It has neither python3 nor perl.", "Look.")),
    )
    view = cluster_view((*on_site, beside), "estate")
    return snapshot(replace(view, axis="bastion.eu", vantages=views))


def everything() -> Snapshot:
    """Return clusters of every kind, such that every metric has a series."""
    (silent_view,) = silent().clusters
    renamed = replace(silent_view, cluster=replace(silent_view.cluster, name="web"))
    others = (
        view
        for build in (healthy_lab, ambiguous, breaching, references, vantages)
        for view in build().clusters
    )
    return snapshot(*jumped().clusters, renamed, *others)


def healthy_lab() -> Snapshot:
    """Return a healthy cluster under a name of its own."""
    view = cluster_view((node("x", -2 * US), node("y", 2 * US)), "quiet")
    rejected = RejectedEntry("Rack 12 PDU", "'Rack 12 PDU' is not a host name or address")
    inventory = Inventory(
        "file_sd /etc/targets/*.yml", "key", view.cluster.nodes, (rejected,), 1, "", WALL_NS
    )
    return snapshot(replace(view, cluster=replace(view.cluster, inventories=(inventory,))))


#: Rounds of every kind.
EVERY_SAMPLE = [healthy, jumped, silent, ambiguous, hostile, breaching, references, vantages]

#: Every metric by the name that a query writes.
BY_NAME = {metric.name: metric for metric in METRICS}
