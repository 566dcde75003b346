"""The journal: what happened, and what must outlive a restart; one SQLite file in the state directory.

An event is acknowledged once it is on disk: killing the daemon afterwards neither loses nor doubles it. A
disk that refuses stops nothing: events wait in memory, the trouble is told once, and what waited is written
when the disk recovers. A file that is no database any more is set aside under another name, never deleted.
Where somebody deletes, replaces or overwrites the file, what he took is lost, and everything since goes into
the new one.

All of SQLite runs in one thread of its own, so the event loop never waits for a disk; what arrives meanwhile
is written together in the next transaction.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

import structlog

from skewmon.errors import JournalError
from skewmon.journal.queue import Queue
from skewmon.journal.row import Row
from skewmon.journal.store import JournalFile
from skewmon.model import Event, EventQuery

__all__ = ["Event", "Journal"]

#: How long a disk that refused is left alone.
RETRY_S = 5.0

#: How long closing may take over what is still to be written; systemd's stop must not wait for a dead disk.
CLOSE_S = 5.0

_log = structlog.get_logger()

T = TypeVar("T")


class Journal:
    """The daemon's journal; ``open`` it as an asynchronous context manager."""

    def __init__(self, directory: str) -> None:
        self._file = JournalFile(Path(directory))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._queue = Queue()
        self._states: dict[str, str] = {}
        self._waiters: list[asyncio.Future[bool]] = []
        self._wake = asyncio.Event()
        self._trouble = ""
        self._loaded: dict[str, str] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, directory: str) -> AsyncIterator[Self]:
        """Open the journal; a directory that cannot be used is told once and stops nothing."""
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
        """What keeps the journal from being written, or nothing."""
        return self._trouble

    @property
    def held_up(self) -> int:
        """How many events wait in memory because the journal cannot be written."""
        return len(self._queue) if self._trouble else 0

    @property
    def given_up(self) -> int:
        """How many events were given up since the start because too many waited."""
        return self._queue.given_up

    async def append(self, event: Event) -> bool:
        """Write an event and return True once it is on disk.

        Returns False at once while the disk refuses: the event then waits in memory.
        """
        self._add(event)
        return await self.flush()

    def note(self, event: Event) -> None:
        """Write an event soon; for those who must not wait for a disk."""
        self._add(event)
        self._wake.set()

    def save(self, key: str, value: Any) -> None:
        """Keep JSON values under a key, soon; never raises for a disk. ``flush`` waits for it."""
        self._loaded[key] = self._states[key] = json.dumps(value, separators=(",", ":"))
        self._wake.set()

    def load(self, key: str) -> Any:
        """Return what was saved last under a key, or None; what is no JSON is told and passed over."""
        text = self._loaded.get(key)
        try:
            return None if text is None else json.loads(text)
        except ValueError:
            _log.warning("the journal holds a state that cannot be read; it is passed over", key=key)
            return None

    async def flush(self) -> bool:
        """Return True once everything handed over so far is on disk, False at once where it cannot be."""
        if self._trouble:
            return False
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._wake.set()
        return await waiter

    async def events(
        self,
        since_ns: int = 0,
        node: str | None = None,
        limit: int = 1000,
        *,
        kind: str | None = None,
        cluster: str | None = None,
    ) -> list[Event]:
        """Return at most ``limit`` events since an instant of the wall clock, newest first.

        Raises JournalError where the journal cannot be read. What waits in memory is not among them.
        """
        query = EventQuery(limit, since_ns, node, kind, cluster)
        return await self._in_thread(self._file.events, query)

    def _add(self, event: Event) -> None:
        if self._queue.add(Row.of(event)):
            _log.warning("too many events wait for the journal; the oldest are given up")

    async def _load(self) -> None:
        try:
            self._loaded = await self._in_thread(self._file.states)
        except JournalError as fault:
            self._tell(str(fault))
        self._tell_set_aside()

    async def _write_for_ever(self) -> None:
        while True:
            if self._trouble:
                await asyncio.sleep(RETRY_S)
            else:
                await self._wake.wait()
            await self._write()

    async def _write(self) -> None:
        """Write everything that waits in one transaction, and tell those who wait how it went."""
        self._wake.clear()
        rows, states, waiters = self._queue.take(), dict(self._states), self._waiters[:]
        try:
            await self._in_thread(self._file.write, rows, states)
        except JournalError as fault:
            self._tell(str(fault))
            waiters = self._waiters[:]  # nobody waits for a disk that refuses
        except Exception as defect:  # noqa: BLE001  # the edge: a bug costs the journal, not the daemon
            self._tell_defect(defect)
            waiters = self._waiters[:]
        else:
            self._written(rows, states)
        del self._waiters[: len(waiters)]
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(not self._trouble)
        self._tell_lost()
        self._tell_set_aside()

    def _written(self, rows: Sequence[Row], states: Mapping[str, str]) -> None:
        lost = self._queue.settle()
        self._states = {key: text for key, text in self._states.items() if states.get(key) != text}
        if self._trouble:
            _log.info("the journal is written again", waited=len(rows))
            self._trouble = ""
        if lost:
            _log.warning("events are lost: the journal could not be written for too long", events=lost)

    def _tell(self, trouble: str) -> None:
        """Log a trouble when it begins or changes, not while it lasts."""
        if trouble != self._trouble:
            _log.warning("the journal cannot be written; events wait in memory", reason=trouble)
            self._trouble = trouble

    def _tell_defect(self, defect: Exception) -> None:
        trouble = f"The journal's writer failed: {defect!r}."
        if trouble != self._trouble:
            _log.error("the journal's writer failed; please report this as a bug", exc_info=defect)
        self._tell(trouble)

    def _tell_set_aside(self) -> None:
        if self._file.set_aside is not None:
            _log.warning(
                "the journal was damaged, or another program's; it was set aside and a new one was begun",
                kept=str(self._file.set_aside),
            )
            self._file.set_aside = None

    def _tell_lost(self) -> None:
        if self._file.lost:
            _log.warning(
                "somebody deleted, replaced or emptied the journal's file; skewmon continues in the present "
                "one, without its earlier events",
                path=str(self._file.path),
            )
            self._file.lost = False

    async def _close(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._write()
                await self._in_thread(self._file.close)
        if self._queue:
            _log.warning("the journal could not be written; events are lost", events=len(self._queue))
        self._thread.shutdown(wait=False)

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
