"""Reads the shipped Grafana dashboard for tests."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql

FOLDER = Path(__file__).parents[2] / "config" / "grafana"

#: Grafana's values for its variables: everything is selected.
VARIABLES = {
    "$__rate_interval": "1m",
    "$job": ".+",
    "$instance": ".+",
    "$cluster_name": ".+",
    "$node": ".+",
}


def load() -> dict[str, Any]:
    """Return the dashboard."""
    return json.loads((FOLDER / "skewmon-overview.json").read_text(encoding="utf-8"))


def panels() -> list[dict[str, Any]]:
    """Return the panels that show data."""
    return [panel for panel in load()["panels"] if panel["type"] != "row"]


def queries() -> list[tuple[str, str]]:
    """Return title and query of every target, with variables replaced."""
    return [
        (f"{panel['title']}-{target['refId']}", expanded(target["expr"]))
        for panel in panels()
        for target in panel["targets"]
    ]


def expanded(query: str) -> str:
    """Return the query as Prometheus gets it when all is selected."""
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    return query


def selectors(query: str) -> list[promql.VectorSelector]:
    """Return every selector of a query; fail if the query is not PromQL."""
    return list(_walk(promql.parse(query)))


def _walk(node: object) -> Iterator[promql.VectorSelector]:
    if isinstance(node, promql.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "vs", "args", "param"):
        below = getattr(node, name, None)
        for child in below if isinstance(below, list) else [below]:
            if child is not None and not isinstance(child, str | int | float):
                yield from _walk(child)
