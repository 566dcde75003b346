"""The journal: events, and state that outlives a restart, in one SQLite file in the state directory.

An event is acknowledged once it is on disk: killing the daemon afterwards neither loses nor doubles it. If
the disk refuses, events wait in memory, the error is logged once, and they are written when the disk
recovers. A damaged file is renamed, never deleted. If the file is deleted, replaced or truncated while the
daemon runs, its events are lost; the daemon logs that and continues in a new file, with all saved states.

SQLite runs in one thread of its own, so the event loop never waits for a disk. Everything that arrives
meanwhile is written in the next transaction.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

import structlog

from skewmon.errors import JournalError
from skewmon.journal.queue import EventQueue, Row
from skewmon.journal.store import JournalFile
from skewmon.model import Event, EventKind, EventQuery
from skewmon.runtime.containment import Where, contained, translated

__all__ = ["Event", "Journal"]

#: The pause before a disk that refused is tried again.
RETRY_S = 5.0

#: The limit of the last write at the end; systemd's stop must not wait for a dead disk.
CLOSE_S = 5.0

_log = structlog.get_logger()

T = TypeVar("T")


class Journal:
    """The daemon's journal; ``open`` it as an asynchronous context manager."""

    def __init__(self, directory: str) -> None:
        self._file = JournalFile(Path(directory))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._queue = EventQueue()
        self._states: dict[str, str] = {}
        self._changed: set[str] = set()  # keys of states that are not on disk yet
        self._restarted = 0
        self._waiters: list[asyncio.Future[bool]] = []
        self._wake = asyncio.Event()
        self._trouble = ""

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, directory: str) -> AsyncIterator[Self]:
        """Open the journal; an unusable directory is logged once, and the daemon runs all the same."""
        journal = cls(directory)
        await journal._load()
        writer = asyncio.create_task(journal._write_for_ever(), name="journal")
        try:
            yield journal
        finally:
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer
            await journal._close()

    @property
    def trouble(self) -> str:
        """The reason why the journal cannot be written, or an empty text."""
        return self._trouble

    @property
    def held_up(self) -> int:
        """How many events wait in memory because the journal cannot be written."""
        return len(self._queue) if self._trouble else 0

    @property
    def given_up(self) -> int:
        """How many events were given up since the start because too many waited."""
        return self._queue.given_up

    @property
    def restarted(self) -> int:
        """How often since the start a new file took the place of a lost or damaged one."""
        return self._restarted

    async def append(self, event: Event) -> bool:
        """Write an event and return True once it is on disk.

        Returns False at once while the disk refuses: the event then waits in memory.
        """
        self._add(event)
        return await self.flush()

    def note(self, event: Event) -> None:
        """Write an event soon, for callers that must not wait for a disk."""
        self._add(event)
        self._wake.set()

    def save(self, key: str, value: Any) -> None:
        """Save JSON values under a key, soon and only if they changed; never raises for a disk.

        ``flush`` waits until they are on disk.
        """
        text = json.dumps(value, separators=(",", ":"))
        if text != self._states.get(key):
            self._states[key] = text
            self._changed.add(key)
            self._wake.set()

    def load(self, key: str) -> Any:
        """Return the value saved last under a key, or None; damaged JSON is logged and ignored."""
        text = self._states.get(key)
        try:
            return None if text is None else json.loads(text)
        except ValueError:
            _log.warning("a saved state in the journal is damaged and ignored", key=key)
            return None

    async def flush(self) -> bool:
        """Return True once everything handed over so far is on disk, False at once if it cannot be."""
        if self._trouble:
            return False
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._wake.set()
        return await waiter

    async def events(self, query: EventQuery) -> list[Event]:
        """Return the events that a query matches, newest first.

        Raises JournalError if the journal cannot be read. Events that wait in memory are left out.
        """
        return await self._in_thread(self._file.events, query)

    def _add(self, event: Event) -> None:
        if self._queue.add(Row.of(event)):
            _log.warning("too many events wait for the journal; the oldest are given up")

    async def _load(self) -> None:
        try:
            with translated(Where.JOURNAL, JournalError):
                self._states = await self._in_thread(self._file.states)
        except JournalError as fault:
            self._report_trouble(str(fault))
        self._report_restarts()

    async def _write_for_ever(self) -> None:
        while True:
            if self._trouble:
                await asyncio.sleep(RETRY_S)
            else:
                await self._wake.wait()
            with contained(Where.JOURNAL):
                await self._write()

    async def _write(self) -> None:
        """Write everything that waits in one transaction, and answer the tasks that wait for it."""
        self._wake.clear()
        rows, states, changed, waiters = (
            self._queue.take(), dict(self._states), frozenset(self._changed), self._waiters[:]
        )  # fmt: skip
        try:
            with translated(Where.JOURNAL, JournalError):
                await self._in_thread(self._file.write, rows, states, changed)
        except JournalError as fault:
            self._report_trouble(str(fault))
            waiters = self._waiters[:]  # no task waits for a disk that refuses
        else:
            self._written(rows, states)
        del self._waiters[: len(waiters)]
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(not self._trouble)
        self._report_restarts()

    def _written(self, rows: Sequence[Row], states: Mapping[str, str]) -> None:
        lost = self._queue.settle()
        self._changed = {key for key in self._changed if self._states[key] != states.get(key)}
        if self._trouble:
            _log.info("the journal is written again", waited=len(rows))
            self._trouble = ""
        if lost:
            _log.warning("events are lost: the journal could not be written for too long", events=lost)

    def _report_trouble(self, trouble: str) -> None:
        """Log a failure when it begins or changes, not while it lasts."""
        if trouble != self._trouble:
            _log.warning("the journal cannot be written; events wait in memory", reason=trouble)
            self._trouble = trouble

    def _report_restarts(self) -> None:
        """Log each new file that took the place of a lost or damaged one, count it, and write an event."""
        restarts, self._file.restarts = self._file.restarts, []
        for reason, kept in restarts:
            detail = {"kept": kept} if kept else {}
            _log.error(reason, path=str(self._file.path), **detail)
            self._restarted += 1
            message = f"The {reason}{f' ({kept})' if kept else ''}."
            self.note(Event(time.time_ns(), EventKind.JOURNAL_RESTARTED, message, detail=detail))

    async def _close(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                with contained(Where.JOURNAL):
                    await self._write()
                    if self._queue and not self._trouble:  # an event about the file itself
                        await self._write()
                    await self._in_thread(self._file.close)
        if self._queue:
            _log.warning("the journal could not be written; events are lost", events=len(self._queue))
        self._thread.shutdown(wait=False)

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
