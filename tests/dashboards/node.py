"""The dashboard of one node."""

from typing import Any

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models.dashboard import Dashboard, DashboardLinkType, DynamicConfigValue

from tests.dashboards.frame import start
from tests.dashboards.panels import Panels, mapping, steps
from tests.dashboards.queries import Scope

CLUSTER = 'cluster_name="$cluster_name"'
SCOPE = Scope({"cluster_name": CLUSTER, "node": 'node="$node"'})

#: The pairs in which the node comes second.
AS_PEER = Scope({"cluster_name": CLUSTER, "peer": 'peer="$node"'})

#: The whole cluster.
AROUND = Scope({"cluster_name": CLUSTER})

MEASURED = {1: ("measured", "green"), 0: ("not measured", "#808080")}
NAMED = {1: ("named as wrong", "red"), 0: ("not named", "text")}
CLAIMED = {1: ("synchronized", "green"), 0: ("unsynchronized", "orange")}


def dashboard() -> Dashboard:
    """Return the dashboard."""
    make = Panels()
    built = start(
        "skewmon-node",
        "skewmon / Node",
        "One node: its clock against its cluster, against each peer and against its own time daemon's "
        "claims.",
        SCOPE,
        SCOPE,
        one_node=True,
    )
    page = build.DashboardLink("This node on skewmon's page").type(DashboardLinkType.LINK)
    built.link(page.url("${page:raw}/node/${node:percentencode}").icon("external link").target_blank(True))
    rows = {
        "Now": _now,
        "Offset": _offset,
        "Pairs": _pairs,
        "Claims of the time daemon": _claims,
        "Oscillator and steps": _clock,
        "Measurement, findings and alerts": _measurement,
    }
    for title, panels in rows.items():
        built.with_row(make.row(title))
        for panel in panels(make):
            built.with_panel(panel)
    return built.build()


def _present(name: str, function: str = "max") -> str:
    """Return the value of the last round, or nothing if that is not recent."""
    return f"{function} by (node) ({SCOPE.fresh(SCOPE.of(name))})"


def _now(make: Panels) -> list[Any]:
    missing = (
        (SCOPE.overdue(), "{{cluster_name}}: no recent round"),
        (SCOPE.vanished(), "{{instance}}: not scraped"),
    )
    offsets = (
        (_present("skewmon_node_offset_seconds"), "estimate"),
        (_present("skewmon_node_offset_lower_seconds"), "lower end"),
        (_present("skewmon_node_offset_upper_seconds", "min"), "upper end"),
    )
    named = _present("skewmon_node_culprit")
    claim = _present("skewmon_timesync_synchronized")
    return [
        make.stat(
            "Measured",
            "Whether the last round measured the node. Gray: there is no recent round, or Prometheus cannot "
            "scrape skewmon.",
            ((_present("skewmon_node_success"), "{{node}}"), *missing),
        )
        .mappings([mapping(MEASURED)])
        .height(5)
        .span(5),
        make.stat(
            "Named",
            "Whether the last round names the clock of this node as wrong.",
            ((named, "{{node}}"),),
        )
        .mappings([mapping(NAMED)])
        .height(5)
        .span(4),
        make.stat(
            "Offset to the cluster",
            "Clock of the node minus the cluster's reference in the last round, and the interval that "
            "contains it.",
            offsets,
            "s",
        )
        .text_mode("value_and_name")
        .height(5)
        .span(7),
        make.stat(
            "Claim",
            "The claim of the node's time daemon.",
            ((claim, "{{node}}"),),
        )
        .mappings([mapping(CLAIMED)])
        .height(5)
        .span(4),
        make.stat(
            "Last measured",
            "The last round that measured the node, by the clock of the admin box.",
            ((f"1e3 * {SCOPE.worst('skewmon_node_last_success_timestamp_seconds', 'node')}", "{{node}}"),),
            "dateTimeFromNow",
        )
        .height(5)
        .span(4),
    ]


