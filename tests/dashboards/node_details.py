"""Panels of the dashboard of one node: claims, oscillator, measurement, findings."""

from typing import Any

from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from tests.dashboards.panels import MEASURED, Panels, runbook_column, steps
from tests.dashboards.queries import OF_CLUSTER, OF_NODE


def claims(make: Panels) -> list[Any]:
    """Return the panels about the time daemon."""
    distance = OF_NODE.worst("skewmon_timesync_root_distance_seconds", "node")
    return [
        make.offsets(
            "Claimed and measured offset",
            "The offset that the time daemon claims to its source, and the measured one to the cluster. If "
            "the claim stays near zero while the clock is measured to be off, the source is wrong.",
            (
                (OF_NODE.worst("skewmon_timesync_offset_seconds", "node"), "claimed"),
                (OF_NODE.worst("skewmon_node_offset_seconds", "node"), "measured"),
                (OF_NODE.worst("skewmon_node_offset_lower_seconds", "node"), "measured lower"),
                (OF_NODE.least("skewmon_node_offset_upper_seconds", "node"), "measured upper"),
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
            OF_NODE.worst("skewmon_timesync_info", "node", "daemon", "source"),
            {"node": "Node", "daemon": "Daemon", "source": "Source"},
        ).span(8),
        make.table(
            "Leap indicator",
            "The leap second that the daemon announces.",
            OF_NODE.worst("skewmon_timesync_leap_info", "node", "leap"),
            {"node": "Node", "leap": "Leap indicator"},
        ).span(4),
        make.lines(
            "Stratum and reachable sources",
            "Distance from a reference clock in servers, and how many time sources answer the daemon.",
            (
                (OF_NODE.worst("skewmon_timesync_stratum", "node"), "stratum"),
                (OF_NODE.worst("skewmon_timesync_reachable_sources", "node"), "sources"),
            ),
        ).span(6),
        make.lines(
            "Output that was not understood",
            "Lines of time tools that skewmon could not read.",
            ((OF_NODE.increase("skewmon_timesync_unparsed_lines_total", "node"), "{{node}}"),),
        ).span(6),
    ]


def clock(make: Panels) -> list[Any]:
    """Return the panels about the oscillator."""
    ratio = f"1e6 * {OF_CLUSTER.worst('skewmon_threshold_ratio', 'severity')}"
    drift = make.lines(
        "Drift, with its bounds",
        "Net rate of the clock against its cluster, fitted over past rounds, and the lines in force if "
        "there are any: 1 ppm is 86 ms a day.",
        (
            (f"1e6 * {OF_NODE.worst('skewmon_node_drift_ratio', 'node')}", "{{node}}"),
            (f"1e6 * {OF_NODE.worst('skewmon_node_drift_lower_ratio', 'node')}", "{{node}} lower"),
            (f"1e6 * {OF_NODE.least('skewmon_node_drift_upper_ratio', 'node')}", "{{node}} upper"),
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
            ((OF_NODE.worst("skewmon_node_step_seconds", "node"), "{{node}}"),),
        ).span(5),
        make.lines(
            "Steps",
            "Steps of the wall clock.",
            ((OF_NODE.increase("skewmon_node_steps_total", "node"), "{{node}}"),),
        ).span(4),
        make.lines(
            "Time until a line is passed",
            "Least time until the offset passes the lowest line, if the drift lasts; absent if its "
            "direction is uncertain.",
            ((OF_NODE.worst("skewmon_node_time_to_breach_seconds", "node"), "{{node}}"),),
            "dtdurations",
        )
        .thresholds(steps(("text", None)))
        .span(7),
    ]


def measurement(make: Panels) -> list[Any]:
    """Return the panels about the rounds, and about their findings."""
    alerts = OF_NODE.worst("skewmon_alert_firing", "node", "severity", "alert")
    return [
        make.states(
            "Measured, over time",
            "Rounds that measured the node; time without a bar was not scraped.",
            ((OF_NODE.worst("skewmon_node_success", "node"), "{{node}}"),),
            MEASURED,
        ).span(8),
        make.lines(
            "Reasons for missing measurements",
            "How often the node could not be measured, by reason.",
            ((OF_NODE.rate("skewmon_node_failures_total", "node", "reason"), "{{reason}}"),),
            "ops",
        ).span(8),
        make.lines(
            "Round trip",
            "Shortest round trip to the node in a round. The bounds cannot be much smaller than half of it.",
            ((OF_NODE.worst("skewmon_node_round_trip_seconds", "node"), "{{node}}"),),
            "s",
        ).span(8),
        runbook_column(
            make.table(
                "Findings",
                "Diagnoses of the last round. The runbook has a section on each kind.",
                OF_NODE.worst("skewmon_finding", "node", "kind"),
                {"node": "Node", "kind": "Finding"},
            )
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
            OF_NODE.worst("skewmon_node_clocksource_info", "node", "clocksource"),
            {"node": "Node", "clocksource": "Clocksource"},
        ).span(6),
    ]
