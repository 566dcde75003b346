"""One section a cluster: verdict, worst pair, evidence, and the nodes, worst first."""

from skewmon.alert.verdict import skew_lines
from skewmon.export.courtesy import courteous
from skewmon.export.encode import seconds
from skewmon.export.page import words
from skewmon.export.page.bar import Scale
from skewmon.export.page.markup import Markup, join, tag
from skewmon.export.page.nodes import finding_list, node_row
from skewmon.model import ClusterView, Interval, Measured, NodeView, Snapshot, Threshold
from skewmon.text import exact, rfc3339, span

#: Rows that are drawn unless all are asked for: the wrong, the silent and the rest that is worth a look.
ROWS_MAX = 100

#: Rows drawn in about a millisecond.
ROWS_A_TURN = 8

COLUMNS = ("Node", "Offset", "Against the lines", "Round trip", "Time daemon says", "What to do")


def clusters(snapshot: Snapshot, *, every_row: bool) -> Markup:
    """Return the sections of all clusters, the worst verdict first as far as the order allows."""
    if not snapshot.clusters:
        return tag("p", "The first round is not over. This page fills itself.", class_="empty")
    return join(_section(view, snapshot, every_row=every_row) for view in snapshot.clusters)


def worst_first(view: ClusterView) -> list[NodeView]:
    """Return the nodes in the order in which they deserve a look."""

    def rank(node: NodeView) -> tuple[int, int, str]:
        if node.name in view.vote.culprits:
            return 0, -_size(node.offset), node.name
        if not isinstance(node.outcome, Measured):
            return 1, 0, node.name
        return 2, -_size(node.offset), node.name

    return sorted(view.nodes, key=rank)


def _size(offset: Interval | None) -> int:
    return abs(offset.estimate_ns) if offset else 0


def _section(view: ClusterView, snapshot: Snapshot, *, every_row: bool) -> Markup:
    age_s = seconds(snapshot.wall_ns - view.at_wall_ns)
    return tag(
        "section",
        tag(
            "header",
            tag("h2", view.name),
            tag("span", view.verdict.value, class_=f"badge {view.verdict.value}"),
            tag("span", "", class_="age"),
        ),
        tag("p", words.sentence(view), class_="verdict"),
        _facts(view),
        finding_list(view.findings),
        _table(view, every_row=every_row),
        class_=f"cluster {view.verdict.value}",
        data_name=view.name,
        data_verdict=view.verdict.value,
        data_age=f"{max(0.0, age_s):.3f}",
        data_interval=f"{view.cluster.interval_s:g}",
    )


def _facts(view: ClusterView) -> Markup:
    """Return the figures behind the verdict."""
    lines = _lines(view)
    drawn = ", ".join(f"{exact(line.limit_ns)} {line.severity}" for line in lines)
    pairs = [("Round", f"{rfc3339(view.at_wall_ns, 0)}, {view.duration_s:.2g} s")]
    pairs.append(("Measured", f"{view.measured} of {len(view.nodes)}"))
    if view.skew is not None:
        pairs.append(("Skew", f"{span(view.skew.estimate_ns)}, {words.extent(view.skew)}"))
    if view.worst is not None:
        pairs.append(("Worst pair", f"{view.worst.node} and {view.worst.peer}"))
    pairs.append(("Lines", drawn or "none"))
    if view.vote.evidence:
        pairs.append(("Evidence", view.vote.evidence))
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs))


def _lines(view: ClusterView) -> tuple[Threshold, ...]:
    return tuple(skew_lines(view.cluster.thresholds))


def _table(view: ClusterView, *, every_row: bool) -> Markup:
    lines = _lines(view)
    scale = Scale.of(lines, (node.offset for node in view.nodes if node.offset))
    ordered = worst_first(view)
    shown = ordered if every_row else ordered[:ROWS_MAX]
    head = tag("tr", *(tag("th", name, scope="col") for name in COLUMNS))
    rows = (node_row(node, view, lines, scale) for node in courteous(shown, ROWS_A_TURN))
    table = tag(
        "table",
        tag("caption", f"Nodes of {view.name}, worst first", class_="hidden"),
        tag("thead", head),
        tag("tbody", *rows),
    )
    return join((tag("div", table, class_="table"), _rest(len(ordered), len(shown))))


def _rest(count: int, shown: int) -> Markup | None:
    if shown == count:
        return None
    link = tag("a", f"Show all {count:,}", href="?rows=all")
    return tag("p", f"The {shown} worst of {count:,} nodes. ", link, class_="rest")
