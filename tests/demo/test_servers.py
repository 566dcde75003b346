"""Simulated nodes behind real SSH are measured as they are set."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from skewmon.clock.burst import estimate
from skewmon.clock.vantage import vantage_offset
from skewmon.config.loader import load
from skewmon.demo.bastion import ONE_WAY_S, Bastion
from skewmon.demo.clock import ClockOrigin
from skewmon.demo.nodes import SLOW_BACK_S, SLOW_THERE_S, SimulatedNode, simulated_nodes, site_nodes
from skewmon.demo.server import Servers
from skewmon.demo.workdir import make_identity, write_config
from skewmon.errors import Reason
from skewmon.inventory.resolve import resolve
from skewmon.model import Failed, Node
from skewmon.monitor.probe import ProbeReport, probe_node

ORIGIN = ClockOrigin.now()


@asynccontextmanager
async def playing(directory: Path, count: int = 7) -> AsyncIterator[dict[str, tuple[SimulatedNode, Node]]]:
    """Let so many nodes play and yield them by name, with how they are reached."""
    roles = simulated_nodes(count, ORIGIN)
    servers = Servers(make_identity(directory))
    try:
        config = write_config(directory, await servers.start(roles), "127.0.0.1:0")
        (cluster,) = await resolve(load(str(config)))
        yield {role.name: (role, node) for role, node in zip(roles, cluster.nodes, strict=True)}
    finally:
        await servers.close()


async def examined(nodes: dict[str, tuple[SimulatedNode, Node]]) -> dict[str, ProbeReport]:
    found = await asyncio.gather(*(probe_node(node, 4, 20.0) for _, node in nodes.values()))
    return dict(zip(nodes, found, strict=True))


async def test_every_interval_contains_the_simulated_truth(tmp_path):
    """Through real SSH, over a lopsided path, drifting or with bash alone: the truth is inside."""
    async with playing(tmp_path) as nodes:
        found = await examined(nodes)
    for name, one in found.items():
        role = nodes[name][0]
        if not role.reachable:
            assert isinstance(one.failure, Failed)
            assert one.failure.reason is Reason.CONNECTION_REFUSED
            continue
        assert one.failure is None, one.failure
        assert one.estimate is not None
        truth = role.clock.read(one.estimate.at_ns).real_ns - one.estimate.at_ns
        assert one.estimate.wall.lower_ns <= truth <= one.estimate.wall.upper_ns, name


async def test_a_slow_path_has_its_configured_delays(tmp_path):
    """The round trip is at least the sum of both ways, and the estimate leans to the quicker one."""
    async with playing(tmp_path) as nodes:
        role, node = nodes["n5"]
        one = await probe_node(node, 4, 20.0)
    assert one.burst is not None
    assert one.estimate is not None
    assert one.estimate.round_trip_ns >= (SLOW_THERE_S + SLOW_BACK_S) * 1e9
    wall = estimate(one.burst, one.estimate.at_ns).wall
    truth = role.clock.read(one.estimate.at_ns).real_ns - one.estimate.at_ns
    assert wall.estimate_ns < truth


async def test_a_foreign_key_is_refused(tmp_path):
    """Only the key that the demo made opens its nodes."""
    other = tmp_path / "other"
    other.mkdir()
    make_identity(other)
    async with playing(tmp_path, 1) as nodes:
        _, node = nodes["n1"]
        stranger = replace(node, ssh=replace(node.ssh, identities=(str(other / "id_ed25519"),)))
        one = await probe_node(stranger, 1, 20.0)
    assert one.failure is not None
    assert one.failure.reason is Reason.PERMISSION_DENIED


async def test_the_claims_are_read_over_ssh(tmp_path):
    """The time daemons of simulated nodes answer like real ones."""
    async with playing(tmp_path, 4) as nodes:
        found = await examined(nodes)
    said = {name: (one.status.daemon, one.status.synchronized) for name, one in found.items() if one.status}
    assert said == {
        "n1": ("chronyd", True),
        "n2": ("ntpd", True),
        "n3": ("chronyd", True),
        "n4": ("none", None),
    }


async def test_a_hundred_nodes_start_at_once(tmp_path):
    """A large demo is ready in seconds, and its names reach as far as its nodes."""
    began = time.process_time()
    async with playing(tmp_path, 100) as nodes:
        assert len(nodes) == 100
        assert nodes["n100"][0].clock.offset_ns != 0
    assert time.process_time() - began < 10


@asynccontextmanager
async def second_site(directory: Path) -> AsyncIterator[dict[str, Node]]:
    """Let one node and those of the second site play, and yield how they are reached, by name."""
    servers = Servers(make_identity(directory))
    try:
        site = await servers.start_site(site_nodes(ORIGIN), Bastion)
        near = await servers.start(simulated_nodes(1, ORIGIN))
        config = write_config(directory, near, "127.0.0.1:0", site)
        clusters = await resolve(load(str(config)))
        yield {node.name: node for cluster in clusters for node in cluster.nodes}
    finally:
        await servers.close()


@pytest.mark.parametrize("vantage", ["auto", "none"])
async def test_the_second_site_is_known_as_from_its_bastion(tmp_path, vantage):
    """By its stamps the path of 80 ms costs nothing; without them it is half of it."""
    async with second_site(tmp_path) as nodes:
        node = nodes["s1"]
        one = await probe_node(replace(node, ssh=replace(node.ssh, vantage=vantage)), 4, 20.0)
    assert one.burst is not None, one.failure
    assert one.estimate is not None
    assert one.estimate.round_trip_ns >= 2 * ONE_WAY_S * 1e9
    assert bool(one.burst.vantage) == (vantage == "auto")
    if vantage == "auto":
        stamps = one.burst.opening[-1].vantage
        assert stamps is not None
        near = vantage_offset(one.burst, stamps.received_ns)
        assert near is not None
        assert near.bound_ns * 4 < one.estimate.wall.bound_ns


async def test_the_bastion_forwards_to_its_own_site_alone(tmp_path):
    """Another port of this machine is refused."""
    async with second_site(tmp_path) as nodes:
        node = replace(nodes["s1"], ssh=replace(nodes["s1"].ssh, port=nodes["n1"].ssh.port))
        one = await probe_node(node, 1, 20.0)
    assert one.failure is not None
    assert one.failure.reason is Reason.JUMP_FAILED
