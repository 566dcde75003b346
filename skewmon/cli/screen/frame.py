"""A whole screen of ``watch``: clusters, one view, and the keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from rich.console import Console, Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from skewmon.cli import render
from skewmon.cli.screen.course import Course, heading, sparkline
from skewmon.cli.screen.events import ShownEvent, events_view
from skewmon.cli.screen.matrix import matrix
from skewmon.cli.screen.node import node_view
from skewmon.cli.screen.position import Position, View, in_order
from skewmon.cli.watch_display import fitted
from skewmon.export.document import ClusterStatus, Status, skew_thresholds, worst_first
from skewmon.text import harmless

#: Cells of a sparkline, by the width of the terminal from which on there is room for so many.
TREND_CELLS = ((170, 40), (100, 24), (0, 8))

#: From this width on there is room for the columns that explain, beside a sparkline.
WIDE = render.WIDE + 32

#: The keys of each view, in the last line.
KEYS = {
    View.NODES: "Up/Down Enter node  m matrix  e events  ? help  q quit",
    View.MATRIX: "Left/Right cluster  m nodes  e events  ? help  q quit",
    View.NODE: "Left/Right node  Up/Down scroll  Esc back  ? help  q quit",
    View.EVENTS: "Up/Down scroll  e nodes  m matrix  ? help  q quit",
    View.HELP: "Esc back  q quit",
}

HELP = (
    ("Up, Down, j, k", "select a node, scroll"),
    ("Page Up, Page Down", "ten lines"),
    ("Home, End, g, G", "the first, the last"),
    ("Enter", "everything about the selected node"),
    ("Left, Right, Tab", "the next cluster; in the view of a node, the next node"),
    ("m", "matrix of pairs, and back"),
    ("e", "events, and back"),
    ("n", "nodes"),
    ("Esc, Backspace", "back"),
    ("?, h", "this help"),
    ("q, Ctrl-C", "quit"),
)


@dataclass
class Shown:
    """Everything that a screen may show."""

    document: Status
    source: str
    fault: str = ""
    position: Position = field(default_factory=Position)
    courses: Mapping[str, Course] = field(default_factory=dict)
    events: Sequence[ShownEvent] = ()
    events_fault: str = ""


def frame(shown: Shown, console: Console) -> tuple[RenderableType, int]:
    """Return the screen in the size of the console, and the line that a view which scrolls begins with."""
    one = shown.position.cluster_of(shown.document)
    foot = _foot(shown, console.width)
    if one is None:
        return Group(Text("No cluster has been measured yet."), *foot), 0
    head = _clusters(shown.document, one, console.width)
    height = console.height - len(head) - len(foot)
    body = console.render_lines(_body(shown, one, console, height), pad=False)
    first = min(shown.position.first_line, max(0, len(body) - height))
    lines = [_line(segments) for segments in body[first : first + height]]
    empty = [Text("")] * (height - len(lines))
    return Group(*head, *lines, *empty, *foot), first


def _body(shown: Shown, one: ClusterStatus, console: Console, height: int) -> RenderableType:
    position, course = shown.position, shown.courses.get(one["name"], Course())
    plain = not console.encoding.lower().startswith("utf")
    if position.view == View.HELP:
        return _help()
    if position.view == View.EVENTS:
        return events_view(shown.events, shown.document["time"], shown.events_fault)
    if position.view == View.MATRIX:
        verdict = render.verdict(one)
        used = len(console.render_lines(verdict, pad=False))
        return Group(verdict, matrix(one, console.width, height - used))
    if position.view == View.NODE:
        node = worst_first(one)[position.node_of(one)]
        return node_view(one, node, course, console.width, plain=plain)
    return _nodes(shown, one, course, console, height, plain=plain)


def _nodes(
    shown: Shown, one: ClusterStatus, course: Course, console: Console, height: int, *, plain: bool
) -> RenderableType:
    """Return table, verdict and advice; the table scrolls so that the selected node is in it."""
    width = next(cells for from_width, cells in TREND_CELLS if console.width >= from_width)
    line = next(iter(skew_thresholds(one["thresholds"])), None)
    limit_ns = line.limit_ns if line else None
    selected = shown.position.node_of(one)

    @cache
    def trend(name: str) -> Text:
        return sparkline(course, name, width, limit_ns, plain=plain)

    trends = render.Trends(
        heading(course),
        trend,
        worst_first(one)[selected]["name"] if one["nodes"] else "",
    )

    def part(rows: int, notes: int) -> RenderableType:
        start = max(0, selected - rows + 1)
        return render.cluster(
            one, wide=console.width >= WIDE, rows=rows, notes=notes, start=start, trends=trends
        )

    return fitted(one, console, height, part, rows_first=height // 3)


def _clusters(document: Status, one: ClusterStatus, width: int) -> list[Text]:
    """Return one line with the verdict on each cluster, if there are several; as many as fit."""
    clusters = in_order(document)
    if len(clusters) < 2:
        return []
    place = clusters.index(one)
    text = Text(no_wrap=True)
    for number, cluster in enumerate(clusters[max(0, place - 2) :]):
        if number:
            text.append("  ")
        style = "bold reverse" if cluster is one else ""
        text.append(f" {harmless(cluster['name'])} ", style)
        text.append(cluster["verdict"].upper(), render.STYLES[cluster["verdict"]])
    text.truncate(width, overflow="ellipsis")
    return [text]


def _foot(shown: Shown, width: int) -> list[Text]:
    keys = Text(KEYS[shown.position.view], "dim", no_wrap=True)
    keys.truncate(width, overflow="ellipsis")
    if shown.fault:
        state = Text(harmless(shown.fault), "bold red", no_wrap=True)
    else:
        when = datetime.fromisoformat(shown.document["time"]).astimezone()
        state = Text(f"Round of {when:%H:%M:%S %Z}, {harmless(shown.source)}", "dim", no_wrap=True)
    state.truncate(width, overflow="ellipsis")
    return [state, keys]


def _help() -> RenderableType:
    table = Table(Column(style="bold", no_wrap=True), Column(), box=None, show_header=False, pad_edge=False)
    for keys, meaning in HELP:
        table.add_row(keys, meaning)
    signs = Text(
        "\nA sparkline shows how far a node was from its cluster at least, a sign for each power of ten: the "
        "lowest is below 1 us, the highest from 1 s on. Red is beyond the lowest line, cyan means that the "
        "line lies inside the bounds, x that the node was not measured."
    )
    return Group(Text("Keys", "bold"), table, signs)


def _line(segments: Sequence[object]) -> Text:
    text = Text(no_wrap=True)
    for segment in segments:
        text.append(segment.text, segment.style)  # type: ignore[attr-defined] # rich's Segment
    return text
