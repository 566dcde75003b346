"""Reading the record of a running daemon delays no write, and no minute is missed or counted twice."""

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from skewmon.journal import Journal
from skewmon.journal.record import Record
from skewmon.journal.record.rows import FILE_NAME, MINUTES, Reader
from skewmon.model.record import HistoryQuery, Period
from tests.journal.rounds import HOUR_S, a_round, offsets
from tests.journal.test_record import KEPT, history, record

#: A day of all nodes, and the newest minutes of all nodes.
LONG = HistoryQuery("prod", HOUR_S, HOUR_S + 86_400, 60, None)
BRIEF = HistoryQuery("prod", HOUR_S + 7_200, HOUR_S + 7_800, 60, None)


async def test_a_long_answer_delays_neither_a_write_nor_a_short_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a month of all nodes, asked for three times, while minutes end and a page wants the newest."""
    record(tmp_path, 0, 1)
    started, goes_on, plain = threading.Event(), threading.Event(), Reader.minutes

    def slow(
        reader: Reader, block: int, start_s: int, minutes: Sequence[int] = range(MINUTES)
    ) -> list[Period]:
        if not started.is_set():
            started.set()
            assert goes_on.wait(60)
        return plain(reader, block, start_s, minutes)

    monkeypatch.setattr(Reader, "minutes", slow)
    async with Journal.open(str(tmp_path)) as journal, Record.open(str(tmp_path), journal) as kept:
        kept.configure(KEPT, "digest", ["prod"])
        long = [asyncio.ensure_future(kept.history(LONG)) for _ in range(3)]
        assert await asyncio.to_thread(started.wait, 60)
        kept.add([a_round(7_200, offsets(a=0, b=7))])
        try:
            async with asyncio.timeout(20):
                await kept._write(None)
                (newest,) = await kept.history(BRIEF)
        finally:
            goes_on.set()
        assert newest.clusters["prod"].rounds == 1
        lengths = [len(answer) for answer in await asyncio.gather(*long)]
        assert lengths == [24, 25, 25], "each answer is of the instant at which it began"


async def test_no_minute_is_missed_or_counted_twice(tmp_path: Path) -> None:
    """Each is in memory or on disk, whenever an answer begins."""
    query = HistoryQuery("prod", HOUR_S, HOUR_S + 86_400, 60, None)
    async with Journal.open(str(tmp_path)) as journal, Record.open(str(tmp_path), journal) as kept:
        kept.configure(KEPT, "digest", ["prod"])

        async def write() -> None:
            for minute in range(40):
                kept.add([a_round(60 * minute, offsets(a=0, b=7))])
                await asyncio.sleep(0)
                await kept._write(None)

        writing = asyncio.ensure_future(write())
        while not writing.done():
            answers = await asyncio.gather(kept.history(query), kept.history(query))
            for minutes in answers:
                assert [one.start_s for one in minutes] == [HOUR_S + 60 * one for one in range(len(minutes))]
                assert {one.clusters["prod"].rounds for one in minutes} <= {1}
        await writing
        assert len(await kept.history(query)) == 40


async def test_a_daemon_that_stops_while_it_writes_writes_each_minute_once(tmp_path: Path) -> None:
    """As at the turn of a minute on a slow disk: here another process has the file locked."""
    async with Journal.open(str(tmp_path)) as journal, Record.open(str(tmp_path), journal) as kept:
        kept.configure(KEPT, "digest", ["prod"])
        kept.add([a_round(0, offsets(a=0, b=7))])
        with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            stopping = kept._close(asyncio.create_task(kept._write(None)))
            ended = asyncio.ensure_future(stopping)
            await asyncio.sleep(0.2)
            assert not ended.done()
            other.execute("ROLLBACK")
        await ended
    assert [one.clusters["prod"].rounds for one in history(tmp_path, 60)] == [1]
