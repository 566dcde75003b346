"""The dashboard of one node."""

from typing import Any

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models.dashboard import Dashboard, DashboardLinkType

from tests.dashboards import node_details
from tests.dashboards.frame import start
from tests.dashboards.panels import MEASURED, Panels, mapping
from tests.dashboards.queries import AS_PEER, OF_CLUSTER, OF_NODE

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
        OF_NODE,
        OF_NODE,
        one_node=True,
    )
    page = build.DashboardLink("This node on skewmon's page").type(DashboardLinkType.LINK)
    built.link(page.url("${page:raw}/node/${node:percentencode}").icon("external link").target_blank(True))
    rows = {
        "Now": _now,
        "Offset": _offset,
        "Pairs": _pairs,
        "Claims of the time daemon": node_details.claims,
        "Oscillator and steps": node_details.clock,
        "Measurement, findings and alerts": node_details.measurement,
    }
    for title, panels in rows.items():
        built.with_row(make.row(title))
        for panel in panels(make):
            built.with_panel(panel)
    return built.build()


def _present(name: str, function: str = "max") -> str:
    """Return the value of the last round, or nothing if that is not recent."""
    return f"{function} by (node) ({OF_NODE.fresh(OF_NODE.of(name))})"


def _now(make: Panels) -> list[Any]:
    missing = (
        (OF_NODE.overdue(), "{{cluster_name}}: no recent round"),
        (OF_NODE.vanished(), "{{instance}}: not scraped"),
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
            ((f"1e3 * {OF_NODE.worst('skewmon_node_last_success_timestamp_seconds', 'node')}", "{{node}}"),),
            "dateTimeFromNow",
        )
        .height(5)
        .span(4),
    ]


def _offset(make: Panels) -> list[Any]:
    line = OF_CLUSTER.worst("skewmon_threshold_seconds", "severity", "kind", kind="~skew|ahead|behind")
    utc_line = OF_CLUSTER.worst("skewmon_threshold_seconds", "severity", "kind", kind="utc")
    return [
        make.offsets(
            "Offset to the cluster, with its bounds",
            "Clock of the node minus the reference of its cluster, the interval that contains it, and the "
            "lines in force; ahead is positive. Rounds without measurement are gaps.",
            (
                (OF_NODE.worst("skewmon_node_offset_seconds", "node"), "{{node}}"),
                (OF_NODE.worst("skewmon_node_offset_lower_seconds", "node"), "{{node}} lower"),
                (OF_NODE.least("skewmon_node_offset_upper_seconds", "node"), "{{node}} upper"),
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
                (OF_NODE.worst("skewmon_node_utc_offset_seconds", "node"), "{{node}}"),
                (OF_NODE.worst("skewmon_node_utc_offset_lower_seconds", "node"), "{{node}} lower"),
                (OF_NODE.least("skewmon_node_utc_offset_upper_seconds", "node"), "{{node}} upper"),
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
                (OF_NODE.worst("skewmon_node_admin_offset_seconds", "node"), "{{node}}"),
                (OF_NODE.worst("skewmon_node_admin_offset_lower_seconds", "node"), "{{node}} lower"),
                (OF_NODE.least("skewmon_node_admin_offset_upper_seconds", "node"), "{{node}} upper"),
            ),
        )
        .height(10)
        .span(12),
    ]


def _pairs(make: Panels) -> list[Any]:
    proven = _of_both(OF_NODE.proven_pairs(), AS_PEER.proven_pairs())
    share = f"max by (peer) ({proven}) / on () group_left () {OF_CLUSTER.lowest_line()}"
    signed = _of_both(
        OF_NODE.of("skewmon_pair_offset_seconds"), f"-{AS_PEER.of('skewmon_pair_offset_seconds')}"
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
