"""One snapshot as Prometheus metric families, built for each rendering, so that old series vanish at once."""

from collections import Counter
from collections.abc import Iterable

from prometheus_client import Metric as Family
from prometheus_client.registry import Collector

from skewmon import __version__
from skewmon.alert.thresholds import STATES
from skewmon.clock.pairs import all_pairs
from skewmon.errors import Reason
from skewmon.export.encode import encodable, foreign, optional_seconds, seconds
from skewmon.export.exposition import Labels, Samples
from skewmon.export.pairs import WORST_PAIRS, PairExport, measured_offsets
from skewmon.export.published import DaemonStats
from skewmon.export.references import add_references, add_utc_of_cluster
from skewmon.export.vantages import add_vantages
from skewmon.model import (
    Cluster,
    ClusterView,
    Finding,
    Inventory,
    Measured,
    NodeView,
    Pair,
    Snapshot,
    SyncStatus,
    ThresholdKind,
    Verdict,
)
from skewmon.runtime.gil_yield import yielding_gil
from skewmon.timesync.source import usable

SERIES_A_PAIR = 3

#: Nodes, of twenty samples each, gathered in about a millisecond.
NODES_A_TURN = 64

#: Larger clusters have no failure series at 0 for each node and reason: a thousand series are enough.
ZERO_FAILURE_NODES_MAX = 32

#: ``auto``: 37 nodes, a small part of the cost of a scrape.
AUTO_PAIR_SERIES_MAX = 2_000

#: ``all``: beyond this, a scrape takes seconds and megabytes, and Prometheus times out.
ALL_PAIR_SERIES_MAX = 150_000


class SnapshotCollector(Collector):
    """The families of one snapshot; nothing is kept between two renderings."""

    def __init__(self, snapshot: Snapshot, stats: DaemonStats, pairs: PairExport = "auto") -> None:
        self._snapshot = snapshot
        self._stats = stats
        self._pairs = pairs

    def collect(self) -> Iterable[Family]:
        """Yield every family that has samples."""
        samples = Samples()
        for view in self._snapshot.clusters:
            _add_cluster(samples, view)
            culprits = frozenset(view.vote.culprits)
            for node in yielding_gil(view.nodes, NODES_A_TURN):
                _add_node(samples, view, node, is_culprit=node.name in culprits)
            _add_pairs(samples, view, self._pairs)
            add_utc_of_cluster(samples.add, view)
        add_references(samples.add, self._snapshot)
        add_vantages(samples.add, self._snapshot)
        for cluster, _ in self._stats.awaited:
            _add_configuration(samples, cluster)
        _add_stats(samples, self._stats)
        return samples.families()


class AgeCollector(Collector):
    """The ages of the rounds at ``now_ns`` of the base; all other families change with a round alone."""

    def __init__(self, snapshot: Snapshot, stats: DaemonStats, now_ns: int) -> None:
        self._since_ns = {view.name: view.at_ns for view in snapshot.clusters}
        self._since_ns |= {cluster.name: since_ns for cluster, since_ns in stats.awaited}
        self._now_ns = now_ns

    def collect(self) -> Iterable[Family]:
        """Yield the family, if there are clusters."""
        samples = Samples()
        for name, since_ns in self._since_ns.items():
            labels = {"cluster_name": encodable(name)}
            samples.add("skewmon_round_age_seconds", labels, seconds(self._now_ns - since_ns))
        return samples.families()


def _add_cluster(samples: Samples, view: ClusterView) -> None:
    labels = {"cluster_name": encodable(view.name)}
    if view.skew is not None:
        samples.add("skewmon_skew_seconds", labels, seconds(view.skew.estimate_ns))
        samples.add("skewmon_skew_lower_seconds", labels, seconds(view.skew.lower_ns))
        samples.add("skewmon_skew_upper_seconds", labels, seconds(view.skew.upper_ns))
    for verdict in Verdict:
        samples.add("skewmon_verdict", {**labels, "verdict": verdict.value}, float(verdict is view.verdict))
    samples.add("skewmon_round_duration_seconds", labels, view.duration_s)
    samples.add("skewmon_round_timestamp_seconds", labels, seconds(view.at_wall_ns))
    samples.add("skewmon_rounds_total", labels, view.rounds)
    samples.add("skewmon_cluster_nodes", labels, view.cluster.total_nodes or len(view.cluster.nodes))
    _add_configuration(samples, view.cluster)
    _add_findings(samples, {**labels, "node": ""}, view.findings)
    _add_inventories(samples, labels, view.cluster.inventories)


