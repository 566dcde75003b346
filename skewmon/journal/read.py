"""Reads events from the journal's file, whether a daemon writes to it or not."""

import contextlib
import json
import sqlite3
from dataclasses import asdict
from pathlib import Path
from typing import Any

from skewmon.errors import JournalError
from skewmon.model import Event, EventQuery

#: The journal's name in the state directory.
FILE_NAME = "journal.db"

#: The wait for another process that has the file locked, such as a backup or sqlite3.
BUSY_S = 2.0


def select(connection: sqlite3.Connection, query: EventQuery) -> list[Event]:
    """Return the events that a query matches, newest first.

    An event of a node in several clusters is found under each of them. A row that a disk damaged, which no
    check of the file's structure finds, hides no other.
    """
    connection.text_factory = lambda stored: stored.decode(errors="replace")
    rows = connection.execute(
        "SELECT wall_ns, kind, message, cluster, node, detail FROM event"
        " WHERE typeof(wall_ns) = 'integer' AND wall_ns >= :since_ns"
        " AND (:node IS NULL OR node = :node) AND (:kind IS NULL OR kind = :kind)"
        " AND (:cluster IS NULL OR cluster = :cluster"
        "  OR json_valid(detail) AND"
        "  EXISTS (SELECT 1 FROM json_each(event.detail, '$.clusters') WHERE value = :cluster))"
        " ORDER BY sequence DESC LIMIT :limit",
        asdict(query),
    )
    return [
        Event(wall_ns, kind, message, cluster, node, _detail(detail))
        for wall_ns, kind, message, cluster, node, detail in rows
    ]


def _detail(text: str) -> dict[str, Any]:
    """Return the detail of an event, or nothing if a disk damaged it; the message still counts."""
    with contextlib.suppress(ValueError):
        value = json.loads(text)
        if isinstance(value, dict):
            return value
    return {}


def read(directory: str, query: EventQuery) -> list[Event]:
    """Return events without writing anything, whether a daemon runs or not; raise JournalError."""
    path = Path(directory) / FILE_NAME
    if not path.exists():
        raise JournalError(f"There is no journal in {directory}; the daemon starts one there.")
    if not path.is_file():  # a pipe would never end
        raise JournalError(f"The journal {path} cannot be read: it is not a regular file.")
    reason = ""
    # Without a writer's companion files, and without the right to make them, the file cannot change either.
    for mode in ("mode=ro", "immutable=1"):
        try:
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=BUSY_S)
            with contextlib.closing(connection):
                return _selected(connection, path, query)
        except sqlite3.OperationalError as fault:
            reason = str(fault)
    raise JournalError(f"The journal {path} cannot be read: {reason}.")


def _selected(connection: sqlite3.Connection, path: Path, query: EventQuery) -> list[Event]:
    try:
        return select(connection, query)
    except sqlite3.DatabaseError as fault:
        if isinstance(fault, sqlite3.OperationalError):
            raise
        raise JournalError(f"The journal {path} is damaged: {fault}.") from fault
