"""The journal's file goes away under a running daemon: what follows is kept, and the loss is told."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from skewmon.journal import Journal, store
from skewmon.journal import journal as journal_module
from skewmon.journal.name import FILE_NAME
from skewmon.journal.read import read
from skewmon.model import Event

LOST = (
    "somebody deleted, replaced or emptied the journal's file; skewmon continues in the present one, "
    "without its earlier events"
)

SET_ASIDE = "the journal was damaged, or another program's; it was set aside and a new one was begun"


def _event(number: int) -> Event:
    return Event(number, "step", f"event {number}", detail={"number": number})


def _numbers(events: list[Event]) -> list[int]:
    return [event.detail["number"] for event in events]


def _remove(directory: Path) -> None:
    for path in directory.glob(f"{FILE_NAME}*"):
        path.unlink()


async def _begin(journal: Journal) -> None:
    """Write one event and one state, as a daemon has long before its file goes away."""
    journal.save("alerts", ["firing"])
    assert await journal.append(_event(1))


@pytest.mark.parametrize("takes", ["the file", "its companions too", "the whole directory"])
async def test_a_deleted_file_is_begun_anew(tmp_path: Path, takes: str) -> None:
    """What is acknowledged from then on is on disk with all saved states, and the loss is told once."""
    directory = tmp_path / "state"
    with capture_logs() as logs:
        async with Journal.open(str(directory)) as journal:
            await _begin(journal)
            if takes == "the file":
                (directory / FILE_NAME).unlink()
            else:
                _remove(directory)
            if takes == "the whole directory":
                directory.rmdir()
            journal.note(_event(2))
            assert await journal.append(_event(3))
            assert await journal.append(_event(4))
            assert _numbers(read(str(directory), 0, None, 10)) == [4, 3, 2]
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [(LOST, "warning")]
    async with Journal.open(str(directory)) as journal:
        assert journal.load("alerts") == ["firing"]
        assert _numbers(await journal.events()) == [4, 3, 2]


@pytest.mark.parametrize("companions", ["left", "removed"])
async def test_a_file_replaced_by_another_journal_is_gone_on_with(tmp_path: Path, companions: str) -> None:
    """Its events stay, whatever the lost one's log held; the running daemon's states count."""
    other, state = tmp_path / "other", tmp_path / "state"
    async with Journal.open(str(other)) as journal:
        journal.save("alerts", ["of another time"])
        for number in range(100, 200):
            await journal.append(_event(number))
    with capture_logs() as logs:
        async with Journal.open(str(state)) as journal:
            await _begin(journal)
            if companions == "removed":
                _remove(state)
            (other / FILE_NAME).replace(state / FILE_NAME)
            assert await journal.append(_event(2))
            assert _numbers(read(str(state), 0, None, 1000)) == [2, *range(199, 99, -1)]
    assert [entry["event"] for entry in logs] == [LOST]
    async with Journal.open(str(state)) as journal:
        assert journal.load("alerts") == ["firing"]
    assert [path.name for path in state.iterdir()] == [FILE_NAME], "nothing was damaged and set aside"


async def test_a_lost_log_that_somebody_reads_is_applied_to_no_other_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader keeps the lost file's log from being emptied, so that it has to be removed."""
    monkeypatch.setattr(store, "BUSY_S", 0.01)
    other, state = tmp_path / "other", tmp_path / "state"
    async with Journal.open(str(other)) as journal:
        for number in range(100, 200):
            await journal.append(_event(number))
    async with Journal.open(str(state)) as journal:
        await _begin(journal)
        with contextlib.closing(sqlite3.connect(state / FILE_NAME, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM event").fetchone() == (1,)
            (other / FILE_NAME).replace(state / FILE_NAME)
            assert await journal.append(_event(2))
            assert _numbers(read(str(state), 0, None, 1000)) == [2, *range(199, 99, -1)]


async def test_garbage_in_the_place_of_the_file_is_set_aside(tmp_path: Path) -> None:
    """Both are told, and the journal is whole from then on."""
    with capture_logs() as logs:
        async with Journal.open(str(tmp_path)) as journal:
            await _begin(journal)
            _remove(tmp_path)
            (tmp_path / FILE_NAME).write_bytes(b"no database" * 500)
            assert await journal.append(_event(2))
            assert _numbers(read(str(tmp_path), 0, None, 10)) == [2]
    assert [entry["event"] for entry in logs] == [LOST, SET_ASIDE]


async def test_a_file_that_is_renamed_keeps_its_events(tmp_path: Path) -> None:
    """Whoever puts the file away while the daemon runs finds everything in it that was acknowledged."""
    kept = tmp_path / "kept"
    kept.mkdir()
    async with Journal.open(str(tmp_path)) as journal:
        await _begin(journal)
        (tmp_path / FILE_NAME).rename(kept / FILE_NAME)
        assert await journal.append(_event(2))
        assert _numbers(read(str(tmp_path), 0, None, 10)) == [2]
    assert _numbers(read(str(kept), 0, None, 10)) == [1]


def _after_the_next_write(journal: Journal, act: Callable[[], None]) -> None:
    """Have something happen once, after a write and before it is acknowledged."""
    plain = journal._file._write

    def watched(*arguments: object) -> None:
        plain(*arguments)  # type: ignore[arg-type]  # passed on
        journal._file._write = plain  # type: ignore[method-assign]  # once
        act()

    journal._file._write = watched  # type: ignore[method-assign]  # acts


async def test_a_file_that_goes_away_during_a_write_loses_nothing_of_it(tmp_path: Path) -> None:
    """An event is acknowledged only when it is found under the file's name."""
    async with Journal.open(str(tmp_path)) as journal:
        await _begin(journal)
        _after_the_next_write(journal, lambda: _remove(tmp_path))
        assert await journal.append(_event(2))
        assert _numbers(read(str(tmp_path), 0, None, 10)) == [2]


async def test_what_waits_for_a_full_disk_goes_into_a_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody makes room by deleting the journal: all states and what waited are in the next one."""
    monkeypatch.setattr(journal_module, "RETRY_S", 0.01)
    async with Journal.open(str(tmp_path)) as journal:
        await _begin(journal)
        assert journal.held_up == 0
        plain = journal._file._write

        def full(*_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        journal._file._write = full  # type: ignore[method-assign]  # refuses
        assert not await journal.append(_event(2))
        assert not await journal.append(_event(3))
        assert journal.held_up == 2
        _remove(tmp_path)
        journal._file._write = plain  # type: ignore[method-assign]  # takes again
        async with asyncio.timeout(10):
            while journal.trouble:
                await asyncio.sleep(0.01)
        assert journal.held_up == 0
    async with Journal.open(str(tmp_path)) as journal:
        assert _numbers(await journal.events()) == [3, 2]
        assert journal.load("alerts") == ["firing"]


async def test_a_log_that_is_removed_costs_no_event(tmp_path: Path) -> None:
    """What SQLite writes into a file without a name would be gone with the process."""
    async with Journal.open(str(tmp_path)) as journal:
        await _begin(journal)
        for path in tmp_path.glob(f"{FILE_NAME}-*"):
            path.unlink()
        assert await journal.append(_event(2))
        copy = tmp_path / "as after a SIGKILL"
        copy.mkdir()
        for path in tmp_path.glob(f"{FILE_NAME}*"):
            shutil.copy(path, copy)
        assert _numbers(read(str(copy), 0, None, 10)) == [2, 1]


async def test_a_log_that_is_removed_during_a_write_costs_no_event(tmp_path: Path) -> None:
    """An event is acknowledged only when the next process would find it."""
    async with Journal.open(str(tmp_path)) as journal:
        await _begin(journal)
        _after_the_next_write(journal, (tmp_path / f"{FILE_NAME}-wal").unlink)
        assert await journal.append(_event(2))
        assert _numbers(read(str(tmp_path), 0, None, 10)) == [2, 1]


async def test_a_removed_log_that_somebody_reads_is_kept_open_until_it_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Letting go of it earlier would lose what nobody else has."""
    monkeypatch.setattr(journal_module, "RETRY_S", 0.01)
    monkeypatch.setattr(store, "BUSY_S", 0.01)
    async with Journal.open(str(tmp_path)) as journal:
        await _begin(journal)
        with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM event").fetchone() == (1,)
            assert await journal.append(_event(2))
            for path in tmp_path.glob(f"{FILE_NAME}-*"):
                path.unlink()
            assert not await journal.append(_event(3))
            assert "cannot be copied yet" in journal.trouble
        async with asyncio.timeout(10):
            while journal.trouble:
                await asyncio.sleep(0.01)
        assert _numbers(read(str(tmp_path), 0, None, 10)) == [3, 2, 1]


@pytest.mark.parametrize("overwritten", ["all", "head", "middle", "truncated"])
async def test_a_file_that_is_overwritten_in_place_is_noticed(tmp_path: Path, overwritten: str) -> None:
    """It keeps its inode; what is acknowledged from then on is on disk all the same."""
    path = tmp_path / FILE_NAME
    async with Journal.open(str(tmp_path)) as journal:
        journal.save("alerts", ["firing"])
        for number in range(200):
            assert await journal.append(_event(number))
        with contextlib.closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA wal_checkpoint").fetchall()
        assert await journal.append(_event(1000))  # the log begins anew
        content = path.read_bytes()
        with path.open("r+b") as file:
            file.truncate(0)
            if overwritten == "all":
                file.write(os.urandom(len(content)))
            elif overwritten == "head":
                file.write(b"\xff" * 4096 + content[4096:])
            elif overwritten == "middle":
                # More pages than the log holds: it would heal those that the last event changed.
                file.write(content[:8192] + b"\xff" * 24_576 + content[32_768:])
            else:
                file.write(content[:10_000])
        with capture_logs() as logs:
            assert await journal.append(_event(2))
            assert await journal.append(_event(3))
        assert _numbers(read(str(tmp_path), 0, None, 10)) == [3, 2]
    assert [entry["event"] for entry in logs] == [SET_ASIDE]
    async with Journal.open(str(tmp_path)) as journal:
        assert journal.load("alerts") == ["firing"]


async def test_a_file_that_is_emptied_in_place_is_begun_anew_and_told(tmp_path: Path) -> None:
    """As a rotation of logs does that copies and truncates."""
    path = tmp_path / FILE_NAME
    async with Journal.open(str(tmp_path)) as journal:
        await _begin(journal)
        with contextlib.closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA wal_checkpoint").fetchall()
        os.truncate(path, 0)
        with capture_logs() as logs:
            assert await journal.append(_event(2))
        assert _numbers(read(str(tmp_path), 0, None, 10)) == [2]
    assert [entry["event"] for entry in logs] == [LOST]
    async with Journal.open(str(tmp_path)) as journal:
        assert journal.load("alerts") == ["firing"]


async def test_a_neighbour_that_writes_properly_disturbs_nothing(tmp_path: Path) -> None:
    """A person who tidies up with sqlite3 is no damage, and nothing is told."""
    async with Journal.open(str(tmp_path)) as journal:
        for number in range(20):
            assert await journal.append(_event(number))
        with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as other:
            other.execute("DELETE FROM event WHERE wall_ns < 18")
            other.commit()
            other.execute("VACUUM")
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        with capture_logs() as logs:
            assert await journal.append(_event(20))
        assert _numbers(read(str(tmp_path), 0, None, 10)) == [20, 19, 18]
    assert logs == []
