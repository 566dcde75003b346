"""The two sources of ``watch``: a running daemon's API, and this command's own measurement."""

import time
from collections import deque
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from typing import Protocol
from urllib.parse import quote

from skewmon.cli import daemon_client
from skewmon.cli.screen.course import Cell
from skewmon.cli.screen.events import EVENTS_MAX, ShownEvent
from skewmon.errors import SkewmonError
from skewmon.export.document import Status, elapsed_s, ns
from skewmon.export.status import status
from skewmon.journal.detect import clock_events, cluster_events
from skewmon.journal.reported import ReportedState
from skewmon.model import Cluster, Event, Snapshot, TimeServer
from skewmon.monitor.round import Round
from skewmon.monitor.watch import rounds

#: A part of the past of a cluster: how many seconds ago, and the cell of each node.
Past = Sequence[tuple[float, Mapping[str, Cell | None]]]


#: As far back as sparklines reach.
PAST = "3h"


class Source(Protocol):
    """Rounds as they come, and what happened before."""

    name: str

    def rounds(self) -> AsyncGenerator[tuple[Status, str], None]:
        """Yield each round; after a failure the last one again, with the reason."""

    async def events(self) -> Sequence[ShownEvent]:
        """Return the newest events, newest first; raise SkewmonError if they cannot be read."""

    async def past(self, cluster: str) -> Past:
        """Return the past of a cluster, oldest first; empty if it is not known."""


class DaemonSource:
    """The API of a running daemon."""

    def __init__(self, base: str, interval_s: float, only: Collection[str] = ()) -> None:
        self.name = f"from the daemon at {base}"
        self._base = base
        self._interval_s = interval_s
        self._only = frozenset(only)

    async def rounds(self) -> AsyncGenerator[tuple[Status, str], None]:
        """Yield the daemon's document again and again; those clusters alone that are wanted."""
        async with aclosing(daemon_client.rounds(self._base, self._interval_s)) as published:
            async for document, fault in published:
                yield self._selected(document), fault

    async def events(self) -> Sequence[ShownEvent]:
        """Return the newest events of the daemon's journal."""
        document = await daemon_client.fetch(self._base, f"/api/v1/events?limit={EVENTS_MAX}")
        try:
            found = [ShownEvent.of(event) for event in document["events"]]
        except (KeyError, TypeError, ValueError):
            raise daemon_client.UnreadableStatusError(
                "The answer is not the events of a skewmon daemon."
            ) from None
        return [event for event in found if not self._only or event.place.partition("/")[0] in self._only]

    async def past(self, cluster: str) -> Past:
        """Return the daemon's record of the cluster; a daemon of an earlier version has none."""
        document = await daemon_client.fetch(
            self._base, f"/api/v1/history?cluster={quote(cluster, safe='')}&nodes=all&since={PAST}"
        )
        try:
            return [
                (
                    elapsed_s(step["time"], document["until"]),
                    {name: recorded(node["offset"]) for name, node in step["nodes"].items()},
                )
                for step in document["steps"]
            ]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise daemon_client.UnreadableStatusError(
                "The answer is not the record of a skewmon daemon."
            ) from None

    def _selected(self, document: Status) -> Status:
        if not self._only:
            return document
        clusters = [one for one in document["clusters"] if one["name"] in self._only]
        return {**document, "clusters": clusters}


class Measurement:
    """The measurement of this command itself; its events are those that it sees."""

    def __init__(
        self, clusters: Sequence[Cluster], references: Sequence[TimeServer], interval_s: float
    ) -> None:
        self.name = "measured by this command"
        self._clusters = clusters
        self._references = references
        self._interval_s = interval_s
        self._reported: dict[str, ReportedState] = {}
        self._events: deque[ShownEvent] = deque(maxlen=EVENTS_MAX)

    async def rounds(self) -> AsyncGenerator[tuple[Status, str], None]:
        """Yield each round."""
        measuring = rounds(self._clusters, self._interval_s, self._references)
        async with aclosing(measuring) as measured:
            async for one in measured:
                for event in self._events_of(one):
                    self._events.appendleft(ShownEvent.of(event.to_json()))
                yield status(Snapshot(time.time_ns(), one.complete_views())), ""

    async def events(self) -> Sequence[ShownEvent]:
        """Return the events that this command saw."""
        return tuple(self._events)

    async def past(self, cluster: str) -> Past:
        """Return nothing: this command has just begun."""
        return ()

    def _events_of(self, one: Round) -> Sequence[Event]:
        events = [*clock_events(one)]
        for view in one.views:
            before = self._reported.get(view.name, ReportedState())
            events += cluster_events(view, before)
            self._reported[view.name] = ReportedState.of(view, before)
        return events


def recorded(ends: dict[str, float] | None) -> Cell | None:
    """Return the extremes of a node's offset within a step of the record; None if it was not measured."""
    if ends is None:
        return None
    proven_ns = max(0, ns(ends["lower_max"]), -ns(ends["upper_min"]))
    return Cell(proven_ns, max(abs(ns(ends["lower_min"])), abs(ns(ends["upper_max"]))))


async def daemon_at(bases: Sequence[str], wanted: Collection[str]) -> str | None:
    """Return the first of these URLs at which a daemon measures all the clusters that are wanted."""
    for base in bases:
        try:
            document = await daemon_client.status(base)
        except SkewmonError:
            continue
        if set(wanted) <= {one["name"] for one in document["clusters"]}:
            return base
    return None
