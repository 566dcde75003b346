"""The journal: acknowledged events survive everything, and no disk stops the daemon."""

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from skewmon.errors import JournalError
from skewmon.journal import Journal, store
from skewmon.journal import journal as journal_module
from skewmon.journal import queue as journal_queue
from skewmon.journal.read import FILE_NAME, read
from skewmon.model import Event, EventQuery

SET_ASIDE = "journal file is damaged or belongs to another program; it was set aside and a new one begun"


def _event(number: int, *, node: str | None = "n1", wall_ns: int | None = None) -> Event:
    stamp = time.time_ns() if wall_ns is None else wall_ns
    return Event(stamp, "step", f"event {number}", "lab", node, {"number": number})


def _numbers(events: list[Event]) -> list[int]:
    return [event.detail["number"] for event in events]


async def test_an_acknowledged_event_is_on_disk(tmp_path: Path) -> None:
    """Before append returns, another process can read the event whole."""
    event = _event(1)
    async with Journal.open(str(tmp_path)) as journal:
        assert await journal.append(event)
        assert read(str(tmp_path), EventQuery(10)) == [event]


async def test_events_are_found_by_time_and_node_newest_first(tmp_path: Path) -> None:
    """since, node and limit all narrow the answer."""
    async with Journal.open(str(tmp_path)) as journal:
        for number in range(6):
            await journal.append(_event(number, node=f"n{number % 2}", wall_ns=number))
        assert _numbers(await journal.events(EventQuery(1000))) == [5, 4, 3, 2, 1, 0]
        assert _numbers(await journal.events(EventQuery(1000, since_ns=3))) == [5, 4, 3]
        assert _numbers(await journal.events(EventQuery(2, node="n1"))) == [5, 3]


async def test_events_are_found_by_kind_and_cluster(tmp_path: Path) -> None:
    """A movement of a node of two clusters is found under both, and is one event."""
    events = [
        Event(1, "step", "", "a", "n1", {"clusters": ["a", "b"]}),
        Event(2, "reboot", "", "a", "n1"),
        Event(3, "step", "", "b", "n2"),
        Event(4, "started", ""),
    ]
    async with Journal.open(str(tmp_path)) as journal:
        for event in events:
            await journal.append(event)
        assert await journal.events(EventQuery(1000, kind="step")) == [events[2], events[0]]
        assert await journal.events(EventQuery(1000, cluster="a")) == [events[1], events[0]]
        assert await journal.events(EventQuery(1000, cluster="b")) == [events[2], events[0]]
        assert await journal.events(EventQuery(1000, cluster="b", node="n1", kind="step")) == [events[0]]
        assert await journal.events(EventQuery(1000, cluster="c")) == []


async def test_saved_states_survive_a_restart(tmp_path: Path) -> None:
    """The last value of every key comes back, even without a flush."""
    async with Journal.open(str(tmp_path)) as journal:
        journal.save("alerts", {"version": 1})
        journal.save("alerts", {"version": 2, "firing": ["a"]})
        journal.save("outbox", [])
        assert journal.load("alerts") == {"version": 2, "firing": ["a"]}
        assert journal.load("nothing") is None
    async with Journal.open(str(tmp_path)) as journal:
        assert journal.load("alerts") == {"version": 2, "firing": ["a"]}
        assert journal.load("outbox") == []


async def test_many_writers_share_transactions(tmp_path: Path) -> None:
    """A thousand events at once are acknowledged without a thousand waits for the disk."""
    async with Journal.open(str(tmp_path)) as journal:
        writes = 0
        plain = journal._file._write

        def counted(*arguments: object) -> None:
            nonlocal writes
            writes += 1
            plain(*arguments)  # type: ignore[arg-type]  # passed on

        journal._file._write = counted  # type: ignore[method-assign]  # counts
        assert all(await asyncio.gather(*(journal.append(_event(number)) for number in range(1000))))
        assert writes < 10
        assert sorted(_numbers(await journal.events(EventQuery(1000)))) == list(range(1000))


