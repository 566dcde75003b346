"""Where rounds are shown as they happen: a table that stays in its place, or plain text from time to time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from skewmon.cli import render
from skewmon.model import ClusterView, Failed, Snapshot
from skewmon.text import harmless

#: Without a terminal a table is printed when something changed, and this often when nothing did.
PLAIN_INTERVAL_S = 15.0

#: Lines of a cluster beside its rows: head of the table, sentence, advice, an empty line.
LINES_BESIDE_ROWS = 8

#: However low a terminal is, the worst nodes are shown.
MIN_ROWS = 3


class Screen(Protocol):
    """Shows one snapshot after the other."""

    def show(self, snapshot: Snapshot, fault: str = "") -> None:
        """Show a snapshot, and why there is no newer one."""


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

    def show(self, snapshot: Snapshot, fault: str = "") -> None:
        """Draw."""
        self._live.update(_drawn(snapshot, fault, self._live.console), refresh=True)


class _Plain:
    """Tables one after the other, for pipes and files."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed: object = None
        self._printed_s = 0.0

    def show(self, snapshot: Snapshot, fault: str = "") -> None:
        """Print where something changed, or where it is long ago."""
        state = (fault, [_state(view) for view in snapshot.clusters])
        now_s = time.monotonic()
        if state == self._printed and now_s - self._printed_s < PLAIN_INTERVAL_S:
            return
        self._printed, self._printed_s = state, now_s
        self._console.print(f"\n{_clock(snapshot)}")
        render.snapshot(snapshot, self._console)
        if fault:
            self._console.print(Text(harmless(fault)))
        self._console.file.flush()


def _drawn(snapshot: Snapshot, fault: str, console: Console) -> RenderableType:
    rows = max(MIN_ROWS, console.height // max(1, len(snapshot.clusters)) - LINES_BESIDE_ROWS)
    wide = console.width >= render.WIDE
    parts: list[RenderableType] = []
    for view in snapshot.clusters:
        parts += [render.cluster(view, wide=wide, rows=rows), Text("")]
    return Group(
        *parts,
        Text(harmless(fault), "bold red") if fault else Text(f"{_clock(snapshot)} Ctrl-C ends.", "dim"),
    )


def _state(view: ClusterView) -> object:
    """Return what makes a new table worth printing."""
    failed = [node.name for node in view.nodes if isinstance(node.outcome, Failed)]
    return view.name, view.verdict, view.vote.culprits, failed


def _clock(snapshot: Snapshot) -> str:
    return f"Round of {time.strftime('%H:%M:%S', time.localtime(snapshot.wall_ns // 1_000_000_000))}."
