"""The chain of seals: any change of a sealed row and any removal is found."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from skewmon.journal.record.rows import DESIGN, FILE_NAME, TABLES
from skewmon.journal.record.seal import Verification
from skewmon.journal.record.store import RecordFile, Retention
from skewmon.journal.record.tally import Tally
from skewmon.journal.record.verify import verify
from tests.journal.rounds import MS, a_round, offsets
from tests.journal.test_record import KEPT, record

#: The columns of every table whose rows are sealed; ``name`` has the texts that they point to.
SEALED = ("block", "name", *TABLES)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a record of three hours, of which the first two are sealed.

    A line is passed, so that every table has rows.
    """
    directory = tmp_path_factory.mktemp("sealed")
    file, tally = RecordFile(directory), Tally()
    for at_s in range(0, 3 * 3_600, 900):
        far = offsets(a=0, b=200 * MS)
        tally.add(a_round(at_s, far, interval_s=900, utc=far), f"config {at_s // 3_600}")
    file.write(tally.take(None), KEPT)
    file.close()
    return directory


@pytest.fixture(scope="module")
def aged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a record of six hours that keeps the rows of three and the minutes of two."""
    directory = tmp_path_factory.mktemp("aged")
    file, tally = RecordFile(directory), Tally()
    for at_s in range(0, 6 * 3_600, 900):
        tally.add(a_round(at_s, offsets(a=0, b=200 * MS), interval_s=900), "config")
        file.write(tally.take(None), Retention(2, 3))
    file.close()
    return directory


def _verified(directory: Path, *known: str) -> Verification:
    with closing(sqlite3.connect(directory / FILE_NAME)) as connection:
        return verify(connection, known)


def _columns() -> list[tuple[str, str]]:
    """Return every column of every table of the record."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(DESIGN.schema)
        return [
            (table, column)
            for table in SEALED
            for _, column, *_ in connection.execute(f"PRAGMA table_info({table})")
            if (table, column) != ("name", "used")  # says when a text can go, and nothing about the past
        ]


def _copy(sealed: Path, tmp_path: Path) -> sqlite3.Connection:
    shutil.copy(sealed / FILE_NAME, tmp_path / FILE_NAME)
    return sqlite3.connect(tmp_path / FILE_NAME)


def test_an_untouched_record_is_whole(sealed: Path) -> None:
    """All sealed hours and all of their minutes are checked; the open hour has no seal yet."""
    found = _verified(sealed)
    assert found.is_whole
    assert (found.sealed, found.hours, found.minutes_of) == (2, 2, 2)
    assert found.newest is not None
    assert _verified(sealed, found.newest.seal).is_whole
    assert _verified(sealed, "0" * 64).faults == (
        f"The chain lacks the seal {'0' * 64}, which was noted elsewhere.",
    )


@pytest.mark.parametrize(("table", "column"), _columns())
def test_a_changed_value_of_any_column_is_found(
    sealed: Path, tmp_path: Path, table: str, column: str
) -> None:
    """In the row of an hour and in that of a minute, in the oldest and the newest sealed hour."""
    changes = [f"{column} + 1", f"{column} || 'x'", "'5'", "NULL", "-1", "x'00'"]
    changed = 0
    with closing(_copy(sealed, tmp_path)) as connection:
        places = _places(connection, table)
        assert places
        for place in places:
            for change in changes:
                before = connection.execute(f"SELECT {column} FROM {table} WHERE {place}").fetchone()
                try:
                    connection.execute(f"UPDATE {table} SET {column} = {change} WHERE {place}")
                except sqlite3.IntegrityError:  # SQLite itself refuses it
                    continue
                if connection.execute(f"SELECT {column} FROM {table} WHERE {place}").fetchone() != before:
                    changed += 1
                    assert not verify(connection).is_whole, (place, change, before)
                connection.rollback()
    assert changed >= len(places)


def _places(connection: sqlite3.Connection, table: str) -> list[str]:
    """Return conditions, each of one row that a sealed hour needs."""
    if table == "name":  # the configuration of the open hour alone is not sealed yet
        texts = connection.execute("SELECT id, text FROM name").fetchall()
        return [f"id = {number}" for number, text in texts if "config 2" not in text]
    if table == "block":
        return ["number = 1", "number = 2"]
    keys = [key for key in ("block", "minute", "cluster", "node", "line") if (table, key) in _columns()]
    found = connection.execute(
        f"SELECT {', '.join(keys)} FROM {table} WHERE block < 3 AND minute IN (15, 60)"
    )
    return [" AND ".join(f"{key} = {value}" for key, value in zip(keys, row, strict=True)) for row in found]


@pytest.mark.parametrize("table", SEALED)
def test_a_removed_row_of_any_table_is_found(sealed: Path, tmp_path: Path, table: str) -> None:
    """Also the first and the last of the chain."""
    with closing(_copy(sealed, tmp_path)) as connection:
        places = _places(connection, table)
        newest = verify(connection).newest
        assert newest is not None
        for place in places:
            connection.execute(f"DELETE FROM {table} WHERE {place}")
            found = verify(connection, [newest.seal])
            assert not found.is_whole, place
            connection.rollback()