async def test_writing_a_row_twice_is_writing_it_once(tmp_path: Path) -> None:
    """A transaction whose outcome was unknown can be repeated."""
    file = store.JournalFile(tmp_path)
    row = journal_queue.Row.of(_event(1))
    file.write([row], {}, ())
    file.write([row], {}, ())
    assert len(file.events(EventQuery(10))) == 1
    file.close()


async def test_old_events_go_and_the_newest_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounded by number and by age; but a clock that is wrong by years cannot empty the journal."""
    monkeypatch.setattr(store, "MAX_EVENTS", 50)
    monkeypatch.setattr(store, "KEPT_EVENTS", 5)
    monkeypatch.setattr(store, "PRUNE_EVERY", 10)
    file = store.JournalFile(tmp_path)
    for number in range(100):
        file.write([journal_queue.Row.of(_event(number))], {}, ())
    assert len(file.events(EventQuery(1000))) < 60
    monkeypatch.setattr(store.time, "time_ns", lambda: 4 * 10**18)
    for number in range(100, 110):
        file.write([journal_queue.Row.of(_event(number))], {}, ())
    kept = _numbers(file.events(EventQuery(1000)))
    assert kept[:5] == [109, 108, 107, 106, 105]
    assert len(kept) < 5 + 10
    file.close()


# --- disks that refuse -------------------------------------------------------------------------------


async def test_a_directory_that_cannot_be_used_stops_nothing(tmp_path: Path) -> None:
    """It is logged once, events wait in memory, and saved states can still be loaded."""
    (tmp_path / "taken").write_text("a file where a directory should be")
    with capture_logs() as logs:
        async with Journal.open(str(tmp_path / "taken")) as journal:
            assert not await journal.append(_event(1))
            assert not await journal.append(_event(2))
            journal.save("alerts", 1)
            assert journal.load("alerts") == 1
            with pytest.raises(JournalError, match="cannot be used"):
                await journal.events(EventQuery(1000))
            assert "cannot be used" in journal.trouble
    assert [entry["event"] for entry in logs] == [
        "the journal cannot be written; events wait in memory",
        "the journal could not be written; events are lost",
    ]


async def test_waiting_events_are_written_when_the_disk_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order, once, and the recovery is logged."""
    monkeypatch.setattr(journal_module, "RETRY_S", 0.01)
    blocker = tmp_path / "state"
    blocker.write_text("")
    with capture_logs() as logs:
        async with Journal.open(str(blocker)) as journal:
            for number in range(3):
                assert not await journal.append(_event(number))
            journal.save("key", "value")
            blocker.unlink()
            async with asyncio.timeout(10):
                while journal.trouble:
                    await asyncio.sleep(0.01)
            assert await journal.append(_event(3))
            assert _numbers(await journal.events(EventQuery(1000))) == [3, 2, 1, 0]
    assert [entry["log_level"] for entry in logs] == ["warning", "info"]
    async with Journal.open(str(blocker)) as journal:
        assert journal.load("key") == "value"


FULL_DISK = """
import asyncio, resource, sys
from skewmon.journal import journal as module
from skewmon.journal import Journal
from skewmon.model import Event, EventQuery

module.RETRY_S = 0.05

async def main(directory):
    async with Journal.open(directory) as journal:
        assert await journal.append(Event(1, "step", "before"))
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        stored = [await journal.append(Event(2, "step", "x" * 2000)) for _ in range(300)]
        assert not stored[-1] and journal.trouble, "the disk was not full"
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        async with asyncio.timeout(20):
            while journal.trouble:
                await asyncio.sleep(0.02)
        assert len(await journal.events(EventQuery(1000))) == 301
    print("survived")

asyncio.run(main(sys.argv[1]))
"""


