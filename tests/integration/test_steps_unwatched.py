"""A real daemon ends, real SSH servers step meanwhile: the next daemon reports it once."""

import asyncio
import signal
from pathlib import Path

import pytest

from skewmon.journal.read import read
from skewmon.model import NS_PER_S, Event, EventQuery
from tests.fleet.sshd import Fleet
from tests.integration.running import Running


def steps(state: Path) -> list[Event]:
    """Return the steps that the journal holds, oldest first."""
    return read(str(state), EventQuery(1000, kind="step"))[::-1]


async def rounds(daemon: Running, count: int) -> None:
    """Let a daemon do so many rounds more."""
    done = daemon.metric("skewmon_rounds_total")
    await daemon.until(lambda: daemon.metric("skewmon_rounds_total") >= done + count)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_a_step_between_two_daemons_is_reported_by_the_second(
    tmp_path: Path, end: signal.Signals
) -> None:
    """After any end of the first one; a step that it reported itself is not repeated."""
    state = tmp_path / "state"
    async with Fleet(2) as fleet:
        config = fleet.write_config(
            tmp_path / "skewmon.yml", web={"listen": "127.0.0.1:0"}, state_directory=str(state)
        )
        async with Running(config) as daemon:
            await daemon.until(lambda: daemon.measured() == ["n1", "n2"])
            fleet["n1"].clock.step(50_000_000)
            await daemon.until(lambda: len(steps(state)) == 1)
            daemon.send(end)
            await asyncio.to_thread(daemon.process.wait, 30)
        fleet["n2"].clock.step(-3 * NS_PER_S)
        for size_s in (-3, 0):  # the step is in the metrics of the daemon that found it, and of no later one
            async with Running(config) as daemon:
                await daemon.until(lambda: daemon.measured() == ["n1", "n2"])
                await rounds(daemon, 2)
                assert abs(daemon.metric("skewmon_node_step_seconds") - size_s) < 1e-4
                assert daemon.metric("skewmon_node_step_age_seconds") < 60
                assert daemon.metric("skewmon_round_age_seconds") < 60
                daemon.send(end)
                await asyncio.to_thread(daemon.process.wait, 30)
        seen, unwatched = steps(state)
        assert (seen.node, unwatched.node) == ("n1", "n2")
        assert "while skewmon was not watching, between " in unwatched.message
        assert "not watching" not in seen.message
        assert abs(unwatched.detail["seconds"] + 3) < 1e-4
        assert unwatched.detail["since"] < unwatched.detail["until"]
        assert {event.kind for event in read(str(state), EventQuery(1000))} <= {
            "step",
            "started",
            "stopped",
            "culprits",
            "alert-firing",
            "alert-resolved",
            "measured-again",
        }
