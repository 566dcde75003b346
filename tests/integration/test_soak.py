"""Two hundred simulated nodes, round after round: nothing grows, on the daemon or on the nodes."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.running import Running

NODES = 200

#: Caches fill, the allocator settles and every node is reached once.
WARM_UP_S = 16

#: The allocator takes and gives back arenas of a megabyte; a leak of one kilobyte a node and round passes
#: this within a minute.
GROWTH_BYTES = 12 * 1024 * 1024

#: A few descriptors come and go: a scrape, a request, the journal.
FEW_DESCRIPTORS = 12


@asynccontextmanager
async def simulated_nodes(directory: Path) -> AsyncIterator[tuple[Path, int]]:
    """Start the demo's nodes in a process of their own; yield the configuration and the process id."""
    directory.mkdir()
    command = [sys.executable, "-m", "skewmon.demo", "--nodes", str(NODES), "--until-eof"]
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


async def soak(directory: Path, span_s: int) -> None:
    """Let a daemon measure for so long, and compare its resources before and after."""
    async with simulated_nodes(directory / "nodes") as (config, nodes_pid):
        async with Running(config) as daemon:
            await daemon.until(lambda: daemon.metric("skewmon_node_success") >= NODES - 1)
            await asyncio.sleep(WARM_UP_S)  # the span itself is under test
            held = (daemon.resident_bytes(), daemon.descriptors(), daemon.threads())
            on_nodes, rounds, cpu_s = (
                descriptors_of(nodes_pid),
                daemon.metric("skewmon_rounds_total"),
                daemon.cpu_s(),
            )
            await asyncio.sleep(span_s)
            done = daemon.metric("skewmon_rounds_total") - rounds
            assert done >= span_s / 2 / 2  # at least every other round, on a machine that does other things
            assert daemon.cpu_s() - cpu_s < span_s
            assert daemon.resident_bytes() - held[0] < GROWTH_BYTES
            assert daemon.descriptors() - held[1] < FEW_DESCRIPTORS
            assert daemon.threads() - held[2] < FEW_DESCRIPTORS
            assert descriptors_of(nodes_pid) - on_nodes < FEW_DESCRIPTORS
            assert daemon.metric("skewmon_node_success") >= NODES - 1
            assert "bug" not in daemon.log
            assert await daemon.end() < 3.0
        for _ in range(200):
            if descriptors_of(nodes_pid) < NODES * 1.2:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{descriptors_of(nodes_pid)} descriptors are left on the nodes")


@pytest.mark.timeout(180)
async def test_nothing_grows_in_half_a_minute(tmp_path: Path) -> None:
    """Rounds of two seconds: memory, threads and descriptors stay constant."""
    await soak(tmp_path, 24)


@pytest.mark.prove
@pytest.mark.timeout(1_200)
async def test_nothing_grows_in_ten_minutes(tmp_path: Path) -> None:
    """The same for three hundred rounds."""
    await soak(tmp_path, 600)
