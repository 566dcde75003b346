"""One row for each node: offset, claims of its time daemon, findings and next commands."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from skewmon.export.claims import ClaimStatus
from skewmon.export.document import (
    ClusterStatus,
    FindingStatus,
    IntervalStatus,
    NodeStatus,
    elapsed_s,
    interval,
    ns,
)
from skewmon.export.encode import foreign
from skewmon.export.page.bar import bar
from skewmon.export.page.findings import finding_list, finding_marks
from skewmon.export.page.links import node_link
from skewmon.export.page.markup import Markup, join, tag
from skewmon.export.page.parts import Drawing
from skewmon.export.page.scale import Scale
from skewmon.model import Threshold
from skewmon.text import bound, coarse, estimate, signed_seconds


@dataclass(frozen=True, slots=True)
class RowContext:
    """Everything that the rows of one cluster share."""

    cluster: ClusterStatus
    lines: tuple[Threshold, ...]
    scale: Scale
    shared: Collection[tuple[str, str]]  # kind and severity of findings that are listed for all nodes at once
    since: Mapping[str, str]  # since when a clock is wrong, by node
    sparklines: Mapping[str, Markup]


def node_row(drawing: Drawing, node: NodeStatus, context: RowContext, key: str) -> Markup:
    """Return the row of a node."""
    offset = node["offset"]
    culprit = node["name"] in context.cluster["culprits"]
    cells = _measured(node, offset, context) if offset else _not_measured(node, context)
    mark = "culprit" if culprit else None
    name = _name(node, context, culprit=culprit)
    return drawing.part(key, "tr", name, *cells, class_=mark, data_name=node["name"])


def _name(node: NodeStatus, context: RowContext, *, culprit: bool) -> Markup:
    mark = tag("span", "wrong clock", class_="badge critical") if culprit else None
    address = tag("span", node["address"], class_="minor") if node["address"] != node["name"] else None
    since = context.since.get(node["name"])
    lasting = tag("span", since, class_="since") if since else None
    return tag("th", node_link(node["name"]), mark, lasting, address, scope="row")


def _measured(node: NodeStatus, ends: IntervalStatus, context: RowContext) -> tuple[Markup, ...]:
    offset = interval(ends)
    value, plus_minus = estimate(offset.estimate_ns, offset.bound_ns), f"± {bound(offset.bound_ns)}"
    return (
        tag("td", tag("span", value, class_="value"), " ", tag("span", plus_minus, class_="minor")),
        tag(
            "td",
            bar(offset, context.lines, context.scale, f"offset {value} {plus_minus}"),
            context.sparklines.get(node["name"]),
        ),
        _cell("Round trip", bound(ns(node["round_trip_seconds"] or 0.0))),
        _cell("Time daemon", claim(node["timesync"])),
        _cell(None, changes(node), *_own_findings(node, context)),
    )


def _own_findings(node: NodeStatus, context: RowContext) -> tuple[Markup | None, ...]:
    """Return the findings of the node alone, and the kinds of those that are listed for all at once."""
    listed: list[FindingStatus] = []
    own: list[FindingStatus] = []
    for finding in node["findings"]:
        shared = (finding["kind"], finding["severity"]) in context.shared
        (listed if shared else own).append(finding)
    return finding_list(own), finding_marks(listed)


def _not_measured(node: NodeStatus, context: RowContext) -> tuple[Markup, ...]:
    last = "never measured"
    if node["last_success"] is not None:
        last = (
            f"last measured {coarse(elapsed_s(node['last_success'], context.cluster['round']['at']))} before"
        )
    reason = (node["reason"] or "").replace("-", " ")
    return (
        tag(
            "td",
            tag("span", f"not measured: {reason}", class_="badge unknown"),
            tag("p", foreign(node["detail"] or "")),
            tag("p", last, class_="minor"),
            context.sparklines.get(node["name"]),
            colspan="3",
        ),
        _cell("Time daemon", claim(node["timesync"])),
        _cell(None, *_own_findings(node, context)),
    )


def _cell(label: str | None, *children: str | None) -> Markup:
    """Return a cell; the label is shown on narrow screens, which have no columns."""
    return tag("td", *children, data_label=label)


def claim(claim: ClaimStatus | None) -> Markup | None:
    """Return the claims of the time daemon."""
    if claim is None:
        return tag("span", "not asked yet", class_="minor")
    if claim["daemon"] == "none":
        return tag("span", "none runs", class_="unsynced")
    said = {True: "synchronized", False: "not synchronized", None: "does not say"}[claim["synchronized"]]
    state = {True: "synced", False: "unsynced", None: "minor"}[claim["synchronized"]]
    source = []
    if claim["source"]:
        source.append(f"from {foreign(claim['source'])}")
    if claim["stratum"] is not None:
        source.append(f"stratum {claim['stratum']}")
    if claim["offset_seconds"] is not None:
        source.append(f"claims {signed_seconds(claim['offset_seconds'])}")
    return join(
        (
            tag("span", f"{claim['daemon']}: ", tag("span", said, class_=state)),
            " ",
            tag("span", ", ".join(source), class_="minor") if source else None,
        )
    )


def changes(node: NodeStatus) -> Markup | None:
    """Return the steps and the forecast of the clock."""
    parts = []
    if node["steps"]:
        often = "once" if node["steps"] == 1 else f"{node['steps']} times"
        parts.append(f"Stepped {often} since the start.")
    if node["forecast"] is not None:
        parts.append(node["forecast"]["message"] or "")
    text = " ".join(filter(None, parts))
    return tag("p", text, class_="minor") if text else None
