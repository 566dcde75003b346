"""The clusters: an index, and a section for each with pictures, rows of troubled nodes, and a grid."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from skewmon.export.document import (
    ClusterStatus,
    IntervalStatus,
    NodeStatus,
    Status,
    elapsed_s,
    interval,
    ns,
    skew_thresholds,
    worst_first,
)
from skewmon.export.page import findings, grid
from skewmon.export.page.markup import Markup, join, tag
from skewmon.export.page.matrix import matrix
from skewmon.export.page.nodes import RowContext, node_row
from skewmon.export.page.parts import Drawing
from skewmon.export.page.past import JournalDay
from skewmon.export.page.recent import Recent
from skewmon.export.page.references import references
from skewmon.export.page.scale import Scale, judged
from skewmon.export.page.since import beyond_since, wrong_since
from skewmon.export.page.sparkline import sparkline
from skewmon.export.page.strip import strip
from skewmon.export.page.timeline import timeline
from skewmon.export.pairs import measured_offsets
from skewmon.export.published import Publication
from skewmon.export.vantages import vantage_itself
from skewmon.model import ClusterView, Interval, ThresholdKind, UtcState, Verdict
from skewmon.runtime.gil_yield import yielding_gil
from skewmon.text import at_least, at_most, exact, span

#: The part that holds all others.
ROOT = "clusters"

#: A cluster of at most this many nodes has a row for each; there is nothing to fold.
FOLD_FROM = 10

#: Rows of troubled nodes, unless all rows are requested; the others are in the grid with their state.
ROWS_MAX = 12

#: Rows drawn in about a millisecond.
ROWS_A_TURN = 8

#: Verdicts with a pair to look for.
UNFOLDED = (Verdict.WARNING, Verdict.CRITICAL, Verdict.AMBIGUOUS)

#: Sparklines drawn in about a millisecond.
SPARKLINES_A_TURN = 12

COLUMNS = ("Node", "Offset", "Against the lines, last 3 h", "Round trip", "Time daemon says", "What to do")


@dataclass(frozen=True, slots=True)
class DrawnPast:
    """All that a section shows beside the document.

    That is its history, drawn: by node a sparkline, and since when its clock is wrong.
    """

    sparklines: Mapping[str, Markup] = field(default_factory=dict)
    since: Mapping[str, str] = field(default_factory=dict)
    timeline: Markup | None = None
    offsets: Mapping[str, Interval] = field(default_factory=dict)  # whose differences are those of pairs


def drawn(
    publication: Publication, journal: JournalDay, recents: Mapping[str, Recent], *, every_row: bool
) -> Drawing:
    """Return the page of a publication."""
    document = publication.document
    pasts = {
        one["name"]: _past(one, view, document, journal, recents.get(one["name"], Recent()))
        for one, view in zip(document["clusters"], publication.snapshot.clusters, strict=True)
    }
    return draw(document, pasts, every_row=every_row)


def _past(
    one: ClusterStatus, view: ClusterView, document: Status, journal: JournalDay, recent: Recent
) -> DrawnPast:
    scale, lines = Scale.of_cluster(one), skew_thresholds(one["thresholds"])
    sparklines = {
        node["name"]: sparkline(recent.of(node["name"]), lines, scale)
        for node in yielding_gil(one["nodes"], SPARKLINES_A_TURN)
        if recent.steps
    }
    since = beyond_since(recent, one) | wrong_since(journal, one)
    day = timeline(journal, document["time"], one["name"])
    return DrawnPast(sparklines, since, day, measured_offsets(view))


def draw(document: Status, pasts: Mapping[str, DrawnPast], *, every_row: bool) -> Drawing:
    """Return the index and the sections of all clusters, in the order of the configuration."""
    drawing = Drawing()
    if not document["clusters"]:
        waiting = tag("p", "The first round is not over. This page fills itself.", class_="empty")
        drawing.part(ROOT, "div", waiting, _state(drawing, "waiting"))
        return drawing
    sections = [
        _section(
            drawing, one, document, f"c{number}", pasts.get(one["name"], DrawnPast()), every_row=every_row
        )
        for number, one in enumerate(document["clusters"])
    ]
    index = _index(drawing, document) if len(sections) > 1 else None
    state = _state(drawing, document["verdict"].value)
    drawing.part(ROOT, "div", state, index, *sections, references(drawing, document))
    return drawing


def _state(drawing: Drawing, verdict: str) -> Markup:
    """Return the verdict on all clusters, for the title of the page."""
    return drawing.part("state", "span", hidden=True, data_verdict=verdict)


def _index(drawing: Drawing, document: Status) -> Markup:
    """Return links to the sections, with the state of each cluster."""
    entries = [_entry(drawing, one, f"c{number}") for number, one in enumerate(document["clusters"])]
    return tag("nav", tag("ul", *entries, class_="index"), aria_label="Clusters")


def _entry(drawing: Drawing, one: ClusterStatus, key: str) -> Markup:
    verdict = one["verdict"].value
    extent = f"{span(ns(one['skew']['seconds']))} apart" if one["skew"] else "no skew known"
    figures = f"{extent}, {one['round']['measured']:,} of {one['round']['nodes']:,} measured"
    link = tag("a", one["name"], href=f"#{key}")
    state = tag("span", verdict, class_=f"badge {verdict}")
    shown = tag("span", figures, class_="minor")
    return drawing.part(f"{key}i", "li", link, " ", state, " ", shown)


def _section(
    drawing: Drawing, one: ClusterStatus, document: Status, key: str, past: DrawnPast, *, every_row: bool
) -> Markup:
    verdict = one["verdict"].value
    scale = Scale.of_cluster(one)
    rows, cells = _split(one, every_row=every_row)
    listed = findings.shared(one["nodes"])
    common = (findings.finding_list(one["findings"]), findings.group_list(listed))
    lines = skew_thresholds(one["thresholds"])
    context = RowContext(one, lines, scale, {group.key for group in listed}, past.since, past.sparklines)
    return drawing.part(
        key,
        "section",
        _header(drawing, one, document, key),
        drawing.part(f"{key}w", "p", one["message"], class_="verdict"),
        drawing.part(f"{key}f", "dl", *_figures(one)),
        _pictures(drawing, one, scale, key, past),
        drawing.part(f"{key}d", "div", *common, class_="common"),
        _table(drawing, rows, context, key),
        _cells(drawing, one, cells, key, past),
        class_=f"cluster {verdict}",
        data_name=one["name"],
        data_verdict=verdict,
        data_interval=f"{one['interval_seconds']:g}",
    )


def _header(drawing: Drawing, one: ClusterStatus, document: Status, key: str) -> Markup:
    verdict = one["verdict"].value
    age_s = max(0.0, elapsed_s(one["round"]["at"], document["time"]))
    return drawing.part(
        f"{key}h",
        "header",
        tag("h2", one["name"]),
        tag("span", verdict, class_=f"badge {verdict}"),
        tag("span", "", class_="age"),
        data_age=f"{age_s:.3f}",
    )


def _pictures(drawing: Drawing, one: ClusterStatus, scale: Scale, key: str, past: DrawnPast) -> Markup:
    """Return the strip, the timeline and the matrix; the matrix is folded while no pair needs attention."""
    past_drawn = drawing.part(f"{key}t", "div", past.timeline) if past.timeline else None
    return tag(
        "div",
        tag("div", drawing.part(f"{key}s", "figure", strip(one, scale)), past_drawn, class_="lines"),
        tag(
            "details",
            tag("summary", "Pairs"),
            drawing.part(
                f"{key}m",
                "div",
                matrix(one, past.offsets, key),
                class_="matrix-box",
                data_cluster=one["name"],
            ),
            class_="pairs-box",
            open=one["verdict"] in UNFOLDED,
            data_key=f"{key}m",
        ),
        class_="pictures",
    )


def _figures(one: ClusterStatus) -> list[Markup]:
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
    pairs += [("Measured from", vantage_itself(seen)) for seen in one["vantages"] if seen["success"]]
    pairs.append(("Lines", drawn or "none"))
    if one["utc"]["state"] is not UtcState.NONE:
        pairs.append(("UTC", _against_utc(one)))
    evidence = one["culprit_evidence"] or ""
    if evidence not in one["message"]:
        pairs.append(("Evidence", evidence))
    return [tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs]


def _against_utc(one: ClusterStatus) -> str:
    """Return the state of UTC, the distance of the furthest clock from it, and the lines."""
    state = one["utc"]["state"]
    offsets = [interval(node["utc_offset"]) for node in one["nodes"] if node["utc_offset"]]
    if state is not UtcState.CONFIRMED or not offsets:
        return state.value
    least_ns = max(offset.proven_ns for offset in offsets)
    most = f"at most {at_most(max(offset.furthest_ns for offset in offsets))}"
    extent = f"at least {at_least(least_ns)} and {most}" if least_ns else most
    lines = [line for line in one["thresholds"] if line["kind"] == ThresholdKind.UTC]
    drawn = ", ".join(f"{exact(ns(line['limit']))} {line['severity']}" for line in lines)
    return f"{state.value}, clocks {extent} off" + (f"; line {drawn}" if drawn else "")


def _extent(skew: IntervalStatus) -> str:
    """Return the least and the greatest possible skew in words."""
    most = f"at most {at_most(ns(skew['upper']))}"
    return f"at least {at_least(ns(skew['lower']))} and {most}" if skew["lower"] else most


def _split(one: ClusterStatus, *, every_row: bool) -> tuple[dict[int, NodeStatus], dict[int, NodeStatus]]:
    """Return the nodes with a row, worst first, and those in the grid, by their positions in the cluster."""
    positions = {node["name"]: position for position, node in enumerate(one["nodes"])}
    ordered = {positions[node["name"]]: node for node in worst_first(one)}
    if every_row or len(ordered) <= FOLD_FROM:
        return ordered, {}
    alike = findings.unmeasured_alike(one)
    troubled = [
        place for place, node in ordered.items() if _is_troubled(one, node) and node["name"] not in alike
    ]
    rows = {place: ordered[place] for place in troubled[:ROWS_MAX]}
    return rows, {place: node for place, node in enumerate(one["nodes"]) if place not in rows}


def _is_troubled(one: ClusterStatus, node: NodeStatus) -> bool:
    """Return whether a node has trouble of its own: wrong, silent, beyond a line, or of the worst pair.

    The pair counts if no culprit is named.
    """
    pair = one["worst_pair"]
    named = set(one["culprits"])
    if pair is not None and not named and one["verdict"] in (Verdict.WARNING, Verdict.CRITICAL):
        named |= {pair["node"], pair["peer"]}
    offset = interval(node["offset"]) if node["offset"] else None
    return node["name"] in named or judged(offset, skew_thresholds(one["thresholds"])) is not Verdict.OK


def _table(drawing: Drawing, rows: Mapping[int, NodeStatus], context: RowContext, key: str) -> Markup | None:
    if not rows:
        return None
    drawn = [
        node_row(drawing, node, context, f"{key}n{position}")
        for position, node in yielding_gil(rows.items(), ROWS_A_TURN)
    ]
    table = tag(
        "table",
        tag("caption", f"Nodes of {context.cluster['name']}, worst first", class_="hidden"),
        tag("thead", tag("tr", *(tag("th", name, scope="col") for name in COLUMNS))),
        drawing.part(f"{key}r", "tbody", *drawn),
    )
    return tag("div", table, class_="table")


def _cells(
    drawing: Drawing, one: ClusterStatus, nodes: Mapping[int, NodeStatus], key: str, past: DrawnPast
) -> Markup | None:
    if not nodes:
        return None
    link = tag("a", f"Show all {len(one['nodes']):,} as rows", href="?rows=all")
    counts = drawing.part(f"{key}q", "div", grid.summary(nodes, one))
    rest = tag("div", counts, link, class_="rest")
    return join((rest, grid.grid(drawing, one, nodes, key, past.sparklines)))
