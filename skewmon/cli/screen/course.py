"""The course of each node's offset, in few cells, and its sparkline."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from rich.text import Text

from skewmon.export.document import ClusterStatus, interval
from skewmon.model import Interval
from skewmon.text import coarse

#: Sparklines reach back as far as those of the page.
SPAN_S = 3 * 3_600.0

#: Cells kept; when there are more, two become one.
CELLS_MAX = 180

#: Signs of a proven distance to the cluster, a decade each: below 1 us, below 10 us, …, from 1 s on.
SIGNS = "▁▂▃▄▅▆▇█"

#: The same for terminals without these signs.
PLAIN_SIGNS = "_.:-=+*#"

#: The smallest distance of the second sign.
FIRST_DECADE_NS = 1_000

#: Signs of time without a measurement, and of time before the first round.
MISSED = "x"
UNSEEN = " "


@dataclass(frozen=True, slots=True)
class Cell:
    """The extremes of a node's offset within a span of time; None if it was not measured."""

    proven_ns: int
    most_ns: int

    @classmethod
    def of(cls, offset: Interval) -> Self:
        """Return the cell of one round."""
        return cls(offset.proven_ns, max(abs(offset.lower_ns), abs(offset.upper_ns)))

    def worst(self, other: "Cell | None") -> "Cell":
        """Return the cell of both spans."""
        if other is None:
            return self
        return Cell(max(self.proven_ns, other.proven_ns), max(self.most_ns, other.most_ns))


@dataclass
class _Column:
    """One span of time: the cell of every node, None for those that were not measured."""

    from_s: float
    cells: dict[str, Cell | None] = field(default_factory=dict)

    def add(self, cells: Mapping[str, Cell | None]) -> None:
        """Add a later part of the span."""
        for name, cell in cells.items():
            here = self.cells.get(name)
            self.cells[name] = cell if here is None else here.worst(cell)


class Course:
    """The last hours of one cluster, in a bounded number of columns."""

    def __init__(self) -> None:
        self._columns: list[_Column] = []
        self._column_s = 0.0
        self._until_s = 0.0

    @property
    def span_s(self) -> float:
        """How far back it reaches."""
        return self._until_s - self._columns[0].from_s if self._columns else 0.0

    def add(self, at_s: float, cells: Mapping[str, Cell | None]) -> None:
        """Add a round, or a step of the daemon's record; an earlier one than the last is ignored."""
        if at_s <= self._until_s and self._columns:
            return
        self._until_s = at_s
        if self._columns and at_s < self._columns[-1].from_s + self._column_s:
            self._columns[-1].add(cells)
        else:
            self._columns.append(_Column(at_s, dict(cells)))
        while self._columns[0].from_s < at_s - SPAN_S:
            self._columns.pop(0)
        if len(self._columns) > CELLS_MAX:
            self._halve()

    def add_round(self, one: ClusterStatus, at_s: float) -> None:
        """Add the round of a document."""
        self.add(
            at_s,
            {
                node["name"]: Cell.of(interval(node["offset"])) if node["offset"] else None
                for node in one["nodes"]
            },
        )

    def cells(self, name: str, width: int) -> list[Cell | str | None]:
        """Return the course of one node in at most ``width`` cells, the newest last; UNSEEN for no round."""
        per_cell = max(1, -(-len(self._columns) // width))
        found: list[Cell | str | None] = []
        for start in range(0, len(self._columns), per_cell):
            part = [one.cells[name] for one in self._columns[start : start + per_cell] if name in one.cells]
            found.append(_joined(part) if part else UNSEEN)
        return found

    def _halve(self) -> None:
        for earlier, later in zip(self._columns[::2], self._columns[1::2], strict=False):
            earlier.add(later.cells)
        self._columns = self._columns[::2]
        self._column_s = self.span_s / len(self._columns)


def _joined(part: list[Cell | None]) -> Cell | None:
    """Return the extremes of several columns; a missed round among measured ones does not hide them."""
    joined: Cell | None = None
    for cell in part:
        joined = joined if cell is None else cell.worst(joined)
    return joined


def sparkline(course: Course, name: str, width: int, line_ns: int | None, *, plain: bool) -> Text:
    """Return the course of a node, a sign for each span of time: red beyond the line, cyan if open."""
    text = Text(no_wrap=True)
    for cell in course.cells(name, width):
        if cell is None:
            text.append(MISSED, "magenta")
        elif isinstance(cell, str):
            text.append(cell)
        else:
            text.append((PLAIN_SIGNS if plain else SIGNS)[_decade(cell.proven_ns)], _style(cell, line_ns))
    return text


def heading(course: Course) -> str:
    """Return the heading of the sparklines: how far back they reach."""
    return f"last {coarse(course.span_s)}"


def _decade(proven_ns: int) -> int:
    """Return the number of the sign for a distance: each stands for ten times as much as the one before."""
    decade, limit_ns = 0, FIRST_DECADE_NS
    while proven_ns >= limit_ns and decade < len(SIGNS) - 1:
        decade, limit_ns = decade + 1, limit_ns * 10
    return decade


def _style(cell: Cell, line_ns: int | None) -> str:
    if line_ns is None:
        return "dim"
    if cell.proven_ns > line_ns:
        return "bold red"
    return "cyan" if cell.most_ns > line_ns else "green"
