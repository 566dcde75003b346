"""Nodes 80 ms away, behind a vantage that also queries the references: real sshd, relay and chronyds."""

import asyncio
from dataclasses import replace
from pathlib import Path

from skewmon.model import Cluster, ClusterView, Measured, TimeServer, UtcState
from skewmon.monitor.check import opened
from skewmon.monitor.monitor import Monitor
from skewmon.probe.budget import Budget
from tests.integration.container import prepare
from tests.integration.measuring import TIMEOUT_S
from tests.integration.sites import PATH_S, Site, base_of, site
from tests.integration.time_servers import TimeServers, time_servers

#: The bound to UTC of a node that is near the vantage, as the servers are.
NEAR_NS = 1_000_000

#: Two exchanges bound the rate between the vantage and UTC; a busy machine may lose some.
ROUNDS_MAX = 12
GAP_S = 1.0


def truth_ns(far: Site, servers: TimeServers, view: ClusterView, name: str) -> int:
    """Return a node's wall clock minus UTC at the common instant of its axis."""
    outcome = next(node.outcome for node in view.nodes if node.name == name)
    assert isinstance(outcome, Measured)
    assert outcome.local is not None, outcome
    then_ns = base_of(far.bastion.clock, outcome.local.axis.at_ns)
    return far.fleet[name].clock.truth(then_ns) - servers.utc_ns(then_ns)


async def test_a_node_behind_a_vantage_is_known_to_utc_as_well_as_from_there(tmp_path: Path) -> None:
    """To 1 ms, and not to half the round trip of 80 ms; the truth is inside, also of a stepped clock."""
    prepare()
    async with site(2) as far:
        far.fleet["n2"].clock.step(-250_000_000)
        nodes = tuple(far.nodes())
        cluster = Cluster("site", nodes, interval_s=2.0)
        async with opened(nodes, TIMEOUT_S) as links:
            with time_servers(tmp_path) as servers:
                places = [servers.near(f"utc{number}", lines="local stratum 1") for number in range(3)]
                references = [TimeServer(f"utc{host}", host, port, 16.0) for host, port in places]
                far_ns = await bounds(links, cluster, references, far, servers, within_ns=None)
                there = [replace(one, from_vantages=True) for one in references]
                near_ns = await bounds(links, cluster, there, far, servers, within_ns=NEAR_NS)
    print(f"bound to UTC: {min(far_ns) / 1e6:.1f} ms, from the vantage {max(near_ns) / 1e6:.3f} ms")
    assert min(far_ns) > PATH_S * 1e9
    assert max(near_ns) <= NEAR_NS


async def bounds(
    links: object,
    cluster: Cluster,
    references: list[TimeServer],
    far: Site,
    servers: TimeServers,
    *,
    within_ns: int | None,
) -> list[int]:
    """Return the bounds to UTC of all nodes, once it is confirmed and they are within a limit."""
    monitor = Monitor(links, lambda _: Budget())  # type: ignore[arg-type]  # no node is late on a busy machine
    monitor.adopt_references(references)
    found: list[int] = []
    try:
        for _ in range(ROUNDS_MAX):
            (view,) = (await monitor.round([cluster])).complete_views()
            if view.utc.state is UtcState.CONFIRMED:
                offsets = {node.name: node.utc_offset for node in view.nodes}
                for name, offset in offsets.items():
                    assert offset is not None, view.nodes
                    # Offsets that are not the axis's are of another instant, at most the path apart.
                    assert truth_ns(far, servers, view, name) in offset.widened(10_000), name
                found = [offset.bound_ns for offset in offsets.values() if offset is not None]
                if within_ns is None or max(found) <= within_ns:
                    break
            await asyncio.sleep(GAP_S)
    finally:
        monitor.close()
    return found
