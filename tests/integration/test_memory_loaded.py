"""Nodes whose processors are busy: history narrows the bounds that the scheduler widens."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from skewmon.clock.state import ClockState
from skewmon.model import Measured
from skewmon.monitor.check import opened
from skewmon.probe.sweep import Sweeper
from tests.clock.gains import SAMPLES, WARM_UP, Bounds, Gain
from tests.fleet.processes import descendants, end_tree
from tests.fleet.sshd import Fleet
from tests.integration.measuring import TIMEOUT_S, assert_inside, nodes_of

HOGS_PER_PROCESSOR = 2
NODES = 4


@contextmanager
def starved() -> Iterator[None]:
    """Give the nodes only the time that busy processes leave over, as on a machine short of processors."""
    for pid in descendants(os.getpid()):
        os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
    count = HOGS_PER_PROCESSOR * (os.cpu_count() or 1)
    busy = [
        subprocess.Popen(["nice", "-n", "5", sys.executable, "-c", "while True: pass"]) for _ in range(count)
    ]
    try:
        yield
    finally:
        for process in busy:
            end_tree(process)


async def gain(interval_s: float, rounds: int) -> Gain:
    """Return the bounds of a starved fleet with and without history; none misses the truth."""
    bounds = Bounds()
    async with Fleet(NODES) as fleet, opened(nodes_of(fleet), TIMEOUT_S) as links:
        for number, node in enumerate(fleet.nodes):
            node.clock.drift(20 * number - 30)
        states: dict[str, ClockState] = {}
        sweeper = Sweeper()
        with starved():
            for number in range(rounds):
                await asyncio.sleep(interval_s)  # history ages by the time between rounds
                sweep = await sweeper.sweep(links, SAMPLES)
                for node, outcome in zip(fleet.nodes, sweep.outcomes.values(), strict=True):
                    if isinstance(outcome, Measured):
                        kept = bounds if number >= WARM_UP else Bounds()
                        states[node.name], best = kept.take(outcome, states.get(node.name))
                        assert_inside(node, best)
    assert len(bounds.alone) > (rounds - WARM_UP) * NODES // 2
    found = bounds.gain()
    print(
        f"rounds every {interval_s:g} s on a starved fleet: p95 of a burst ±{found.alone_ns / 1e3:.0f} us, "
        f"with clock_state ±{found.remembered_ns / 1e3:.0f} us ({found.share:.0%} narrower)"
    )
    return found


async def test_memory_widens_nothing_and_misses_nothing_on_a_starved_fleet() -> None:
    """Real nodes with little processor time; the gain is printed, and varies."""
    await gain(0.2, 20)


@pytest.mark.prove
@pytest.mark.timeout(300)
async def test_memory_narrows_the_bounds_of_a_starved_fleet() -> None:
    """By a third to a half, at rounds of a second, between which proven bounds age by 100 us."""
    assert (await gain(1, 120)).share >= 0.3
