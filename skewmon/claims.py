"""What the time daemons claim, asked on the connections that are open already, beside the rounds."""

import asyncio
from collections.abc import Iterable

from skewmon.cadence import every
from skewmon.ledger import Ledger, place_of
from skewmon.probe.link import Link
from skewmon.probe.sheet import SHEETS_AT_ONCE, read_or_say_why


class Claims:
    """Asks the time daemons and notes what they say in the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._at_once = asyncio.Semaphore(SHEETS_AT_ONCE)

    async def ask(self, links: Iterable[Link]) -> None:
        """Ask every node that is connected, once."""
        async with asyncio.TaskGroup() as group:
            for link in links:
                group.create_task(self._ask_one(link))

    async def keep_asking(self, links: Iterable[Link], interval_s: float) -> None:
        """Ask the nodes again and again; a slow one is not asked while it still answers."""
        busy: dict[Link, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            async for _ in every(interval_s):
                for link in links:
                    if link not in busy or busy[link].done():
                        busy[link] = group.create_task(self._ask_one(link))

    async def _ask_one(self, link: Link) -> None:
        async with self._at_once:
            if link.connection is not None:
                self._ledger.note_status(place_of(link.node), await read_or_say_why(link.connection))
