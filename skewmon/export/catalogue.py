"""Every metric that skewmon exports, as data, for the collector, the documentation and the tests."""

from dataclasses import dataclass
from typing import Literal

CLUSTER = ("cluster_name",)
NODE = ("cluster_name", "node")
PAIR = ("cluster_name", "node", "peer")
REFERENCE = ("reference",)
VANTAGE = ("vantage",)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family; ``name`` is the name of its samples, as a query writes it."""

    name: str
    type: Literal["gauge", "counter", "info"]
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""

    @property
    def family(self) -> str:
        """The name without the suffix that OpenMetrics adds to the samples of this type."""
        suffix = {"counter": "_total", "info": "_info"}.get(self.type, "")
        return self.name.removesuffix(suffix)


def _gauge(name: str, help_text: str, labels: tuple[str, ...] = (), unit: str = "") -> Metric:
    return Metric(name, "gauge", help_text, labels, unit)


def _seconds(name: str, help_text: str, labels: tuple[str, ...] = ()) -> Metric:
    return _gauge(name, help_text, labels, "seconds")


def _counter(name: str, help_text: str, labels: tuple[str, ...] = (), unit: str = "") -> Metric:
    return Metric(name, "counter", help_text, labels, unit)


_CLUSTER_METRICS = (
    _seconds(
        "skewmon_skew_seconds",
        "Largest clock difference between two nodes, best estimate of the last round.",
        CLUSTER,
    ),
    _seconds(
        "skewmon_skew_lower_seconds",
        "Proven skew: the least it can be, given the bounds of the last round.",
        CLUSTER,
    ),
    _seconds(
        "skewmon_skew_upper_seconds",
        "The most that the skew can be, given the bounds of the last round.",
        CLUSTER,
    ),
    _gauge(
        "skewmon_verdict",
        "1 for the verdict on the last round, 0 for every other one.",
        (*CLUSTER, "verdict"),
    ),
    _seconds("skewmon_round_duration_seconds", "How long the last round took.", CLUSTER),
    _seconds(
        "skewmon_round_timestamp_seconds",
        "Unix time of the last round, by the clock of the admin box.",
        CLUSTER,
    ),
    _seconds(
        "skewmon_round_age_seconds",
        "Time since the last round, or since the cluster was configured if it had none; "
        "measured when scraped, on a monotonic clock.",
        CLUSTER,
    ),
    _seconds("skewmon_round_interval_seconds", "Configured time between two rounds.", CLUSTER),
    _seconds(
        "skewmon_threshold_seconds",
        "Limit of each threshold in force that is a time: skew, ahead, behind, step or utc.",
        (*CLUSTER, "severity", "kind"),
    ),
    _gauge(
        "skewmon_threshold_ratio",
        "Limit of each threshold in force that is a rate, in seconds per second: drift.",
        (*CLUSTER, "severity", "kind"),
        "ratio",
    ),
    _gauge("skewmon_cluster_nodes", "Nodes of the cluster, over all shards.", CLUSTER),
    _counter("skewmon_rounds_total", "Rounds since the start.", CLUSTER),
)

_NODE_METRICS = (
    _gauge("skewmon_node_success", "1 if the node was measured in the last round, else 0.", NODE),
    _seconds(
        "skewmon_node_offset_seconds",
        "Clock of the node minus the cluster's reference, estimate of the last round; ahead is positive.",
        NODE,
    ),
    _seconds(
        "skewmon_node_offset_lower_seconds",
        "Lower end of the interval that contains the node's offset.",
        NODE,
    ),
    _seconds(
        "skewmon_node_offset_upper_seconds",
        "Upper end of the interval that contains the node's offset.",
        NODE,
    ),
    _seconds(
        "skewmon_node_admin_offset_seconds",
        "Clock of the node minus the wall clock of the admin box, best estimate of the last round.",
        NODE,
    ),
    _seconds(
        "skewmon_node_admin_offset_lower_seconds",
        "Lower end of the interval that contains the offset to the admin box.",
        NODE,
    ),
    _seconds(
        "skewmon_node_admin_offset_upper_seconds",
        "Upper end of the interval that contains the offset to the admin box.",
        NODE,
    ),
    _seconds("skewmon_node_round_trip_seconds", "Shortest round trip to the node in the last round.", NODE),
    _gauge(
        "skewmon_node_culprit", "1 if the last round names the clock of this node as wrong, else 0.", NODE
    ),
    _gauge(
        "skewmon_node_drift_ratio",
        "Net rate of the node's offset in seconds per second, fitted over past rounds.",
        NODE,
        "ratio",
    ),
    _gauge(
        "skewmon_node_drift_lower_ratio",
        "Lower end of the interval that contains the node's drift.",
        NODE,
        "ratio",
    ),
    _gauge(
        "skewmon_node_drift_upper_ratio",
        "Upper end of the interval that contains the node's drift.",
        NODE,
        "ratio",
    ),
    _seconds(
        "skewmon_node_time_to_breach_seconds",
        "Least time until the node's offset passes the lowest skew threshold, were its drift to last; "
        "absent if the direction is uncertain.",
        NODE,
    ),
    _seconds(
        "skewmon_node_last_success_timestamp_seconds",
        "Unix time of the last round that measured the node.",
        NODE,
    ),
    _counter("skewmon_node_steps_total", "Steps of the node's wall clock seen since the start.", NODE),
    _seconds(
        "skewmon_node_step_seconds",
        "Size of the last step of the node's wall clock seen since the start; forward is positive.",
        NODE,
    ),
    _seconds(
        "skewmon_node_step_age_seconds",
        "Time from the round that found the last step to the last round, on a monotonic clock.",
        NODE,
    ),
    Metric(
        "skewmon_node_clocksource_info",
        "info",
        "Clocksource of the node's kernel in the last round.",
        (*NODE, "clocksource"),
    ),
    _counter(
        "skewmon_node_failures_total",
        "Rounds since the start that did not measure the node, by reason.",
        (*NODE, "reason"),
    ),
)

_PAIR_METRICS = (
    _seconds(
        "skewmon_pair_offset_seconds",
        "Clock of the node minus that of the peer, best estimate of the last round; "
        "of a large cluster only the worst pairs.",
        PAIR,
    ),
    _seconds(
        "skewmon_pair_offset_lower_seconds", "Lower end of the interval that contains the pair offset.", PAIR
    ),
    _seconds(
        "skewmon_pair_offset_upper_seconds", "Upper end of the interval that contains the pair offset.", PAIR
    ),
)

_UTC_METRICS = (
    _gauge(
        "skewmon_utc_state",
        "1 for the state of UTC in the last round, 0 for every other one: confirmed, unconfirmed, ambiguous "
        "or none.",
        (*CLUSTER, "state"),
    ),
    _seconds(
        "skewmon_node_utc_offset_seconds",
        "Clock of the node minus UTC, estimate of the last round; only while the references confirm UTC.",
        NODE,
    ),
    _seconds(
        "skewmon_node_utc_offset_lower_seconds",
        "Lower end of the interval that contains the node's offset to UTC.",
        NODE,
    ),
    _seconds(
        "skewmon_node_utc_offset_upper_seconds",
        "Upper end of the interval that contains the node's offset to UTC.",
        NODE,
    ),
    _gauge(
        "skewmon_reference_success", "1 if the last reply of the reference was usable, else 0.", REFERENCE
    ),
    _seconds(
        "skewmon_reference_offset_seconds",
        "Time of the reference minus the UTC that the references agree on, estimate of the newest round.",
        REFERENCE,
    ),
    _seconds(
        "skewmon_reference_offset_lower_seconds",
        "Lower end of the reference's offset, with the error that it claims for itself.",
        REFERENCE,
    ),
    _seconds(
        "skewmon_reference_offset_upper_seconds",
        "Upper end of the reference's offset, with the error that it claims for itself.",
        REFERENCE,
    ),
    _seconds("skewmon_reference_round_trip_seconds", "Round trip of its last reply.", REFERENCE),
    _gauge("skewmon_reference_stratum", "Stratum that the reference claims.", REFERENCE),
    _gauge(
        "skewmon_reference_falseticker",
        "1 if the reference is wrong beyond its own claim, given that most are right (H9), else 0.",
        REFERENCE,
    ),
    _counter(
        "skewmon_reference_rejected_total",
        "Requests and replies that were of no use, by reason, since the start.",
        (*REFERENCE, "reason"),
    ),
)

_TIMESYNC_METRICS = (
    Metric(
        "skewmon_timesync_info",
        "info",
        "Time daemon of the node and the source that it follows, as last claimed.",
        (*NODE, "daemon", "source"),
    ),
    _gauge("skewmon_timesync_synchronized", "1 if the time daemon claims to be synchronized, else 0.", NODE),
    Metric(
        "skewmon_timesync_leap_info",
        "info",
        "Leap indicator that the time daemon claims: none, insert, delete or unsynchronized.",
        (*NODE, "leap"),
    ),
    _gauge("skewmon_timesync_stratum", "Stratum that the time daemon claims.", NODE),
    _seconds(
        "skewmon_timesync_offset_seconds",
        "Offset of the node's clock that the time daemon claims; ahead is positive. Compare it with the "
        "measured one.",
        NODE,
    ),
    _seconds(
        "skewmon_timesync_root_distance_seconds", "Bound of its error that the time daemon claims.", NODE
    ),
    _gauge("skewmon_timesync_reachable_sources", "Time sources that the daemon claims to reach.", NODE),
    _counter(
        "skewmon_timesync_unparsed_lines_total",
        "Lines of time daemons' output since the start that skewmon did not understand.",
        NODE,
        "lines",
    ),
)

INVENTORY = ("cluster_name", "inventory")

_INVENTORY_METRICS = (
    _gauge("skewmon_inventory_nodes", "Nodes in the last successful reading of a live inventory.", INVENTORY),
    _gauge(
        "skewmon_inventory_rejected_entries",
        "Entries of the last successful reading that cannot be nodes, so that they are not measured.",
        INVENTORY,
    ),
    _gauge(
        "skewmon_inventory_rejected_entry",
        "1 for each rejected entry, by name; at most the first 100 of an inventory.",
        (*INVENTORY, "entry"),
    ),
    _gauge(
        "skewmon_inventory_last_read_successful",
        "1 if the inventory was read at the last refresh, else 0: then its last answer counts.",
        INVENTORY,
    ),
    _seconds(
        "skewmon_inventory_last_success_timestamp_seconds",
        "Unix time of the last successful reading of the inventory.",
        INVENTORY,
    ),
)

_DAEMON_METRICS = (
    _gauge(
        "skewmon_finding",
        "1 for every finding of the last round; findings about the whole cluster have no node.",
        (*NODE, "kind"),
    ),
    _gauge(
        "skewmon_alert_firing",
        "1 for every alert that skewmon has firing; alerts about the whole cluster have no node.",
        (*NODE, "severity", "alert"),
    ),
    Metric("skewmon_build_info", "info", "The version of skewmon that runs.", ("version",)),
    Metric(
        "skewmon_web_info",
        "info",
        "Address of the page as people reach it, without a slash at the end; dashboards link to it.",
        ("external_url",),
    ),
    _gauge(
        "skewmon_config_last_reload_successful",
        "1 if the last reading of the configuration succeeded, else 0.",
    ),
    _seconds(
        "skewmon_config_last_reload_success_timestamp_seconds", "Unix time of the last successful reading."
    ),
    _counter(
        "skewmon_notifications_total",
        "Notifications sent since the start, failed ones included.",
        ("notifier",),
    ),
    _counter(
        "skewmon_notifications_failed_total",
        "Notifications since the start that could not be delivered, by reason.",
        ("notifier", "reason"),
    ),
    _counter(
        "skewmon_history_resets_total",
        "Times that a node's past rounds were discarded, by reason.",
        ("reason",),
    ),
    _seconds("skewmon_loop_lag_seconds", "How late the event loop was for the last round."),
    _gauge(
        "skewmon_journal_healthy",
        "1 if the last write to the journal succeeded, else 0; the log has the reason.",
    ),
    _gauge(
        "skewmon_journal_waiting_events",
        "Events that wait in memory because the journal cannot be written; they are lost if the daemon ends.",
    ),
    _counter(
        "skewmon_journal_lost_events_total",
        "Events lost since the start because too many waited for the journal.",
    ),
    _counter(
        "skewmon_journal_restarts_total",
        "New journal files since the start in place of one that was damaged, deleted, replaced or truncated.",
    ),
    _gauge(
        "skewmon_record_healthy",
        "1 if the last write to the record succeeded, else 0; the log has the reason.",
    ),
    _gauge(
        "skewmon_record_waiting_periods",
        "Periods that wait in memory because the record cannot be written; each is a minute.",
    ),
    _counter(
        "skewmon_record_lost_periods_total",
        "Periods of a minute lost since the start because too many waited for the record.",
    ),
    _counter(
        "skewmon_self_check_failures_total",
        "Contradictions that skewmon found in its own results since the start; any is a defect.",
        ("check",),
    ),
    _counter(
        "skewmon_internal_errors_total",
        "Unexpected exceptions since the start, by the part that they cost; the log has each kind once.",
        ("where",),
    ),
)

#: Every metric family, in the order of its appearance.
_VANTAGE_METRICS = (
    _gauge(
        "skewmon_vantage_success",
        "1 if nodes were measured from the vantage in the last round, else 0.",
        VANTAGE,
    ),
    _seconds(
        "skewmon_vantage_bound_seconds",
        "How well the clock of the vantage is known against the admin box's: half the width of its interval.",
        VANTAGE,
    ),
    _gauge("skewmon_vantage_streams", "Connections that the relay on the vantage carries.", VANTAGE),
)

METRICS = (
    _CLUSTER_METRICS
    + _NODE_METRICS
    + _PAIR_METRICS
    + _VANTAGE_METRICS
    + _UTC_METRICS
    + _TIMESYNC_METRICS
    + _INVENTORY_METRICS
    + _DAEMON_METRICS
)


#: The sections of docs/metrics.md.
SECTIONS = (
    ("Clusters", _CLUSTER_METRICS),
    ("Nodes", _NODE_METRICS),
    ("Pairs", _PAIR_METRICS),
    ("Vantages", _VANTAGE_METRICS),
    ("UTC and references", _UTC_METRICS),
    ("Claims of the time daemons", _TIMESYNC_METRICS),
    ("Live inventories", _INVENTORY_METRICS),
    ("Findings, alerts and the daemon itself", _DAEMON_METRICS),
)
