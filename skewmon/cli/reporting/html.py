"""A report as one HTML file: no script, no request, and every text of foreign origin escaped."""

import base64
import hashlib
from collections.abc import Iterable, Sequence

from skewmon.cli.reporting.pictures import skew_picture, spark
from skewmon.cli.reporting.style import STYLE
from skewmon.cli.reporting.texts import NS_PER_MS, between, duration, furthest, line_text, proven, share
from skewmon.cli.reporting.words import statement
from skewmon.export.page.markup import Child, Markup, join, tag
from skewmon.journal.record.figures import MS_PER_S, ClusterFigures, NodeFigures, Report, instant_ns, steps
from skewmon.journal.record.seal import Verification
from skewmon.model import NS_PER_S, Event, ThresholdKind
from skewmon.model.record import VERDICTS
from skewmon.text import at_least, rfc3339, utc

#: Nodes with a picture, those provably furthest off first; a picture has some 10 KB.
PICTURES_MAX = 200

#: Rows of one table of events or excesses; the JSON form has them all.
ROWS_MAX = 500

#: How to read a report.
LEGEND = (
    """Every figure is an interval that contains the truth at the instants that were measured. Proven: no
    clock reading within the bounds allows less. Not excluded: the bounds allow no more. Offsets of nodes are
    to the cluster's reference, the median of its clocks, ahead positive.""",
    """Time beyond a line is counted from one round to the next if both prove it; its upper end adds all time
    about which nothing was proven: ambiguous, not measured, skewmon not running, or the first minute of the
    span, as the time between two rounds counts in the minute of the later one. Times in verdicts and shares
    include that minute.""",
    """Steps and other events are those of the journal, which keeps 90 days and is not sealed.""",
    """Each hour is sealed by a SHA-256 over its rows and the seal before it. Compare the newest seal with one
    that was kept elsewhere: skewmon record verify --seal SEAL.""",
)

HEADINGS = (
    "Node", "Offset proven", "Offset not excluded", "UTC proven", "UTC not excluded", "Rounds measured",
    "Culprit", "Steps", "Time beyond lines", "Sources", "Offset over time",
)  # fmt: skip