def test_a_full_disk_is_survived_and_nothing_is_lost(tmp_path: Path) -> None:
    """The kernel refuses to grow the file; 300 events wait and are written, each once, when it may grow."""
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    *logged, last = run.stdout.splitlines()
    assert last == "survived", run.stderr
    assert ["cannot be written" in line for line in logged] == [True, False], "logged once, and its end"


@pytest.mark.parametrize("damage", ["garbage", "head", "middle"])
async def test_a_damaged_file_is_set_aside(tmp_path: Path, damage: str) -> None:
    """Never fatal and never deleted: it is renamed and reported, and a new journal begins."""
    async with Journal.open(str(tmp_path)) as journal:
        for number in range(200):
            await journal.append(_event(number))
    path = tmp_path / FILE_NAME
    content = bytearray(path.read_bytes())
    if damage == "garbage":
        content = bytearray(os.urandom(5000))
    else:
        start = 0 if damage == "head" else 4096
        content[start : start + 4096] = b"\xff" * 4096
    path.write_bytes(content)
    with capture_logs() as logs:
        async with Journal.open(str(tmp_path)) as journal:
            assert await journal.append(_event(7))
            newest, restarted = await journal.events(EventQuery(1000))
            assert newest.detail["number"] == 7
            assert journal.restarted == 1
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [(SET_ASIDE, "error")]
    (kept,) = tmp_path.glob("journal.db.broken-*")
    assert kept.read_bytes() == bytes(content)
    assert (restarted.kind, restarted.detail["kept"]) == ("journal-restarted", str(kept))
    assert SET_ASIDE in restarted.message


async def test_twenty_damaged_files_are_twenty_starts(tmp_path: Path) -> None:
    """Damage of any size at any place, file, log and index, while no daemon runs: each start has a journal.

    A start either has every event that it reads whole, or sets the file aside and says so in the journal.
    """
    rng = random.Random(20)
    for number in range(20):
        async with Journal.open(str(tmp_path)) as journal:
            for count in range(50):
                assert await journal.append(_event(1_000 * number + count))
        await _damage(tmp_path, rng)
        with capture_logs() as logs:
            async with Journal.open(str(tmp_path)) as journal:
                assert await journal.append(_event(1_000 * number + 999))
                newest, *_ = [
                    event for event in await journal.events(EventQuery(1000)) if event.kind == "step"
                ]
                assert newest.detail["number"] == 1_000 * number + 999
                set_aside = any(entry["event"] == SET_ASIDE for entry in logs)
                kinds = {event.kind for event in await journal.events(EventQuery(1000))}
                assert ("journal-restarted" in kinds) >= set_aside


async def _damage(directory: Path, rng: random.Random) -> None:
    """Damage the files of a journal as a disk, a full file system or an administrator may."""
    path = directory / FILE_NAME
    content = bytearray(path.read_bytes())
    kind = rng.choice(["flip", "zeros", "noise", "cut", "empty", "replace", "log", "index", "grow"])
    start = rng.randrange(len(content))
    if kind == "flip":
        content[start] ^= 1 << rng.randrange(8)
    elif kind in {"zeros", "noise"}:
        size = min(len(content) - start, rng.randrange(1, 20_000))
        content[start : start + size] = bytes(size) if kind == "zeros" else rng.randbytes(size)
    elif kind in {"cut", "empty"}:
        del content[0 if kind == "empty" else start :]
    elif kind == "replace":
        content = bytearray(rng.randbytes(10_000))
    elif kind == "grow":
        content += rng.randbytes(10_000)
    else:
        name = FILE_NAME + ("-wal" if kind == "log" else "-shm")
        (directory / name).write_bytes(rng.randbytes(40_000))
    path.write_bytes(content)