def test_an_added_row_is_found(sealed: Path, tmp_path: Path) -> None:
    """Such as one more minute in which a node was measured."""
    with closing(_copy(sealed, tmp_path)) as connection:
        ones = ", ".join("1" * 13)
        connection.execute(
            f"INSERT INTO node_row SELECT block, 7, cluster, node, {ones}, sources"
            " FROM node_row WHERE block = 1 AND minute = 0"
        )
        (fault,) = verify(connection).faults
        assert fault == "The minutes of hour 1 (2026-11-18T12:00:00Z) were changed, added or removed."


def test_an_added_end_of_a_missing_interval_is_found(tmp_path: Path) -> None:
    """A zero in place of nothing, in one of its four columns."""
    record(tmp_path, 0, 1)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        connection.execute("UPDATE node_row SET utc_lower_max = 0 WHERE block = 1 AND minute = 60")
        assert not verify(connection).is_whole


def test_a_removed_end_is_found_with_a_seal_kept_elsewhere(sealed: Path, tmp_path: Path) -> None:
    """Without one, a record that was cut off cleanly looks whole: the journal keeps the newest seal."""
    newest = _verified(sealed).newest
    assert newest is not None
    with closing(_copy(sealed, tmp_path)) as connection:
        for table in TABLES:
            connection.execute(f"DELETE FROM {table} WHERE block >= 2")
        connection.execute("DELETE FROM block WHERE number >= 2")
        assert verify(connection).is_whole
        assert not verify(connection, [newest.seal]).is_whole


def test_rows_that_are_too_old_are_not_missed(tmp_path: Path) -> None:
    """The chain says which rows are kept; the seals of all hours stay."""
    record(tmp_path, *range(6), retention=Retention(2, 3), every_s=900)
    found = _verified(tmp_path)
    assert found.is_whole
    assert (found.sealed, found.hours, found.minutes_of) == (5, 3, 2)


def test_minutes_go_with_their_hour(tmp_path: Path) -> None:
    """If hours are kept for a shorter time than minutes, nothing is missed either."""
    record(tmp_path, *range(6), retention=Retention(5, 2))
    found = _verified(tmp_path)
    assert found.is_whole, found.faults
    assert (found.sealed, found.hours, found.minutes_of) == (5, 2, 2)


def test_claiming_that_rows_are_too_old_is_found(sealed: Path, tmp_path: Path) -> None:
    """The mark from which rows are kept is sealed with the rest."""
    with closing(_copy(sealed, tmp_path)) as connection:
        connection.execute("UPDATE block SET minutes_from = 2, hours_from = 2 WHERE number = 2")
        for table in TABLES:
            connection.execute(f"DELETE FROM {table} WHERE block = 1")
        assert not verify(connection).is_whole


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO {table} SELECT * FROM {table} WHERE block = 5 AND minute = 15",  # of hours that are kept
        "UPDATE {table} SET minute = 61 WHERE block = 5 AND minute = 15",
        "UPDATE {table} SET minute = 7.5 WHERE block = 6 AND minute = 15",
        "UPDATE {table} SET block = 1 WHERE block = 6 AND minute = 15",  # of an hour too old to be kept
        "UPDATE {table} SET block = 3, minute = 30 WHERE block = 6 AND minute = 15",  # minutes too old
        "UPDATE {table} SET block = 77 WHERE block = 6 AND minute = 15",
        "UPDATE {table} SET minute = 60 WHERE block = 6 AND minute = 15",  # an hour that is still open
    ],
)
@pytest.mark.parametrize("table", TABLES)
def test_rows_added_anywhere_are_found(aged: Path, tmp_path: Path, table: str, change: str) -> None:
    """Also where a report looks before it knows that nothing is kept there; none is taken for the truth."""
    with closing(_copy(aged, tmp_path)) as connection:
        newest = verify(connection).newest
        assert verify(connection).is_whole
        assert newest is not None
        if change.startswith("INSERT"):
            names = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
            taken = ", ".join("minute + 1" if name == "minute" else name for name in names)
            change = f"INSERT INTO {{table}} SELECT {taken} FROM {{table}} WHERE block = 5 AND minute = 15"
        assert connection.execute(change.format(table=table)).rowcount > 0
        assert not verify(connection).is_whole


@pytest.mark.parametrize("seal", ["NULL", "''", "substr(seal, 1, 40)", "upper(seal)"])
def test_a_truncated_newest_seal_is_found(sealed: Path, tmp_path: Path, seal: str) -> None:
    """Also if the open hour after it is removed, so that it seems to be the open one; the journal has it."""
    with closing(_copy(sealed, tmp_path)) as connection:
        newest = verify(connection).newest
        assert newest is not None
        connection.execute(f"UPDATE block SET seal = {seal} WHERE number = 2")
        assert not verify(connection).is_whole
        for table in ("block", *TABLES):
            column = "number" if table == "block" else "block"
            connection.execute(f"DELETE FROM {table} WHERE {column} = 3")
        assert not verify(connection, [newest.seal]).is_whole
