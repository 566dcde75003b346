"""Where rounds are shown as they happen: a table that stays in its place, or plain text from time to time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from skewmon.cli import render
from skewmon.export.document import ClusterStatus, Status
from skewmon.text import harmless

#: Without a terminal a table is printed when something changed, and this often when nothing did.
PLAIN_INTERVAL_S = 15.0

#: Lines of a cluster beside its rows: head of the table, sentence, advice, an empty line.
LINES_BESIDE_ROWS = 8

#: However low a terminal is, the worst nodes are shown.
MIN_ROWS = 3


class Screen(Protocol):
    """Shows one document after the other."""

    def show(self, document: Status, fault: str = "") -> None:
        """Show a document, and why there is no newer one."""


@contextmanager
def screen(console: Console) -> Iterator[Screen]:
    """Yield the screen that suits where standard output goes."""
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
        self._live.update(_drawn(document, fault, self._live.console), refresh=True)


class _Plain:
    """Tables one after the other, for pipes and files."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed: object = None
        self._printed_s = 0.0

    def show(self, document: Status, fault: str = "") -> None:
        """Print where something changed, or where it is long ago."""
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


def _drawn(document: Status, fault: str, console: Console) -> RenderableType:
    rows = max(MIN_ROWS, console.height // max(1, len(document["clusters"])) - LINES_BESIDE_ROWS)
    wide = console.width >= render.WIDE
    parts: list[RenderableType] = []
    for one in document["clusters"]:
        parts += [render.cluster(one, wide=wide, rows=rows), Text("")]
    return Group(
        *parts,
        Text(harmless(fault), "bold red") if fault else Text(f"{_clock(document)} Ctrl-C ends.", "dim"),
    )


def _state(one: ClusterStatus) -> object:
    """Return what makes a new table worth printing."""
    failed = [node["name"] for node in one["nodes"] if not node["measured"]]
    return one["name"], one["verdict"], one["culprits"], failed


def _clock(document: Status) -> str:
    return f"Round of {datetime.fromisoformat(document['time']).astimezone():%H:%M:%S}."
