"""The record survives what happens to a daemon and its disk: SIGKILL at any moment, a full disk, damage."""

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from skewmon.journal import Journal
from skewmon.journal.record import Record
from skewmon.journal.record.reading import verification
from skewmon.journal.record.rows import DESIGN, FILE_NAME
from skewmon.model import EventQuery
from tests.journal.rounds import HOUR_S, a_round, offsets
from tests.journal.test_record import KEPT, history, record

#: A daemon whose minutes last half a second. It prints every round, and each minute before and after writing.
FAST = """
import asyncio, sys, time
from skewmon.journal import Journal
from skewmon.journal.record import Record, record as module
from skewmon.journal.record.store import Retention
from tests.journal.rounds import HOUR_S, a_round, offsets

SPEED = 120
began, start_s, sleep = time.monotonic(), int(sys.argv[2]), asyncio.sleep

class Clock:
    time = staticmethod(lambda: HOUR_S + start_s + (time.monotonic() - began) * SPEED)
    time_ns = staticmethod(lambda: int(Clock.time() * 1e9))

module.time = Clock
asyncio.sleep = lambda seconds: sleep(seconds / SPEED)

class Told(Record):
    async def _write(self, running_s):
        minutes = [start_s for start_s in self._tally._minutes if start_s != running_s]
        print("writing", *minutes, flush=True)
        await super()._write(running_s)
        assert not self.trouble, self.trouble
        print("written", *minutes, flush=True)

async def main(directory):
    async with Journal.open(directory) as journal, Told.open(directory, journal) as kept:
        kept.configure(Retention(336, 43_824), "digest", ["prod"])
        while True:
            view = a_round(Clock.time() - HOUR_S, offsets(a=0, b=1))
            kept.add([view])
            print("round", view.at_wall_ns // 60_000_000_000 * 60, flush=True)
            await sleep(0.02)

asyncio.run(main(sys.argv[1]))
"""


#: Rounds of a minute in which the turn of the event loop that writes the minute before may still be to come.
TURNS = 3