def _offset(make: Panels) -> list[Any]:
    line = AROUND.worst("skewmon_threshold_seconds", "severity", "kind", kind="~skew|ahead|behind")
    utc_line = AROUND.worst("skewmon_threshold_seconds", "severity", "kind", kind="utc")
    return [
        make.offsets(
            "Offset to the cluster, with its bounds",
            "Clock of the node minus the reference of its cluster, the interval that contains it, and the "
            "lines in force; ahead is positive. Rounds without measurement are gaps.",
            (
                (SCOPE.worst("skewmon_node_offset_seconds", "node"), "{{node}}"),
                (SCOPE.worst("skewmon_node_offset_lower_seconds", "node"), "{{node}} lower"),
                (SCOPE.least("skewmon_node_offset_upper_seconds", "node"), "{{node}} upper"),
                (line, "{{kind}} {{severity}} line"),
            ),
        )
        .height(10)
        .span(24),
        make.offsets(
            "Offset to UTC, with its bounds",
            "Clock of the node minus UTC, while the references confirm UTC, and the lines in force; ahead is "
            "positive.",
            (
                (SCOPE.worst("skewmon_node_utc_offset_seconds", "node"), "{{node}}"),
                (SCOPE.worst("skewmon_node_utc_offset_lower_seconds", "node"), "{{node}} lower"),
                (SCOPE.least("skewmon_node_utc_offset_upper_seconds", "node"), "{{node}} upper"),
                (utc_line, "{{kind}} {{severity}} line"),
            ),
        )
        .height(10)
        .span(12),
        make.offsets(
            "Offset to the admin box, with its bounds",
            "Clock of the node minus the wall clock of the machine that skewmon runs on. If all nodes show "
            "the same, the admin box is off.",
            (
                (SCOPE.worst("skewmon_node_admin_offset_seconds", "node"), "{{node}}"),
                (SCOPE.worst("skewmon_node_admin_offset_lower_seconds", "node"), "{{node}} lower"),
                (SCOPE.least("skewmon_node_admin_offset_upper_seconds", "node"), "{{node}} upper"),
            ),
        )
        .height(10)
        .span(12),
    ]


def _pairs(make: Panels) -> list[Any]:
    proven = _of_both(SCOPE.proven_pairs(), AS_PEER.proven_pairs())
    share = f"max by (peer) ({proven}) / on () group_left () {AROUND.lowest_line()}"
    signed = _of_both(
        SCOPE.of("skewmon_pair_offset_seconds"), f"-{AS_PEER.of('skewmon_pair_offset_seconds')}"
    )
    return [
        make.heat(
            "Pair offsets with each peer",
            "How far the node's clock is from each peer's at least, as a share of the lowest line for the "
            "skew: the last color means beyond the line. Of large clusters only the worst pairs are "
            "exported.",
            ((share, "{{peer}}"),),
        )
        .height(10)
        .span(14),
        make.offsets(
            "Clock of the node minus that of each peer",
            "Best estimates; if only this node is wrong, all lines show its error.",
            ((f"max by (peer) ({signed})", "{{peer}}"),),
        )
        .height(10)
        .span(10),
    ]


def _of_both(first: str, second: str) -> str:
    """Return the pairs of the node, each with the other machine as ``peer``."""
    return f'{first} or label_replace({second}, "peer", "$1", "node", "(.*)")'


def _claims(make: Panels) -> list[Any]:
    distance = SCOPE.worst("skewmon_timesync_root_distance_seconds", "node")
    return [
        make.offsets(
            "Claimed and measured offset",
            "The offset that the time daemon claims to its source, and the measured one to the cluster. If "
            "the claim stays near zero while the clock is measured to be off, the source is wrong.",
            (
                (SCOPE.worst("skewmon_timesync_offset_seconds", "node"), "claimed"),
                (SCOPE.worst("skewmon_node_offset_seconds", "node"), "measured"),
                (SCOPE.worst("skewmon_node_offset_lower_seconds", "node"), "measured lower"),
                (SCOPE.least("skewmon_node_offset_upper_seconds", "node"), "measured upper"),
            ),
        ).span(12),
        make.lines(
            "Claimed error bound",
            "The root distance, which bounds the daemon's error against true time, if its sources are right.",
            ((distance, "{{node}}"),),
            "s",
        ).span(12),
        make.table(
            "Time daemon and its source",
            "The time daemon and the source that it claims to follow.",
            SCOPE.worst("skewmon_timesync_info", "node", "daemon", "source"),
            {"node": "Node", "daemon": "Daemon", "source": "Source"},
        ).span(8),
        make.table(
            "Leap indicator",
            "The leap second that the daemon announces.",
            SCOPE.worst("skewmon_timesync_leap_info", "node", "leap"),
            {"node": "Node", "leap": "Leap indicator"},
        ).span(4),
        make.lines(
            "Stratum and reachable sources",
            "Distance from a reference clock in servers, and how many time sources answer the daemon.",
            (
                (SCOPE.worst("skewmon_timesync_stratum", "node"), "stratum"),
                (SCOPE.worst("skewmon_timesync_reachable_sources", "node"), "sources"),
            ),
        ).span(6),
        make.lines(
            "Output that was not understood",
            "Lines of time tools that skewmon could not read.",
            ((SCOPE.increase("skewmon_timesync_unparsed_lines_total", "node"), "{{node}}"),),
        ).span(6),
    ]


