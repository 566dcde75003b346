"""Three honest nodes and one that floods or dawdles: rounds, processor time and the API stay as they were."""

import asyncio
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.flooder import SCRIPTS, Flooder, flooder
from tests.fleet.sshd import Fleet
from tests.integration.running import Running

#: How often the page and the API are read while a phase lasts.
READ_EVERY_S = 0.25

#: A flood costs its allowance of 0.2 s, a login and the wait until it is noticed; unlimited it costs five
#: seconds in such a phase.
FLOOD_CPU_S = 1.5


@dataclass
class Phase:
    """The costs of a span of the daemon's life."""

    cpu_s: float
    rounds_s: list[float]
    reads_s: list[float]
    reasons: set[str]
    measured: list[int]  # honest nodes in each round


async def phase(daemon: Running, seconds: float) -> Phase:
    """Watch the daemon for a while."""
    began, began_cpu_s = time.monotonic(), daemon.cpu_s()
    found = Phase(0.0, [], [], set(), [])
    rounds: dict[str, dict[str, Any]] = {}
    while time.monotonic() - began < seconds:
        asked = time.monotonic()
        cluster = await asyncio.to_thread(daemon.cluster)
        found.reads_s.append(time.monotonic() - asked)
        rounds[cluster["round"]["at"]] = cluster
        await asyncio.sleep(READ_EVERY_S)
    found.cpu_s = daemon.cpu_s() - began_cpu_s
    for cluster in rounds.values():
        found.rounds_s.append(cluster["round"]["duration_seconds"])
        found.measured.append(sum(node["measured"] for node in cluster["nodes"] if node["name"] != "n4"))
        found.reasons |= {node["reason"] for node in cluster["nodes"] if not node["measured"]}
    return found


def config(path: Path, fleet: Fleet, interval: str, hostile: Flooder | None = None) -> Path:
    """Write a configuration with the fleet and perhaps a flooding node."""
    nodes: list[dict[str, Any]] = [
        {"name": node.name, "address": node.address, "port": node.port} for node in fleet
    ]
    if hostile:
        ssh = {
            "user": "skewmon",
            "port": hostile.port,
            "identity": str(hostile.identity),
            "known_hosts": str(hostile.known_hosts),
        }
        nodes.append({"name": "n4", "address": hostile.address, "ssh": ssh})
    return fleet.write_config(
        path,
        cluster={"nodes": nodes, "interval": interval},
        web={"listen": "127.0.0.1:0"},
        state_directory=str(path.parent / "state"),
    )


async def phases(kind: str, tmp_path: Path, interval: str, seconds: float) -> tuple[Phase, Phase, str]:
    """Return a quiet phase, one with a flooding node, and the log."""
    async with Fleet(3) as fleet:
        with flooder(kind, tmp_path / "flooder") as hostile:
            path = config(tmp_path / "skewmon.yml", fleet, interval)
            async with Running(path) as daemon:
                await daemon.until(lambda: len(daemon.measured()) == 3)
                quiet = await phase(daemon, seconds)
                config(path, fleet, interval, hostile)
                await asyncio.to_thread(reload, daemon)
                loud = await phase(daemon, seconds)
                return quiet, loud, daemon.log


def reload(daemon: Running) -> None:
    """Let the daemon read its configuration again."""
    with urllib.request.urlopen(f"http://{daemon.address}/-/reload", data=b"", timeout=10):
        pass


@pytest.mark.parametrize("kind", ["ignore", "slow"])
async def test_a_flooding_or_slow_node_costs_the_others_nothing(kind: str, tmp_path: Path) -> None:
    """Within seconds of its arrival: no honest node misses a round, and the node's reason names it."""
    quiet, loud, log = await phases(kind, tmp_path, "1s", 6.0)
    reason = {"ignore": "flood", "slow": "late"}[kind]
    assert quiet.reasons == set()
    assert reason in loud.reasons
    assert f"node=n4 reason={reason}" in log
    assert min(loud.measured) == 3
    assert max(loud.rounds_s) < 1.0
    assert loud.cpu_s - quiet.cpu_s < FLOOD_CPU_S
    assert sorted(loud.reads_s)[len(loud.reads_s) // 2] < 10 * max(quiet.reads_s) + 0.1


@pytest.mark.prove
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", SCRIPTS)
async def test_a_minute_of_each_flood(kind: str, tmp_path: Path) -> None:
    """At five seconds: rounds within a second, a processor at most thrice as busy, answers within 0.1 s."""
    quiet, loud, _ = await phases(kind, tmp_path, "5s", 60.0)
    assert min(loud.measured) == 3
    assert max(loud.rounds_s) <= 1.0
    assert loud.cpu_s <= 3 * quiet.cpu_s
    assert sorted(loud.reads_s)[int(0.99 * len(loud.reads_s))] <= 0.1
