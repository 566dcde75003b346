"""One section a cluster: verdict, worst pair, evidence, and the nodes, worst first."""

from skewmon.export.document import (
    ClusterStatus,
    IntervalStatus,
    Status,
    elapsed_s,
    interval,
    ns,
    skew_thresholds,
    worst_first,
)
from skewmon.export.gil_yield import yielding_gil
from skewmon.export.page.bar import Scale
from skewmon.export.page.markup import Markup, join, tag
from skewmon.export.page.nodes import finding_list, node_row
from skewmon.text import at_least, at_most, exact, span

#: Rows that are drawn unless all are requested; wrong and unmeasured nodes come first.
ROWS_MAX = 100

#: Rows drawn in about a millisecond.
ROWS_A_TURN = 8

COLUMNS = ("Node", "Offset", "Against the lines", "Round trip", "Time daemon says", "What to do")


def clusters(document: Status, *, every_row: bool) -> Markup:
    """Return the sections of all clusters, in the order of the configuration."""
    if not document["clusters"]:
        return tag("p", "The first round is not over. This page fills itself.", class_="empty")
    return join(_section(one, document, every_row=every_row) for one in document["clusters"])


def _section(one: ClusterStatus, document: Status, *, every_row: bool) -> Markup:
    verdict = one["verdict"].value
    age_s = elapsed_s(one["round"]["at"], document["time"])
    return tag(
        "section",
        tag(
            "header",
            tag("h2", one["name"]),
            tag("span", verdict, class_=f"badge {verdict}"),
            tag("span", "", class_="age"),
        ),
        tag("p", one["message"], class_="verdict"),
        _figures(one),
        finding_list(one["findings"]),
        _table(one, every_row=every_row),
        class_=f"cluster {verdict}",
        data_name=one["name"],
        data_verdict=verdict,
        data_age=f"{max(0.0, age_s):.3f}",
        data_interval=f"{one['interval_seconds']:g}",
    )


def _figures(one: ClusterStatus) -> Markup:
    """Return the figures behind the verdict."""
    lines = skew_thresholds(one["thresholds"])
    drawn = ", ".join(f"{exact(line.limit_ns)} {line.severity}" for line in lines)
    begun = one["round"]
    pairs = [("Round", f"{begun['at'][:19]}Z, {begun['duration_seconds']:.2g} s")]
    pairs.append(("Measured", f"{begun['measured']} of {begun['nodes']}"))
    if one["skew"] is not None:
        pairs.append(("Skew", f"{span(ns(one['skew']['seconds']))}, {_extent(one['skew'])}"))
    if one["worst_pair"] is not None:
        pairs.append(("Worst pair", f"{one['worst_pair']['node']} and {one['worst_pair']['peer']}"))
    pairs.append(("Lines", drawn or "none"))
    evidence = one["culprit_evidence"] or ""
    if evidence not in one["message"]:
        pairs.append(("Evidence", evidence))
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs))


def _extent(skew: IntervalStatus) -> str:
    """Return the least and the greatest possible skew in words."""
    most = f"at most {at_most(ns(skew['upper']))}"
    return f"at least {at_least(ns(skew['lower']))} and {most}" if skew["lower"] else most


def _table(one: ClusterStatus, *, every_row: bool) -> Markup:
    lines = skew_thresholds(one["thresholds"])
    scale = Scale.of(lines, (interval(node["offset"]) for node in one["nodes"] if node["offset"]))
    ordered = worst_first(one)
    shown = ordered if every_row else ordered[:ROWS_MAX]
    head = tag("tr", *(tag("th", name, scope="col") for name in COLUMNS))
    rows = (
        node_row(node, one, lines, scale, culprit=node["name"] in one["culprits"])
        for node in yielding_gil(shown, ROWS_A_TURN)
    )
    table = tag(
        "table",
        tag("caption", f"Nodes of {one['name']}, worst first", class_="hidden"),
        tag("thead", head),
        tag("tbody", *rows),
    )
    return join((tag("div", table, class_="table"), _rest(len(ordered), len(shown))))


def _rest(count: int, shown: int) -> Markup | None:
    if shown == count:
        return None
    link = tag("a", f"Show all {count:,}", href="?rows=all")
    return tag("p", f"The {shown} worst of {count:,} nodes. ", link, class_="rest")
