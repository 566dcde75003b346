"""A report as JSON values; in seconds, with intervals as ``at_least`` and ``at_most``."""

from collections.abc import Iterable, Mapping
from typing import Any

from skewmon.cli.reporting.words import statement
from skewmon.export.encode import encodable, seconds
from skewmon.journal.record.figures import (
    ClusterFigures,
    LineFigure,
    NodeFigures,
    Report,
    instant_ns,
    steps,
)
from skewmon.journal.record.seal import Verification
from skewmon.model import NS_PER_S
from skewmon.model.record import VERDICTS, EndRange, Line
from skewmon.text import rfc3339

#: The version of this form; fields may be added to it.
SCHEMA = 1


def document(report: Report) -> dict[str, Any]:
    """Return the whole report."""
    return {
        "schema": SCHEMA,
        "since": rfc3339(report.since_s * NS_PER_S, 0),
        "until": rfc3339(report.until_s * NS_PER_S, 0),
        "set_back_at_most_seconds": report.set_back_s,
        "made": rfc3339(report.made_wall_ns, 0),
        "version": report.version,
        "verification": verification(report.verification),
        "clusters": [_cluster(one, report) for one in report.clusters],
        "events": [event.to_json() for event in report.events],
        "events_cut": report.events_cut,
        "events_from": rfc3339(report.events_from_ns, 0) if report.events_from_ns is not None else None,
    }


def verification(found: Verification) -> dict[str, Any]:
    """Return the check of the seals."""
    return {
        "whole": found.is_whole,
        "faults": list(found.faults),
        "sealed_hours": found.sealed,
        "checked_hours": found.hours,
        "checked_hours_in_minutes": found.minutes_of,
        "newest_seal": found.newest.seal if found.newest else None,
        "newest_seal_hour": rfc3339(found.newest.start_s * NS_PER_S, 0) if found.newest else None,
    }


def _cluster(one: ClusterFigures, report: Report) -> dict[str, Any]:
    return {
        "name": encodable(one.name),
        "profile": one.profile,
        "statement": statement(one),
        "skew": _ends(one.row.skew),
        "worst_at": rfc3339(instant_ns(one.worst_at), 0) if one.worst_at else None,
        "rounds": one.row.rounds,
        "lead_at_most_seconds": one.lead_ms / 1_000,
        "verdict_seconds": {
            verdict: time_ms / 1_000 for verdict, time_ms in zip(VERDICTS, one.row.verdict_ms, strict=True)
        },
        "share_seconds": {name: time_ms / 1_000 for name, time_ms in one.shares_ms.items()},
        "utc_confirmed_seconds": one.row.confirmed_ms / 1_000,
        "lines": _lines(one.lines),
        "references": one.row.answered,
        "falsetickers": one.row.falsetickers,
        "configs": list(one.row.configs),
        "nodes": [_node(node, one.span_ms, events_cut=report.events_cut) for node in one.nodes],
        "events": [event.to_json() for event in one.events],
    }


def _node(node: NodeFigures, span_ms: int, *, events_cut: bool) -> dict[str, Any]:
    row, stepped = node.row, len(steps(node.movements))
    return {
        "name": encodable(node.name),
        "offset": _ends(row.offset),
        "utc": _ends(row.utc),
        "measured": row.measured,
        "missed": row.missed,
        "culprit_rounds": row.named,
        "measured_seconds": row.measured_ms / 1_000,
        "missed_seconds": row.missed_ms / 1_000,
        "not_observed_seconds": max(0, span_ms - row.measured_ms - row.missed_ms) / 1_000,
        "lines": _lines(node.lines),
        "excesses": [
            {
                **_line(one.line),
                "since": rfc3339(one.since_s * NS_PER_S, 0),
                "until": rfc3339(one.until_s * NS_PER_S, 0),
                "at_least_seconds": one.at_least_ms / 1_000,
                "worst_proven": seconds(one.worst_ns),
            }
            for one in node.excesses
        ],
        "steps": stepped,
        "steps_at_most": None if events_cut else stepped,
        "movements": [event.to_json() for event in node.movements],
        "sources": list(row.sources),
    }


def _ends(ends: EndRange | None) -> Mapping[str, float] | None:
    """Return the greatest distance: at least the proven part, at most the part that was not excluded."""
    if ends is None:
        return None
    return {"at_least": seconds(ends.proven_ns), "at_most": seconds(ends.furthest_ns)}


def _lines(figures: Iterable[LineFigure]) -> list[dict[str, Any]]:
    return [
        {
            **_line(one.line),
            "at_least_seconds": one.at_least_ms / 1_000,
            "at_most_seconds": one.at_most_ms / 1_000,
        }
        for one in figures
    ]


def _line(line: Line) -> dict[str, Any]:
    return {"kind": line.kind, "severity": line.severity, "limit": seconds(line.limit_ns)}
