"""The journal's file goes away under a running daemon: what follows is kept, and the loss is told."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from skewmon import journal as journal_module
from skewmon import journal_file
from skewmon.journal import Event, Journal
from skewmon.journal_file import FILE_NAME, read

LOST = (
    "somebody deleted or replaced the journal's file; skewmon continues in the present one, "
    "without its earlier events"
)


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
    monkeypatch.setattr(journal_file, "BUSY_S", 0.01)
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
    assert [entry["event"] for entry in logs] == [LOST, "the journal was damaged; a new one was begun"]


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


async def test_a_file_that_goes_away_during_a_write_loses_nothing_of_it(tmp_path: Path) -> None:
    """An event is acknowledged only when it is found under the file's name."""
    async with Journal.open(str(tmp_path)) as journal:
        await _begin(journal)
        plain = journal._file._write

        def robbed(*arguments: object) -> None:
            plain(*arguments)  # type: ignore[arg-type]  # passed on
            journal._file._write = plain  # type: ignore[method-assign]  # once
            _remove(tmp_path)

        journal._file._write = robbed  # type: ignore[method-assign]  # robs
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
