"""The record on disk: minutes become sealed hours, survive restarts, and are found again."""

import sqlite3
import tracemalloc
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from skewmon.journal import Journal
from skewmon.journal.record import Record
from skewmon.journal.record.query import select
from skewmon.journal.record.reading import verification
from skewmon.journal.record.rows import FILE_NAME
from skewmon.journal.record.seal import GENESIS, ChainLink
from skewmon.journal.record.store import RecordFile, Retention
from skewmon.journal.record.tally import Tally
from skewmon.model.record import EndRange, HistoryQuery, Period, stepped
from tests.journal.rounds import HOUR_S, a_round, offsets

KEPT = Retention(336, 43_824)


def record(directory: Path, *hours: int, retention: Retention = KEPT, every_s: int = 300) -> list[ChainLink]:
    """Record a round every five minutes of these hours, and return the links that this sealed."""
    file, tally, links = RecordFile(directory), Tally(), list[ChainLink]()
    for hour in hours:
        for at_s in range(hour * 3_600, hour * 3_600 + 3_600, every_s):
            tally.add(a_round(at_s, offsets(a=0, b=1_000 + at_s), interval_s=every_s), f"config {hour}")
        links += file.write(tally.take(None), retention)
    file.close()
    return links


def history(directory: Path, step_s: int, node: str | None = None, hours: int = 24) -> list[Period]:
    """Return steps of the record from HOUR_S on."""
    file = RecordFile(directory)
    query = HistoryQuery("prod", HOUR_S, HOUR_S + hours * 3_600, step_s, node)
    found = list(select(file.connected(), query))
    file.close()
    return found


def test_minutes_come_back_as_they_were(tmp_path: Path) -> None:
    """And hours have their extremes; an hour is sealed when the next one begins."""
    links = record(tmp_path, 0, 1)
    assert [link.number for link in links] == [1]
    minutes, hours = history(tmp_path, 60), history(tmp_path, 3_600)
    assert len(minutes) == 24
    assert minutes[3].clusters["prod"].nodes["b"].offset == EndRange(-38_100, -38_100, 41_900, 41_900)
    assert minutes[0].clusters["prod"].configs == ("config 0",)
    assert hours[0].length_s == 3_600
    assert hours[0].clusters["prod"].nodes["b"].offset == EndRange(-39_000, -35_700, 41_000, 44_300)
    assert len(hours) == 13  # the second hour is still open


def test_the_chain_links_hours(tmp_path: Path) -> None:
    """Each seal follows from the one before."""
    first, second = record(tmp_path, 0, 1, 2)
    assert first.seal == first.expected(GENESIS)
    assert second.seal == second.expected(first.seal)
    assert len({first.seal, second.seal, first.hour, second.hour, first.minutes, second.minutes}) == 6


def test_a_minute_in_two_parts_is_folded(tmp_path: Path) -> None:
    """As after a restart within a minute."""
    for at_s in (0, 15):
        file, tally = RecordFile(tmp_path), Tally()
        tally.add(a_round(at_s, offsets(a=0, b=at_s)), "")
        file.write(tally.take(None), KEPT)
        file.close()
    (minute,) = history(tmp_path, 60)
    assert minute.clusters["prod"].rounds == 2
    assert minute.clusters["prod"].nodes["b"].offset == EndRange(-40_000, -39_985, 40_000, 40_015)


def test_a_clock_that_steps_back_changes_no_sealed_hour(tmp_path: Path) -> None:
    """The same hour comes again in a block of its own, and both are found."""
    links = record(tmp_path, 0, 1, 0, 2)
    assert [(link.number, link.start_s - HOUR_S) for link in links] == [(1, 0), (2, 3_600), (3, 0)]
    assert [period.start_s - HOUR_S for period in history(tmp_path, 3_600)][:3] == [0, 3_600, 0]


def test_a_clock_that_steps_back_within_an_hour_mixes_no_minutes(tmp_path: Path) -> None:
    """The hour goes on in a block of its own, so that each minute has the time that passed in it once."""
    file, tally, links = RecordFile(tmp_path), Tally(), list[ChainLink]()
    for number, at_s in enumerate([*range(0, 1_200, 60), *range(600, 3_660, 60)]):
        view = a_round(at_s, offsets(a=0, b=7), interval_s=60)
        tally.add(replace(view, at_ns=60_000_000_000 * number), "")
        links += file.write(tally.take(None), KEPT)
    file.close()
    assert [link.start_s for link in links] == [HOUR_S, HOUR_S]
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        (most,) = connection.execute("SELECT max(rounds) FROM cluster_row WHERE minute < 60").fetchone()
    assert most == 1
    assert sum(period.clusters["prod"].rounds for period in history(tmp_path, 3_600)) == 71
    assert verification(str(tmp_path)).is_whole


def test_rounds_of_a_slow_cluster_begin_no_hour_again(tmp_path: Path) -> None:
    """They end after those of a quick one whose instant was later, at each turn of a minute or an hour."""
    file, tally, links = RecordFile(tmp_path), Tally(), list[ChainLink]()
    for at_s in range(0, 2 * 3_600 + 60, 60):
        tally.add(a_round(at_s, offsets(a=0), interval_s=60, name="quick"), "")
        tally.add(a_round(at_s - 5, offsets(a=0), interval_s=60, name="slow"), "")
        links += file.write(tally.take(HOUR_S + at_s), KEPT)
    file.close()
    assert [(link.number, link.start_s - HOUR_S) for link in links] == [(1, 0)]
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        (count,) = connection.execute("SELECT sum(rounds) FROM cluster_row WHERE minute < 60").fetchone()
    assert count == 2 * 120


