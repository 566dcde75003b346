"""Queries the time daemons on the connections that are open already, beside the rounds."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from weakref import ref

from skewmon.model import Endpoint, SyncStatus
from skewmon.monitor.schedule import every
from skewmon.monitor.state import MonitorState
from skewmon.probe.connect import HANDSHAKES_AT_ONCE
from skewmon.probe.connection import Connection
from skewmon.probe.link import Link
from skewmon.probe.time_status import SHEETS_AT_ONCE, own_status, read_or_explain
from skewmon.runtime.containment import Where, contained

#: A node is queried this soon after it was connected: the decision about its first rounds needs its sources,
#: and its answers from before a reboot no longer hold.
NEWCOMERS_S = 1.0

#: To look for them takes some 3 us a node, so in a large fleet the next look comes later: this long for each
#: node, or 10 s for 10,000.
LOOK_AGAIN_S = 0.001

#: The first round waits at most this long for the first answers: healthy tools need a fraction of a second,
#: and one that hangs must not hold up the clocks.
FIRST_ANSWERS_S = 2.0

#: When all nodes have answered, the admin box's own tools have this much more time.
ADMIN_BOX_S = 0.5

#: How often to check whether all nodes have answered.
CHECK_S = 0.1


#: Nodes to query.
Due = Iterable[tuple[Endpoint, Link]]


class StatusPoller:
    """Queries time daemons and notes their answers in the state; one limit for all queries in flight."""

    def __init__(self, state: MonitorState) -> None:
        self._state = state
        self._at_once = asyncio.Semaphore(SHEETS_AT_ONCE)
        self._queried: dict[Endpoint, ref[Connection]] = {}  # weak: a connection that was lost is not kept
        self._look_at_s = 0.0  # for newcomers, at the earliest

    async def query_all(self, links: Mapping[Endpoint, Link], limit_s: float) -> None:
        """Query every connected node and the admin box once; note those that take longer than ``limit_s``."""
        admin_box = asyncio.create_task(self._query_admin_box(limit_s))
        try:
            async with asyncio.TaskGroup() as group:
                for endpoint, link in links.items():
                    group.create_task(self._query_in_time(endpoint, link, limit_s))
            # The answers are about to be compared with clocks: one more vote is not worth a long wait.
            await asyncio.wait([admin_box], timeout=ADMIN_BOX_S)
        finally:
            admin_box.cancel()
            await asyncio.gather(admin_box, return_exceptions=True)

    async def first_answers(self, links: Mapping[Endpoint, Link]) -> None:
        """Wait until every connected node was queried once, at most ``FIRST_ANSWERS_S``.

        Until the nodes' time sources are known, evidence and findings about them are incomplete. While first
        logins wait for their turn there is nothing to wait for.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_ANSWERS_S):
                async for _ in every(CHECK_S):
                    if _are_starting(links):
                        return
                    connected = (place for place, link in links.items() if link.connection is not None)
                    if all(self._state.node(place).timesync is not None for place in connected):
                        return

    async def poll(self, links: Mapping[Endpoint, Link], interval_s: float) -> None:
        """Query the nodes every ``interval_s``, and each as soon as it is connected, until cancelled.

        A slow node is not queried again while its answer is pending.
        """
        busy: set[Endpoint] = set()

        async def query(endpoint: Endpoint, link: Link) -> None:
            try:
                await self._query(endpoint, link)
            finally:
                busy.discard(endpoint)

        async with asyncio.TaskGroup() as group:

            async def query_each(period_s: float, due: Callable[[Mapping[Endpoint, Link]], Due]) -> None:
                async for _ in every(period_s):
                    for endpoint, link in due(links):
                        with contained(Where.STATUS, node=link.node.name):
                            if link.connection is not None and endpoint not in busy:
                                busy.add(endpoint)
                                group.create_task(query(endpoint, link))

            group.create_task(query_each(interval_s, Mapping.items))
            group.create_task(query_each(NEWCOMERS_S, self._new))

    async def poll_admin_box(self, interval_s: float) -> None:
        """Query the admin box's own time daemon every ``interval_s``, until cancelled."""
        async for _ in every(interval_s):
            await self._query_admin_box(interval_s)

    def _new(self, links: Mapping[Endpoint, Link]) -> Due:
        """Return the nodes that were not queried yet on their present connection, none during many logins."""
        now_s = asyncio.get_running_loop().time()
        if now_s < self._look_at_s:
            return ()
        self._look_at_s = now_s + len(links) * LOOK_AGAIN_S
        return () if _are_starting(links) else [one for one in links.items() if self._is_new(*one)]

    def _is_new(self, endpoint: Endpoint, link: Link) -> bool:
        queried = self._queried.get(endpoint)
        return queried is None or queried() is not link.connection

    async def _query_admin_box(self, limit_s: float) -> None:
        status = None
        with contained(Where.ADMIN_BOX), suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                status = await own_status()
        self._state.admin_answer.note(status)

    async def _query_in_time(self, endpoint: Endpoint, link: Link, limit_s: float) -> None:
        try:
            async with asyncio.timeout(limit_s):
                await self._query(endpoint, link)
        except TimeoutError:
            late = f"The time tools did not end within {limit_s:g} s."
            self._state.note_status(endpoint, SyncStatus("unknown", failures=(late,)))

    async def _query(self, endpoint: Endpoint, link: Link) -> None:
        with contained(Where.STATUS, node=link.node.name):
            async with self._at_once:
                connection = link.connection
                if connection is not None:
                    self._queried[endpoint] = ref(connection)
                    self._state.note_status(endpoint, await read_or_explain(connection))


def _are_starting(links: Mapping[Endpoint, Link]) -> bool:
    """Whether first logins wait for their turn: the nodes' tools would delay them, and the first rounds."""
    return sum(not link.attempted.is_set() for link in links.values()) > HANDSHAKES_AT_ONCE
