"""The pair matrix in the terminal: nodes in the order of their clocks, so that camps become blocks."""

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from skewmon.alert.thresholds import Judgement, judge
from skewmon.export.document import (
    ClusterStatus,
    NodeStatus,
    interval,
    skew_thresholds,
    worst_first,
)
from skewmon.model import Interval, Threshold
from skewmon.text import exact, harmless, names

#: Longer names are cut.
NAME_WIDTH = 16

#: Columns of a cell with a number: a sign, three digits, a unit, a mark and a space.
NUMBER_WIDTH = 8

#: Columns of a cell with a mark alone.
MARK_WIDTH = 3

#: Lines beside the rows: column heads, the legend in two lines, hidden nodes, nodes that were not measured.
OTHER_LINES = 5

#: Units of a cell, from the largest down, with their nanoseconds.
UNITS = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns"))

#: Seconds with more than four digits are written as days.
LARGE_NS = 9_999_500_000_000
NS_PER_DAY = 86_400_000_000_000

#: The mark and the style of a pair, by its state against the lowest line.
MARKS: Mapping[Judgement, tuple[str, str]] = {
    Judgement.OK: (" ", "green"),
    Judgement.BREACH: ("!", "bold white on red"),
    Judgement.AMBIGUOUS: ("?", "black on cyan"),
}

#: Without a line for the skew there is no state.
NO_LINE = (" ", "")


def matrix(one: ClusterStatus, width: int, height: int) -> RenderableType:
    """Return the matrix of a cluster in this size: numbers if they fit, else marks, of the worst nodes."""
    order, hidden = _shown(one, width, height)
    line = next(iter(skew_thresholds(one["thresholds"])), None)
    label = min(NAME_WIDTH, max([4, *(len(harmless(node["name"])) for node in order)])) + 5
    numbers = label + len(order) * NUMBER_WIDTH <= width
    offsets = _pairs(one, order)
    rows = [_heads(len(order), label, NUMBER_WIDTH if numbers else MARK_WIDTH)]
    for place, node in enumerate(order):
        row = Text(f"{place + 1:>3} {_cut(node['name']):<{label - 4}}", no_wrap=True)
        for other in order:
            row.append_text(_cell(offsets.get((node["name"], other["name"])), line, numbers=numbers))
        rows.append(row)
    return Group(*rows, *_legend(line), *_missing(one, hidden))


def _shown(one: ClusterStatus, width: int, height: int) -> tuple[list[NodeStatus], int]:
    """Return the measured nodes that fit, by their clocks, and how many others there are."""
    measured = [node for node in worst_first(one) if node["offset"]]
    label = min(NAME_WIDTH, max([4, *(len(harmless(node["name"])) for node in measured)])) + 5
    fitting = max(1, min((width - label) // MARK_WIDTH, height - OTHER_LINES))
    shown = measured[:fitting]
    return sorted(shown, key=_clock, reverse=True), len(measured) - len(shown)


def _clock(node: NodeStatus) -> float:
    return node["offset"]["seconds"] if node["offset"] else 0.0


def _pairs(one: ClusterStatus, order: Sequence[NodeStatus]) -> Mapping[tuple[str, str], Interval]:
    """Return the offset of each pair: as the document has it, else the difference of both offsets."""
    clocks = {node["name"]: interval(node["offset"]) for node in order if node["offset"]}
    found = {
        (name, peer): offset - other
        for name, offset in clocks.items()
        for peer, other in clocks.items()
        if name != peer
    }
    for pair in one["pairs"]:
        key = pair["node"], pair["peer"]
        if key in found:
            found[key] = interval(pair)
            found[key[::-1]] = -found[key]
    return found


def _heads(count: int, label: int, width: int) -> Text:
    heads = "".join(f"{place + 1:>{width - 1}} " for place in range(count))
    return Text(" " * label + heads, "dim", no_wrap=True)


def _cell(offset: Interval | None, line: Threshold | None, *, numbers: bool) -> Text:
    width = NUMBER_WIDTH if numbers else MARK_WIDTH
    if offset is None:  # a node and itself
        return Text(f"{'·':>{width - 1}} ", "dim")
    mark, style = MARKS[judge(offset, line)] if line else NO_LINE
    text = f"{short(offset.estimate_ns)}{mark}" if numbers else mark * 2 if mark.strip() else "·"
    return Text.assemble((f"{text:>{width - 1}}", style), " ")


def short(value_ns: int) -> str:
    """Return an offset in at most six columns, with two digits or three: ``+70s``, ``-5.4us``."""
    size_ns = abs(value_ns)
    sign = "-" if value_ns < 0 else "+" if value_ns > 0 else ""
    if size_ns >= LARGE_NS:
        days = size_ns // NS_PER_DAY
        return f"{sign}{days}d" if days < 10_000 else f"{sign}>27y"
    unit_ns, unit = next((one for one in UNITS if size_ns >= one[0] - one[0] // 2_000), UNITS[-1])
    number = size_ns / unit_ns
    return f"{sign}{number:.{int(number < 9.95 and unit_ns > 1)}f}{unit}"


def _legend(line: Threshold | None) -> list[Text]:
    meaning = "Clock of the row minus that of the column."
    if line is None:
        return [Text(meaning, "dim")]
    limit = exact(line.limit_ns)
    return [
        Text.assemble(
            (f"{meaning} ", "dim"),
            ("!", MARKS[Judgement.BREACH][1]),
            (f" proven beyond the line of {limit}, ", "dim"),
            ("?", MARKS[Judgement.AMBIGUOUS][1]),
            (" the line lies inside the bounds.", "dim"),
        )
    ]


def _missing(one: ClusterStatus, hidden: int) -> list[Text]:
    lines = []
    if hidden:
        shown = one["round"]["measured"] - hidden
        lines.append(Text(f"The {shown} worst nodes; {hidden} more do not fit.", "dim"))
    unmeasured = [harmless(node["name"]) for node in one["nodes"] if not node["offset"]]
    if unmeasured:
        lines.append(Text(f"Not measured: {names(unmeasured)}.", "magenta"))
    return lines


def _cut(name: str) -> str:
    shown = harmless(name)
    return shown if len(shown) <= NAME_WIDTH else f"{shown[: NAME_WIDTH - 1]}…"
