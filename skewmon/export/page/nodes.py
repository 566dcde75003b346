"""One row for each node: offset, claims of its time daemon, findings and next commands."""

from collections.abc import Iterable

from skewmon.export.document import (
    ClaimStatus,
    ClusterStatus,
    FindingStatus,
    IntervalStatus,
    NodeStatus,
    elapsed_s,
    interval,
    ns,
)
from skewmon.export.encode import foreign
from skewmon.export.page.bar import Scale, bar
from skewmon.export.page.markup import Markup, join, tag
from skewmon.model import Threshold
from skewmon.text import bound, coarse, estimate, signed_seconds

#: Findings that a row shows; the JSON has the rest.
FINDINGS_MAX = 6


def node_row(
    node: NodeStatus, one: ClusterStatus, lines: tuple[Threshold, ...], scale: Scale, *, culprit: bool
) -> Markup:
    """Return the row of a node."""
    offset = node["offset"]
    cells = _measured(node, offset, lines, scale) if offset else _not_measured(node, one)
    mark = "culprit" if culprit else None
    return tag("tr", _name(node, culprit=culprit), *cells, class_=mark, data_name=node["name"])


def finding_list(findings: Iterable[FindingStatus]) -> Markup | None:
    """Return findings with the command to type next."""
    items = [_finding(finding) for finding in tuple(findings)[:FINDINGS_MAX]]
    return tag("ul", *items, class_="findings") if items else None


def _name(node: NodeStatus, *, culprit: bool) -> Markup:
    mark = tag("span", "wrong clock", class_="badge critical") if culprit else None
    address = tag("span", node["address"], class_="minor") if node["address"] != node["name"] else None
    return tag("th", tag("span", node["name"], class_="name"), mark, address, scope="row")


def _measured(
    node: NodeStatus, ends: IntervalStatus, lines: tuple[Threshold, ...], scale: Scale
) -> tuple[Markup, ...]:
    offset = interval(ends)
    value, plus_minus = estimate(offset.estimate_ns, offset.bound_ns), f"± {bound(offset.bound_ns)}"
    return (
        tag("td", tag("span", value, class_="value"), " ", tag("span", plus_minus, class_="minor")),
        tag("td", bar(offset, lines, scale, f"offset {value} {plus_minus}")),
        _cell("Round trip", bound(ns(node["round_trip_seconds"] or 0.0))),
        _cell("Time daemon", _claim(node["timesync"])),
        _cell(None, _changes(node), finding_list(node["findings"])),
    )


def _not_measured(node: NodeStatus, one: ClusterStatus) -> tuple[Markup, ...]:
    last = "never measured"
    if node["last_success"] is not None:
        last = f"last measured {coarse(elapsed_s(node['last_success'], one['round']['at']))} before"
    reason = (node["reason"] or "").replace("-", " ")
    return (
        tag(
            "td",
            tag("span", f"not measured: {reason}", class_="badge unknown"),
            tag("p", foreign(node["detail"] or "")),
            tag("p", last, class_="minor"),
            colspan="3",
        ),
        _cell("Time daemon", _claim(node["timesync"])),
        _cell(None, finding_list(node["findings"])),
    )


def _cell(label: str | None, *children: str | None) -> Markup:
    """Return a cell; the label is shown on narrow screens, which have no columns."""
    return tag("td", *children, data_label=label)


def _claim(claim: ClaimStatus | None) -> Markup | None:
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


def _changes(node: NodeStatus) -> Markup | None:
    """Return the steps and the forecast of the clock."""
    parts = []
    if node["steps"]:
        often = "once" if node["steps"] == 1 else f"{node['steps']} times"
        parts.append(f"Stepped {often} since the start.")
    if node["forecast"] is not None:
        parts.append(node["forecast"]["message"] or "")
    text = " ".join(filter(None, parts))
    return tag("p", text, class_="minor") if text else None


def _finding(finding: FindingStatus) -> Markup:
    command = None
    if finding["next"]:
        text = foreign(finding["next"])
        copy = tag("button", "Copy", type="button", class_="copy", hidden=True, aria_label=f"Copy: {text}")
        command = tag("span", tag("code", text), copy, class_="command")
    kind = tag("span", finding["kind"], class_=f"badge {finding['severity']}")
    return tag("li", kind, " ", foreign(finding["message"]), command)
