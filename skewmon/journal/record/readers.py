"""Readers of a running daemon's record, in threads of their own, so that no request delays a write."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from skewmon.errors import JournalError
from skewmon.journal.record.query import select
from skewmon.journal.record.reading import opened
from skewmon.model.record import HOUR_S, MINUTE_S, HistoryQuery, Period, stepped

#: Threads: one for long answers, and one that stays free for short ones. More would take turns with the event
#: loop, which stamps exchanges.
READERS = 2

#: Rows of nodes that a short answer reads at most: some 200 ms. A page reads the newest minutes of all nodes,
#: or a day of one.
BRIEF_ROWS = 20_000

#: Nodes that are assumed if all are asked for.
NODES_ASSUMED = 1_000


class RecordReaders:
    """Reads steps in a bounded number of threads; everything here but ``_read`` runs in the event loop."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="record-reader")
        self._all = asyncio.Semaphore(READERS)
        self._long = asyncio.Semaphore(READERS - 1)
        self._is_closed = False

    @contextlib.asynccontextmanager
    async def thread(self, query: HistoryQuery) -> AsyncIterator[None]:
        """Wait until a thread is free for this query, and keep it free."""
        async with contextlib.AsyncExitStack() as held:
            if _rows(query) > BRIEF_ROWS:
                await held.enter_async_context(self._long)
            await held.enter_async_context(self._all)
            yield

    async def begin(self, query: HistoryQuery) -> "asyncio.Future[list[Period]]":
        """Begin to read, and return once the state of the file is fixed: the result lacks later writes."""
        loop, fixed = asyncio.get_running_loop(), asyncio.Event()
        reading = loop.run_in_executor(
            self._threads, self._read, query, lambda: loop.call_soon_threadsafe(fixed.set)
        )
        reading.add_done_callback(lambda _: fixed.set())  # it may have failed before
        await fixed.wait()
        return reading

    def close(self) -> None:
        """End reading."""
        self._is_closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _read(self, query: HistoryQuery, fix: Callable[[], object]) -> list[Period]:
        """Return the steps on disk; folded here, as this takes seconds for a long span of many nodes."""

        def read(connection: sqlite3.Connection) -> list[Period]:
            connection.execute("BEGIN")
            connection.execute("SELECT number FROM block LIMIT 1").fetchone()
            fix()
            return stepped(self._while_open(select(connection, query)), query.step_s)

        return opened(self._directory, read)

    def _while_open(self, periods: Iterator[Period]) -> Iterator[Period]:
        for period in periods:
            if self._is_closed:
                raise JournalError("The daemon stops.")
            yield period


def _rows(query: HistoryQuery) -> int:
    length_s = HOUR_S if query.step_s % HOUR_S == 0 else MINUTE_S
    nodes = NODES_ASSUMED if query.node is None else 1
    return (query.until_s - query.since_s) // length_s * nodes
