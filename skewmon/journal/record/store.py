"""The record's file: minutes are added to the open block; a block is sealed when another hour begins.

If the wall clock of the admin box steps back, a new block begins, so that no minute is mixed with an earlier
one of the same name. Late rounds are added to their minute for LATE_S.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from skewmon.journal.database import Database
from skewmon.journal.record import rows
from skewmon.journal.record.seal import GENESIS, ChainLink, sealed
from skewmon.journal.record.tally import LATE_S, Minute, period
from skewmon.model.record import HOUR_S, MINUTE_S, Period

#: Blocks whose rows are removed at once, when a shorter retention begins: a day each hour.
PRUNED_AT_ONCE = 24


@dataclass(frozen=True, slots=True)
class Retention:
    """How many of the newest recorded hours keep their minutes, and how many their own row.

    Hours are counted and not dated: an admin box whose clock leaps by years loses nothing.
    """

    minutes_h: int
    hours_h: int


class RecordFile(Database):
    """The SQLite file; every method blocks and runs in the record's own thread."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, rows.DESIGN)

    def write(self, minutes: Sequence[tuple[int, Minute]], retention: Retention) -> list[ChainLink]:
        """Add minutes in one transaction and return the hours that this sealed; raise JournalError."""
        self.leave_if_lost()
        return self.guarded(lambda: self._write(minutes, retention))

    def has_seal(self, seal: str) -> bool:
        """Return whether an hour has this seal; raise JournalError if the file cannot be read."""
        query = "SELECT count(*) FROM block WHERE seal = ?"
        return self.guarded(lambda: bool(self.connected().execute(query, (seal,)).fetchone()[0]))

    def _write(self, minutes: Sequence[tuple[int, Minute]], retention: Retention) -> list[ChainLink]:
        connection, links = self.connected(), list[ChainLink]()
        with connection:
            connection.execute("BEGIN IMMEDIATE")  # all that follows is read and written in one state
            for start_s, minute in minutes:
                block, link = _block_for(connection, start_s, retention)
                if link is not None:
                    links.append(link)
                _add(connection, block, period(start_s, minute))
        self.is_new = False
        return links


def _block_for(
    connection: sqlite3.Connection, start_s: int, retention: Retention
) -> tuple[int, ChainLink | None]:
    """Return the open block of this time; seal one of another hour or with a later minute, and begin one."""
    hour_s = start_s - start_s % HOUR_S
    newest = connection.execute(
        "SELECT number, start_s, seal IS NOT NULL FROM block ORDER BY number DESC LIMIT 1"
    ).fetchone()
    number, newest_s, is_sealed = newest or (0, 0, True)
    if not is_sealed and newest_s == hour_s:
        back = _latest(connection, number) - _minute(start_s)
        if back * MINUTE_S <= LATE_S:
            return number, None
    link = None if is_sealed else _seal(connection, number, newest_s, retention)
    connection.execute("INSERT INTO block (number, start_s) VALUES (?, ?)", (number + 1, hour_s))
    return number + 1, link


def _latest(connection: sqlite3.Connection, block: int) -> int:
    """Return the latest minute of the open block."""
    query = "SELECT coalesce(max(minute), 0) FROM cluster_row WHERE block = ?"
    minute: int = connection.execute(query, (block,)).fetchone()[0]
    return minute


def _add(connection: sqlite3.Connection, block: int, added: Period) -> None:
    """Write a minute; if a part of it is there already, such as from before a restart, both are folded."""
    reader = rows.Reader(connection)
    for before in reader.minutes(block, added.start_s - added.start_s % HOUR_S, (_minute(added.start_s),)):
        added = before.folded(added)
    rows.insert(connection, block, added)


def _minute(start_s: int) -> int:
    return start_s % HOUR_S // MINUTE_S


def _seal(connection: sqlite3.Connection, number: int, start_s: int, retention: Retention) -> ChainLink:
    """Write the row of a whole hour and its link, and remove the rows that are too old."""
    minutes = rows.Reader(connection).minutes(number, start_s)
    hour = reduce(Period.folded, minutes, Period(start_s, HOUR_S, {}))
    rows.insert(connection, number, hour)
    before, *earlier = connection.execute(
        "SELECT seal, minutes_from, hours_from FROM block WHERE number = ?", (number - 1,)
    ).fetchone() or (GENESIS, 1, 1)
    minutes_from, hours_from = (
        min(max(first, number - hours + 1), first + PRUNED_AT_ONCE)
        for first, hours in zip(earlier, (retention.minutes_h, retention.hours_h), strict=True)
    )
    # An hour that goes takes its minutes with it.
    link = sealed(number, hour, minutes, (max(minutes_from, hours_from), hours_from), before)
    connection.execute(
        "UPDATE block SET minutes_from = ?, hours_from = ?, minutes = ?, hour = ?, seal = ? WHERE number = ?",
        (link.minutes_from, link.hours_from, link.minutes, link.hour, link.seal, number),
    )
    _prune(connection, link, earlier)
    return link


def _prune(connection: sqlite3.Connection, link: ChainLink, earlier: Sequence[int]) -> None:
    minutes_from, hours_from = earlier
    for table in rows.TABLES:
        connection.execute(
            f"DELETE FROM {table} WHERE block >= ? AND block < ? AND minute < ?",  # noqa: S608 - fixed names
            (minutes_from, link.minutes_from, rows.WHOLE),
        )
        connection.execute(
            f"DELETE FROM {table} WHERE block >= ? AND block < ?",  # noqa: S608 - fixed names
            (hours_from, link.hours_from),
        )
    if link.hours_from > hours_from:
        connection.execute("DELETE FROM name WHERE used < ?", (link.hours_from,))
