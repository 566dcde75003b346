"""The tables of the record, and periods as their rows.

A *block* is one hour of the record and its link of the chain; the rows of a block are its minutes, 0 to 59,
and the whole hour, which is written when the block is sealed. If the wall clock of the admin box steps back
over an hour that is sealed already, another block begins with the same hour.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from skewmon.journal.database import Design
from skewmon.journal.queue import storable
from skewmon.journal.record.seal import ChainLink
from skewmon.model.record import (
    HOUR_S,
    MINUTE_S,
    ClusterRow,
    EndRange,
    Line,
    LineTime,
    NodeRow,
    Period,
)
from skewmon.runtime.gil_yield import yielding_gil

#: The record's name in the state directory.
FILE_NAME = "record.db"

#: Minutes of an hour; the number in place of a minute for the row of the whole hour.
MINUTES = 60
WHOLE = 60

_ENDS = "lower_min INTEGER, lower_max INTEGER, upper_min INTEGER, upper_max INTEGER"

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS name (
  id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, used INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS block (
  number INTEGER PRIMARY KEY, start_s INTEGER NOT NULL, minutes_from INTEGER, hours_from INTEGER,
  minutes TEXT, hour TEXT, seal TEXT);
CREATE INDEX IF NOT EXISTS block_start ON block (start_s);
CREATE TABLE IF NOT EXISTS cluster_row (
  block INTEGER, minute INTEGER, cluster INTEGER, {_ENDS}, rounds INTEGER,
  ok_ms INTEGER, warning_ms INTEGER, critical_ms INTEGER, unknown_ms INTEGER, ambiguous_ms INTEGER,
  confirmed_ms INTEGER, configs INTEGER, judged INTEGER, refs INTEGER,
  PRIMARY KEY (block, minute, cluster)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS node_row (
  block INTEGER, minute INTEGER, cluster INTEGER, node INTEGER, {_ENDS},
  utc_lower_min INTEGER, utc_lower_max INTEGER, utc_upper_min INTEGER, utc_upper_max INTEGER,
  measured INTEGER, missed INTEGER, named INTEGER, measured_ms INTEGER, missed_ms INTEGER, sources INTEGER,
  PRIMARY KEY (block, minute, cluster, node)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS line_row (
  block INTEGER, minute INTEGER, cluster INTEGER, node INTEGER, line INTEGER, beyond_ms INTEGER,
  open_ms INTEGER, PRIMARY KEY (block, minute, cluster, node, line)) WITHOUT ROWID;
"""

#: The tables with rows of periods.
TABLES = ("cluster_row", "node_row", "line_row")

#: In the place of a node in a line's row of the cluster itself.
CLUSTER_ITSELF = 0

DESIGN = Design(
    FILE_NAME,
    "record",
    _SCHEMA,
    (
        "SELECT id, text, used FROM name LIMIT 0",
        "SELECT number, start_s, minutes_from, hours_from, minutes, hour, seal FROM block LIMIT 0",
        "SELECT block, minute, cluster, upper_max, ok_ms, configs, judged, refs FROM cluster_row LIMIT 0",
        "SELECT block, minute, cluster, node, utc_upper_max, measured_ms, sources FROM node_row LIMIT 0",
        "SELECT block, minute, cluster, node, line, beyond_ms, open_ms FROM line_row LIMIT 0",
    ),
    version=1,
)

#: Rows that take about a millisecond to read.
ROWS_A_TURN = 512

#: The range of an integer in SQLite.
_LEAST, _MOST = -(2**63), 2**63 - 1


