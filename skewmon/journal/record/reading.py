"""Reads the record's file from another process, whether a daemon writes to it or not."""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from skewmon.errors import JournalError
from skewmon.journal.database import read_only
from skewmon.journal.read import FILE_NAME as JOURNAL
from skewmon.journal.record.rows import DESIGN, FILE_NAME, MINUTES, TABLES, WHOLE, Reader, blocks
from skewmon.journal.record.seal import Verification
from skewmon.journal.record.verify import SealCheck, verify
from skewmon.model.record import HOUR_S, Period

#: The journal's key of the newest seal: a record that lacks it was cut off.
KEY = "record"

#: A span up to this long is read in minutes, so that pictures of an incident are fine enough.
FINE_S = 6 * HOUR_S

#: The hours of a Julian year.
HOURS_A_YEAR = 8_766

T = TypeVar("T")


def verification(directory: str, known: Collection[str] = ()) -> Verification:
    """Check the whole record against its seals, those in ``known`` and the newest one in the journal.

    Raises JournalError if it cannot be read.
    """
    seals = [*known, *_noted_seals(directory)]
    return opened(directory, lambda one: verify(one, seals))


class Excerpt(NamedTuple):
    """The check of the rows of a span, and whether figures can be made of all of them."""

    verification: Verification
    is_readable: bool


def excerpt(directory: str, since_s: int, until_s: int, take: Callable[[Period], None]) -> Excerpt:
    """Call ``take`` with each period of a span, in the order of recording; return the check of its rows.

    One hour is in memory at a time. Hours that the span cuts, and the first one, are read in minutes, or
    whole if their minutes are too old to be kept. Raises JournalError if the record cannot be read.
    """
    noted = [*_noted_seals(directory)]

    def read(connection: sqlite3.Connection) -> Excerpt:
        connection.execute("BEGIN")  # one state, whatever a daemon writes meanwhile
        check = SealCheck(connection, noted)
        for period in _periods(connection, check, since_s, until_s):
            try:
                if check.is_readable:
                    take(period)
            except (TypeError, ValueError, OverflowError):  # no number in the place of one that was changed
                if check.found.is_whole:
                    raise
                check.is_readable = False
        return Excerpt(check.found, check.is_readable)

    return opened(directory, read)


def opened(directory: str, action: Callable[[sqlite3.Connection], T]) -> T:
    """Run an action on the record; raise JournalError, also if another version of skewmon wrote it."""
    path = Path(directory) / FILE_NAME

    def checked(connection: sqlite3.Connection) -> T:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > DESIGN.version:
            raise JournalError(f"The record {path} is of a later version of skewmon.")
        for query in DESIGN.used:
            connection.execute(query)
        return action(connection)

    return read_only(path, DESIGN.word, checked)


def _periods(
    connection: sqlite3.Connection, check: SealCheck, since_s: int, until_s: int
) -> Iterator[Period]:
    reader = Reader(connection)
    fine, is_first = until_s - since_s <= FINE_S, True
    for block, start_s, is_sealed in blocks(connection, since_s, until_s):
        inside = since_s <= start_s and start_s + HOUR_S <= until_s
        parts = list[Period]()
        if fine or is_first or not inside or not is_sealed:
            parts = check.minutes(block, partial(reader.minutes, block, start_s))
        if parts or not is_sealed:
            yield from (part for part in parts if since_s <= part.start_s < until_s)
        else:
            hour = check.hour(block, partial(reader.hour, block, start_s))
            yield from [hour] if hour else []
        is_first = False


def _noted_seals(directory: str) -> Iterator[str]:
    """Yield the newest seal that the journal has."""

    def read(connection: sqlite3.Connection) -> list[str]:
        return [value for (value,) in connection.execute("SELECT value FROM state WHERE key = ?", (KEY,))]

    path = Path(directory) / JOURNAL
    for text in read_only(path, "journal", read) if path.exists() else ():
        try:
            yield str(json.loads(text)["seal"])
        except (ValueError, KeyError, TypeError):
            raise JournalError(f"The journal {path} has no readable seal of the record.") from None


class Size(NamedTuple):
    """The size of a record: its bytes, and its rows of nodes by level."""

    file_bytes: int
    rows: int  # of all tables
    node_hours: int
    node_minutes: int
    hour_rows: int
    minute_rows: int

    def lines(self) -> Iterator[str]:
        """Yield the sentences that describe it."""
        yield (
            f"{_mb(self.file_bytes)}: {self.node_hours:,} hours and {self.node_minutes:,} minutes of nodes, "
            f"{self.file_bytes / max(1, self.rows):.0f} bytes a row"
        )
        row_bytes = self.file_bytes / max(1, self.rows)
        if self.node_hours:
            of_hour = self.hour_rows * row_bytes / self.node_hours
            yield f"A node adds {_mb(of_hour * HOURS_A_YEAR)} of hours a year."
        if self.node_minutes:
            of_minute = self.minute_rows * row_bytes / self.node_minutes
            yield f"A node has {_mb(of_minute * MINUTES * 24)} of minutes for each day that they are kept."


def size(directory: str) -> Size:
    """Return the size of the record; raise JournalError if it cannot be read."""

    def read(connection: sqlite3.Connection) -> Size:
        counts = {
            table: connection.execute(
                f"SELECT count(*), coalesce(sum(minute = {WHOLE}), 0) FROM {table}"  # noqa: S608 - fixed names
            ).fetchone()
            for table in TABLES
        }
        rows, hour_rows = (sum(one[part] for one in counts.values()) for part in (0, 1))
        nodes, node_hours = counts["node_row"]
        pages, page_size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
        )
        return Size(pages * page_size, rows, node_hours, nodes - node_hours, hour_rows, rows - hour_rows)

    return opened(directory, read)


def _mb(size_bytes: float) -> str:
    return f"{size_bytes / 1e6:.2f} MB"
