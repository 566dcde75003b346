"""A name server that never answers costs the names that need it, and nothing else."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.fleet.sshd import Fleet
from tests.integration.dead_name_server import limited_tasks, program, silent_name_server
from tests.integration.running import Running

NAME_SERVER = "127.0.3.53"

DEAD_NAMES = 400

#: Half the names of the live nodes stand in /etc/hosts, the others are numbers.
LIVE = {"n1": "127.0.1.1", "n2": "127.0.1.2", "live3": "live3", "live4": "live4"}

THREADS_MAX = 80


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seconds", [12, pytest.param(300, marks=pytest.mark.prove)])
async def test_four_hundred_names_that_hang_end_nothing_and_delay_no_other(
    tmp_path: Path, seconds: int
) -> None:
    """Under the unit's limit of tasks: alive, few threads, and every node that resolves in every round."""
    with Fleet(len(LIVE)) as fleet, silent_name_server(NAME_SERVER), limited_tasks() as group:
        hosts = {name: fleet[f"n{name[-1]}"].address for name, address in LIVE.items() if name == address}
        for name in hosts:
            fleet.trust(name, fleet[f"n{name[-1]}"].port, fleet[f"n{name[-1]}"])
        nodes = [
            {"name": name, "address": address, "port": fleet[f"n{name[-1]}"].port}
            for name, address in LIVE.items()
        ]
        dead = [f"dead{number}.example" for number in range(DEAD_NAMES)]
        config = fleet.write_config(
            tmp_path / "skewmon.yml",
            cluster={"nodes": [*dead, *nodes], "interval": "1s"},
            web={"listen": "127.0.0.1:0"},
            state_directory=str(tmp_path / "state"),
        )
        started = program(tmp_path, NAME_SERVER, hosts, group)
        async with Running(config, program=started) as daemon:
            await daemon.until(lambda: set(daemon.measured()) == set(LIVE))
            await _watched(daemon, seconds)
            assert "not resolved" in daemon.log
            assert await daemon.end() < 10


async def _watched(daemon: Running, seconds: float) -> None:
    """Look at every round for a while."""
    rounds: dict[str, set[str]] = {}
    threads, ends = 0, time.monotonic() + seconds
    while time.monotonic() < ends:
        assert daemon.process.poll() is None, daemon.log
        threads = max(threads, daemon.threads())
        cluster = await asyncio.to_thread(daemon.cluster)
        rounds[cluster["round"]["at"]] = {node["name"] for node in cluster["nodes"] if node["measured"]}
        await asyncio.sleep(0.2)
    assert threads <= THREADS_MAX
    assert len(rounds) > seconds / 4, "rounds come nearly as often as they should"
    assert {frozenset(one) for one in rounds.values()} == {frozenset(LIVE)}
    print(f"{len(rounds)} rounds, at most {threads} threads")
