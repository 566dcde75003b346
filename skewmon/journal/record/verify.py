"""Checks the chain of seals and the rows that it covers; anything changed, added or removed is a fault."""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Any

from skewmon.journal.record.rows import TABLES, WHOLE, Reader, links
from skewmon.journal.record.seal import GENESIS, ChainLink, Verification, digest_of
from skewmon.model import NS_PER_S
from skewmon.model.record import Period
from skewmon.text import rfc3339

#: More faults than a reader needs to see that the record was changed.
FAULTS_MAX = 20

#: Later instants were not written by a clock.
_YEAR_3000_S = 32_503_680_000

#: Rows that no seal can cover: outside any hour, or of an hour whose rows were removed as too old.
_STRAY = """
typeof(block) <> 'integer' OR typeof(minute) <> 'integer' OR minute NOT BETWEEN 0 AND :whole
OR block NOT IN (SELECT number FROM block) OR block < :hours_from
OR minute < :whole AND block < :minutes_from
OR minute = :whole AND block IN (SELECT number FROM block WHERE seal IS NULL)
"""


class SealCheck:
    """The chain of seals, against which rows are checked as they are read."""

    def __init__(self, connection: sqlite3.Connection, known: Collection[str] = ()) -> None:
        """Check the chain itself; ``known`` are seals kept elsewhere."""
        self.chain = {link.number: link for link in links(connection)}
        self._newest = self.chain[max(self.chain)] if self.chain else None
        self._faults = [*_chain_faults(connection, self.chain.values())]
        seals = {link.seal for link in self.chain.values()}
        self._faults += [
            f"The chain lacks the seal {seal}, which was noted elsewhere."
            for seal in known
            if seal not in seals
        ]
        self._hours = self._minutes_of = 0
        self.is_readable = True  # whether all values were of the right type

    @property
    def found(self) -> Verification:
        """The result so far."""
        faults = tuple(self._faults[:FAULTS_MAX])
        return Verification(faults, len(self.chain), self._hours, self._minutes_of, self._newest)

    def hour(self, number: int, read: Callable[[], Period]) -> Period | None:
        """Read and check the row of an hour; return None if it cannot be read, which is a fault."""
        (hour,) = self._checked(number, lambda: [read()], of_minutes=False) or (None,)
        return hour

    def minutes(self, number: int, read: Callable[[], list[Period]]) -> list[Period]:
        """Read and check the minutes of an hour; return none if they cannot be read, which is a fault."""
        return self._checked(number, read, of_minutes=True)

    def unread(self, connection: sqlite3.Connection) -> None:
        """Check that there are no rows beside those of the hours that are kept."""
        kept = {
            "whole": WHOLE,
            "hours_from": self._newest.hours_from if self._newest else 0,
            "minutes_from": self._newest.minutes_from if self._newest else 0,
        }
        for table in TABLES:
            query = f"SELECT count(*) FROM {table} WHERE {_STRAY}"  # noqa: S608 - fixed names
            (stray,) = connection.execute(query, kept).fetchone()
            if stray:
                self._faults.append(f"{stray} rows were added to {table}, in no hour that is kept.")

    def _checked(
        self, number: int, read: Callable[[], Sequence[Period]], *, of_minutes: bool
    ) -> list[Period]:
        link = self.chain.get(number)
        try:
            found = list(read())
            digest = "" if link is None else digest_of(found)
        except (TypeError, ValueError):  # a value of another type, which skewmon never writes
            if link is None:
                raise
            found, digest = [], "-"
            self.is_readable = False
        if link is not None:
            self._compare(link, found, digest, of_minutes=of_minutes)
        return found

    def _compare(self, link: ChainLink, found: list[Period], digest: str, *, of_minutes: bool) -> None:
        assert self._newest is not None, "there is a link"
        first: Any = self._newest.minutes_from if of_minutes else self._newest.hours_from
        rows = "minutes" if of_minutes else "rows"
        if not isinstance(first, int) or link.number < first:
            if any(period.clusters for period in found):
                self._faults.append(f"The {rows} of {_hour(link)} were added: they are not kept.")
            return
        if of_minutes:
            self._minutes_of += 1
        else:
            self._hours += 1
        if digest != (link.minutes if of_minutes else link.hour):
            self._faults.append(f"The {rows} of {_hour(link)} were changed, added or removed.")


def verify(connection: sqlite3.Connection, known: Collection[str] = ()) -> Verification:
    """Check the whole chain and all rows; ``known`` are seals kept elsewhere."""
    check, reader = SealCheck(connection, known), Reader(connection)
    check.unread(connection)
    for number, link in check.chain.items():
        if len(check.found.faults) >= FAULTS_MAX:
            break
        check.hour(number, partial(reader.hour, number, link.start_s))
        check.minutes(number, partial(reader.minutes, number, link.start_s))
    return check.found


def _chain_faults(connection: sqlite3.Connection, chain: Collection[ChainLink]) -> Iterator[str]:
    before, number = GENESIS, 0
    for link in chain:
        if link.number != number + 1:
            yield f"Between the sealed hours {number} and {link.number} others are missing from the chain."
        elif not _follows(link, before):
            yield f"The seal of {_hour(link)} does not follow from its hour and the seal before."
        before, number = link.seal, link.number
    (unsealed,) = connection.execute(
        "SELECT count(*) FROM block WHERE seal IS NULL AND number < (SELECT max(number) FROM block)"
    ).fetchone()
    if unsealed:
        yield f"The seals of {unsealed} hours are missing."


def _follows(link: ChainLink, before: str) -> bool:
    try:
        return link.seal == link.expected(before)
    except TypeError:  # a value of another type, which skewmon never writes
        return False


def _hour(link: ChainLink) -> str:
    start_s: Any = link.start_s
    known = type(start_s) is int and 0 <= start_s < _YEAR_3000_S
    return f"hour {link.number}" + (f" ({rfc3339(start_s * NS_PER_S, 0)})" if known else "")
