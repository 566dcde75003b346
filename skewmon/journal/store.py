"""The journal's file: events and saved states in SQLite; everything here blocks."""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar
from uuid import uuid4

from skewmon.errors import JournalError
from skewmon.journal.queue import Row
from skewmon.journal.read import BUSY_S, FILE_NAME, select
from skewmon.model import NS_PER_S, Event, EventQuery

#: Events older than this are pruned; enough for a quarterly review.
MAX_AGE_NS = 90 * 86_400 * NS_PER_S

#: No more events than this are kept: about 30 MB at 300 bytes each.
MAX_EVENTS = 100_000

#: Nor more bytes, however long single events are; beyond that the older half goes.
MAX_BYTES = 64 * 1024 * 1024

#: The newest events stay however old they claim to be: the admin box's wall clock may itself be wrong.
KEPT_EVENTS = 1_000

#: Pruned after this many new events, and at every start.
PRUNE_EVERY = 500

#: SQLite's primary result codes for a file that is not a database, or a damaged one.
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
  sequence INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  wall_ns INTEGER NOT NULL,
  kind TEXT NOT NULL,
  cluster TEXT,
  node TEXT,
  message TEXT NOT NULL,
  detail TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS event_node ON event (node, sequence);
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

#: The columns that skewmon uses; a database without them belongs to another program.
_USED = (
    "SELECT sequence, id, wall_ns, kind, cluster, node, message, detail FROM event LIMIT 0",
    "SELECT key, value FROM state LIMIT 0",
)

#: Log messages for the two ways to lose the file; the daemon continues in a new one.
LOST = "journal file was deleted, replaced or truncated; earlier events are lost"
DAMAGED = "journal file is damaged or belongs to another program; it was set aside and a new one begun"

#: Device and inode: the file itself, independent of its name.
FileIdentity = tuple[int, int]

T = TypeVar("T")


class Restart(NamedTuple):
    """A new file in place of the old one: the reason, and the new path of the old one."""

    reason: str
    kept: str = ""


class JournalFile:
    """The SQLite file; every method blocks and runs in the journal's own thread."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        self.restarts: list[Restart] = []  # the journal reports and clears them
        self._connection: sqlite3.Connection | None = None
        self._identity: FileIdentity | None = None
        self._is_new = True  # this connection has not written yet: its file may lack every state
        self._unpruned = PRUNE_EVERY

    def write(self, rows: Sequence[Row], states: Mapping[str, str], changed: Collection[str]) -> None:
        """Write events and the changed ones of all states in one transaction; raise JournalError."""
        if self._is_lost():
            self._abandon()
        self._guarded(lambda: self._write(rows, states, changed))

    def states(self) -> dict[str, str]:
        """Return every saved state; raise JournalError if the disk refuses."""
        return self._guarded(lambda: dict(self._connected().execute("SELECT key, value FROM state")))

    def _guarded(self, action: Callable[[], T]) -> T:
        """Run an action on the file; if the file is damaged, set it aside and run it once more."""
        try:
            return action()
        except sqlite3.DatabaseError as fault:
            self.close()
            if not _is_broken(fault):
                raise JournalError(f"The journal {self.path} cannot be used: {fault}.") from fault
        self._set_aside()
        try:
            return action()
        except sqlite3.DatabaseError as fault:
            self.close()
            raise JournalError(f"A new journal {self.path} cannot be started: {fault}.") from fault

    def _write(self, rows: Sequence[Row], states: Mapping[str, str], changed: Collection[str]) -> None:
        connection = self._connected()
        keys = states if self._is_new else changed
        with connection:
            connection.executemany(
                "INSERT OR IGNORE INTO event (id, wall_ns, kind, cluster, node, message, detail)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            connection.executemany(
                "INSERT OR REPLACE INTO state VALUES (?, ?)", [(key, states[key]) for key in keys]
            )
        self._is_new = False
        self._unpruned += len(rows)
        if self._unpruned >= PRUNE_EVERY:
            _prune(connection, time.time_ns())
            self._unpruned = 0
        if _bytes_used(connection) > MAX_BYTES:
            _halve(connection)

    def events(self, query: EventQuery) -> list[Event]:
        """Return events as ``select`` does; raise JournalError if the file cannot be read."""
        try:
            return select(self._connected(), query)
        except sqlite3.DatabaseError as fault:
            raise JournalError(f"The journal {self.path} cannot be read: {fault}.") from fault

    def close(self) -> None:
        """Close the file; uncommitted changes are undone."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            except OSError as fault:
                raise JournalError(
                    f"The state directory {self.path.parent} cannot be used: {_reason(fault)}."
                ) from fault
            connection = sqlite3.connect(self.path, timeout=BUSY_S)
            try:
                _prepare(connection)
            except sqlite3.DatabaseError:
                connection.close()
                raise
            self._connection = connection
            self._is_new = True
            self._identity = _identity(self.path)
        return self._connection

    def _is_lost(self) -> bool:
        """Return whether the path no longer is the file that is open; an error of the disk proves nothing."""
        with contextlib.suppress(OSError):
            return self._connection is not None and _identity(self.path) != self._identity
        return False

    def _abandon(self) -> None:
        """Close a file that was deleted, replaced or truncated; the next connection opens the path again."""
        self.restarts.append(Restart(LOST))
        if self._connection is not None:
            with contextlib.suppress(sqlite3.DatabaseError):  # it may only have been renamed: keep it whole
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self.close()
        for ending in ("-wal", "-shm"):  # SQLite would apply the old log to any database at this path
            with contextlib.suppress(OSError):
                self.path.with_name(FILE_NAME + ending).unlink(missing_ok=True)

    def _set_aside(self) -> None:
        """Rename a damaged file and its log, so that nothing is lost and a new one can begin."""
        kept = self.path.with_name(f"{FILE_NAME}.broken-{uuid4().hex[:8]}")
        try:
            self.path.rename(kept)
            self.path.with_name(FILE_NAME + "-shm").unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                self.path.with_name(FILE_NAME + "-wal").rename(f"{kept}-wal")
        except OSError as fault:
            raise JournalError(
                f"The damaged journal {self.path} cannot be set aside: {_reason(fault)}."
            ) from fault
        self.restarts.append(Restart(DAMAGED, str(kept)))


