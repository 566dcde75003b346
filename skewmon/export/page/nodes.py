"""One row a node: where its clock is, what its time daemon says of it, and what to do."""

from collections.abc import Iterable

from skewmon.clock import forecast
from skewmon.export.encode import foreign
from skewmon.export.page import words
from skewmon.export.page.bar import Scale, bar
from skewmon.export.page.markup import Markup, join, tag
from skewmon.model import ClusterView, Failed, Finding, Measured, NodeView, SyncStatus, Threshold
from skewmon.text import bound, coarse, estimate, signed_seconds

#: Findings that a row shows; the JSON has the rest.
FINDINGS_MAX = 6


def node_row(node: NodeView, view: ClusterView, lines: tuple[Threshold, ...], scale: Scale) -> Markup:
    """Return the row of a node."""
    culprit = node.name in view.vote.culprits
    if isinstance(node.outcome, Measured):
        cells = _measured(node, node.outcome, lines, scale)
    else:
        cells = _not_measured(node, node.outcome, view)
    mark = "culprit" if culprit else None
    return tag("tr", _name(node, culprit=culprit), *cells, class_=mark, data_name=node.name)


def finding_list(findings: Iterable[Finding]) -> Markup | None:
    """Return findings with the command to type next."""
    items = [_finding(finding) for finding in tuple(findings)[:FINDINGS_MAX]]
    return tag("ul", *items, class_="findings") if items else None


def _name(node: NodeView, *, culprit: bool) -> Markup:
    mark = tag("span", "wrong clock", class_="badge critical") if culprit else None
    address = tag("span", node.address, class_="minor") if node.address != node.name else None
    return tag("th", tag("span", node.name, class_="name"), mark, address, scope="row")


def _measured(
    node: NodeView, outcome: Measured, lines: tuple[Threshold, ...], scale: Scale
) -> tuple[Markup, ...]:
    offset = tag("td", "not known", class_="minor")
    drawing = tag("td")
    if node.offset is not None:
        value, plus_minus = (
            estimate(node.offset.estimate_ns, node.offset.bound_ns),
            f"± {bound(node.offset.bound_ns)}",
        )
        offset = tag("td", tag("span", value, class_="value"), " ", tag("span", plus_minus, class_="minor"))
        drawing = tag("td", bar(node.offset, lines, scale, f"offset {value} {plus_minus}"))
    return (
        offset,
        drawing,
        _cell("Round trip", bound(outcome.estimate.round_trip_ns)),
        _cell("Time daemon", _claim(node.timesync)),
        _cell(None, _changes(node), finding_list(node.findings)),
    )


def _not_measured(node: NodeView, failed: Failed, view: ClusterView) -> tuple[Markup, ...]:
    last = "never measured"
    if node.last_success_wall_ns is not None:
        last = f"last measured {coarse((view.at_wall_ns - node.last_success_wall_ns) / 1e9)} before"
    return (
        tag(
            "td",
            tag("span", f"not measured: {words.reason(failed)}", class_="badge unknown"),
            tag("p", foreign(f"{failed.detail} {failed.advice}".strip())),
            tag("p", last, class_="minor"),
            colspan="3",
        ),
        _cell("Time daemon", _claim(node.timesync)),
        _cell(None, finding_list(node.findings)),
    )


def _cell(label: str | None, *children: str | None) -> Markup:
    """Return a cell; the label is shown where a narrow screen has no room for columns."""
    return tag("td", *children, data_label=label)


def _claim(status: SyncStatus | None) -> Markup | None:
    """Return what the time daemon says, set apart from what is measured."""
    if status is None:
        return tag("span", "not asked yet", class_="minor")
    if status.daemon == "none":
        return tag("span", "none runs", class_="unsynced")
    said = {True: "synchronized", False: "not synchronized", None: "does not say"}[status.synchronized]
    state = {True: "synced", False: "unsynced", None: "minor"}[status.synchronized]
    source = []
    if status.source:
        source.append(f"from {foreign(status.source)}")
    if status.stratum is not None:
        source.append(f"stratum {status.stratum}")
    if status.offset_s is not None:
        source.append(f"claims {signed_seconds(status.offset_s)}")
    return join(
        (
            tag("span", f"{status.daemon}: ", tag("span", said, class_=state)),
            " ",
            tag("span", ", ".join(source), class_="minor") if source else None,
        )
    )


def _changes(node: NodeView) -> Markup | None:
    """Return what the clock did and is doing."""
    parts = []
    if node.steps:
        often = "once" if node.steps == 1 else f"{node.steps} times"
        parts.append(f"Stepped {often} since the start.")
    if node.forecast is not None:
        parts.append(forecast.sentence(node.forecast))
    told = " ".join(filter(None, parts))
    return tag("p", told, class_="minor") if told else None


def _finding(finding: Finding) -> Markup:
    command = None
    if finding.next:
        text = foreign(finding.next)
        copy = tag("button", "Copy", type="button", class_="copy", hidden=True, aria_label=f"Copy: {text}")
        command = tag("span", tag("code", text), copy, class_="command")
    kind = tag("span", finding.kind, class_=f"badge {finding.severity}")
    return tag("li", kind, " ", foreign(finding.message), command)
