"""Checks the chain of seals and the rows that it covers; anything that was changed or removed is a fault."""

import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from skewmon.journal.record.rows import Reader, links
from skewmon.journal.record.seal import GENESIS, ChainLink, Verification, digest_of
from skewmon.model import NS_PER_S
from skewmon.text import rfc3339

#: More faults than a reader needs to see that the record was changed.
FAULTS_MAX = 20

#: Later instants were not written by a clock.
_YEAR_3000_S = 32_503_680_000


@dataclass(frozen=True, slots=True)
class Scope:
    """The sealed hours whose rows are checked, and those whose minutes are; None is all that are kept."""

    hours: Collection[int] | None = None
    minutes: Collection[int] | None = None


ALL = Scope()


def verify(connection: sqlite3.Connection, known: Collection[str] = (), scope: Scope = ALL) -> Verification:
    """Check the whole chain, and the rows of the hours in scope; ``known`` are seals kept elsewhere."""
    chain = list(links(connection))
    faults = [*_chain_faults(connection, chain)]
    seals = {link.seal for link in chain}
    faults += [
        f"The chain lacks the seal {seal}, which was noted elsewhere." for seal in known if seal not in seals
    ]
    newest, hours, minutes_of = chain[-1] if chain else None, 0, 0
    reader = Reader(connection)
    for link in chain:
        if newest is None or len(faults) >= FAULTS_MAX:
            break
        if _is_kept(link, newest.hours_from) and (scope.hours is None or link.number in scope.hours):
            hours += 1
            faults += _row_faults(reader, link, of_minutes=False)
        if _is_kept(link, newest.minutes_from) and (scope.minutes is None or link.number in scope.minutes):
            minutes_of += 1
            faults += _row_faults(reader, link, of_minutes=True)
    return Verification(tuple(faults[:FAULTS_MAX]), len(chain), hours, minutes_of, newest)


def _is_kept(link: ChainLink, first: Any) -> bool:
    return isinstance(first, int) and link.number >= first  # another type was tampered with, and is a fault


def _chain_faults(connection: sqlite3.Connection, chain: list[ChainLink]) -> Iterator[str]:
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


def _row_faults(reader: Reader, link: ChainLink, *, of_minutes: bool) -> list[str]:
    """Return a fault if rows do not have the digest that was sealed."""
    try:
        if of_minutes:
            found, expected = digest_of(reader.minutes(link.number, link.start_s)), link.minutes
        else:
            found, expected = digest_of([reader.hour(link.number, link.start_s)]), link.hour
    except (TypeError, ValueError):  # as above
        found, expected = "", "-"
    rows = "minutes" if of_minutes else "rows"
    return [] if found == expected else [f"The {rows} of {_hour(link)} were changed or removed."]


def _hour(link: ChainLink) -> str:
    start_s: Any = link.start_s
    known = type(start_s) is int and 0 <= start_s < _YEAR_3000_S
    return f"hour {link.number}" + (f" ({rfc3339(start_s * NS_PER_S, 0)})" if known else "")