def insert(connection: sqlite3.Connection, block: int, period: Period) -> None:
    """Write the rows of a minute or of the whole hour, in place of those that are there."""
    minute = WHOLE if period.length_s == HOUR_S else period.start_s % HOUR_S // MINUTE_S
    names = _Names(connection, block)
    clusters, nodes, lines = list[tuple[Any, ...]](), list[tuple[Any, ...]](), list[tuple[Any, ...]]()
    for cluster_name, row in period.clusters.items():
        key = (block, minute, names.id(cluster_name))
        texts = (names.id(_text(one)) for one in (row.configs, row.judged, row.references))
        clusters.append((*key, *_ends(row.skew), row.rounds, *row.verdict_ms, row.confirmed_ms, *texts))
        lines += ((*key, CLUSTER_ITSELF, *one) for one in _lines(names, row.lines))
        for node_name, node in row.nodes.items():
            node_key = (*key, names.id(node_name))
            counts = (node.measured, node.missed, node.named, node.measured_ms, node.missed_ms)
            sources = names.id(_text(node.sources))
            nodes.append((*node_key, *_ends(node.offset), *_ends(node.utc), *counts, sources))
            lines += ((*node_key, *one) for one in _lines(names, node.lines))
    for table, rows in zip(TABLES, (clusters, nodes, lines), strict=True):
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows)  # noqa: S608 - fixed names


class _Names:
    """Texts as numbers; each has the number of the last block that used it, after which it can go."""

    def __init__(self, connection: sqlite3.Connection, block: int) -> None:
        self._connection = connection
        self._block = block
        self._known: dict[str, int] = {}

    def id(self, text: str) -> int:
        """Return the number of a text."""
        if text not in self._known:
            self._known[text] = self._interned(storable(text))
        return self._known[text]

    def _interned(self, text: str) -> int:
        found = self._connection.execute("SELECT id, used FROM name WHERE text = ?", (text,)).fetchone()
        if found is None:
            added = self._connection.execute(
                "INSERT INTO name (text, used) VALUES (?, ?)", (text, self._block)
            )
            assert added.lastrowid is not None, "it was inserted"
            return added.lastrowid
        if found[1] < self._block:
            self._connection.execute("UPDATE name SET used = ? WHERE id = ?", (self._block, found[0]))
        number: int = found[0]
        return number


def _lines(names: _Names, lines: Mapping[Line, LineTime]) -> Iterator[tuple[int, int, int]]:
    return ((names.id(_text(line)), time.beyond_ms, time.open_ms) for line, time in lines.items())


def _ends(ends: EndRange | None) -> Sequence[int | None]:
    return (None,) * 4 if ends is None else [min(max(value, _LEAST), _MOST) for value in ends]


def _text(values: Sequence[object]) -> str:
    return json.dumps(values, separators=(",", ":"))


def blocks(connection: sqlite3.Connection, since_s: int, until_s: int) -> list[tuple[int, int, bool]]:
    """Return number, start and whether it is sealed of each block that has a part of a span, as recorded."""
    rows = connection.execute(
        "SELECT number, start_s, seal IS NOT NULL FROM block"
        " WHERE start_s > ? AND start_s < ? ORDER BY number",
        (since_s - HOUR_S, until_s),
    )
    return [(number, start_s, bool(sealed)) for number, start_s, sealed in rows]


def links(connection: sqlite3.Connection) -> Iterator[ChainLink]:
    """Yield the chain, without the block that is still open."""
    for row in connection.execute(
        "SELECT number, start_s, minutes_from, hours_from, minutes, hour, seal FROM block"
        " WHERE seal IS NOT NULL ORDER BY number"
    ):
        yield ChainLink(*row)


