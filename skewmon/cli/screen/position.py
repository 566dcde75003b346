"""The place of the reader on the screen, and where each key leads from there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from skewmon.cli.screen.keys import SpecialKey
from skewmon.export.document import ClusterStatus, Status, worst_first
from skewmon.export.status import WORST_FIRST

#: Keys that end the program.
QUIT = ("q", "Q")

#: Lines that Page Up and Page Down move by.
PAGE = 10


class View(StrEnum):
    """The views of ``watch``."""

    NODES = "nodes"
    MATRIX = "matrix"
    NODE = "node"
    EVENTS = "events"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class Position:
    """A view, and the selection in it.

    The cluster and the node are names, so that a selection stays when the order changes; empty names stand
    for the worst.
    """

    view: View = View.NODES
    cluster: str = ""
    node: str = ""
    first_line: int = 0
    before: View = View.NODES
    ended: bool = False

    def cluster_of(self, document: Status) -> ClusterStatus | None:
        """Return the selected cluster, or the worst if it is gone; None without clusters."""
        clusters = in_order(document)
        return next((one for one in clusters if one["name"] == self.cluster), next(iter(clusters), None))

    def node_of(self, one: ClusterStatus) -> int:
        """Return the place of the selected node among the worst first, or 0 if it is gone."""
        names = [node["name"] for node in worst_first(one)]
        return names.index(self.node) if self.node in names else 0


def in_order(document: Status) -> list[ClusterStatus]:
    """Return the clusters, the worst first."""
    return sorted(document["clusters"], key=lambda one: WORST_FIRST.index(one["verdict"]))


def pressed(position: Position, key: str, document: Status) -> Position:
    """Return the position after a key; a key without a meaning changes nothing."""
    if key in QUIT:
        return replace(position, ended=True)
    if key in SWITCHES:
        return _switched(position, SWITCHES[key])
    if key in (SpecialKey.ESCAPE, SpecialKey.BACKSPACE):
        return replace(position, view=_outer(position), first_line=0)
    return _selected(position, key, document)


def _selected(position: Position, key: str, document: Status) -> Position:
    """Return the position after a key that selects something of the document."""
    if key in (SpecialKey.LEFT, SpecialKey.RIGHT, SpecialKey.TAB):
        return _beside(position, document, -1 if key == SpecialKey.LEFT else 1)
    if key == SpecialKey.ENTER:
        return _entered(position, document)
    return _moved(position, document, MOVES[key]) if key in MOVES else position


#: Keys that show a view, or hide it if it is shown.
SWITCHES: Mapping[str, View] = {
    "m": View.MATRIX,
    "e": View.EVENTS,
    "n": View.NODES,
    "?": View.HELP,
    "h": View.HELP,
}

#: Keys that move through a list: from a place among so many to another one.
MOVES: Mapping[str, Callable[[int, int], int]] = {
    SpecialKey.UP: lambda place, _count: place - 1,
    SpecialKey.DOWN: lambda place, _count: place + 1,
    "k": lambda place, _count: place - 1,
    "j": lambda place, _count: place + 1,
    SpecialKey.PAGE_UP: lambda place, _count: place - PAGE,
    SpecialKey.PAGE_DOWN: lambda place, _count: place + PAGE,
    " ": lambda place, _count: place + PAGE,
    SpecialKey.HOME: lambda _place, _count: 0,
    SpecialKey.END: lambda _place, count: count - 1,
    "g": lambda _place, _count: 0,
    "G": lambda _place, count: count - 1,
}

#: A list whose end only the drawing knows ends before this line.
LINES_MAX = 100_000


def _switched(position: Position, view: View) -> Position:
    shown = position.view if position.view != View.HELP else position.before
    target = shown if position.view == View.HELP and view == View.HELP else view
    if position.view == view and view != View.HELP:
        target = View.NODES
    return replace(position, view=target, before=shown, first_line=0)


def _outer(position: Position) -> View:
    """Return the view that Escape leads back to."""
    return position.before if position.view == View.HELP else View.NODES


def _beside(position: Position, document: Status, step: int) -> Position:
    """Return the position in the next cluster, or with the next node in the view of one."""
    one = position.cluster_of(document)
    if one is None:
        return position
    if position.view == View.NODE:
        names = _names(one)
        place = (position.node_of(one) + step) % max(1, len(names))
        return replace(position, cluster=one["name"], node=names[place], first_line=0)
    clusters = [cluster["name"] for cluster in in_order(document)]
    place = (clusters.index(one["name"]) + step) % len(clusters)
    return replace(position, cluster=clusters[place], node="", first_line=0)


def _entered(position: Position, document: Status) -> Position:
    """Return the view of the selected node; it stays the same node whatever becomes the worst."""
    one = position.cluster_of(document)
    if one is None or not one["nodes"] or position.view not in (View.NODES, View.MATRIX):
        return position
    name = _names(one)[position.node_of(one)]
    return replace(position, view=View.NODE, cluster=one["name"], node=name, first_line=0)


def _moved(position: Position, document: Status, move: Callable[[int, int], int]) -> Position:
    one = position.cluster_of(document)
    if position.view != View.NODES:
        line = min(max(0, move(position.first_line, LINES_MAX)), LINES_MAX)
        return replace(position, first_line=line)
    if one is None or not one["nodes"]:
        return position
    names = _names(one)
    place = min(max(0, move(position.node_of(one), len(names))), len(names) - 1)
    return replace(position, cluster=one["name"], node=names[place])


def _names(one: ClusterStatus) -> Sequence[str]:
    return [node["name"] for node in worst_first(one)]
