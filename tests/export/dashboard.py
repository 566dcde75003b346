"""Reads the shipped Grafana dashboards for tests."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql

FOLDER = Path(__file__).parents[2] / "config" / "grafana"

#: The uids of the dashboards.
UIDS = ("skewmon-overview", "skewmon-node")

#: Values of Grafana's own variables, as it sends them.
RANGES = {"$__rate_interval": "1m", "$__range": "1h"}


def load(uid: str) -> dict[str, Any]:
    """Return a dashboard."""
    return json.loads((FOLDER / f"{uid}.json").read_text(encoding="utf-8"))


def panels() -> list[tuple[str, dict[str, Any]]]:
    """Return the panels that show data, each with the uid of its dashboard."""
    return [(uid, panel) for uid in UIDS for panel in load(uid)["panels"] if panel["type"] != "row"]


def queries(cluster: str = ".+", node: str = ".+") -> list[tuple[str, str]]:
    """Return title and query of every target; ``cluster`` and ``node`` are the values of the variables."""
    return [
        (f"{uid}: {panel['title']}-{target['refId']}", expanded(target["expr"], cluster, node))
        for uid, panel in panels()
        for target in panel["targets"]
    ]


def present() -> set[str]:
    """Return the titles of the queries whose values stand for the present moment."""
    return {
        f"{uid}: {panel['title']}-{target['refId']}"
        for uid, panel in panels()
        for target in panel["targets"]
        if target.get("instant")
    }


#: Queries about an absence: with a healthy skewmon they return nothing.
ABOUT_ABSENCE = {
    "skewmon-overview: Verdict-B",  # no recent round
    "skewmon-overview: Verdict-C",  # not scraped
    "skewmon-node: Measured-B",
    "skewmon-node: Measured-C",
}


def expanded(query: str, cluster: str = ".+", node: str = ".+") -> str:
    """Return the query as Prometheus gets it with these values and all others selected."""
    chosen = {"$job": ".+", "$instance": ".+", "$cluster_name": cluster, "$node": node}
    for name, value in (RANGES | chosen).items():
        query = query.replace(name, value)
    return query


def selectors(query: str) -> list[promql.VectorSelector]:
    """Return every selector of a query; fail if the query is not PromQL."""
    return [node for node, _ in walk(promql.parse(query)) if isinstance(node, promql.VectorSelector)]


def walk(node: object, above: tuple[object, ...] = ()) -> Iterator[tuple[object, tuple[object, ...]]]:
    """Yield every part of a parsed query, with the parts that it is in, outermost first."""
    yield node, above
    for name in ("expr", "lhs", "rhs", "vector_selector", "vs", "args", "param"):
        below = getattr(node, name, None)
        for child in below if isinstance(below, list) else [below]:
            if child is not None and not isinstance(child, str | int | float):
                yield from walk(child, (*above, node))
