"""The journal's file: events and saved states in SQLite; everything here blocks."""

import sqlite3
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from skewmon.errors import JournalError
from skewmon.journal.database import Database, Design
from skewmon.journal.queue import Row
from skewmon.journal.read import FILE_NAME, select
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

DESIGN = Design(
    FILE_NAME,
    "journal",
    _SCHEMA,
    (
        "SELECT sequence, id, wall_ns, kind, cluster, node, message, detail FROM event LIMIT 0",
        "SELECT key, value FROM state LIMIT 0",
    ),
    version=1,
)

#: Log messages for the two ways to lose the file; the daemon continues in a new one.
LOST, DAMAGED = DESIGN.lost, DESIGN.damaged


class JournalFile(Database):
    """The SQLite file; every method blocks and runs in the journal's own thread."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, DESIGN)
        self._unpruned = PRUNE_EVERY

    def write(self, rows: Sequence[Row], states: Mapping[str, str], changed: Collection[str]) -> None:
        """Write events and the changed ones of all states in one transaction; raise JournalError."""
        self.leave_if_lost()
        self.guarded(lambda: self._write(rows, states, changed))

    def states(self) -> dict[str, str]:
        """Return every saved state; raise JournalError if the disk refuses."""
        return self.guarded(lambda: dict(self.connected().execute("SELECT key, value FROM state")))

    def _write(self, rows: Sequence[Row], states: Mapping[str, str], changed: Collection[str]) -> None:
        connection = self.connected()
        keys = states if self.is_new else changed
        with connection:
            connection.executemany(
                "INSERT OR IGNORE INTO event (id, wall_ns, kind, cluster, node, message, detail)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            connection.executemany(
                "INSERT OR REPLACE INTO state VALUES (?, ?)", [(key, states[key]) for key in keys]
            )
        self.is_new = False
        self._unpruned += len(rows)
        if self._unpruned >= PRUNE_EVERY:
            _prune(connection, time.time_ns())
            self._unpruned = 0
        if _bytes_used(connection) > MAX_BYTES:
            _halve(connection)

    def events(self, query: EventQuery) -> list[Event]:
        """Return events as ``select`` does; raise JournalError if the file cannot be read."""
        try:
            return select(self.connected(), query)
        except sqlite3.DatabaseError as fault:
            raise JournalError(f"The journal {self.path} cannot be read: {fault}.") from fault


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
