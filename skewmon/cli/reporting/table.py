"""A report as CSV: one figure a line, with its least and its greatest value."""

import csv
import io
from collections.abc import Iterator

from skewmon.cli.reporting.texts import line_text
from skewmon.journal.record.figures import ClusterFigures, LineFigure, NodeFigures, Report, steps
from skewmon.model import NS_PER_S
from skewmon.model.record import VERDICTS, EndRange
from skewmon.text import harmless, rfc3339

COLUMNS = ("cluster", "node", "figure", "unit", "at_least", "at_most", "text")

#: A spreadsheet takes a text that begins so for a formula.
FORMULA = ("=", "+", "-", "@")

Figure = tuple[str, str, str, str | float | int, str | float | int, str]


def table(report: Report) -> str:
    """Return the whole report."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in _rows(report):
        writer.writerow(_cell(value) for value in row)
    return text.getvalue()


def _cell(value: str | float) -> str | float:
    if not isinstance(value, str):
        return value
    text = harmless(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _rows(report: Report) -> Iterator[tuple[str | float | int, ...]]:
    found = report.verification
    yield "", "", "since", "", "", "", rfc3339(report.since_s * NS_PER_S, 0)
    yield "", "", "until", "", "", "", rfc3339(report.until_s * NS_PER_S, 0)
    whole = "whole" if found.newest else "no hour is sealed yet"
    yield "", "", "chain of seals", "", "", "", whole if found.is_whole else " ".join(found.faults)
    yield "", "", "wall clock set back", "s", 0, report.set_back_s, ""
    from_ns = report.events_from_ns
    yield (
        "",
        "",
        "all events since",
        "",
        "",
        "",
        rfc3339(report.since_s * NS_PER_S if from_ns is None else from_ns, 0),
    )
    yield "", "", "newest seal", "", "", "", found.newest.seal if found.newest else ""
    for cluster in report.clusters:
        for figure in _cluster(cluster):
            yield cluster.name, *figure
        for node in cluster.nodes:
            for figure in _node(node, events_cut=report.events_cut):
                yield cluster.name, *figure


def _cluster(one: ClusterFigures) -> Iterator[Figure]:
    yield from _distance("", "skew", one.row.skew)
    yield "", "time from before the span", "s", 0, one.lead_ms / 1_000, ""
    for verdict, time_ms in zip(VERDICTS, one.row.verdict_ms, strict=True):
        yield "", f"verdict {verdict}", "s", time_ms / 1_000, time_ms / 1_000, ""
    for name, time_ms in one.shares_ms.items():
        yield "", f"time {name}", "s", time_ms / 1_000, time_ms / 1_000, ""
    yield from _lines("", one.lines)
    for config in one.row.configs:
        yield "", "configuration", "", "", "", config
    for reference in one.row.references:
        yield "", "reference", "", "", "", reference


def _node(node: NodeFigures, *, events_cut: bool) -> Iterator[Figure]:
    row, moved = node.row, steps(node.movements)
    yield from _distance(node.name, "offset", row.offset)
    yield from _distance(node.name, "offset to UTC", row.utc)
    for name, count in (("measured", row.measured), ("missed", row.missed), ("culprit", row.named)):
        yield node.name, f"rounds {name}", "rounds", count, count, ""
    most = "" if events_cut else len(moved)
    yield node.name, "steps", "steps", len(moved), most, " ".join(event.message for event in moved)
    yield from _lines(node.name, node.lines)
    for source in row.sources:
        yield node.name, "source", "", "", "", source


def _distance(node: str, name: str, ends: EndRange | None) -> Iterator[Figure]:
    if ends is not None:
        yield node, name, "s", ends.proven_ns / NS_PER_S, ends.furthest_ns / NS_PER_S, ""


def _lines(node: str, figures: tuple[LineFigure, ...]) -> Iterator[Figure]:
    for one in figures:
        yield (
            node,
            f"time beyond {line_text(one.line)}",
            "s",
            one.at_least_ms / 1_000,
            one.at_most_ms / 1_000,
            "",
        )
