"""The whole daemon, killed at any moment: its journal opens, nothing is lost or doubled, alerts go on."""

import asyncio
import json
import sqlite3
import subprocess
import sys
import urllib.request
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from skewmon.errors import JournalError
from skewmon.journal.read import FILE_NAME, read
from skewmon.model import NS_PER_S, Event, EventQuery
from tests.fleet.sshd import Fleet
from tests.integration.running import Running

#: How long a daemon may live before it is killed: sometimes not even a round.
LONGEST_LIFE_S = 2.5

Told = tuple[int, str, str | None, str]


def told(directory: Path) -> list[Event]:
    """Return every event on disk, none if no daemon lived long enough to begin a journal."""
    try:
        return read(str(directory), EventQuery(100_000))
    except JournalError:
        return []


def counted(events: list[Event]) -> Counter[Told]:
    """Count events by all of their fields."""
    return Counter((event.wall_ns, event.kind, event.node, event.message) for event in events)


def assert_sound(directory: Path) -> None:
    """Ask SQLite itself."""
    connection = sqlite3.connect(directory / FILE_NAME)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        connection.close()
    assert list(directory.glob(f"{FILE_NAME}.broken-*")) == []


async def live_and_die(config: Path, fleet: Fleet, directory: Path, rng: Random) -> Counter[Told]:
    """Run the daemon for a random while, its nodes' clocks stepping; return the events on disk."""
    seen: Counter[Told] = Counter()
    async with Running(config) as daemon:
        loop = asyncio.get_running_loop()
        dies = loop.time() + rng.uniform(0, LONGEST_LIFE_S)
        while loop.time() < dies:
            rng.choice((fleet["n2"], fleet["n3"])).clock.step(rng.randint(-500_000, 500_000))
            await asyncio.sleep(rng.uniform(0, 0.3))
            seen = counted(told(directory))  # on disk: acknowledged
        daemon.process.kill()
        await asyncio.to_thread(daemon.process.wait)
    return seen


async def kill_again_and_again(directory: Path, kills: int, seed: int) -> None:
    """Kill so many daemons of one journal; then let one live and check its state."""
    rng, state = Random(seed), directory / "state"
    async with Fleet(3, offsets_ns=[70 * NS_PER_S, 0, 0]) as fleet:
        config = fleet.write_config(
            directory / "skewmon.yml",
            cluster={"thresholds": [{"severity": "critical", "skew": "1s"}]},
            web={"listen": "127.0.0.1:0"},
            state_directory=str(state),
        )
        for _ in range(kills):
            acknowledged = await live_and_die(config, fleet, state, rng)
            if (state / FILE_NAME).exists():
                assert_sound(state)
            kept = counted(told(state))
            assert acknowledged - kept == Counter()
            assert set(kept.values()) <= {1}
        async with Running(config) as daemon:
            await daemon.until(lambda: daemon.metric("skewmon_alert_firing") == 1)
            answer = await asyncio.to_thread(_events, daemon)
            await daemon.end()
        assert_one_alert(state)
        assert {event["kind"] for event in answer} <= {event.kind for event in told(state)}
        assert_readable(state)


def assert_one_alert(state: Path) -> None:
    """However many daemons saw it fire, it is one alert that began once and has not ended."""
    events = told(state)
    alerts = [event for event in events if event.kind.startswith("alert-")]
    assert len(alerts) == 1, alerts
    (alert,) = alerts
    assert (alert.kind, alert.node) == ("alert-firing", "n1")
    (slot,) = [slot for slot in saved_alerts(state) if slot["phase"] == "firing"]
    assert slot["alert"]["started_wall_ns"] == alert.wall_ns
    assert slot["alert"]["ended_wall_ns"] is None
    assert sum(event.kind == "step" for event in events) > 0
    assert all(event.node != "n1" for event in events if event.kind == "step")


def saved_alerts(state: Path) -> list[dict[str, Any]]:
    """Return the state that the alert machine would begin with."""
    connection = sqlite3.connect(state / FILE_NAME)
    try:
        (text,) = connection.execute("SELECT value FROM state WHERE key = 'alerts'").fetchone()
    finally:
        connection.close()
    slots: list[dict[str, Any]] = json.loads(text)["slots"]
    return slots


def assert_readable(state: Path) -> None:
    """Compare with ``skewmon events``, as text by node and as JSON."""
    base = [sys.executable, "-m", "skewmon", "events", "--state-directory", str(state)]
    text = subprocess.run([*base, "--since", "1h"], capture_output=True, text=True, check=True).stdout
    assert "skewmon was started. It had been killed, or the machine went down." in text
    assert "SkewmonSkewHigh (critical) fires: " in text
    assert " jumped " in text
    found = subprocess.run(
        [*base, "--node", "n1", "-o", "json"], capture_output=True, text=True, check=True
    ).stdout
    document = json.loads(found)
    assert document["schema"] == 1
    assert {event["node"] for event in document["events"]} == {"n1"}
    none = subprocess.run([*base, "--node", "n9"], capture_output=True, text=True, check=True)
    assert (none.stdout, none.stderr) == ("", "No events in the last 2d of n9.\n")


def _events(daemon: Running) -> list[dict[str, object]]:
    with urllib.request.urlopen(f"http://{daemon.address}/api/v1/events?limit=1000", timeout=10) as answer:
        found: list[dict[str, object]] = json.load(answer)["events"]
    return found


async def test_a_daemon_that_is_killed_again_and_again_forgets_nothing(tmp_path: Path) -> None:
    """Five kills at random moments."""
    await kill_again_and_again(tmp_path, kills=5, seed=1)


@pytest.mark.prove
@pytest.mark.timeout(1800)
async def test_a_hundred_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    """The same at full count."""
    await kill_again_and_again(tmp_path, kills=100, seed=2)
