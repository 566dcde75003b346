"""Hostile nodes beside honest ones: the honest are measured in every round, as well as without the others."""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.sshd import Fleet
from tests.integration.hostile_servers import KINDS
from tests.integration.running import Running

HONEST = ("n1", "n2", "n3")

#: Bounds of loopback are tens of microseconds; a busy machine widens those of single rounds, not the median.
WIDER_MAX = 4.0

#: A bound below this is as good as any: the scheduler of a busy machine takes as long.
ALWAYS_ALLOWED_S = 0.000_5

#: Each round waits for these as long as it may, so a test of a few rounds would take minutes.
SLOW = ("drip", "deaf", "slow-version")

TEN = [kind for kind in KINDS if kind not in SLOW]

#: Rounds that are watched, as they were when these floods were first tried.
ROUNDS = 7

#: Logins, key exchanges and back-off settle; the allocator reaches its level.
WARM_UP_ROUNDS = 5

#: The allocator takes and gives back arenas of a megabyte.
GROWTH_BYTES = 16 * 1024 * 1024


@contextmanager
def hostile(*kinds: str) -> Iterator[list[dict[str, Any]]]:
    """Start hostile nodes; yield them as a configuration has them."""
    command = [sys.executable, "-m", "tests.integration.hostile_servers", *kinds]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(30)


def configuration(fleet: Fleet, path: Path, others: list[dict[str, Any]]) -> Path:
    """Write a configuration of the fleet and these nodes."""
    own = [{"name": node.name, "address": node.address, "port": node.port} for node in fleet.nodes]
    return fleet.write_config(
        path,
        cluster={"nodes": [*own, *others]},
        web={"listen": "127.0.0.1:0"},
        state_directory=str(path.with_suffix(".state")),
    )


async def watched(daemon: Running, rounds: int, others: int) -> list[dict[str, dict[str, Any]]]:
    """Return the nodes of so many rounds that follow each other, by name."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    before = ""

    def another() -> bool:
        nonlocal before
        cluster = daemon.cluster()
        if not cluster["nodes"]:
            return False
        now = cluster["round"]["at"]
        if now != before:
            before = now
            found[now] = {node["name"]: node for node in cluster["nodes"]}
        return len(found) >= rounds

    await daemon.until(lambda: set(HONEST) <= set(daemon.measured()))
    await daemon.until(another, patience_s=30 + 3 * rounds)
    assert all(len(nodes) == len(HONEST) + others for nodes in found.values())
    return list(found.values())


def bounds_s(rounds: list[dict[str, dict[str, Any]]]) -> list[float]:
    """Return half the width of every honest node's offset from the admin box."""
    offsets = [nodes[name]["admin_offset"] for nodes in rounds for name in HONEST]
    return [(offset["upper"] - offset["lower"]) / 2 for offset in offsets]


def missed(rounds: list[dict[str, dict[str, Any]]]) -> list[tuple[str, str]]:
    """Return the honest nodes that a round did not measure, and why."""
    return [
        (name, str(nodes[name]["detail"]))
        for nodes in rounds
        for name in HONEST
        if not nodes[name]["measured"]
    ]


@pytest.mark.prove
@pytest.mark.parametrize("kind", KINDS)
async def test_a_flood_costs_no_honest_node_a_round(kind: str, tmp_path: Path) -> None:
    """Seven of seven rounds beside each kind, and none that the hostile node gets right."""
    async with Fleet(3) as fleet:
        with hostile(kind) as others:
            config = configuration(fleet, tmp_path / "skewmon.yml", others)
            async with Running(config) as daemon:
                rounds = await watched(daemon, ROUNDS, 1)
                assert missed(rounds) == []
                assert not any(nodes[kind]["measured"] for nodes in rounds)
                assert_clean(daemon.log)
                assert await daemon.end() < 5.0


async def hostile_nodes(directory: Path, rounds: int, kinds: Sequence[str]) -> None:
    """Compare bounds with and without hostile nodes, and the daemon's resources over time."""
    async with Fleet(3) as fleet:
        async with Running(configuration(fleet, directory / "quiet.yml", [])) as daemon:
            quiet = bounds_s(await watched(daemon, ROUNDS, 0))
        with hostile(*kinds) as others:
            async with Running(configuration(fleet, directory / "loud.yml", others)) as daemon:
                await watched(daemon, WARM_UP_ROUNDS, len(kinds))
                held = (daemon.resident_bytes(), daemon.descriptors(), daemon.threads())
                found = await watched(daemon, rounds, len(kinds))
                assert missed(found) == []
                loud = bounds_s(found)
                print(f"bounds {statistics.median(quiet):.6f} s, then {statistics.median(loud):.6f} s")
                limit_s = max(ALWAYS_ALLOWED_S, WIDER_MAX * statistics.median(quiet))
                assert statistics.median(loud) < limit_s
                assert daemon.resident_bytes() - held[0] < GROWTH_BYTES
                assert daemon.descriptors() - held[1] < 12
                assert daemon.threads() - held[2] < 12
                assert_clean(daemon.log)


def assert_clean(log: str) -> None:
    """Check that every line of the log is the daemon's own."""
    for line in log.splitlines():
        assert line.isprintable(), line
        assert line.startswith("timestamp="), line
        assert " event=forged" not in line.replace("\\n", "\n").partition("\n")[0], line
    assert "Traceback" not in log, next(line for line in log.splitlines() if "Traceback" in line)


@pytest.mark.timeout(180)
async def test_ten_hostile_nodes_widen_no_bound(tmp_path: Path) -> None:
    """A dozen rounds, in which memory stays constant."""
    assert len(TEN) == 10
    await hostile_nodes(tmp_path, ROUNDS, TEN)


@pytest.mark.prove
@pytest.mark.timeout(2_400)
async def test_hostile_nodes_widen_no_bound_in_five_minutes(tmp_path: Path) -> None:
    """Three hundred rounds, the slow kinds as well."""
    await hostile_nodes(tmp_path, 300, KINDS)