def _identity(path: Path) -> FileIdentity | None:
    """Return device and inode of a file; None if it is missing or empty."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (found.st_dev, found.st_ino) if found.st_size else None


def _reason(fault: OSError) -> str:
    return (fault.strerror or str(fault)).lower()


def _is_broken(fault: sqlite3.DatabaseError) -> bool:
    code = getattr(fault, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _BROKEN


def _prepare(connection: sqlite3.Connection) -> None:
    """Set a connection up and find damage before it is relied upon."""
    connection.execute("PRAGMA journal_mode = WAL")  # readers never wait for the writer
    connection.execute("PRAGMA synchronous = FULL")  # acknowledged means: survives a power cut, too
    connection.execute("PRAGMA journal_size_limit = 4194304")
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise _damage(verdict)
    try:
        connection.executescript(_SCHEMA)
        for query in _USED:
            connection.execute(query)
    except sqlite3.OperationalError as fault:
        if fault.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # not the disk: the tables are another program's
            raise _damage(str(fault)) from fault
        raise


def _damage(verdict: str) -> sqlite3.DatabaseError:
    damage = sqlite3.DatabaseError(f"damaged: {verdict}")
    damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return damage


def _bytes_used(connection: sqlite3.Connection) -> int:
    """Return the size of the file without the pages that are free to be used again."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    used: int = (pages - free) * size
    return used


def _halve(connection: sqlite3.Connection) -> None:
    """Remove the older half of the events."""
    with connection:
        connection.execute(
            "DELETE FROM event WHERE sequence <= (SELECT (min(sequence) + max(sequence)) / 2 FROM event)"
        )


def _prune(connection: sqlite3.Connection, now_wall_ns: int) -> None:
    with connection:
        (newest,) = connection.execute("SELECT coalesce(max(sequence), 0) FROM event").fetchone()
        connection.execute(
            "DELETE FROM event WHERE sequence <= ? OR (wall_ns < ? AND sequence <= ?)",
            (newest - MAX_EVENTS, now_wall_ns - MAX_AGE_NS, newest - KEPT_EVENTS),
        )
