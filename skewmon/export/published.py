"""The published snapshot: replaced whole once a round, and rendered once however many clients ask for it."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from skewmon.alert.alerts import Key
from skewmon.export.document import Status
from skewmon.export.pairs import PairExport
from skewmon.export.status import status
from skewmon.model import Cluster, EventQuery, Snapshot
from skewmon.model.record import HistoryQuery, Period

#: Metrics and JSON shrink to a tenth at any level; the lowest costs a third of the time.
GZIP_LEVEL = 1

#: The gzip container of zlib, with a window of 32 KiB.
GZIP_FORMAT = 31

T = TypeVar("T")

HistorySteps = Callable[[HistoryQuery], Awaitable[Sequence[Period]]]
Events = Callable[[EventQuery], Awaitable[Sequence[dict[str, Any]]]]


async def _no_events(_query: EventQuery) -> Sequence[dict[str, Any]]:
    return ()


async def _no_history(_query: HistoryQuery) -> Sequence[Period]:
    return ()


@dataclass(frozen=True, slots=True)
class Callbacks:
    """The daemon's functions that HTTP handlers call; a path whose function is None answers 404."""

    events: Events = _no_events  # newest first; raises SkewmonError if the journal cannot be read
    reload: Callable[[], Awaitable[None]] | None = None  # raises SkewmonError if the new file is unusable
    config_text: Callable[[], str] | None = None  # the configuration in force, secrets masked
    history: HistorySteps = _no_history  # oldest first; raises SkewmonError if the record cannot be read


@dataclass(frozen=True, slots=True)
class DaemonStats:
    """The daemon's own counters, published with a snapshot; a one-shot check has the defaults.

    Counters count since the start of the process.
    """

    reload_successful: bool = True
    reload_success_wall_ns: int | None = None
    notifications: Mapping[str, int] = field(default_factory=dict)  # by notifier, failed ones included
    notification_failures: Mapping[tuple[str, str], int] = field(default_factory=dict)  # by notifier, reason
    firing: tuple[Key, ...] = ()
    page_url: str = ""  # as people reach it; empty without a page
    history_resets: Mapping[str, int] = field(default_factory=dict)  # by reason
    loop_lag_s: float = 0.0
    awaited: tuple[tuple[Cluster, int], ...] = ()  # clusters without a round yet, and since when on the base
    journal_healthy: bool | None = None  # None without a journal
    journal_held_up: int | None = None
    journal_given_up: int | None = None
    journal_restarted: int | None = None
    record_healthy: bool | None = None  # None without a record
    record_held_up: int | None = None
    record_given_up: int | None = None
    self_check_failures: Mapping[str, int] = field(default_factory=dict)  # by check
    internal_errors: Mapping[str, int] = field(default_factory=dict)  # by the edge that contained them


class Compressed:
    """A body compressed by gzip, which can still be continued by a few bytes of each request."""

    def __init__(self, body: bytes) -> None:
        self._packer = zlib.compressobj(GZIP_LEVEL, wbits=GZIP_FORMAT)
        self._start = self._packer.compress(body) + self._packer.flush(zlib.Z_SYNC_FLUSH)

    def pieces(self, rest: bytes = b"") -> tuple[bytes, bytes]:
        """Return the whole stream: the start, which all requests share, and the end."""
        packer = self._packer.copy()
        return self._start, packer.compress(rest) + packer.flush()


@dataclass(frozen=True, slots=True, eq=False)
class Publication:
    """One snapshot with the daemon's counters, and every body rendered from them so far.

    ``published_s`` is on the clock of the event loop, which no step of the admin box's wall clock moves.
    """

    snapshot: Snapshot
    stats: DaemonStats
    pairs: PairExport
    published_s: float
    _executor: Executor
    _rendered: dict[Hashable, asyncio.Future[Any]] = field(default_factory=dict)
    _documents: list[Status] = field(default_factory=list)

    @property
    def token(self) -> str:
        """The publication's name, by which a page says what it was drawn from."""
        return f"{self.snapshot.wall_ns:x}-{self.published_s:.6f}"

    @property
    def document(self) -> Status:
        """The JSON contract; built on first use, which is in a thread."""
        if not self._documents:
            self._documents.append(status(self.snapshot))
        return self._documents[0]

    async def once(self, key: Hashable, render: Callable[[], T]) -> T:
        """Return the result of ``render`` for this key; it runs once, in a thread.

        A client that leaves cancels no other's.
        """
        rendering: asyncio.Future[T] | None = self._rendered.get(key)
        if rendering is None:
            rendering = asyncio.get_running_loop().run_in_executor(self._executor, render)
            self._rendered[key] = rendering
        return await asyncio.shield(rendering)

    async def awaited(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """Return the result of ``read`` for this key; it runs once, whatever clients leave meanwhile."""
        reading: asyncio.Future[T] | None = self._rendered.get(key)
        if reading is None:
            reading = asyncio.ensure_future(read())
            self._rendered[key] = reading
        return await asyncio.shield(reading)

    async def compressed(self, key: Hashable, render: Callable[[], bytes]) -> "Compressed":
        """Return the body of this key, compressed by gzip."""
        body = await self.once(key, render)
        return await self.once((key, "gzip"), lambda: Compressed(body))


class Published:
    """The newest publication; every handler reads it once a request, so that no response mixes two rounds."""

    def __init__(self, executor: Executor, pairs: PairExport) -> None:
        self.executor = executor
        self.pairs = pairs
        self.newest = Publication(Snapshot(wall_ns=0), DaemonStats(), pairs, 0.0, executor)
        self.ready = False

    def replace(self, snapshot: Snapshot, stats: DaemonStats) -> None:
        """Publish a new snapshot in place of the last."""
        now_s = asyncio.get_running_loop().time()
        self.newest = Publication(snapshot, stats, self.pairs, now_s, self.executor)
        self.ready = self.ready or bool(snapshot.clusters)

    @property
    def age_s(self) -> float:
        """The time since the newest snapshot was published."""
        return asyncio.get_running_loop().time() - self.newest.published_s