def page(report: Report) -> str:
    """Return the whole document."""
    span = f"{utc(report.since_s * NS_PER_S)} to {utc(report.until_s * NS_PER_S)}"
    style = Markup(STYLE)
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"skewmon report, {span}"),
        tag("style", style),
    )
    body = tag(
        "body",
        tag("h1", "Clock report"),
        tag("p", f"From {span}. Made by skewmon {report.version} at {utc(report.made_wall_ns)}."),
        _verification(report.verification),
        *_gaps(report),
        *(_cluster(one, report) for one in report.clusters),
        _events("Events of skewmon itself", report.events),
        _legend(),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _verification(found: Verification) -> Markup:
    if found.newest is None:
        return tag("p", "No hour is sealed yet, so nothing here can be verified.", class_="warning")
    newest = f"{utc(found.newest.start_s * NS_PER_S)}: "
    seal = tag("p", "Newest seal, of the hour from ", newest, tag("code", found.newest.seal))
    if found.is_whole:
        counts = (
            f"{found.sealed} seals, the rows of {found.hours} hours and the minutes of {found.minutes_of}"
        )
        return join((tag("p", f"The chain of seals is whole: checked {counts}.", class_="whole"), seal))
    faults = tag("ul", *(tag("li", fault) for fault in found.faults))
    return join((tag("p", "The record was changed after it was sealed.", class_="changed"), faults, seal))


def _gaps(report: Report) -> Iterable[Markup]:
    """Yield what a reader must know of the whole span."""
    if report.events_from_ns is not None:
        since = utc(report.events_from_ns)
        yield tag(
            "p", f"Events before {since} are missing: steps may be more than counted.", class_="warning"
        )
    if report.set_back_s:
        most = duration(report.set_back_s * MS_PER_S)
        back = f"The wall clock of the admin box went back in this span, by at most {most} in all."
        yield tag("p", back, class_="warning")


def _cluster(one: ClusterFigures, report: Report) -> Markup:
    span_s = report.since_s, report.until_s
    return tag(
        "section",
        tag("h2", f"Cluster {one.name}"),
        *(tag("p", paragraph, class_="statement") for paragraph in statement(one)),
        _summary(one),
        _picture(one, span_s),
        _lines(one),
        _nodes(one, report),
        _excesses(one),
        _events(
            "Steps and other movements of clocks", [event for node in one.nodes for event in node.movements]
        ),
        _events("All events", one.events),
    )


def _picture(one: ClusterFigures, span_s: tuple[int, int]) -> Markup | None:
    drawn = skew_picture(one, span_s)
    if drawn is None:
        return None
    lines = ", ".join(
        line_text(figure.line) for figure in one.lines if figure.line.kind == ThresholdKind.SKEW
    )
    span = f"{utc(span_s[0] * NS_PER_S)} (left) to {utc(span_s[1] * NS_PER_S)} (right)"
    caption = (
        f"Skew from {span}, even near zero and logarithmic beyond: the band from the greatest proven to the "
        f"greatest possible value; dashed: {lines or 'no lines'}. Below it the time in each verdict: "
    )
    keys = (tag("span", verdict.value, class_=f"key {verdict}") for verdict in VERDICTS)
    return tag("figure", drawn, tag("figcaption", caption, *keys))


def _summary(one: ClusterFigures) -> Markup:
    row = one.row
    at = (
        f", in the {'hour' if one.worst_at.length_s > 60 else 'minute'} from {utc(instant_ns(one.worst_at))}"
        if one.worst_at
        else ""
    )
    verdicts = ", ".join(
        f"{verdict.value} {duration(time_ms)}"
        for verdict, time_ms in zip(VERDICTS, row.verdict_ms, strict=True)
        if time_ms
    )
    entries = (
        ("Worst divergence of two clocks, proven", proven(row.skew) + at),
        ("Worst divergence of two clocks, not excluded", furthest(row.skew)),
        *(
            (f"Time with the skew {name}", share(time_ms, one.span_ms))
            for name, time_ms in one.shares_ms.items()
        ),
        ("Time in each verdict", verdicts or "none"),
        ("Rounds", f"{row.rounds:,}"),
        ("UTC confirmed", share(row.confirmed_ms, one.span_ms)),
        ("References that answered", ", ".join(row.references) or "none"),
        ("Profile", one.profile or "none, or the configuration is not known"),
        ("Digest of the configuration", " ".join(row.configs) or "none"),
    )
    return tag("dl", *(join((tag("dt", name), tag("dd", value))) for name, value in entries))


def _lines(one: ClusterFigures) -> Markup:
    rows = (
        (
            line_text(figure.line),
            between(figure),
            share(figure.at_least_ms, one.span_ms),
            share(figure.at_most_ms, one.span_ms),
        )
        for figure in one.lines
    )
    return _table(
        "Time beyond each line", ("Line", "Time beyond", "Share proven", "Share not excluded"), rows
    )


def _nodes(one: ClusterFigures, report: Report) -> Markup:
    span_s = report.since_s, report.until_s
    worst = sorted(one.nodes, key=lambda node: (-_distance_ns(node), node.name))
    judged = [figure.line for figure in one.lines]
    more = " or more" if report.events_cut else ""
    rows = (
        (*_node(node, more), spark(node, judged, span_s) if number < PICTURES_MAX else "not among the worst")
        for number, node in enumerate(worst)
    )
    return _table("Nodes, the worst first", HEADINGS, rows)


def _distance_ns(node: NodeFigures) -> int:
    return max((ends.proven_ns for ends in (node.row.offset, node.row.utc) if ends), default=-1)


def _node(node: NodeFigures, more: str) -> Sequence[Child]:
    row = node.row
    beyond = [f"{line_text(one.line)}: {between(one)}" for one in node.lines if one.at_least_ms]
    return (
        node.name,
        proven(row.offset),
        furthest(row.offset),
        proven(row.utc),
        furthest(row.utc),
        f"{row.measured:,} of {row.measured + row.missed:,}",
        f"{row.named:,} rounds" if row.named else "-",
        f"{len(steps(node.movements))}{more}",
        "; ".join(beyond) or "none proven",
        ", ".join(row.sources) or "-",
    )


def _excesses(one: ClusterFigures) -> Markup | None:
    found = sorted(
        ((excess, node.name) for node in one.nodes for excess in node.excesses),
        key=lambda pair: (pair[0].since_s, pair[1]),
    )
    rows = (
        (
            name,
            line_text(excess.line),
            utc(excess.since_s * NS_PER_S),
            utc(excess.until_s * NS_PER_S),
            at_least(excess.at_least_ms * NS_PER_MS),
            at_least(excess.worst_ns),
        )
        for excess, name in found[:ROWS_MAX]
    )
    headings = ("Node", "Line", "Not before", "Not after", "For at least", "Proven distance")
    return _table("Excesses of lines, by node", headings, rows, len(found)) if found else None


def _events(title: str, events: Sequence[Event]) -> Markup | None:
    ordered = sorted(events, key=lambda event: event.wall_ns)
    rows = (
        (rfc3339(event.wall_ns), event.kind, event.node or "", event.message) for event in ordered[:ROWS_MAX]
    )
    return _table(title, ("Time", "Kind", "Node", "Event"), rows, len(events)) if events else None


def _table(
    title: str, headings: Sequence[str], rows: Iterable[Sequence[Child]], count: int | None = None
) -> Markup:
    head = tag("tr", *(tag("th", heading, scope="col") for heading in headings))
    body = (tag("tr", *(tag("td", cell) for cell in row)) for row in rows)
    more = count is not None and count > ROWS_MAX
    note = f"The first {ROWS_MAX} of {count:,}; -o json has them all." if more else None
    return join((
        tag("h3", title),
        tag("p", note) if note else None,
        tag("div", tag("table", tag("thead", head), tag("tbody", *body)), class_="wide"),
    ))  # fmt: skip


def _legend() -> Markup:
    return tag("footer", tag("h2", "How to read this"), *(tag("p", " ".join(one.split())) for one in LEGEND))
