"""Outages and culprits that begin or end while no daemon runs are reported by the next one, once."""

import asyncio
import signal
from pathlib import Path

import pytest

from skewmon.journal.read import read
from skewmon.model import NS_PER_S, Event, EventQuery
from tests.fleet.sshd import Fleet
from tests.integration.running import Running


def told(state: Path) -> list[tuple[str, str | None]]:
    """Return the journal's events of outages and culprits, oldest first."""
    kinds = ("not-measured", "measured-again", "culprits")
    events: list[Event] = read(str(state), EventQuery(1000))[::-1]
    return [(event.kind, event.node) for event in events if event.kind in kinds]


async def live(config: Path, measured: list[str], end: signal.Signals) -> None:
    """Run the daemon for a few rounds."""
    async with Running(config) as daemon:
        await daemon.until(lambda: daemon.measured() == measured)
        seen = daemon.metric("skewmon_rounds_total")
        await daemon.until(lambda: daemon.metric("skewmon_rounds_total") >= seen + 2)
        daemon.send(end)
        await asyncio.to_thread(daemon.process.wait, 30)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_outages_that_change_between_daemons_are_reported_once(
    tmp_path: Path, end: signal.Signals
) -> None:
    """However the daemons end, and however many there are."""
    state = tmp_path / "state"
    async with Fleet(4, offsets_ns=[0, 0, 0, 70 * NS_PER_S]) as fleet:
        config = fleet.write_config(
            tmp_path / "skewmon.yml", web={"listen": "127.0.0.1:0"}, state_directory=str(state)
        )
        fleet["n1"].stop()
        for _ in range(2):
            await live(config, ["n2", "n3", "n4"], end)
        assert told(state) == [("not-measured", "n1"), ("culprits", None)]
        fleet["n1"].start()
        await live(config, ["n1", "n2", "n3", "n4"], end)
        assert told(state)[2:] == [("measured-again", "n1")]
