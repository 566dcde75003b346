"""The journal's file is lost or damaged under a running daemon: it is reported, and later events are kept."""

import asyncio
import contextlib
import os
import sqlite3
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from skewmon.journal import Journal
from skewmon.journal import journal as journal_module
from skewmon.journal.read import FILE_NAME, read
from skewmon.journal.store import DAMAGED, LOST
from skewmon.model import Event, EventQuery


def _event(number: int) -> Event:
    return Event(number, "step", f"event {number}", detail={"number": number})


def _numbers(directory: Path) -> list[int]:
    """Return the numbers of the events on disk, as another process finds them."""
    return [
        event.detail["number"] for event in read(str(directory), EventQuery(1000)) if event.kind == "step"
    ]


def _remove(directory: Path) -> None:
    for path in directory.glob(f"{FILE_NAME}*"):
        path.unlink()


async def _begin(journal: Journal) -> None:
    """Write one event and one state, as a daemon has long before its file goes away."""
    journal.save("alerts", ["firing"])
    assert await journal.append(_event(1))


@pytest.mark.parametrize("takes", ["the file", "its companions too", "the whole directory"])
async def test_a_new_file_takes_the_place_of_a_deleted_one(tmp_path: Path, takes: str) -> None:
    """It has later events and all saved states; the loss is an error, an event and a count, once."""
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
            assert _numbers(directory) == [4, 3, 2]
            (restarted,) = await journal.events(EventQuery(1000, kind="journal-restarted"))
            assert LOST in restarted.message
            assert journal.restarted == 1
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [(LOST, "error")]
    async with Journal.open(str(directory)) as journal:
        assert journal.load("alerts") == ["firing"]


async def test_a_journal_in_the_place_of_the_file_is_continued(tmp_path: Path) -> None:
    """The log of the file before it is not applied to it; the states of the running daemon count."""
    other, state = tmp_path / "other", tmp_path / "state"
    async with Journal.open(str(other)) as journal:
        journal.save("alerts", ["of another time"])
        for number in range(100, 200):
            await journal.append(_event(number))
    with capture_logs() as logs:
        async with Journal.open(str(state)) as journal:
            await _begin(journal)
            (other / FILE_NAME).replace(state / FILE_NAME)
            assert await journal.append(_event(2))
            assert _numbers(state) == [2, *range(199, 99, -1)]
    assert [entry["event"] for entry in logs] == [LOST]
    async with Journal.open(str(state)) as journal:
        assert journal.load("alerts") == ["firing"]
    assert [path.name for path in state.iterdir()] == [FILE_NAME], "nothing was damaged and set aside"


async def test_a_renamed_file_keeps_its_events(tmp_path: Path) -> None:
    """Moved away while the daemon runs, it holds everything that was acknowledged."""
    kept = tmp_path / "kept"
    kept.mkdir()
    async with Journal.open(str(tmp_path)) as journal:
        await _begin(journal)
        (tmp_path / FILE_NAME).rename(kept / FILE_NAME)
        assert await journal.append(_event(2))
        assert _numbers(tmp_path) == [2]
    assert _numbers(kept) == [1]


async def test_garbage_in_the_place_of_the_file_is_set_aside(tmp_path: Path) -> None:
    """Both are reported, and the journal is whole from then on."""
    with capture_logs() as logs:
        async with Journal.open(str(tmp_path)) as journal:
            await _begin(journal)
            _remove(tmp_path)
            (tmp_path / FILE_NAME).write_bytes(b"no database" * 500)
            assert await journal.append(_event(2))
            assert _numbers(tmp_path) == [2]
    assert [entry["event"] for entry in logs] == [LOST, DAMAGED]


@pytest.mark.parametrize("log", ["checkpointed", "full"])
async def test_a_truncated_file_is_reported(tmp_path: Path, log: str) -> None:
    """As by a log rotation that copies and truncates."""
    path = tmp_path / FILE_NAME
    async with Journal.open(str(tmp_path)) as journal:
        await _begin(journal)
        if log == "checkpointed":
            with contextlib.closing(sqlite3.connect(path)) as other:
                other.execute("PRAGMA wal_checkpoint").fetchall()
        os.truncate(path, 0)
        with capture_logs() as logs:
            assert await journal.append(_event(2))
            assert await journal.append(_event(3))
        assert _numbers(tmp_path)[:2] == [3, 2]
    assert logs[0]["event"] == LOST
    async with Journal.open(str(tmp_path)) as journal:
        assert journal.load("alerts") == ["firing"]
        assert await journal.append(_event(4))


async def test_a_file_overwritten_in_place_is_set_aside_at_the_next_start(tmp_path: Path) -> None:
    """If SQLite does not notice earlier; the daemon goes on meanwhile, and no later start fails."""
    path = tmp_path / FILE_NAME
    async with Journal.open(str(tmp_path)) as journal:
        for number in range(200):
            assert await journal.append(_event(number))
        with path.open("r+b") as file:
            file.write(os.urandom(path.stat().st_size))
        await journal.append(_event(1000))
    with capture_logs() as logs:
        async with Journal.open(str(tmp_path)) as journal:
            assert await journal.append(_event(2))
            assert _numbers(tmp_path)[0] == 2
    assert {entry["event"] for entry in logs} <= {DAMAGED}


async def test_events_that_wait_for_a_full_disk_go_into_the_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the journal is deleted to make room, all states and the waiting events are in the next one."""
    monkeypatch.setattr(journal_module, "RETRY_S", 0.01)
    async with Journal.open(str(tmp_path)) as journal:
        await _begin(journal)
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
        assert await journal.flush()
        assert _numbers(tmp_path) == [3, 2]
    async with Journal.open(str(tmp_path)) as journal:
        assert journal.load("alerts") == ["firing"]


async def test_another_process_that_writes_properly_disturbs_nothing(tmp_path: Path) -> None:
    """Cleaning up with sqlite3 while the daemon runs is not damage, and nothing is reported."""
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
        assert _numbers(tmp_path) == [20, 19, 18]
    assert logs == []


async def test_only_a_changed_state_is_written(tmp_path: Path) -> None:
    """Saving the same again costs no transaction."""
    async with Journal.open(str(tmp_path)) as journal:
        writes: list[object] = []
        plain = journal._file.write
        journal._file.write = lambda *given: writes.append(given[2]) or plain(*given)  # type: ignore[method-assign, func-returns-value]  # counts
        journal.save("alerts", {"version": 1})
        assert await journal.flush()
        for _ in range(3):
            journal.save("alerts", {"version": 1})
            await asyncio.sleep(0.02)
        assert writes == [{"alerts"}]
        journal.save("alerts", {"version": 2})
        assert await journal.flush()
        assert writes == [{"alerts"}, {"alerts"}]