def _add_inventories(samples: Samples, of_cluster: Labels, inventories: tuple[Inventory, ...]) -> None:
    used = Counter[str]()
    for one in inventories:
        used[one.name] += 1  # addresses that differ in a secret alone have one name
        name = one.name if used[one.name] == 1 else f"{one.name} ({used[one.name]})"
        labels = {**of_cluster, "inventory": encodable(name)}
        samples.add("skewmon_inventory_nodes", labels, len(one.nodes))
        samples.add("skewmon_inventory_rejected_entries", labels, one.rejected_count)
        for entry in dict.fromkeys(rejected.name for rejected in one.rejected):
            samples.add("skewmon_inventory_rejected_entry", {**labels, "entry": encodable(entry)}, 1)
        samples.add("skewmon_inventory_last_read_successful", labels, float(not one.error))
        samples.add(
            "skewmon_inventory_last_success_timestamp_seconds", labels, optional_seconds(one.read_wall_ns)
        )


def _add_configuration(samples: Samples, cluster: Cluster) -> None:
    labels = {"cluster_name": encodable(cluster.name)}
    samples.add("skewmon_round_interval_seconds", labels, cluster.interval_s)
    for line in cluster.thresholds:
        labels_of_line = {**labels, "severity": line.severity, "kind": line.kind.value}
        if line.kind == ThresholdKind.DRIFT:
            samples.add("skewmon_threshold_ratio", labels_of_line, seconds(line.limit_ns))
        elif line.kind not in STATES:
            samples.add("skewmon_threshold_seconds", labels_of_line, seconds(line.limit_ns))


def _add_node(samples: Samples, view: ClusterView, node: NodeView, *, is_culprit: bool) -> None:
    labels = {"cluster_name": encodable(view.name), "node": encodable(node.name)}
    samples.add("skewmon_node_success", labels, float(isinstance(node.outcome, Measured)))
    if isinstance(node.outcome, Measured):
        if node.offset is not None:
            samples.add("skewmon_node_offset_seconds", labels, seconds(node.offset.estimate_ns))
            samples.add("skewmon_node_offset_lower_seconds", labels, seconds(node.offset.lower_ns))
            samples.add("skewmon_node_offset_upper_seconds", labels, seconds(node.offset.upper_ns))
        if node.admin_offset is not None:
            samples.add("skewmon_node_admin_offset_seconds", labels, seconds(node.admin_offset.estimate_ns))
            samples.add(
                "skewmon_node_admin_offset_lower_seconds", labels, seconds(node.admin_offset.lower_ns)
            )
            samples.add(
                "skewmon_node_admin_offset_upper_seconds", labels, seconds(node.admin_offset.upper_ns)
            )
        samples.add("skewmon_node_round_trip_seconds", labels, seconds(node.outcome.estimate.round_trip_ns))
        samples.add("skewmon_node_culprit", labels, float(is_culprit))
        if node.drift is not None:
            samples.add("skewmon_node_drift_ratio", labels, node.drift.ratio)
            samples.add("skewmon_node_drift_lower_ratio", labels, node.drift.lower)
            samples.add("skewmon_node_drift_upper_ratio", labels, node.drift.upper)
        breach_s = node.forecast.passings[0].earliest_s if node.forecast else None
        samples.add("skewmon_node_time_to_breach_seconds", labels, breach_s)
        clocksource = foreign(node.outcome.burst.program.clocksource)
        if clocksource:
            samples.add("skewmon_node_clocksource_info", {**labels, "clocksource": clocksource}, 1)
    samples.add(
        "skewmon_node_last_success_timestamp_seconds", labels, optional_seconds(node.last_success_wall_ns)
    )
    samples.add("skewmon_node_steps_total", labels, node.steps)
    if node.last_step is not None:
        samples.add("skewmon_node_step_seconds", labels, seconds(node.last_step.estimate_ns))
        samples.add("skewmon_node_step_age_seconds", labels, seconds(view.at_ns - node.last_step_at_ns))
    reasons = Reason if len(view.nodes) <= ZERO_FAILURE_NODES_MAX else node.failures
    for reason in reasons:
        labels_of_reason = {**labels, "reason": reason.value}
        samples.add("skewmon_node_failures_total", labels_of_reason, node.failures.get(reason, 0))
    _add_timesync(samples, labels, node)
    _add_findings(samples, labels, node.findings)


