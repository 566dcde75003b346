"""Events that wait for the disk: bounded, and dropped ones are counted and reported."""

import asyncio
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from skewmon.journal import Journal
from skewmon.journal import journal as journal_module
from skewmon.journal import queue as journal_queue
from skewmon.journal.queue import EventQueue, Row
from skewmon.model import Event, EventQuery


def _event(number: int) -> Event:
    return Event(number * 10**9, "step", f"event {number}", detail={"number": number})


def _row(number: int) -> Row:
    return Row.of(_event(number))


def _messages(rows: list[Row]) -> list[str]:
    return [row.message for row in rows]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ten events wait at most, and try a disk again at once."""
    monkeypatch.setattr(journal_queue, "MAX_WAITING", 10)
    monkeypatch.setattr(journal_module, "RETRY_S", 0.01)


def test_settled_rows_are_gone() -> None:
    """In order, and later ones stay."""
    queue = EventQueue()
    queue.add(_row(1))
    queue.add(_row(2))
    assert _messages(queue.take()) == ["event 1", "event 2"]
    queue.add(_row(3))
    assert len(queue) == 3
    assert queue.settle() == 0
    assert _messages(queue.take()) == ["event 3"]


def test_unsettled_rows_are_taken_again_first() -> None:
    """The same rows in the same order, so that a second writing is none."""
    queue = EventQueue()
    queue.add(_row(1))
    first = queue.take()
    queue.add(_row(2))
    assert queue.take() == [*first, *queue.take()[1:]]


@pytest.mark.usefixtures("small")
def test_beyond_the_limit_the_oldest_are_given_up_and_counted() -> None:
    """The first of them is reported at once; the rest is a number, also across failed attempts."""
    queue = EventQueue()
    assert [queue.add(_row(number)) for number in range(12)] == [False] * 10 + [True, False]
    first, *rest = queue.take()
    assert first.kind == "events-lost"
    assert first.message.startswith(
        "2 events are lost, from 1970-01-01T00:00:00.000Z to 1970-01-01T00:00:01."
    )
    assert _messages(rest) == [f"event {number}" for number in range(2, 12)]
    for number in range(12, 15):
        queue.add(_row(number))
    again, *rest = queue.take()
    assert again.id == first.id, "a failed attempt that was none would double it"
    assert again.message.startswith(
        "5 events are lost, from 1970-01-01T00:00:00.000Z to 1970-01-01T00:00:04."
    )
    assert len(rest) == 10
    assert queue.given_up == 5
    assert queue.settle() == 5
    assert len(queue) == 0
    assert queue.take() == []
    assert queue.given_up == 5


@pytest.mark.usefixtures("small")
def test_taken_rows_are_not_given_up() -> None:
    """They may be written yet, and would be reported as lost."""
    queue = EventQueue()
    for number in range(10):
        queue.add(_row(number))
    queue.take()
    assert [queue.add(_row(number)) for number in range(10, 20)] == [False] * 10
    assert queue.settle() == 0
    assert len(queue) == 10
    assert queue.given_up == 0


@pytest.mark.usefixtures("small")
async def test_given_up_events_are_reported_in_the_log_and_in_the_journal(tmp_path: Path) -> None:
    """When it begins, and after the recovery how many; once each."""
    blocker = tmp_path / "state"
    blocker.write_text("")
    with capture_logs() as logs:
        async with Journal.open(str(blocker)) as journal:
            for number in range(50):
                await journal.append(_event(number))
            assert (journal.held_up, journal.given_up) == (10, 40)
            blocker.unlink()
            async with asyncio.timeout(10):
                while journal.trouble:
                    await asyncio.sleep(0.01)
            assert await journal.append(_event(50))
            *later, lost = await journal.events(EventQuery(1000, since_ns=0))
            assert journal.given_up == 40
    assert [event.detail["number"] for event in later] == list(range(50, 39, -1))
    assert lost.kind == "events-lost"
    assert lost.detail["events"] == 40
    assert abs(lost.wall_ns - time.time_ns()) < 60 * 10**9
    assert [entry["event"] for entry in logs] == [
        "the journal cannot be written; events wait in memory",
        "too many events wait for the journal; the oldest are given up",
        "the journal is written again",
        "events are lost: the journal could not be written for too long",
    ]
    assert logs[-1]["events"] == 40


@pytest.mark.usefixtures("small")
async def test_a_disk_that_hangs_fills_no_memory(tmp_path: Path) -> None:
    """It neither refuses nor answers: the queue is bounded all the same."""
    async with Journal.open(str(tmp_path)) as journal:
        plain, let_go = journal._file.write, asyncio.Event()
        loop = asyncio.get_running_loop()

        def hanging(*arguments: object) -> None:
            asyncio.run_coroutine_threadsafe(let_go.wait(), loop).result(30)
            plain(*arguments)  # type: ignore[arg-type]  # passed on

        journal._file.write = hanging  # type: ignore[method-assign]  # hangs
        journal.note(_event(0))
        await asyncio.sleep(0.05)
        for number in range(1, 100):
            journal.note(_event(number))
        assert journal.given_up == 89
        let_go.set()
        assert await journal.flush()
        *_, lost, first = await journal.events(EventQuery(1000))
        assert (lost.kind, lost.detail["events"], first.detail["number"]) == ("events-lost", 89, 0)
        assert len(await journal.events(EventQuery(1000))) == 1 + 1 + 10
