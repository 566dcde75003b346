"""The journal's file: events and saved states in SQLite; everything here blocks."""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from skewmon.errors import JournalError
from skewmon.journal.name import FILE_NAME, FileName
from skewmon.journal.read import BUSY_S, select
from skewmon.journal.row import Row
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

#: SQLite's primary result codes for a file that is no database, or a damaged one.
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

#: What skewmon reads of its tables; a database that cannot answer these is another program's.
_USED = (
    "SELECT sequence, id, wall_ns, kind, cluster, node, message, detail FROM event LIMIT 0",
    "SELECT key, value FROM state LIMIT 0",
)

T = TypeVar("T")


class JournalFile:
    """The SQLite file; every method blocks and runs in the journal's own thread."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        self.set_aside: Path | None = None
        self.lost = False  # somebody deleted, replaced or emptied the file while it was in use
        self._connection: sqlite3.Connection | None = None
        self._name = FileName(self.path)
        self._states: dict[str, str] = {}  # all that is known, for a file that was opened anew
        self._opened_anew = False
        self._unpruned = PRUNE_EVERY

    def write(self, rows: Sequence[Row], states: Mapping[str, str]) -> None:
        """Write events and states in one transaction; raise JournalError where the disk refuses.

        What was written is found under the file's name, even where somebody deletes or replaces it meanwhile.
        """
        self._states |= states
        self._mistrust()  # before: what lies in the place of a lost file must not pay for its faults
        self._guarded(lambda: self._write(rows, states))
        if self._mistrust():
            self._guarded(lambda: self._write(rows, states))

    def states(self) -> dict[str, str]:
        """Return every saved state; raise JournalError where the disk refuses."""
        self._states = self._guarded(lambda: dict(self._connected().execute("SELECT key, value FROM state")))
        return dict(self._states)

    def _guarded(self, action: Callable[[], T]) -> T:
        """Do something to the file; where it turns out to be broken, once more with a new one."""
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
            raise JournalError(f"The journal {self.path} cannot be begun anew: {fault}.") from fault

    def _write(self, rows: Sequence[Row], states: Mapping[str, str]) -> None:
        connection = self._connected()
        with connection:
            connection.executemany(
                "INSERT OR IGNORE INTO event (id, wall_ns, kind, cluster, node, message, detail)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            # A file that was opened anew may be another one than before.
            saved = self._states if self._opened_anew else states
            connection.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", saved.items())
        self._opened_anew = False
        self._unpruned += len(rows)
        if self._unpruned >= PRUNE_EVERY:
            _prune(connection, time.time_ns())
            self._unpruned = 0
        if _bytes_used(connection) > MAX_BYTES:
            _halve(connection)
        self._name.note_content()

    def events(self, query: EventQuery) -> list[Event]:
        """Return events as ``select`` does; raise JournalError where the file cannot be read."""
        try:
            return select(self._connected(), query)
        except sqlite3.DatabaseError as fault:
            raise JournalError(f"The journal {self.path} cannot be read: {fault}.") from fault

    def close(self) -> None:
        """Let go of the file; whatever was not committed is undone."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._forsake_lost()
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
            self._opened_anew = True
            self._name.remember()
        return self._connection

    def _mistrust(self) -> bool:
        """Let go of a file that is not as this process left it; opening it again examines it."""
        return self._forsake_lost() or self._leave_disturbed()

    def _forsake_lost(self) -> bool:
        """Let go of a file that has lost its name to another one or to nobody."""
        if not self._name.means_another():
            return False
        self.lost = True
        with contextlib.suppress(sqlite3.DatabaseError):
            self._checkpoint()  # it may only have been renamed: leave it whole
        self.close()
        self._name.remove_companions()
        self._name.forget()
        return True

    def _leave_disturbed(self) -> bool:
        """Let go of a file that somebody else wrote to, or whose log somebody removed."""
        if not self._name.disturbed():
            return False
        try:
            busy = self._checkpoint()
        except sqlite3.DatabaseError as fault:
            busy = not _is_broken(fault)
        if busy:  # what is in a removed log is nowhere else: it stays open until it has been copied
            raise JournalError(f"The journal {self.path} was disturbed, and its log cannot be copied yet.")
        self.close()
        self.lost = self.lost or self._name.is_empty()
        self._name.forget()
        return True

    def _checkpoint(self) -> bool:
        """Copy the log into the file; return True where a reader keeps some of it from being copied."""
        if self._connection is None:
            return False
        (busy, _, _) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return bool(busy)

    def _set_aside(self) -> None:
        """Rename a broken file and its companions, so that nothing is lost and a new one can begin."""
        self.set_aside = self.path.with_name(f"{FILE_NAME}.broken-{uuid4().hex[:8]}")
        self._name.forget()
        try:
            self.path.rename(self.set_aside)
            self.path.with_name(FILE_NAME + "-shm").unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                self.path.with_name(FILE_NAME + "-wal").rename(f"{self.set_aside}-wal")
        except OSError as fault:
            raise JournalError(
                f"The broken journal {self.path} cannot be set aside: {_reason(fault)}."
            ) from fault


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
        if fault.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # no disk's word: the tables are another program's
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
