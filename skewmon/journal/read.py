"""Reads events from the journal's file, whether a daemon writes to it or not."""

import contextlib
import json
import sqlite3
from dataclasses import asdict
from pathlib import Path
from typing import Any

from skewmon.journal.database import read_only
from skewmon.model import Event, EventQuery

#: The journal's name in the state directory.
FILE_NAME = "journal.db"


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


def oldest_ns(directory: str) -> int | None:
    """Return the instant of the oldest event that is kept, None if there is none; raise JournalError."""
    query = "SELECT wall_ns FROM event WHERE typeof(wall_ns) = 'integer' ORDER BY sequence LIMIT 1"
    path = Path(directory) / FILE_NAME
    found = read_only(path, "journal", lambda connection: connection.execute(query).fetchone())
    return found[0] if found else None


def read(directory: str, query: EventQuery) -> list[Event]:
    """Return events without writing anything, whether a daemon runs or not; raise JournalError."""
    path = Path(directory) / FILE_NAME
    return read_only(path, "journal", lambda connection: select(connection, query))
