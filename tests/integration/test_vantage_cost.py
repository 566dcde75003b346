"""The cost of a relay: its memory and processor time, and the admin box's against nodes that are near."""

import time
from pathlib import Path

import pytest

from skewmon.monitor.check import opened
from skewmon.probe.budget import Budget
from skewmon.probe.sweep import Sweeper
from tests.fleet.node import FleetNode
from tests.integration.measuring import in_order, measured, node_of
from tests.integration.sites import Site, site

#: A login of hundreds of nodes at once on a busy machine.
LOGIN_TIMEOUT_S = 120.0

ROUNDS = 5

#: Hundreds of nodes share the processors of this machine: no node is late, and none is asked for less.
PATIENT = Budget(ask_s=60.0)
SAMPLES = 8

#: Resident memory of the relay, and its processor time a node and round.
RELAY_BYTES_MAX = 25 << 20
RELAY_CPU_NS_MAX = 300_000

#: The relay's processor time against the admin box's for a node that is measured directly.
RELAY_RATIO_MAX = 0.4

#: The admin box's processor time a node and round, through a vantage and directly.
ADMIN_RATIO_MAX = 1.3


def relay_id(bastion: FleetNode) -> int:
    """Return the process of the relay."""
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in bastion.session_ids()}
    (found,) = (pid for pid, command in commands.items() if b"relay=" in command and b"-ISuc" in command)
    return found


def cpu_ns(pid: int) -> int:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/schedstat").read_text().split()
    return int(fields[0])


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) * 1024


async def admin_ns(far: Site, relay: int | None = None, **ssh: object) -> tuple[float, float]:
    """Return the processor time of this process, and of a relay, a node and round."""
    nodes = [node_of(far.fleet, node, **ssh) for node in far.fleet.nodes[1:]]
    async with opened(nodes, LOGIN_TIMEOUT_S) as links:
        sweeper = Sweeper(lambda _: PATIENT)
        await sweeper.sweep(links, SAMPLES)
        relay = relay_id(far.bastion) if ssh else None
        before_ns, relay_ns = time.process_time_ns(), cpu_ns(relay) if relay else 0
        exchanges = 0
        for _ in range(ROUNDS):
            for outcome in in_order(await sweeper.sweep(links, SAMPLES)):
                exchanges += len(measured(outcome).burst.opening) + 1
        spent_ns = time.process_time_ns() - before_ns
        print(f"{exchanges / ROUNDS / len(nodes):.1f} exchanges a node and round")
        if relay is None:
            return spent_ns / ROUNDS / len(nodes), 0.0
        print(f"relay: {resident_bytes(relay) / (1 << 20):.1f} MiB")
        assert resident_bytes(relay) <= RELAY_BYTES_MAX
        return spent_ns / ROUNDS / len(nodes), (cpu_ns(relay) - relay_ns) / ROUNDS / len(nodes)


async def compare(count: int) -> tuple[float, float, float]:
    """Measure so many nodes; return what one costs the relay, and the admin box directly and through it."""
    async with site(count, delay_s=0.005) as far:
        direct_ns, _ = await admin_ns(far)
        through_ns, relay_ns = await admin_ns(far, jump=far.jump)
    print(f"relay: {relay_ns / 1e6:.3f} ms a node and round")
    print(f"admin box: {direct_ns / 1e6:.3f} ms directly, {through_ns / 1e6:.3f} ms through the vantage")
    return relay_ns, direct_ns, through_ns


async def test_a_relay_is_cheap() -> None:
    """Twenty nodes; compared with the admin box, because a busy machine makes processor time longer."""
    relay_ns, direct_ns, through_ns = await compare(20)
    assert relay_ns <= direct_ns * RELAY_RATIO_MAX
    assert through_ns <= direct_ns * ADMIN_RATIO_MAX


@pytest.mark.prove
@pytest.mark.timeout(1800)
async def test_a_relay_of_two_hundred_nodes_is_cheap() -> None:
    """The same in full."""
    relay_ns, direct_ns, through_ns = await compare(200)
    assert relay_ns <= RELAY_CPU_NS_MAX
    assert through_ns <= direct_ns * ADMIN_RATIO_MAX
