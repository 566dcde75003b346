"""Nodes without trouble of their own, folded into a dense grid of links."""

from collections.abc import Iterable, Mapping

from skewmon.export.document import ClusterStatus, NodeStatus, interval, skew_thresholds
from skewmon.export.page.findings import worst_severity
from skewmon.export.page.links import node_path
from skewmon.export.page.markup import Markup, join, tag
from skewmon.export.page.parts import Drawing
from skewmon.export.page.scale import judged
from skewmon.model import Verdict
from skewmon.runtime.gil_yield import yielding_gil
from skewmon.text import estimate

#: Cells drawn in about a millisecond.
CELLS_A_TURN = 32

#: Names up to these lengths have room in a cell of the width that the style gives each class.
_WIDTHS = ((9, "short"), (16, "medium"))

#: The sign of a state, beside its colour and border.
_SIGNS = {Verdict.WARNING: "!", Verdict.CRITICAL: "!!", Verdict.AMBIGUOUS: "≈", Verdict.UNKNOWN: "?"}


def grid(
    drawing: Drawing,
    one: ClusterStatus,
    nodes: Mapping[int, NodeStatus],
    key: str,
    sparklines: Mapping[str, Markup],
) -> Markup | None:
    """Return the grid of the nodes by their positions in the cluster."""
    if not nodes:
        return None
    cells = [
        _cell(drawing, one, node, f"{key}n{position}", sparklines.get(node["name"]))
        for position, node in yielding_gil(nodes.items(), CELLS_A_TURN)
    ]
    width = _width(node["name"] for node in nodes.values())
    label = f"Other nodes of {one['name']}"
    return drawing.part(f"{key}g", "ul", *cells, class_=f"grid {width}", aria_label=label)


def _cell(
    drawing: Drawing, one: ClusterStatus, node: NodeStatus, key: str, sparkline: Markup | None
) -> Markup:
    lines = skew_thresholds(one["thresholds"])
    offset = interval(node["offset"]) if node["offset"] else None
    level = judged(offset, lines)
    value = (
        estimate(offset.estimate_ns, offset.bound_ns) if offset else (node["reason"] or "").replace("-", " ")
    )
    severity = worst_severity(node)
    kinds = " ".join(finding["kind"] for finding in node["findings"])
    shown = drawing.part(f"{key}v", "span", value, class_="value")
    drawn = drawing.part(f"{key}s", "span", sparkline, class_="past") if sparkline else None
    sign = tag("i", _SIGNS[level], aria_hidden="true") if level in _SIGNS else None
    words = None if level is Verdict.OK else tag("span", f" {level}", class_="hidden")
    mark = tag("i", "*", class_=f"mark {severity}", title=kinds) if severity else None
    found = tag("span", f" findings: {kinds}", class_="hidden") if severity else None
    name = tag("span", sign, tag("b", node["name"]), words, mark, found, class_="title")
    link = tag("a", name, " ", shown, drawn, href=node_path(node["name"]))
    return drawing.part(key, "li", link, class_=f"cell {level}", data_name=node["name"])


def _width(names: Iterable[str]) -> str:
    longest = max(map(len, names))
    return next((name for most, name in _WIDTHS if longest <= most), "long")


def summary(nodes: Mapping[int, NodeStatus], one: ClusterStatus) -> Markup | None:
    """Return how many nodes the grid has, and in which states."""
    lines = skew_thresholds(one["thresholds"])
    levels = [judged(interval(node["offset"]) if node["offset"] else None, lines) for node in nodes.values()]
    counts = {level: levels.count(level) for level in Verdict if level in levels}
    parts = [tag("span", f"{count:,} {level}", class_=f"badge {level}") for level, count in counts.items()]
    others = "Other nodes: " if len(nodes) < len(one["nodes"]) else None  # than those with rows
    return tag("p", others, *(join((part, " ")) for part in parts), class_="states") if parts else None
