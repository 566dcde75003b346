"""What the time daemons claim, asked on the connections that are open already, beside the rounds."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from weakref import ref

from skewmon.model import Endpoint, SyncStatus
from skewmon.monitor.schedule import every
from skewmon.monitor.state import MonitorState
from skewmon.probe.link import Link
from skewmon.probe.own import own_status
from skewmon.probe.sheet import SHEETS_AT_ONCE, read_or_say_why
from skewmon.probe.ssh import Connection
from skewmon.runtime.containment import Where, contained

#: A node is asked so soon after it was connected: the vote of its first rounds needs to know whom it follows,
#: and what it said before it rebooted is no longer true.
NEWCOMERS_S = 1.0

#: The first round waits no longer than this for the first answers: healthy tools need a fraction of a second,
#: and one that hangs must not hold up the clocks.
FIRST_ANSWERS_S = 2.0

#: When all nodes have answered, the admin box's own tools have this much more time.
WITNESS_S = 0.5

#: How often it is looked whether all have answered.
LOOK_S = 0.1


async def first_answers(state: MonitorState, links: Mapping[Endpoint, Link]) -> None:
    """Wait until every node that is connected was asked once, at most ``FIRST_ANSWERS_S``.

    A vote that does not know yet whom the nodes follow may accuse the wrong ones.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(FIRST_ANSWERS_S):
            async for _ in every(LOOK_S):
                connected = (endpoint for endpoint, link in links.items() if link.connection is not None)
                if all(state.node(endpoint).timesync is not None for endpoint in connected):
                    return


class Inquiry:
    """Asks the time daemons and notes what they say in the state."""

    def __init__(self, state: MonitorState) -> None:
        self._state = state
        self._at_once = asyncio.Semaphore(SHEETS_AT_ONCE)
        self._asked: dict[Endpoint, ref[Connection]] = {}  # weak: one that was lost is not kept

    async def ask(self, links: Mapping[Endpoint, Link], limit_s: float) -> None:
        """Ask every node that is connected, once; of one that takes longer, note that."""
        here = asyncio.create_task(self._ask_here(limit_s))
        try:
            async with asyncio.TaskGroup() as group:
                for endpoint, link in links.items():
                    group.create_task(self._ask_in_time(endpoint, link, limit_s))
            # What the nodes said is about to be compared with their clocks: no witness is worth a long wait.
            await asyncio.wait([here], timeout=WITNESS_S)
        finally:
            here.cancel()
            await asyncio.gather(here, return_exceptions=True)

    async def keep_asking(self, links: Mapping[Endpoint, Link], interval_s: float) -> None:
        """Ask the nodes again and again, and each as soon as it is connected.

        A slow one is not asked while it still answers.
        """
        busy: dict[Endpoint, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:

            async def ask_each(period_s: float, is_due: Callable[[Endpoint, Link], bool]) -> None:
                async for _ in every(period_s):
                    for endpoint, link in links.items():
                        with contained(Where.STATUS, node=link.node.name):
                            if is_due(endpoint, link) and (endpoint not in busy or busy[endpoint].done()):
                                busy[endpoint] = group.create_task(self._ask_one(endpoint, link))

            group.create_task(ask_each(interval_s, lambda _place, _link: True))
            group.create_task(ask_each(NEWCOMERS_S, self._is_new))

    async def keep_asking_here(self, interval_s: float) -> None:
        """Ask the admin box's own time daemon again and again."""
        async for _ in every(interval_s):
            await self._ask_here(interval_s)

    def _is_new(self, endpoint: Endpoint, link: Link) -> bool:
        """Tell whether a node is connected anew since it was asked last."""
        asked = self._asked.get(endpoint)
        return link.connection is not None and (asked is None or asked() is not link.connection)

    async def _ask_here(self, limit_s: float) -> None:
        status = None
        with contained(Where.ADMIN_BOX), suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                status = await own_status()
        self._state.admin_answer.note(status)

    async def _ask_in_time(self, endpoint: Endpoint, link: Link, limit_s: float) -> None:
        try:
            async with asyncio.timeout(limit_s):
                await self._ask_one(endpoint, link)
        except TimeoutError:
            late = f"The time tools did not end within {limit_s:g} s."
            self._state.note_status(endpoint, SyncStatus("unknown", failures=(late,)))

    async def _ask_one(self, endpoint: Endpoint, link: Link) -> None:
        with contained(Where.STATUS, node=link.node.name):
            async with self._at_once:
                connection = link.connection
                if connection is not None:
                    self._asked[endpoint] = ref(connection)
                    self._state.note_status(endpoint, await read_or_say_why(connection))
