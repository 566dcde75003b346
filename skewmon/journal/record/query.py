"""Reads periods of the record, whether a daemon writes to it or not."""

import sqlite3
from collections.abc import Iterator

from skewmon.journal.record import rows
from skewmon.model.record import HOUR_S, HistoryQuery, Period


def select(connection: sqlite3.Connection, query: HistoryQuery) -> Iterator[Period]:
    """Yield the minutes that a query asks for, or whole hours if they are enough; in order of recording.

    Only the rows of one hour are in memory at a time: coarse steps of many nodes are made of millions.
    """
    reader = rows.Reader(connection, query.cluster, query.node)
    whole_hours = query.step_s % HOUR_S == 0
    for block, start_s, is_sealed in rows.blocks(connection, query.since_s, query.until_s):
        if whole_hours and is_sealed:
            found = [reader.hour(block, start_s)]
        else:
            found = [*filter(query.covers, reader.minutes(block, start_s))]
        yield from (period for period in map(query.narrowed, found) if period.clusters)
