"""What the time daemons claim, asked on the connections that are open already, beside the rounds."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from skewmon.cadence import every
from skewmon.ledger import Ledger, Place
from skewmon.model import SyncStatus
from skewmon.probe.link import Link
from skewmon.probe.own import own_status
from skewmon.probe.sheet import SHEETS_AT_ONCE, read_or_say_why


class Claims:
    """Asks the time daemons and notes what they say in the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._at_once = asyncio.Semaphore(SHEETS_AT_ONCE)

    async def ask(self, links: Mapping[Place, Link], limit_s: float) -> None:
        """Ask every node that is connected, once; of one that takes longer, note that."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ask_here(limit_s))
            for place, link in links.items():
                group.create_task(self._ask_in_time(place, link, limit_s))

    async def keep_asking(self, links: Mapping[Place, Link], interval_s: float) -> None:
        """Ask the nodes again and again; a slow one is not asked while it still answers."""
        busy: dict[Place, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            async for _ in every(interval_s):
                for place, link in links.items():
                    if place not in busy or busy[place].done():
                        busy[place] = group.create_task(self._ask_one(place, link))

    async def keep_asking_here(self, interval_s: float) -> None:
        """Ask the admin box's own time daemon again and again."""
        async for _ in every(interval_s):
            await self._ask_here(interval_s)

    async def _ask_here(self, limit_s: float) -> None:
        status = None
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                status = await own_status()
        self._ledger.admin_word.note(status)

    async def _ask_in_time(self, place: Place, link: Link, limit_s: float) -> None:
        try:
            async with asyncio.timeout(limit_s):
                await self._ask_one(place, link)
        except TimeoutError:
            late = f"The time tools did not end within {limit_s:g} s."
            self._ledger.note_status(place, SyncStatus("unknown", failures=(late,)))

    async def _ask_one(self, place: Place, link: Link) -> None:
        async with self._at_once:
            if link.connection is not None:
                self._ledger.note_status(place, await read_or_say_why(link.connection))