def test_the_answer_is_narrowed_to_what_was_asked(tmp_path: Path) -> None:
    """One node, none, or all; and nothing of another cluster."""
    record(tmp_path, 0)
    assert history(tmp_path, 60, None)[0].clusters["prod"].nodes.keys() == {"a", "b"}
    assert history(tmp_path, 60, "a")[0].clusters["prod"].nodes.keys() == {"a"}
    assert history(tmp_path, 60, "")[0].clusters["prod"].nodes == {}
    assert history(tmp_path, 60, "absent")[0].clusters["prod"].nodes == {}
    file = RecordFile(tmp_path)
    assert list(select(file.connected(), HistoryQuery("other", HOUR_S, HOUR_S + 60))) == []
    file.close()


def test_coarse_steps_take_no_more_memory_than_fine_ones(tmp_path: Path) -> None:
    """They are folded while they are read: a client may ask for weeks of minutes in one step."""
    names = {f"n{number}": number for number in range(40)}
    file, tally = RecordFile(tmp_path), Tally()
    for at_s in range(0, 8 * 3_600, 60):
        tally.add(a_round(at_s, offsets(**names), interval_s=60), "")
    file.write(tally.take(None), KEPT)

    def peak(hours: int) -> int:
        query = HistoryQuery("prod", HOUR_S, HOUR_S + hours * 3_600, 59 * 60, None)
        tracemalloc.start()
        assert stepped(select(file.connected(), query), query.step_s)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(1)  # imports and caches
    assert peak(8) < 3 * peak(1)
    file.close()


def test_old_minutes_and_hours_go(tmp_path: Path) -> None:
    """Counted in recorded hours, so that a clock that leaps by years empties nothing."""
    record(tmp_path, 0, 1, 2, 100_000, retention=Retention(2, 3), every_s=900)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        kept = "SELECT DISTINCT block FROM node_row WHERE minute {} 60 ORDER BY block"
        assert [block for (block,) in connection.execute(kept.format("<"))] == [2, 3, 4]
        assert [block for (block,) in connection.execute(kept.format("="))] == [1, 2, 3]
    record(tmp_path, 100_001, 100_002, 100_003, retention=Retention(2, 3), every_s=900)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        assert [block for (block,) in connection.execute(kept.format("<"))] == [5, 6, 7]
        assert [block for (block,) in connection.execute(kept.format("="))] == [4, 5, 6]
        (configs,) = connection.execute("SELECT count(*) FROM name WHERE text = '[\"config 0\"]'").fetchone()
        assert configs == 0, "texts that no row uses go, too"


async def test_a_running_daemon_answers_with_its_running_minute(tmp_path: Path) -> None:
    """What is not on disk yet is part of the answer, and is written at the end."""
    async with Journal.open(str(tmp_path)) as journal, Record.open(str(tmp_path), journal) as kept:
        kept.configure(KEPT, "digest", ["prod"])
        kept.add([a_round(0, offsets(a=0, b=7))])
        query = HistoryQuery("prod", HOUR_S, HOUR_S + 3_600, 60, "b")
        (now,) = await kept.history(query)
        assert now.clusters["prod"].nodes["b"].measured == 1
    assert history(tmp_path, 60, "b") == [now]


async def test_an_unusable_directory_stops_nothing(tmp_path: Path) -> None:
    """Minutes wait in memory, and are found there."""
    (tmp_path / "file").write_text("")
    directory = str(tmp_path / "file")
    async with Journal.open(str(tmp_path)) as journal, Record.open(directory, journal) as kept:
        kept.add([a_round(0, offsets(a=0, b=7))])
        await kept._write(None)
        assert "cannot be used" in kept.trouble
        assert kept.held_up == 1


async def test_a_second_daemon_in_the_directory_records_nothing(tmp_path: Path) -> None:
    """Its rounds would double all times of the first one's record; it says so."""
    async with Journal.open(str(tmp_path)) as journal, Record.open(str(tmp_path), journal) as first:
        first.add([a_round(0, offsets(a=0, b=7))])
        async with Record.open(str(tmp_path), journal, is_owner=False) as second:
            second.add([a_round(0, offsets(a=0, b=7))])
            assert "another skewmon" in second.trouble
        assert first.trouble == ""
    (minute,) = history(tmp_path, 60)
    assert minute.clusters["prod"].rounds == 1


@pytest.mark.parametrize("name", ["", "\x1b[2J", "\u202e", "<b>", "\udcff", "a" * 253, '"', "', 1); --"])
def test_any_name_comes_back(tmp_path: Path, name: str) -> None:
    """Whatever an inventory calls a node; bytes that are not UTF-8 become visible."""
    file, tally = RecordFile(tmp_path), Tally()
    tally.add(a_round(0, {**offsets(a=0), name: None}), "")
    file.write(tally.take(None), KEPT)
    (period,) = select(file.connected(), HistoryQuery("prod", HOUR_S, HOUR_S + 60, 60, None))
    assert period.clusters["prod"].nodes.keys() == {"a", name.encode(errors="backslashreplace").decode()}
    file.close()
