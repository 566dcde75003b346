"""Simulated nodes, round after round: nothing grows, on the daemon or on the nodes."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.running import Running

#: Rounds in which caches fill, the allocator settles and every node is reached.
WARM_UP_ROUNDS = 6

#: For a round, on a machine that does other things.
ROUND_S = 30

#: The allocator takes and gives back arenas of a megabyte; a leak of one kilobyte a node and round passes
#: this within a minute.
GROWTH_BYTES = 12 * 1024 * 1024

#: A few descriptors come and go: a scrape, a request, the journal.
FEW_DESCRIPTORS = 12


@asynccontextmanager
async def simulated_nodes(directory: Path, count: int) -> AsyncIterator[tuple[Path, int]]:
    """Start the demo's nodes in a process of their own; yield the configuration and the process id."""
    directory.mkdir()
    command = [sys.executable, "-m", "skewmon.demo", "--nodes", str(count), "--until-eof"]
    process = await asyncio.create_subprocess_exec(
        *command,
        "--directory",
        str(directory),
        "--listen",
        "127.0.0.1:0",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    try:
        line = await process.stdout.readline()
        yield Path(json.loads(line)["config"]), process.pid
    finally:
        assert process.stdin
        process.stdin.close()
        await process.communicate()


def descriptors_of(pid: int) -> int:
    """Return how many files and sockets a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def soak(directory: Path, nodes: int, rounds: int) -> None:
    """Let a daemon measure for so many rounds, and compare its resources before and after."""
    async with simulated_nodes(directory / "nodes", nodes) as (config, nodes_pid):
        async with Running(config) as daemon:
            await daemon.until(lambda: daemon.metric("skewmon_node_success") >= nodes - 1)
            await more_rounds(daemon, WARM_UP_ROUNDS)
            held = daemon.resident_bytes(), daemon.descriptors(), daemon.threads()
            on_nodes = descriptors_of(nodes_pid)
            await more_rounds(daemon, rounds)
            assert daemon.resident_bytes() - held[0] < GROWTH_BYTES
            assert daemon.descriptors() - held[1] < FEW_DESCRIPTORS
            assert daemon.threads() - held[2] < FEW_DESCRIPTORS
            assert descriptors_of(nodes_pid) - on_nodes < FEW_DESCRIPTORS
            assert daemon.metric("skewmon_node_success") >= nodes - 1
            assert "bug" not in daemon.log
            await daemon.end()
        for _ in range(200):
            if descriptors_of(nodes_pid) < nodes * 1.2:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{descriptors_of(nodes_pid)} descriptors are left on the nodes")


async def more_rounds(daemon: Running, count: int) -> None:
    """Wait for so many more rounds."""
    until = daemon.metric("skewmon_rounds_total") + count
    await daemon.until(
        lambda: daemon.metric("skewmon_rounds_total") >= until, patience_s=count * ROUND_S, every_s=0.5
    )


@pytest.mark.timeout(600)
async def test_nothing_grows_in_ten_rounds(tmp_path: Path) -> None:
    """Memory, threads and descriptors stay constant."""
    await soak(tmp_path, 60, 10)


@pytest.mark.prove
@pytest.mark.timeout(9_000)
async def test_nothing_grows_in_three_hundred_rounds(tmp_path: Path) -> None:
    """The same for longer."""
    await soak(tmp_path, 200, 300)
