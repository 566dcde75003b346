"""The display of rounds as they happen: a table that stays in its place, or plain text from time to time."""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from skewmon.cli import render
from skewmon.export.document import ClusterStatus, Status
from skewmon.export.status import WORST_FIRST
from skewmon.text import harmless

#: Without a terminal a table is printed when something changed, and this often when nothing did.
PLAIN_INTERVAL_S = 15.0

#: Rows that come before advice: however low a terminal is, the worst nodes are shown.
MIN_ROWS = 3


class Display(Protocol):
    """Shows one document after the other."""

    def show(self, document: Status, fault: str = "") -> None:
        """Show a document, and the reason if there is no newer one."""


@contextmanager
def display(console: Console) -> Iterator[Display]:
    """Yield the display that suits standard output: a terminal or not."""
    if not console.is_terminal or console.is_dumb_terminal:
        yield _Plain(console)
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="ellipsis") as live:
        yield _Table(live)


class _Table:
    """A table that stays in its place on a terminal."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, document: Status, fault: str = "") -> None:
        """Draw."""
        self._live.update(drawn(document, fault, self._live.console), refresh=True)


class _Plain:
    """Tables one after the other, for pipes and files."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed: object = None
        self._printed_s = 0.0

    def show(self, document: Status, fault: str = "") -> None:
        """Print if something changed, or if the last time is long ago."""
        state = (fault, [_state(one) for one in document["clusters"]])
        now_s = time.monotonic()
        if state == self._printed and now_s - self._printed_s < PLAIN_INTERVAL_S:
            return
        self._printed, self._printed_s = state, now_s
        self._console.print(f"\n{_clock(document)}")
        render.document(document, self._console)
        if fault:
            self._console.print(Text(harmless(fault)))
        self._console.file.flush()


def drawn(document: Status, fault: str, console: Console) -> RenderableType:
    """Return the document in the terminal's height: all verdicts, then details of the worst cluster first."""
    clusters = sorted(document["clusters"], key=lambda one: WORST_FIRST.index(one["verdict"]))
    last = Text(harmless(fault), "bold red") if fault else Text(f"{_clock(document)} Ctrl-C ends.", "dim")
    free = console.height - _height(last, console)
    least = [_height(_part(one, console, 0, 0), console) for one in clusters]
    parts = []
    for place, one in enumerate(clusters):
        part = partial(_part, one, console)
        parts.append(fitted(one, console, free - sum(least[place + 1 :]), part))
        free -= _height(parts[-1], console)
    return Group(*parts, last)


def fitted(
    one: ClusterStatus,
    console: Console,
    height: int,
    part: Callable[[int, int], RenderableType],
    rows_first: int = MIN_ROWS,
) -> RenderableType:
    """Return one cluster in a height: its verdict, ``rows_first`` rows, its advice, and more rows.

    ``part`` draws the cluster with so many rows and pieces of advice.
    """

    def fits(rows: int, notes: int) -> bool:
        return _height(part(rows, notes), console) <= height

    def rows_of(notes: int) -> int:
        """Return how many rows fit; drawing is slow, and nearly all rows have one line."""
        most = min(len(one["nodes"]), height)
        likely = height - _height(part(0, notes), console) - 1
        for rows in (most, likely):
            if 0 < rows <= min(most, likely + 1) and fits(rows, notes):
                return rows
        return _largest(min(most, max(0, likely)), lambda rows: fits(rows, notes))

    rows = min(rows_first, rows_of(0))
    notes = _largest(
        min(render.count_notes(one), height),
        lambda notes: fits(rows, notes),
    )
    return part(max(rows, rows_of(notes)), notes)


def _largest(most: int, fits: Callable[[int], bool]) -> int:
    """Return the largest number up to ``most`` that fits, or 0; if one fits, so do all below it."""
    return max(0, bisect_left(range(most + 1), 1, key=lambda number: int(not fits(number))) - 1)


def _part(one: ClusterStatus, console: Console, rows: int, notes: int) -> RenderableType:
    return Group(render.cluster(one, wide=console.width >= render.WIDE, rows=rows, notes=notes), Text(""))


def _height(drawn: RenderableType, console: Console) -> int:
    return len(console.render_lines(drawn, pad=False))


def _state(one: ClusterStatus) -> object:
    """Return the facts whose change makes a new table worth printing."""
    failed = [node["name"] for node in one["nodes"] if not node["measured"]]
    return one["name"], one["verdict"], one["culprits"], failed


def _clock(document: Status) -> str:
    return f"Round of {datetime.fromisoformat(document['time']).astimezone():%H:%M:%S %Z}."