def _add_timesync(samples: Samples, labels: Labels, node: NodeView) -> None:
    status = node.timesync
    if status is None:
        return
    source = foreign(status.source or "")
    samples.add("skewmon_timesync_info", {**labels, "daemon": status.daemon, "source": source}, 1)
    synchronized = None if status.synchronized is None else float(status.synchronized)
    samples.add("skewmon_timesync_synchronized", labels, synchronized)
    if status.leap is not None:
        samples.add("skewmon_timesync_leap_info", {**labels, "leap": foreign(status.leap)}, 1)
    samples.add("skewmon_timesync_stratum", labels, status.stratum)
    samples.add("skewmon_timesync_offset_seconds", labels, status.offset_s)
    samples.add("skewmon_timesync_root_distance_seconds", labels, status.root_distance_s)
    samples.add("skewmon_timesync_reachable_sources", labels, _reachable_sources(status))
    samples.add("skewmon_timesync_unparsed_lines_total", labels, node.unparsed_lines)


def _reachable_sources(status: SyncStatus) -> int | None:
    """Return the number of sources that answer, or None if the tool lists no source."""
    if not status.peers:
        return None
    return len(usable(status))


def _add_findings(samples: Samples, labels: Labels, findings: tuple[Finding, ...]) -> None:
    for kind in dict.fromkeys(finding.kind for finding in findings):
        samples.add("skewmon_finding", {**labels, "kind": kind}, 1)


def _add_pairs(samples: Samples, view: ClusterView, export: PairExport) -> None:
    cluster_name = encodable(view.name)
    for pair in exported_pairs(view, export):
        node, peer, offset = encodable(pair.node), encodable(pair.peer), pair.offset
        if peer < node:  # a series keeps its name when the two clocks pass each other
            node, peer, offset = peer, node, -offset
        labels = {"cluster_name": cluster_name, "node": node, "peer": peer}
        samples.add("skewmon_pair_offset_seconds", labels, seconds(offset.estimate_ns))
        samples.add("skewmon_pair_offset_lower_seconds", labels, seconds(offset.lower_ns))
        samples.add("skewmon_pair_offset_upper_seconds", labels, seconds(offset.upper_ns))


def exported_pairs(view: ClusterView, export: PairExport) -> Iterable[Pair]:
    """Return the pairs that ``export.pairs`` admits."""
    if export == "none":
        return ()
    offsets = measured_offsets(view)
    series = len(offsets) * (len(offsets) - 1) // 2 * SERIES_A_PAIR
    series_max = {"auto": AUTO_PAIR_SERIES_MAX, "all": ALL_PAIR_SERIES_MAX, "worst": 0}[export]
    if series <= series_max:
        return all_pairs(offsets)
    worst_first = sorted(view.pairs, key=lambda pair: (-pair.offset.proven_ns, -abs(pair.offset.estimate_ns)))
    return worst_first[:WORST_PAIRS]


def _add_stats(samples: Samples, stats: DaemonStats) -> None:
    # Two kinds of line may raise an alert of the same name for the same node; a series can exist only once.
    for cluster, node, severity, alert in dict.fromkeys(
        (key.cluster, key.node or "", key.severity, key.name) for key in stats.firing
    ):
        labels = {"cluster_name": encodable(cluster), "node": encodable(node)}
        samples.add("skewmon_alert_firing", {**labels, "severity": severity, "alert": alert}, 1)
    samples.add("skewmon_build_info", {"version": __version__}, 1)
    if stats.page_url:
        samples.add("skewmon_web_info", {"external_url": encodable(stats.page_url)}, 1)
    samples.add("skewmon_config_last_reload_successful", {}, float(stats.reload_successful))
    samples.add(
        "skewmon_config_last_reload_success_timestamp_seconds",
        {},
        optional_seconds(stats.reload_success_wall_ns),
    )
    for notifier, count in stats.notifications.items():
        samples.add("skewmon_notifications_total", {"notifier": notifier}, count)
    for (notifier, reason), count in stats.notification_failures.items():
        samples.add("skewmon_notifications_failed_total", {"notifier": notifier, "reason": reason}, count)
    for reason, count in stats.history_resets.items():
        samples.add("skewmon_history_resets_total", {"reason": reason}, count)
    samples.add("skewmon_loop_lag_seconds", {}, stats.loop_lag_s)
    samples.add("skewmon_journal_healthy", {}, stats.journal_healthy)
    samples.add("skewmon_journal_waiting_events", {}, stats.journal_held_up)
    samples.add("skewmon_journal_lost_events_total", {}, stats.journal_given_up)
    samples.add("skewmon_journal_restarts_total", {}, stats.journal_restarted)
    samples.add("skewmon_record_healthy", {}, stats.record_healthy)
    samples.add("skewmon_record_waiting_periods", {}, stats.record_held_up)
    samples.add("skewmon_record_lost_periods_total", {}, stats.record_given_up)
    for check, count in stats.self_check_failures.items():
        samples.add("skewmon_self_check_failures_total", {"check": check}, count)
    for edge, count in stats.internal_errors.items():
        samples.add("skewmon_internal_errors_total", {"where": edge}, count)
