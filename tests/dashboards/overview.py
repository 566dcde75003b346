"""The dashboard of all clusters."""

from typing import Any

from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.dashboards import itself, measurement, utc
from tests.dashboards.frame import start
from tests.dashboards.panels import (
    NODE_LINKS,
    Panels,
    colored_cells,
    linked_column,
    node_links,
    runbook_column,
    steps,
)
from tests.dashboards.queries import AROUND, OVERDUE_INTERVALS, SCOPE

#: Pairs that a heat map shows: more rows cannot be told apart.
PAIRS_SHOWN = 30

#: States of a pair, as Scope.pair_states has them.
PAIR_STATES = {0: ("within the line", "green"), 1: ("ambiguous", "purple"), 2: ("beyond the line", "red")}

NODE = "{{cluster_name}} {{node}}"


def dashboard() -> Dashboard:
    """Return the dashboard."""
    make = Panels()
    built = start(
        "skewmon-overview",
        "skewmon / Overview",
        "Which clocks of a cluster differ, by how much at least and at most, which one is wrong, and what "
        "the time daemons claim.",
        SCOPE,
        AROUND,
        one_node=False,
    )
    rows = {
        "Now": _now,
        "Skew": _skew,
        "Pairs": _pairs,
        "Wrong clocks and alerts": _wrong,
        "Time daemons": _daemons,
        "UTC and references": utc.panels,
        "Clocks and measurement": measurement.panels,
    }
    for title, panels in rows.items():
        built.with_row(make.row(title))
        for panel in panels(make):
            built.with_panel(panel)
    built.with_row(make.row("skewmon itself"))
    for panel in itself.panels(make, SCOPE):
        built.with_panel(panel)
    return built.build()


def _now(make: Panels) -> list[Any]:
    verdict = SCOPE.fresh(f"{SCOPE.of('skewmon_verdict')} == 1")
    proven = SCOPE.of("skewmon_skew_lower_seconds")
    by_verdict = f"{proven} * on (job, instance, cluster_name) group_right () ({verdict})"
    success = SCOPE.fresh(SCOPE.of("skewmon_node_success"))
    age = f"max by (cluster_name) ({SCOPE.intervals_old()})"
    missing = (
        (SCOPE.overdue(), "{{cluster_name}}: no recent round"),
        (SCOPE.vanished(), "{{instance}}: not scraped"),
    )
    return [
        make.stat(
            "Verdict",
            "The verdict on each cluster after its last round. Ambiguous: a line lies inside the error "
            "bound. Unknown: too little was measured. A cluster without a recent round, and a skewmon that "
            "Prometheus cannot scrape, have no verdict.",
            ((f"max by (cluster_name, verdict) ({verdict})", "{{cluster_name}}: {{verdict}}"), *missing),
        )
        .text_mode("name")
        .height(5)
        .span(9),
        make.stat(
            "Proven skew",
            "The least that the largest clock difference of each cluster can be, whatever the network did, "
            "in the color of the cluster's verdict. The lines are those in force.",
            ((f"max by (cluster_name, verdict) ({by_verdict})", "{{cluster_name}}: {{verdict}}"),),
            "s",
        )
        .height(5)
        .span(7),
        make.stat(
            "Nodes not measured",
            "Nodes that gave no measurement in the last round. The reasons are further below.",
            (
                (
                    f"sum by (cluster_name) (1 - max by (cluster_name, node) ({success}))",
                    "{{cluster_name}}",
                ),
            ),
        )
        .thresholds(steps(("green", None), ("orange", 1)))
        .height(5)
        .span(4),
        make.stat(
            "Age of the last round, in intervals",
            f"Time since the last round in intervals of the cluster: from {OVERDUE_INTERVALS} on, skewmon "
            "has stopped measuring. A wrong clock of the admin box does not change it.",
            ((age, "{{cluster_name}}"),),
        )
        .thresholds(steps(("green", None), ("orange", 2), ("red", OVERDUE_INTERVALS)))
        .decimals(1)
        .height(5)
        .span(4),
    ]


def _skew(make: Panels) -> list[Any]:
    return [
        make.offsets(
            "Skew, with its bounds and the lines in force",
            "Best estimate of the largest difference between two clocks of a cluster, the least and the "
            "most it can be, and the lines of the configuration. An alert needs the least to pass a line.",
            (
                (SCOPE.worst("skewmon_skew_seconds"), "{{cluster_name}}"),
                (SCOPE.worst("skewmon_skew_lower_seconds"), "{{cluster_name}} at least"),
                (SCOPE.worst("skewmon_skew_upper_seconds"), "{{cluster_name}} at most"),
                (
                    SCOPE.worst("skewmon_threshold_seconds", "cluster_name", "severity", kind="skew"),
                    "{{cluster_name}} {{severity}} line",
                ),
            ),
        )
        .height(9)
        .span(12),
        make.offsets(
            "Offsets by node, with their bounds",
            "Clock of each node minus the reference of its cluster, with the interval that contains it; "
            "ahead is positive. A node that is not measured has a gap. Click on a line for the node.",
            (
                (SCOPE.worst("skewmon_node_offset_seconds"), NODE),
                (SCOPE.worst("skewmon_node_offset_lower_seconds"), f"{NODE} lower"),
                (SCOPE.least("skewmon_node_offset_upper_seconds"), f"{NODE} upper"),
            ),
        )
        .data_links(NODE_LINKS)
        .height(9)
        .span(12),
    ]