@pytest.mark.parametrize(
    "event",
    [
        Event(1, "step", "half a \ud800 character", "a\udc80b", "n\udcff"),
        Event(2**80, "step", "after the end of time"),
        Event(-(2**80), "step", "before its beginning"),
    ],
    ids=["surrogates", "far future", "far past"],
)
async def test_an_event_that_sqlite_rejects_stops_no_other(tmp_path: Path, event: Event) -> None:
    """A name that is not UTF-8, or a clock beyond SQLite's integers, is written as well as possible."""
    async with Journal.open(str(tmp_path)) as journal:
        async with asyncio.timeout(10):
            assert await journal.append(event)
            assert await journal.append(_event(2))
        stored = await journal.events(EventQuery(1000, since_ns=-(2**63)))
        assert len(stored) == 2
        assert json.dumps([one.to_json() for one in stored]).isascii()


async def test_an_internal_error_of_the_writer_is_logged_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After any exception no caller waits for ever, the trouble shows, and it is tried again."""
    monkeypatch.setattr(journal_module, "RETRY_S", 0.01)
    async with Journal.open(str(tmp_path)) as journal:
        plain = journal._file.write

        def defective(*_: object) -> None:
            raise RuntimeError("a defect")

        journal._file.write = defective  # type: ignore[method-assign]  # fails
        with capture_logs() as logs:
            async with asyncio.timeout(10):
                assert not await journal.append(_event(1))
        assert "a defect" in journal.trouble
        assert "please report this as a bug" in logs[0]["event"]
        journal._file.write = plain  # type: ignore[method-assign]  # works again
        async with asyncio.timeout(10):
            while journal.trouble:
                await asyncio.sleep(0.01)
        assert _numbers(await journal.events(EventQuery(1000))) == [1]


async def test_another_programs_database_is_set_aside(tmp_path: Path) -> None:
    """Tables of the same names with other columns can take no event."""
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as other:
        other.execute("CREATE TABLE event (place TEXT, price REAL)")
        other.execute("INSERT INTO event VALUES ('hall', 3.5)")
        other.commit()
    with capture_logs() as logs:
        async with Journal.open(str(tmp_path)) as journal:
            assert await journal.append(_event(7))
    assert [entry["event"] for entry in logs] == [SET_ASIDE]
    (kept,) = tmp_path.glob("journal.db.broken-*")
    with contextlib.closing(sqlite3.connect(kept)) as other:
        assert other.execute("SELECT * FROM event").fetchall() == [("hall", 3.5)]


async def test_an_unreadable_journal_is_an_error(tmp_path: Path) -> None:
    """The caller gets the reason; an empty result would mean that nothing happened."""
    (tmp_path / FILE_NAME).mkdir()
    async with Journal.open(str(tmp_path)) as journal:
        with pytest.raises(JournalError, match="unable to open"):
            await journal.events(EventQuery(1000))


def test_the_file_is_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However large single events are: they are cut, the oldest go, and the newest stay."""
    monkeypatch.setattr(store, "MAX_BYTES", 500_000)
    file = store.JournalFile(tmp_path)
    for number in range(300):
        text = "x" * 1_000_000
        event = Event(number, "culprits", text, detail={"culprits": [text], "number": number})
        file.write([journal_queue.Row.of(event)], {}, ())
    stored = file.events(EventQuery(1000))
    assert 10 < len(stored) < 300
    assert stored[0].wall_ns == 299
    assert len(stored[0].message) == journal_queue.MAX_MESSAGE
    file.close()
    assert (tmp_path / FILE_NAME).stat().st_size < 1_000_000


# --- processes that die ------------------------------------------------------------------------------

WRITER = textwrap.dedent("""
    import asyncio, sys, time
    from skewmon.journal import Journal
    from skewmon.model import Event

    async def writer(journal, name):
        for number in range(1_000_000):
            event = Event(time.time_ns(), "step", "x", node=name, detail={"number": number})
            assert await journal.append(event)
            print(name, number, flush=True)

    async def main(directory):
        async with Journal.open(directory) as journal:
            await asyncio.gather(*(writer(journal, f"w{index}") for index in range(4)))

    asyncio.run(main(sys.argv[1]))
""")


