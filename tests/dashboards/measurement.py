"""Panels about the measurement itself: oscillators, steps, paths, rounds, vantages, inventories."""

from typing import Any

from tests.dashboards.panels import NODE_LINKS, Panels
from tests.dashboards.queries import AROUND, SCOPE

NODE = "{{cluster_name}} {{node}}"


def panels(make: Panels) -> list[Any]:
    duration = SCOPE.worst("skewmon_round_duration_seconds")
    interval = SCOPE.worst("skewmon_round_interval_seconds")
    return [
        make.lines(
            "Drift",
            "Net rate of each clock against its cluster, fitted over past rounds: 1 ppm is 86 ms a day.",
            ((f"1e6 * {SCOPE.worst('skewmon_node_drift_ratio')}", NODE),),
            "ppm",
        )
        .data_links(NODE_LINKS)
        .span(8),
        make.lines(
            "Steps",
            "Steps of the wall clock of each node.",
            ((SCOPE.increase("skewmon_node_steps_total", "cluster_name", "node"), NODE),),
        )
        .data_links(NODE_LINKS)
        .span(8),
        make.lines(
            "Round trip",
            "Shortest round trip to each node in a round. The bounds cannot be much smaller than half of it.",
            ((SCOPE.worst("skewmon_node_round_trip_seconds"), NODE),),
            "s",
        )
        .data_links(NODE_LINKS)
        .span(8),
        make.lines(
            "Rounds without measurement, by reason",
            "How often nodes could not be measured.",
            (
                (
                    SCOPE.rate("skewmon_node_failures_total", "cluster_name", "reason"),
                    "{{cluster_name}} {{reason}}",
                ),
            ),
            "ops",
        ).span(12),
        make.lines(
            "Round duration, as a share of the interval",
            "From the first burst to the last answer. At 100 % a round lasts until the next one begins.",
            ((f"{duration} / {interval}", "{{cluster_name}}"),),
            "percentunit",
        ).span(12),
        *_vantages(make),
        make.lines(
            "Nodes",
            "Nodes of each cluster over all shards, and those that were measured.",
            (
                (AROUND.worst("skewmon_cluster_nodes"), "{{cluster_name}}"),
                (
                    f"sum by (cluster_name) ({AROUND.worst('skewmon_node_success')})",
                    "{{cluster_name}} measured",
                ),
            ),
        ).span(12),
        make.lines(
            "Entries of live inventories",
            "Nodes in the last answer of each live inventory, and entries that cannot be nodes.",
            (
                (SCOPE.worst("skewmon_inventory_nodes"), "{{cluster_name}} {{inventory}}"),
                (
                    SCOPE.worst("skewmon_inventory_rejected_entries"),
                    "{{cluster_name}} {{inventory}} rejected",
                ),
            ),
        ).span(12),
    ]


def _vantages(make: Panels) -> list[Any]:
    vantage = "{{vantage}}"
    return [
        make.states(
            "Vantages",
            "Bastions and nodes that others are measured from: whether the last round measured from each.",
            ((SCOPE.worst("skewmon_vantage_success"), vantage),),
            {1: ("measured from", "green"), 0: ("not measured from", "#808080")},
        ).span(8),
        make.lines(
            "Bounds of the vantages",
            "How well the clock of each vantage is known against the admin box's. Pairs behind one vantage "
            "do not depend on it.",
            ((SCOPE.worst("skewmon_vantage_bound_seconds"), vantage),),
            "s",
        ).span(8),
        make.lines(
            "Connections by the vantages",
            "Connections to nodes that the relay on each vantage carries.",
            ((SCOPE.worst("skewmon_vantage_streams"), vantage),),
        ).span(8),
    ]