def _clock(make: Panels) -> list[Any]:
    ratio = f"1e6 * {AROUND.worst('skewmon_threshold_ratio', 'severity')}"
    drift = make.lines(
        "Drift, with its bounds",
        "Net rate of the clock against its cluster, fitted over past rounds, and the lines in force if "
        "there are any: 1 ppm is 86 ms a day.",
        (
            (f"1e6 * {SCOPE.worst('skewmon_node_drift_ratio', 'node')}", "{{node}}"),
            (f"1e6 * {SCOPE.worst('skewmon_node_drift_lower_ratio', 'node')}", "{{node}} lower"),
            (f"1e6 * {SCOPE.least('skewmon_node_drift_upper_ratio', 'node')}", "{{node}} upper"),
            (ratio, "{{severity}} line"),
        ),
        "ppm",
    )
    dotted = DynamicConfigValue("custom.lineStyle", {"fill": "dot", "dash": [1, 5]})
    return [
        drift.override_by_regexp("/ (lower|upper)$/", [dotted]).span(8),
        make.offsets(
            "Size of the last step",
            "Size of the last step of the wall clock since skewmon was started; forward is positive.",
            ((SCOPE.worst("skewmon_node_step_seconds", "node"), "{{node}}"),),
        ).span(5),
        make.lines(
            "Steps",
            "Steps of the wall clock.",
            ((SCOPE.increase("skewmon_node_steps_total", "node"), "{{node}}"),),
        ).span(4),
        make.lines(
            "Time until a line is passed",
            "Least time until the offset passes the lowest line, if the drift lasts; absent if its "
            "direction is uncertain.",
            ((SCOPE.worst("skewmon_node_time_to_breach_seconds", "node"), "{{node}}"),),
            "dtdurations",
        )
        .thresholds(steps(("text", None)))
        .span(7),
    ]


def _measurement(make: Panels) -> list[Any]:
    alerts = SCOPE.worst("skewmon_alert_firing", "node", "severity", "alert")
    return [
        make.states(
            "Measured, over time",
            "Rounds that measured the node; time without a bar was not scraped.",
            ((SCOPE.worst("skewmon_node_success", "node"), "{{node}}"),),
            MEASURED,
        ).span(8),
        make.lines(
            "Reasons for missing measurements",
            "How often the node could not be measured, by reason.",
            ((SCOPE.rate("skewmon_node_failures_total", "node", "reason"), "{{reason}}"),),
            "ops",
        ).span(8),
        make.lines(
            "Round trip",
            "Shortest round trip to the node in a round. The bounds cannot be much smaller than half of it.",
            ((SCOPE.worst("skewmon_node_round_trip_seconds", "node"), "{{node}}"),),
            "s",
        ).span(8),
        make.table(
            "Findings",
            "Diagnoses of the last round. The runbook has a section on each kind.",
            SCOPE.worst("skewmon_finding", "node", "kind"),
            {"node": "Node", "kind": "Finding"},
        ).span(8),
        make.states(
            "Alerts of skewmon",
            "Alerts about this node that skewmon itself has firing.",
            ((alerts, "{{alert}} {{severity}}"),),
            {1: ("firing", "red")},
        ).span(10),
        make.table(
            "Clocksource",
            "The clocksource of the node's kernel.",
            SCOPE.worst("skewmon_node_clocksource_info", "node", "clocksource"),
            {"node": "Node", "clocksource": "Clocksource"},
        ).span(6),
    ]