def _kill_after(directory: Path, start_s: int, lines: int) -> list[list[str]]:
    """Run the daemon, kill it after so many lines, and return the whole ones."""
    command = [sys.executable, "-c", FAST, str(directory), str(start_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        printed = [child.stdout.readline() for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
        printed += child.stdout.readlines()
    assert all(printed[:lines]), "it ended by itself"
    return [line.split() for line in printed if line.endswith("\n")]


def _check_kills(directory: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(kills):
        printed = _kill_after(directory, number * 900, chance.randrange(20, 120))
        rounds = Counter(int(words[1]) for words in printed if words[0] == "round")
        begun = {int(start_s) for words in printed if words[0] == "writing" for start_s in words[1:]}
        written = {int(start_s) for words in printed if words[0] == "written" for start_s in words[1:]}
        stored = {
            period.start_s: period.clusters["prod"].rounds
            for period in history(directory, 60, hours=number // 4 + 2)
            if period.start_s >= HOUR_S + number * 900
        }
        running = max(rounds)
        assert {minute: stored.get(minute) for minute in written} == {
            minute: rounds[minute] for minute in written
        }
        if begun == written:  # else a slow disk has the thread, and later minutes wait for it
            waiting = rounds.keys() - begun - ({running - 60} if rounds[running] <= TURNS else set())
            assert waiting <= {running}, "a minute that was over did not begin to be written"
        assert all(count <= rounds[minute] + 1 for minute, count in stored.items()), "rounds were doubled"
    assert verification(str(directory)).is_whole


def test_sigkill_loses_at_most_the_running_minute(tmp_path: Path) -> None:
    """Each time on the record that was killed before."""
    _check_kills(tmp_path, 3, seed=1)


@pytest.mark.prove
@pytest.mark.timeout(1800)
def test_sigkill_fifty_times(tmp_path: Path) -> None:
    """The same at full count."""
    _check_kills(tmp_path, 50, seed=50)


FULL_DISK = """
import asyncio, resource, sys
from skewmon.journal import Journal
from skewmon.journal.record import Record
from skewmon.journal.record.store import Retention
from tests.journal.rounds import a_round, offsets

NODES = {f"n{number}": 0 for number in range(100)}

async def main(directory):
    async with Journal.open(directory) as journal, Record.open(directory, journal) as kept:
        kept.configure(Retention(336, 43_824), "digest", ["prod"])
        kept.add([a_round(0, offsets(**NODES))])
        await kept._write(None)
        assert not kept.trouble
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (80_000, hard))
        for minute in range(1, 25):
            kept.add([a_round(60 * minute, offsets(**NODES))])
            await kept._write(None)
        assert kept.trouble and kept.held_up > 3, kept.held_up
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        await kept._write(None)
        assert not kept.trouble and not kept.held_up and not kept.given_up
    print("survived")

asyncio.run(main(sys.argv[1]))
"""


def test_a_full_disk_is_survived_and_nothing_is_lost(tmp_path: Path) -> None:
    """The kernel refuses to grow the file; minutes wait and are written, each once, when it may grow."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    *logged, last = done.stdout.splitlines()
    assert last == "survived", done.stderr
    turns = ["not written" in line for line in logged]  # a refused write may make room for a smaller one
    assert turns == [True, False] * (len(turns) // 2), "each beginning and end is logged once"
    minutes = history(tmp_path, 60, "")
    assert [minute.start_s for minute in minutes] == [HOUR_S + 60 * number for number in range(25)]
    assert {minute.clusters["prod"].rounds for minute in minutes} == {1}


async def test_minutes_beyond_the_limit_are_counted_and_lost(tmp_path: Path) -> None:
    """A disk that refuses for hours costs memory for one of them."""
    blocker = tmp_path / "state"
    blocker.write_text("")
    async with Journal.open(str(tmp_path)) as journal, Record.open(str(blocker), journal) as kept:
        for minute in range(70):
            kept.add([a_round(60 * minute, offsets(a=0, b=1))])
            await kept._write(None)
        assert (kept.held_up, kept.given_up) == (60, 10)
        blocker.unlink()
        await kept._write(None)
        assert (kept.held_up, kept.given_up, kept.trouble) == (0, 10, "")
    assert len(history(blocker, 60)) == 60


async def test_a_damaged_file_is_set_aside(tmp_path: Path) -> None:
    """Never deleted: it is renamed and reported, and a new record begins; its chain shows that."""
    record(tmp_path, 0, 1, every_s=900)
    (tmp_path / FILE_NAME).write_bytes(b"no database" * 1_000)
    with capture_logs() as logs:
        async with Journal.open(str(tmp_path)) as journal, Record.open(str(tmp_path), journal) as kept:
            kept.add([a_round(7_200, offsets(a=0, b=1))])
            await kept._write(None)
            assert kept.trouble == ""
    assert DESIGN.damaged in [entry["event"] for entry in logs]
    assert [path.read_bytes()[:2] for path in tmp_path.glob("record.db.broken-*")] == [b"no"]
    assert len(history(tmp_path, 60)) == 1


async def test_the_newest_seal_is_in_the_journal_and_logged_once_a_day(tmp_path: Path) -> None:
    """So that a record that was cut off, or begun again, is noticed."""
    with capture_logs() as logs:
        async with Journal.open(str(tmp_path)) as journal, Record.open(str(tmp_path), journal) as kept:
            kept.configure(KEPT, "digest", ["prod"])
            for hour in (0, 1, 2, 11, 12, 13):  # the day ends after the eleventh
                kept.add([a_round(hour * 3_600, offsets(a=0, b=1))])
                await kept._write(None)
    sealed = [entry for entry in logs if entry["event"] == "the record is sealed"]
    assert [entry["hour"][:13] for entry in sealed] == ["2026-11-18T12", "2026-11-19T00"]
    found = verification(str(tmp_path), [sealed[0]["seal"]])
    assert found.is_whole
    assert found.sealed == 5
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection, connection:
        for table in ("cluster_row", "node_row", "line_row"):
            connection.execute(f"DELETE FROM {table} WHERE block >= 3")
        connection.execute("DELETE FROM block WHERE number >= 3")
    (fault,) = verification(str(tmp_path)).faults
    assert "which was noted elsewhere" in fault


@pytest.mark.parametrize("with_journal", [False, True])
async def test_an_older_copy_in_the_place_of_the_record_is_reported(
    tmp_path: Path, with_journal: bool
) -> None:
    """Before the next hour is sealed in it and all looks whole; with the journal only a kept seal helps."""
    copy, seals, lacks = tmp_path / "copy", list[str](), "record lacks the newest seal"
    for hours, name in (((0, 1, 2), "first"), ((3, 4), "second"), ((5, 6), "third")):
        with capture_logs() as logs:
            async with Journal.open(str(tmp_path)) as journal, Record.open(str(tmp_path), journal) as kept:
                kept.configure(KEPT, "digest", ["prod"])
                for hour in hours:
                    kept.add([a_round(hour * 3_600, offsets(a=0, b=1))])
                    await kept._write(None)
                found = await journal.events(EventQuery(10))
        seals.append(verification(str(tmp_path)).newest.seal)  # type: ignore[union-attr]  # there is one
        reported = [entry["seal"] for entry in logs if lacks in entry["event"]]
        assert reported == ([seals[1]] if name == "third" and not with_journal else [])
        assert len(reported) == len([event for event in found if lacks in event.message])
        if name == "first":
            shutil.copytree(tmp_path, copy)
        elif name == "second":
            for path in copy.iterdir():
                if with_journal or path.name.startswith(FILE_NAME):
                    shutil.copy(path, tmp_path)
    assert verification(str(tmp_path)).is_whole
    assert verification(str(tmp_path), [seals[0]]).is_whole
    assert not verification(str(tmp_path), [seals[1]]).is_whole


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    """An older skewmon neither changes it nor sets it aside."""
    record(tmp_path, 0, every_s=900)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(Exception, match="of a later version"):
        record(tmp_path, 1, every_s=900)
    assert (tmp_path / FILE_NAME).read_bytes() == before
