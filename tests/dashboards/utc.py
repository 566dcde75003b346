"""Panels about UTC and the time servers that skewmon queries itself."""

from typing import Any

from tests.dashboards.panels import NODE_LINKS, Panels
from tests.dashboards.queries import SCOPE

USABLE = {1: ("usable", "green"), 0: ("no usable reply", "#808080")}
FALSE = {1: ("wrong beyond its claim", "red"), 0: ("plausible", "green")}


def panels(make: Panels) -> list[Any]:
    """Return the panels of the row; without references they are empty."""
    return [*_offsets(make), *_references(make)]


def _offsets(make: Panels) -> list[Any]:
    confirmed = f"{SCOPE.worst('skewmon_utc_state')} == 1"
    line = SCOPE.worst("skewmon_threshold_seconds", "cluster_name", "severity", kind="utc")
    node = "{{cluster_name}} {{node}}"
    return [
        make.offsets(
            "Offsets to UTC, with their bounds",
            "Clock of each node minus UTC, while the references confirm UTC, and the lines in force. Empty "
            "without references.",
            (
                (SCOPE.worst("skewmon_node_utc_offset_seconds"), node),
                (SCOPE.worst("skewmon_node_utc_offset_lower_seconds"), f"{node} lower"),
                (SCOPE.least("skewmon_node_utc_offset_upper_seconds"), f"{node} upper"),
                (line, "{{cluster_name}} {{severity}} line"),
            ),
        )
        .data_links(NODE_LINKS)
        .span(12),
        make.states(
            "State of UTC",
            "Whether the references confirm one another: only while they do, clocks are compared with UTC.",
            ((confirmed, "{{cluster_name}} {{state}}"),),
            {1: ("yes", "blue")},
        ).span(12),
    ]


def _references(make: Panels) -> list[Any]:
    reference = "{{reference}}"
    return [
        make.offsets(
            "Offsets of the references, with their bounds",
            "Time of each reference minus the UTC that they agree on, with the error that it claims.",
            (
                (SCOPE.worst("skewmon_reference_offset_seconds"), reference),
                (SCOPE.worst("skewmon_reference_offset_lower_seconds"), f"{reference} lower"),
                (SCOPE.least("skewmon_reference_offset_upper_seconds"), f"{reference} upper"),
            ),
        ).span(8),
        make.states(
            "Usable references",
            "Whether the last reply of each reference could be used.",
            ((SCOPE.worst("skewmon_reference_success"), reference),),
            USABLE,
        ).span(8),
        make.states(
            "Falsetickers",
            "References that are wrong beyond their own claim, given that most are right.",
            ((SCOPE.worst("skewmon_reference_falseticker"), reference),),
            FALSE,
        ).span(8),
        make.lines(
            "Round trip to the references",
            "Round trip of the last reply of each reference.",
            ((SCOPE.worst("skewmon_reference_round_trip_seconds"), reference),),
            "s",
        ).span(8),
        make.lines(
            "Stratum of the references",
            "The stratum that each reference claims.",
            ((SCOPE.worst("skewmon_reference_stratum"), reference),),
        ).span(8),
        make.lines(
            "Replies of no use, by reason",
            "Requests to references without a usable reply.",
            (
                (
                    SCOPE.rate("skewmon_reference_rejected_total", "reference", "reason"),
                    "{{reference}} {{reason}}",
                ),
            ),
            "ops",
        ).span(8),
    ]
