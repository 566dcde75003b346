"""The admin box's own wall clock may be any time and move at any time: no interval misses the truth."""

import asyncio
import json
import os
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from skewmon.model import NS_PER_S
from tests.fleet.clocks import KnownClock
from tests.fleet.sshd import Fleet
from tests.integration.measuring import node_of

ROOT = Path(__file__).parents[2]
YEAR_NS = 365 * 86_400 * NS_PER_S


@asynccontextmanager
async def admin_box(
    fleet: Fleet, clock: KnownClock, rounds: int
) -> AsyncIterator["asyncio.subprocess.Process"]:
    """Start a measuring process that lives by a known clock."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.measure_process",
        str(rounds),
        cwd=ROOT,
        env={**os.environ, **clock.environment()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def described(fleet: Fleet) -> bytes:
    """Return the nodes as the measuring process reads them."""
    nodes = [node_of(fleet, node) for node in fleet.nodes]
    return json.dumps(
        [
            {
                "name": node.name,
                "address": node.address,
                "user": node.ssh.user,
                "port": node.ssh.port,
                "identities": node.ssh.identities,
                "known_hosts": node.ssh.known_hosts,
            }
            for node in nodes
        ]
    ).encode()


async def results(process: "asyncio.subprocess.Process", fleet: Fleet) -> list[list[int]]:
    """Return the results, after comparing every interval with the truth."""
    out, err = await process.communicate(described(fleet))
    assert process.returncode == 0, err.decode()
    found = json.loads(out)
    for name, at_ns, lower, upper, *_ in found:
        assert lower is not None, (name, upper)
        assert lower <= fleet[name].clock.truth_offset_at(at_ns) <= upper, (name, at_ns, lower, upper)
    return found


@pytest.mark.parametrize("stamps", [False, True], ids=["kernel's own stamps", "stamps of that clock"])
@pytest.mark.parametrize(
    "offset_ns",
    [-50 * YEAR_NS, -3 * 86_400 * NS_PER_S, 2_000_000, 70 * NS_PER_S, 100 * YEAR_NS],
    ids=["1976", "three days behind", "2 ms", "70 s", "in a century"],
)
async def test_any_time_on_the_admin_box_measures_the_same(
    offset_ns: int, stamps: bool, tmp_path: Path
) -> None:
    """The error of the admin box's clock is in its offset alone, to the microsecond."""
    async with Fleet(2, offsets_ns=[0, -NS_PER_S]) as fleet:
        with KnownClock(tmp_path / "clock", offset_ns=offset_ns) as clock:
            clock.shift_kernel_stamps(on=stamps)
            async with admin_box(fleet, clock, 3) as process:
                for _, at_ns, _, _, admin_lower, admin_upper in await results(process, fleet):
                    assert admin_lower - 1_000_000 <= clock.truth_offset_at(at_ns) <= admin_upper + 1_000_000


@pytest.mark.parametrize("stamps", [False, True], ids=["kernel's own stamps", "stamps of that clock"])
@pytest.mark.parametrize("movement", ["steps", "slews", "both"])
async def test_an_admin_clock_that_moves_during_rounds_breaks_no_bound(
    movement: str, stamps: bool, tmp_path: Path
) -> None:
    """Steps of any size and slews at the limit, again and again, while bursts are under way."""
    rng = Random(5)
    async with Fleet(3, offsets_ns=[0, NS_PER_S, -NS_PER_S]) as fleet:
        with KnownClock(tmp_path / "clock", offset_ns=5_000_000) as clock:
            clock.shift_kernel_stamps(on=stamps)
            async with admin_box(fleet, clock, 150) as process:
                moving = asyncio.create_task(keep_moving(clock, movement, rng))
                found = await results(process, fleet)
                moving.cancel()
            assert clock.changes > 20
    assert len(found) == 450


async def keep_moving(clock: KnownClock, movement: str, rng: Random) -> None:
    """Move a clock every few milliseconds."""
    while True:
        await asyncio.sleep(rng.uniform(0.005, 0.02))
        if movement == "steps" or (movement == "both" and rng.random() < 0.5):
            clock.step(rng.choice((-1, 1)) * 10 ** rng.randrange(2, 11))
        else:
            clock.slew(rng.choice((0, 500, -500, "83333.333", "-83333.333")))


async def test_kernel_stamps_of_the_right_clock_are_used(tmp_path: Path) -> None:
    """A process whose clock is the kernel's gains by them; one whose clock is another does without."""
    bounds = {}
    async with Fleet(4) as fleet:
        for stamps in (False, True):
            with KnownClock(tmp_path / f"clock{stamps}", offset_ns=70 * NS_PER_S) as clock:
                clock.shift_kernel_stamps(on=stamps)
                async with admin_box(fleet, clock, 60) as process:
                    found = await results(process, fleet)
            bounds[stamps] = statistics.median(upper - lower for _, _, lower, upper, *_ in found)
    assert bounds[True] < bounds[False]