def _pairs(make: Panels) -> list[Any]:
    share = f"{AROUND.proven_pairs()} / on (cluster_name) group_left () {AROUND.lowest_line()}"
    listed = f"{share} and {AROUND.worst_pairs_of_range(PAIRS_SHOWN)}"
    states = AROUND.pair_states()
    swapped = states
    for to, source in (("swap", "node"), ("node", "peer"), ("peer", "swap")):
        swapped = f'label_replace({swapped}, "{to}", "$1", "{source}", "(.*)")'
    both = f"max by (node, peer) ({states}) or max by (node, peer) ({swapped})"
    matrix = {"columnField": "peer", "rowField": "node", "valueField": "Value", "emptyValue": "empty"}
    worst = AROUND.of("skewmon_pair_offset_seconds")
    return [
        make.heat(
            f"Pair offsets, the {PAIRS_SHOWN} worst pairs of the time range",
            "How far apart the clocks of each pair are at least, as a share of the cluster's lowest line for "
            "the skew: the last color means beyond the line. Of large clusters only the worst pairs are "
            "exported.",
            ((f"max by (cluster_name, node, peer) ({listed})", "{{cluster_name}} {{node}} / {{peer}}"),),
        )
        .height(10)
        .span(14),
        make.bars(
            "Worst pairs",
            "The pairs of clocks that are furthest apart, by the best estimate of the last round.",
            (
                (
                    f"topk(10, max by (cluster_name, node, peer) (abs({worst})))",
                    "{{cluster_name}} {{node}} / {{peer}}",
                ),
            ),
            "s",
        )
        .height(10)
        .span(10),
        colored_cells(
            make.table(
                "Pair matrix of $cluster_name, now",
                "Each pair against the lowest line for the skew: within it, proven beyond it, or "
                "ambiguous, when the line lies inside the bounds.",
                both,
                {},
                ("groupingToMatrix", matrix),
            ),
            PAIR_STATES,
        )
        .repeat("cluster_name")
        .repeat_direction("h")
        .max_per_row(3)
        .height(10)
        .span(24),
    ]


def _wrong(make: Panels) -> list[Any]:
    alerts = AROUND.worst("skewmon_alert_firing", "cluster_name", "node", "severity", "alert")
    findings = AROUND.worst("skewmon_finding", "cluster_name", "node", "kind")
    table = make.table(
        "Findings",
        "Diagnoses of the last round. The runbook has a section on each kind.",
        findings,
        {"cluster_name": "Cluster", "node": "Node", "kind": "Finding"},
    )
    return [
        make.states(
            "Nodes whose clock is named as wrong",
            "Nodes that are provably far from most others. A cluster whose culprit cannot be known names "
            "none.",
            ((f"{SCOPE.worst('skewmon_node_culprit')} == 1", NODE),),
            {1: ("wrong", "red")},
        )
        .data_links(NODE_LINKS)
        .span(8),
        make.states(
            "Alerts of skewmon",
            "Alerts that skewmon itself has firing; those of Prometheus's rules are the red marks on graphs.",
            ((alerts, "{{alert}} {{severity}} {{cluster_name}} {{node}}"),),
            {1: ("firing", "red")},
        ).span(8),
        runbook_column(linked_column(table, "Node", _row_links())).span(8),
    ]


def _row_links() -> list[Any]:
    return node_links("${__data.fields.Cluster:percentencode}", "${__data.fields.Node:percentencode}")


def _daemons(make: Panels) -> list[Any]:
    table = make.table(
        "Time daemons and their sources",
        "The time daemon that each node runs and the source that it claims to follow.",
        SCOPE.worst("skewmon_timesync_info"),
        {"cluster_name": "Cluster", "node": "Node", "daemon": "Daemon", "source": "Source"},
    )
    return [
        make.states(
            "Claimed to be synchronized",
            "The claim of each time daemon. It is a claim: compare it with the measured offset.",
            ((SCOPE.worst("skewmon_timesync_synchronized"), NODE),),
            {1: ("synchronized", "green"), 0: ("unsynchronized", "orange")},
        )
        .data_links(NODE_LINKS)
        .span(8),
        make.offsets(
            "Claimed offset",
            "The offset that each time daemon claims; ahead is positive.",
            ((SCOPE.worst("skewmon_timesync_offset_seconds"), NODE),),
        )
        .data_links(NODE_LINKS)
        .span(8),
        linked_column(table, "Node", _row_links()).span(8),
    ]