def _kill_amid_writing(directory: Path, acknowledgements: int) -> Counter[tuple[str, int]]:
    """Start a writer, kill it after so many acknowledgments, and return the acknowledged events."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(directory)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(acknowledgements)]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
    whole = [line.split() for line in lines if line.endswith("\n")]
    return Counter((name, int(number)) for name, number in whole)


def _check_after_kill(directory: Path, acknowledgements: int) -> None:
    acknowledged = _kill_amid_writing(directory, acknowledgements)
    stored = Counter(
        (event.node, event.detail["number"]) for event in read(str(directory), EventQuery(10**6))
    )
    assert not acknowledged - stored, "an acknowledged event was lost"
    assert max(stored.values()) == 1, "an event was doubled"
    assert len(stored) - len(acknowledged) <= 4, "more than what was under way appeared"


@pytest.mark.parametrize("seed", range(5))
def test_sigkill_neither_loses_nor_doubles_an_acknowledged_event(tmp_path: Path, seed: int) -> None:
    """Killed at a random moment while four tasks write."""
    _check_after_kill(tmp_path, random.Random(seed).randrange(1, 400))


@pytest.mark.prove
@pytest.mark.timeout(1800)
def test_sigkill_a_hundred_times(tmp_path: Path) -> None:
    """The same at full count, each time on a journal that was killed before."""
    rng = random.Random(100)
    for number in range(100):
        directory = tmp_path / str(number)
        _check_after_kill(directory, rng.randrange(1, 2000))


async def test_a_killed_journal_opens_again(tmp_path: Path) -> None:
    """The next process reads the write-ahead log of the dead one."""
    acknowledged = await asyncio.to_thread(_kill_amid_writing, tmp_path, 50)
    async with Journal.open(str(tmp_path)) as journal:
        assert await journal.append(Event(time.time_ns(), "restart", "again"))
        events = await journal.events(EventQuery(1000))
    assert events[0].kind == "restart"
    assert len(events) - 1 >= len(acknowledged)


async def test_closing_the_journal_writes_waiting_events(tmp_path: Path) -> None:
    """Leaving the context while appends are under way acknowledges and writes them."""
    async with Journal.open(str(tmp_path)) as journal:
        under_way = [asyncio.ensure_future(journal.append(_event(number))) for number in range(20)]
        await asyncio.sleep(0)
    assert await asyncio.gather(*under_way) == [True] * 20
    assert sorted(_numbers(read(str(tmp_path), EventQuery(100)))) == list(range(20))


# --- readers -----------------------------------------------------------------------------------------


def test_reading_without_a_journal_is_an_error(tmp_path: Path) -> None:
    """One sentence that names the directory."""
    with pytest.raises(JournalError, match="There is no journal in"):
        read(str(tmp_path), EventQuery(1))


def test_reading_garbage_is_an_error(tmp_path: Path) -> None:
    """A reader sets nothing aside: that is the daemon's to do."""
    (tmp_path / FILE_NAME).write_bytes(os.urandom(4096))
    with pytest.raises(JournalError, match="damaged"):
        read(str(tmp_path), EventQuery(1))
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_reading_an_empty_file_is_an_error(tmp_path: Path) -> None:
    """A file without tables cannot be read, and says so."""
    sqlite3.connect(tmp_path / FILE_NAME).close()
    (tmp_path / FILE_NAME).touch()
    with pytest.raises(JournalError, match="cannot be read"):
        read(str(tmp_path), EventQuery(1))


def test_an_event_in_json_has_rfc_3339_time_and_its_detail() -> None:
    """As the HTTP interface and the command line show it."""
    event = Event(1_790_000_000_123_456_789, "leap", "One second.", "lab", None, {"seconds": -1})
    assert json.loads(json.dumps(event.to_json())) == {
        "time": "2026-09-21T14:13:20.123Z",
        "kind": "leap",
        "cluster": "lab",
        "node": None,
        "message": "One second.",
        "detail": {"seconds": -1},
    }
