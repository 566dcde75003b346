"""Nodes whose processors are busy: what history makes of bounds that the scheduler widens."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest

from skewmon.clock.burst import estimate
from skewmon.clock.memory import Memory, remember, tightened
from skewmon.model import NS_PER_S, Measured
from skewmon.once import opened
from skewmon.probe.sweep import Sweeper
from tests.clock.simulator import PPM, US, Machine, holds, queueing
from tests.fleet.processes import descendants, end_tree
from tests.fleet.sshd import Fleet
from tests.integration.measuring import TIMEOUT_S, assert_inside, nodes_of

HOGS_PER_PROCESSOR = 2
NODES = 4
SAMPLES = 8

#: The first rounds have no past to lean on.
WARM_UP = 5


@contextmanager
def starved() -> Iterator[None]:
    """Give the nodes only what busy processes leave over, as on a machine that is short of processors."""
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


def p95(values: list[int]) -> int:
    """Return the bound that one in twenty exceeds."""
    return sorted(values)[len(values) * 95 // 100]


async def gain(interval_s: float, rounds: int) -> float:
    """Return by what share history narrows the p95 of the bounds on a loaded fleet; none misses the truth."""
    plain: list[int] = []
    tight: list[int] = []
    async with Fleet(NODES) as fleet, opened(nodes_of(fleet), TIMEOUT_S) as links:
        for number, node in enumerate(fleet.nodes):
            node.clock.drift(20 * number - 30)
        memories: dict[str, Memory] = {}
        sweeper = Sweeper()
        with starved():
            for number in range(rounds):
                await asyncio.sleep(interval_s)  # history ages by the time between rounds
                sweep = await sweeper.sweep(links.values(), SAMPLES)
                for node, outcome in zip(fleet.nodes, sweep.outcomes, strict=True):
                    if not isinstance(outcome, Measured):
                        continue
                    alone = outcome.estimate
                    memories[node.name], said = remember(
                        memories.get(node.name), outcome.burst, alone.at_ns, alone
                    )
                    both = Measured(outcome.burst, tightened(alone, said))
                    assert_inside(node, both)
                    assert both.estimate.wall.width_ns <= alone.wall.width_ns
                    if number >= WARM_UP:
                        plain.append(alone.wall.bound_ns)
                        tight.append(both.estimate.wall.bound_ns)
    assert len(plain) > (rounds - WARM_UP) * NODES // 2
    print(
        f"rounds every {interval_s:g} s on a loaded fleet: p95 of a burst ±{p95(plain) / 1e3:.0f} us, "
        f"with history ±{p95(tight) / 1e3:.0f} us ({1 - p95(tight) / p95(plain):.0%} narrower)"
    )
    return 1 - p95(tight) / p95(plain)


def simulated_gain(queue_us: int, interval_ms: int) -> float:
    """Return the same for simulated nodes behind queues that hold each packet up by so much on average."""
    plain: list[int] = []
    tight: list[int] = []
    for seed in range(5):
        rng = Random(seed)
        network = queueing(rng, 100 * US, 100 * US, queue_us * US)
        machine = Machine(rng, network=network, rate_ppt=rng.randint(-50, 50) * PPM)
        memory: Memory | None = None
        for number in range(100):
            machine.rest_until(machine.at_ns + interval_ms * NS_PER_S // 1000)
            seen = machine.observe(machine.at_ns, samples=SAMPLES)
            alone = estimate(seen.burst, seen.tau_ns)
            memory, said = remember(memory, seen.burst, seen.tau_ns, alone)
            both = tightened(alone, said)
            assert holds(both.wall, seen.truth.wall_units)
            if number >= WARM_UP:
                plain.append(alone.wall.bound_ns)
                tight.append(both.wall.bound_ns)
    return 1 - p95(tight) / p95(plain)


@pytest.mark.parametrize(
    ("queue_us", "interval_ms"),
    [(1_000, 200), (3_000, 1_000), (3_000, 2_000), (10_000, 5_000), (30_000, 15_000)],
)
def test_history_narrows_what_queues_widen_by_more_than_it_ages(queue_us: int, interval_ms: int) -> None:
    """A bound ages by 100 us a second; a burst that is worse than that gains a third and more."""
    assert simulated_gain(queue_us, interval_ms) >= 0.3


def test_history_gains_nothing_where_it_ages_faster_than_bursts_are_wide() -> None:
    """On a LAN of some hundred microseconds a bound that is 15 s old is worthless, and does no harm."""
    assert simulated_gain(300, 15_000) == 0


async def test_history_widens_nothing_and_misses_nothing_on_a_starved_fleet() -> None:
    """Real nodes that get only what others leave; how much narrower is printed, and varies."""
    await gain(0.2, 20)


@pytest.mark.prove
async def test_history_narrows_the_bounds_of_a_starved_fleet() -> None:
    """Usually by a third to a half; how much depends on what else the machine does."""
    assert await gain(0.2, 60) >= 0.2
