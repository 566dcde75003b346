"""The record as JSON: steps of one cluster, with all of its nodes, one of them, or none."""

from collections.abc import Iterator, Sequence
from typing import Any

from aiohttp import web

from skewmon.export import parameters
from skewmon.export.encode import encodable, seconds
from skewmon.export.status import LIST_DEPTH, SCHEMA, encode
from skewmon.model import NS_PER_S
from skewmon.model.record import (
    HOUR_S,
    MINUTE_S,
    VERDICTS,
    ClusterRow,
    EndRange,
    HistoryQuery,
    Lines,
    NodeRow,
    Period,
)
from skewmon.runtime.gil_yield import yielding_gil
from skewmon.text import rfc3339

#: The span if none is asked for: that of a sparkline.
SINCE_DEFAULT_NS = 3 * HOUR_S * NS_PER_S

#: Steps of one answer: a day in minutes, two months in hours.
STEPS_MAX = 1_500

#: Rows of nodes in one answer, some 10 MB: 200 nodes for 5 h in minutes, 1,000 for 5 h in steps of 5 minutes.
ROWS_MAX = 60_000

#: Chosen from if no step is asked for: the shortest that keeps within the limits.
STEPS_S = (MINUTE_S, 300, 900, HOUR_S, 6 * HOUR_S, 24 * HOUR_S, 168 * HOUR_S)

#: Nodes of a cluster that is in the record alone, such as under its former name: a large one.
NODES_ASSUMED = 1_000

#: The values of ``nodes``.
ALL, NONE = "all", "none"

#: Steps encoded at a time; each may have a thousand nodes.
STEPS_A_TURN = 1


def history_query(request: web.Request, now_s: int, nodes: int) -> HistoryQuery:
    """Return the query of a request; raise ParameterError if it cannot be answered within the limits.

    ``nodes`` is the number of nodes that the cluster has now.
    """
    parameters.known(request, ("cluster", "node", "nodes", "since", "step"))
    cluster = parameters.word(request, "cluster")
    if cluster is None:
        raise parameters.ParameterError("cluster: expected the name of a cluster, found none")
    node = _nodes_wanted(request)
    asked_ns = parameters.span_ns(request, "since") if "since" in request.query else SINCE_DEFAULT_NS
    span_s = max(MINUTE_S, asked_ns // NS_PER_S)
    step_s = _step_s(request, span_s, nodes if node is None else 0)
    since_s = max(0, now_s - span_s)
    return HistoryQuery(cluster, since_s - since_s % step_s, now_s + 1, step_s, node)


def _nodes_wanted(request: web.Request) -> str | None:
    """Return the one node that is asked for, an empty text for none, None for all."""
    node, nodes = parameters.word(request, "node"), request.query.get("nodes", NONE)
    if nodes not in (ALL, NONE):
        raise parameters.ParameterError(f"nodes: expected {ALL} or {NONE}")
    if node is not None and nodes == ALL:
        raise parameters.ParameterError("expected node or nodes=all, found both")
    return None if nodes == ALL else node or ""


def _step_s(request: web.Request, span_s: int, nodes: int) -> int:
    """Return the step that is asked for, or the shortest within the limits."""
    fitting = next((step_s for step_s in STEPS_S if _fits(span_s, step_s, nodes)), None)
    longer = f"use a step of {fitting} seconds or more" if fitting else "ask for one node"
    excess = f"more than {STEPS_MAX} steps, or {ROWS_MAX} rows of nodes, would be the answer; {longer}"
    if "step" not in request.query:
        if fitting is None:
            raise parameters.ParameterError(f"since: {excess}")
        return fitting
    step_s, rest_ns = divmod(parameters.span_ns(request, "step"), NS_PER_S)
    if step_s < MINUTE_S or step_s % MINUTE_S or rest_ns:
        raise parameters.ParameterError("step: expected whole minutes, such as 1m or 1h")
    if not _fits(span_s, step_s, nodes):
        raise parameters.ParameterError(f"step: {excess}")
    return step_s


def _fits(span_s: int, step_s: int, nodes: int) -> bool:
    steps = span_s // step_s + 2  # the first and the last may be parts
    return steps <= STEPS_MAX and steps * nodes <= ROWS_MAX


def history_document(query: HistoryQuery, periods: Sequence[Period]) -> bytes:
    """Return the answer as JSON; steps without rounds are missing."""
    head = {
        "schema": SCHEMA,
        "cluster": query.cluster,
        "since": rfc3339(query.since_s * NS_PER_S, 0),
        "until": rfc3339(query.until_s * NS_PER_S, 0),
        "step_seconds": query.step_s,
    }
    return encode({**head, "steps": list(_steps(query, periods))}, LIST_DEPTH)


def _steps(query: HistoryQuery, periods: Sequence[Period]) -> Iterator[dict[str, Any]]:
    for period in yielding_gil(periods, STEPS_A_TURN):
        row = period.clusters.get(query.cluster)
        if row is not None:
            yield {"time": rfc3339(period.start_s * NS_PER_S, 0), **_cluster(row)}


def _cluster(row: ClusterRow) -> dict[str, Any]:
    return {
        "rounds": row.rounds,
        "skew": _ends(row.skew),
        "verdict_seconds": {
            verdict: time_ms / 1_000 for verdict, time_ms in zip(VERDICTS, row.verdict_ms, strict=True)
        },
        "lines": _lines(row.lines),
        "utc_confirmed_seconds": row.confirmed_ms / 1_000,
        "configs": list(row.configs),
        "references": row.answered,
        "falsetickers": row.falsetickers,
        "nodes": {encodable(name): _node(node) for name, node in row.nodes.items()},
    }


def _node(row: NodeRow) -> dict[str, Any]:
    return {
        "offset": _ends(row.offset),
        "utc": _ends(row.utc),
        "measured": row.measured,
        "missed": row.missed,
        "culprit": row.named,
        "measured_seconds": row.measured_ms / 1_000,
        "missed_seconds": row.missed_ms / 1_000,
        "sources": list(row.sources),
        "lines": _lines(row.lines),
    }


def _ends(ends: EndRange | None) -> dict[str, float] | None:
    if ends is None:
        return None
    return {
        "lower_min": seconds(ends.lower_min_ns),
        "lower_max": seconds(ends.lower_max_ns),
        "upper_min": seconds(ends.upper_min_ns),
        "upper_max": seconds(ends.upper_max_ns),
    }


def _lines(lines: Lines) -> list[dict[str, Any]]:
    return [
        {
            "kind": line.kind,
            "severity": line.severity,
            "limit": seconds(line.limit_ns),
            "beyond_seconds": time.beyond_ms / 1_000,
            "open_seconds": time.open_ms / 1_000,
        }
        for line, time in sorted(lines.items())
    ]