class Reader:
    """Reads periods: of everything, or of one cluster with all of its nodes, one of them, or none ("")."""

    def __init__(
        self, connection: sqlite3.Connection, cluster: str | None = None, node: str | None = None
    ) -> None:
        self._connection = connection
        self._texts: dict[int, str] = {CLUSTER_ITSELF: ""}
        self._lists: dict[int, tuple[Any, ...]] = {}
        self._cluster = None if cluster is None else self._id(cluster)
        self._node = CLUSTER_ITSELF if node == "" else None if node is None else self._id(node)

    def minutes(self, block: int, start_s: int, minutes: Sequence[int] = range(MINUTES)) -> list[Period]:
        """Return minutes of a block, oldest first; those without rows are missing."""
        rows = self._rows(block, minutes)
        return [Period(start_s + minute * MINUTE_S, MINUTE_S, rows[minute]) for minute in sorted(rows)]

    def hour(self, block: int, start_s: int) -> Period:
        """Return the row of a sealed hour."""
        return Period(start_s, HOUR_S, self._rows(block, (WHOLE,)).get(WHOLE, {}))

    def _rows(self, block: int, minutes: Sequence[int]) -> dict[int, dict[str, ClusterRow]]:
        nodes: dict[tuple[int, str], dict[str, NodeRow]] = {}
        for minute, cluster, node, *values in self._select("node_row", block, minutes):
            measured, missed, named, measured_ms, missed_ms, sources = values[8:]
            nodes.setdefault((minute, self._text(cluster)), {})[self._text(node)] = NodeRow(
                _ends_of(values[:4]), _ends_of(values[4:8]), measured, missed, named, measured_ms, missed_ms,
                self._list(sources),
            )  # fmt: skip
        lines: dict[tuple[int, str], dict[str, dict[Line, LineTime]]] = {}
        for minute, cluster, node, line, *times in self._select("line_row", block, minutes):
            of_cluster = lines.setdefault((minute, self._text(cluster)), {})
            of_cluster.setdefault(self._text(node), {})[self._line(line)] = LineTime(*times)
        found: dict[int, dict[str, ClusterRow]] = {}
        for minute, cluster, *values in self._select("cluster_row", block, minutes):
            name = self._text(cluster)
            timed = lines.pop((minute, name), {})
            confirmed_ms, configs, judged, references = values[10:]
            found.setdefault(minute, {})[name] = ClusterRow(
                _ends_of(values[:4]), values[4], tuple(values[5:10]), confirmed_ms, self._list(configs),
                tuple(Line(*one) for one in self._list(judged) if len(one) == len(Line._fields)),
                self._list(references), timed.pop("", {}), _with_lines(nodes.pop((minute, name), {}), timed),
            )  # fmt: skip
        for minute, name in {**nodes, **lines}:  # of a cluster whose own row was removed
            timed, rows = lines.get((minute, name), {}), nodes.get((minute, name), {})
            row = ClusterRow(lines=timed.pop("", {}), nodes=_with_lines(rows, timed))
            found.setdefault(minute, {})[name] = row
        return found

    def _select(self, table: str, block: int, minutes: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a table, each from its minute on."""
        where, values = "", [block, *minutes]
        if self._cluster is not None:
            where += " AND cluster = ?"
            values.append(self._cluster)
        if self._node is not None and table != "cluster_row":
            where += " AND node IN (?, ?)"
            values += (CLUSTER_ITSELF, self._node)
        marks = ", ".join("?" * len(minutes))
        query = f"SELECT * FROM {table} WHERE block = ? AND minute IN ({marks}){where}"  # noqa: S608 - fixed names
        for row in yielding_gil(self._connection.execute(query, values), ROWS_A_TURN):
            yield row[1:]

    def _id(self, text: str) -> int:
        found = self._connection.execute("SELECT id FROM name WHERE text = ?", (storable(text),)).fetchone()
        return found[0] if found else -1

    def _text(self, number: int) -> str:
        if number not in self._texts:
            found = self._connection.execute("SELECT text FROM name WHERE id = ?", (number,)).fetchone()
            self._texts[number] = found[0] if found else f"\0{number}"  # no name; it was removed
        return self._texts[number]

    def _list(self, number: int) -> tuple[Any, ...]:
        """Return the values of a text that ``_text`` wrote; the text itself if it was tampered with."""
        if number not in self._lists:
            text = self._text(number)
            try:
                self._lists[number] = tuple(json.loads(text))
            except (ValueError, TypeError):
                self._lists[number] = (text,)
        return self._lists[number]

    def _line(self, number: int) -> Line:
        kind, severity, limit_ns = (*self._list(number), "", 0, 0)[:3]
        return Line(kind, severity, limit_ns)


def _ends_of(values: Sequence[int | None]) -> EndRange | None:
    """Return the ends, or None if there are none; some of them alone were tampered with."""
    return None if all(value is None for value in values) else EndRange(*values)  # type: ignore[arg-type]


def _with_lines(
    nodes: dict[str, NodeRow], lines: Mapping[str, Mapping[Line, LineTime]]
) -> dict[str, NodeRow]:
    for name, times in lines.items():
        nodes[name] = replace(nodes.get(name, NodeRow()), lines=times)
    return nodes
