"""The record of a running daemon: rounds are added in the event loop, files are touched in threads.

Each minute is written when it is over, so killing the daemon loses at most the minute that runs. If the disk
refuses, minutes wait in memory and are written when it recovers.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

import structlog

from skewmon.errors import JournalError
from skewmon.journal.journal import CLOSE_S, Journal
from skewmon.journal.record.readers import RecordReaders
from skewmon.journal.record.reading import KEY
from skewmon.journal.record.seal import ChainLink
from skewmon.journal.record.store import RecordFile, Retention
from skewmon.journal.record.tally import Minute, Tally, period
from skewmon.model import ClusterView, Event, EventKind
from skewmon.model.record import MINUTE_S, HistoryQuery, Period, stepped
from skewmon.runtime.containment import Where, contained, translated
from skewmon.runtime.tasks import retrieved
from skewmon.text import rfc3339

#: Minutes that wait in memory while the disk refuses: some 30 MB at 1,000 nodes. Then the oldest are lost.
MAX_WAITING = 60

_log = structlog.get_logger()

T = TypeVar("T")


class Record:
    """The daemon's record; ``open`` it as an asynchronous context manager."""

    def __init__(self, directory: str, journal: Journal) -> None:
        self._file = RecordFile(Path(directory))
        self._journal = journal
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="record")
        self._readers = RecordReaders(directory)
        self._order = asyncio.Lock()  # no minute passes from memory to disk while a reader fixes its state
        self._tally = Tally()
        self._waiting: list[tuple[int, Minute]] = []
        self._retention = Retention(1, 1)
        self._config = ""
        self._trouble = ""
        self._is_owner = True
        self.given_up = 0  # minutes lost since the start because too many waited

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, directory: str, journal: Journal, *, is_owner: bool = True) -> AsyncIterator[Self]:
        """Keep the record; an unusable directory is logged once, and the daemon runs all the same.

        Without ``is_owner`` another daemon keeps the record in this directory: with the rounds of both, all
        times would be doubled.
        """
        record = cls(directory, journal)
        if not is_owner:
            record._report_trouble("another skewmon keeps the record of this state directory")
            record._is_owner = False
        else:
            await record._begin()
        writer = asyncio.create_task(record._write_for_ever(), name="record")
        try:
            yield record
        finally:
            await record._close(writer)

    @property
    def trouble(self) -> str:
        """The reason why the record cannot be written, or an empty text."""
        return self._trouble

    @property
    def held_up(self) -> int:
        """How many minutes wait in memory because the record cannot be written."""
        return len(self._waiting) if self._trouble else 0

    def configure(self, retention: Retention, config: str, clusters: Iterable[str]) -> None:
        """Record under the configuration of this digest from now on."""
        self._retention, self._config = retention, config
        self._tally.retain(frozenset(clusters))

    def add(self, views: Iterable[ClusterView]) -> None:
        """Add the views of a round; nothing is awaited and no file is touched."""
        for view in views if self._is_owner else ():
            with contained(Where.JOURNAL, cluster=view.name):
                self._tally.add(view, self._config)

    async def history(self, query: HistoryQuery) -> list[Period]:
        """Return the steps that a query asks for, oldest first, with the minutes not on disk yet.

        Raises JournalError if the record cannot be read.
        """
        reading = asyncio.ensure_future(self._history(query))
        reading.add_done_callback(retrieved)
        return await asyncio.shield(reading)  # a client that leaves frees no thread that still reads

    async def _history(self, query: HistoryQuery) -> list[Period]:
        async with self._readers.thread(query):
            async with self._order:
                reading = await self._readers.begin(query)
                waiting = [period(start_s, minute) for start_s, minute in self._waiting]
                recent = [*waiting, *self._tally.periods(query.cluster)]
            written = await reading
        narrowed = [query.narrowed(one) for one in recent if query.covers(one)]
        return stepped([*written, *(one for one in narrowed if one.clusters)], query.step_s)

    async def _begin(self) -> None:
        """Open the file, so that trouble with it is known before the first minute is over."""
        kept = self._journal.load(KEY)
        seal = str(kept.get("seal", "")) if isinstance(kept, dict) else ""
        try:
            with translated(Where.JOURNAL, JournalError):
                if not await self._in_thread(self._file.has_seal, seal) and seal and not self._file.restarts:
                    self._report_replaced(seal)
        except JournalError as fault:
            self._report_trouble(str(fault))
        self._report_restarts()

    async def _write_for_ever(self) -> None:
        while True:
            now_s = time.time()
            await asyncio.sleep(MINUTE_S - now_s % MINUTE_S)
            with contained(Where.JOURNAL):
                await self._write(int(time.time()) // MINUTE_S * MINUTE_S)

    async def _write(self, running_s: int | None) -> None:
        """Write every minute but the one that runs, in one transaction."""
        self._waiting += self._tally.take(running_s)
        excess = len(self._waiting) - MAX_WAITING
        if excess > 0:
            del self._waiting[:excess]
            self.given_up += excess
        if not self._waiting:
            return
        async with self._order:
            try:
                with translated(Where.JOURNAL, JournalError):
                    links = await self._in_thread(self._file.write, self._waiting, self._retention)
            except JournalError as fault:
                self._report_trouble(str(fault))
            else:
                self._waiting = []
                self._written(links)
        self._report_restarts()

    def _written(self, links: list[ChainLink]) -> None:
        if self._trouble:
            _log.info("the record is written again")
            self._trouble = ""
        for link in links:
            self._note_seal(link)

    def _note_seal(self, link: ChainLink) -> None:
        """Keep the newest seal in the journal, and log the first one of a day, to be kept elsewhere."""
        kept: Any = self._journal.load(KEY)
        logged = kept.get("logged") if isinstance(kept, dict) else None
        hour = rfc3339(link.start_s * 1_000_000_000, 0)
        if logged != hour[:10]:
            _log.info("the record is sealed", hour=hour, number=link.number, seal=link.seal)
        self._journal.save(KEY, {"number": link.number, "seal": link.seal, "logged": hour[:10]})

    def _report_trouble(self, trouble: str) -> None:
        """Log a failure when it begins or changes, not while it lasts."""
        if trouble != self._trouble:
            _log.warning("the record is not written", reason=trouble)
            self._trouble = trouble

    def _report_replaced(self, seal: str) -> None:
        """Report a record that lacks a seal that it had; the next one in the journal hides that."""
        self._report(
            "record lacks the newest seal in the journal: it was cut off or replaced by an older copy",
            seal=seal,
        )

    def _report_restarts(self) -> None:
        """Report each new file that took the place of a lost or damaged one."""
        restarts, self._file.restarts = self._file.restarts, []
        for reason, kept in restarts:
            self._report(reason, **({"kept": kept} if kept else {}))

    def _report(self, reason: str, **detail: str) -> None:
        _log.error(reason, path=str(self._file.path), **detail)
        message = f"The {reason}{''.join(f' ({value})' for value in detail.values())}."
        self._journal.note(Event(time.time_ns(), EventKind.JOURNAL_RESTARTED, message, detail=detail))

    async def _close(self, writer: asyncio.Task[None]) -> None:
        self._readers.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S), self._order:  # a write that runs would run again
                writer.cancel()
        writer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writer
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                with contained(Where.JOURNAL):
                    await self._write(None)
                    await self._in_thread(self._file.close)
        if self._waiting:
            _log.warning("the record could not be written; minutes are lost", minutes=len(self._waiting))
        self._thread.shutdown(wait=False)

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
