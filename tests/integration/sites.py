"""Shared by the tests of vantages: a site whose first machine is its bastion, behind a long path."""

import asyncio
from collections.abc import AsyncIterator, Hashable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from skewmon.clock.vantage import vantage_offset
from skewmon.model import NS_PER_S, Burst, Measured, Node, Outcome
from skewmon.probe.clocks import ArrivalClock
from skewmon.probe.connect import Dialer
from skewmon.probe.link import Link
from tests.fleet.clocks import KnownClock, base_ns
from tests.fleet.relay import Relay
from tests.fleet.sshd import Fleet, FleetNode, Login
from tests.integration.measuring import node_of

#: One way between the admin box and the site.
PATH_S = 0.04

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Site:
    """A bastion, the path to it, and the nodes beside it."""

    fleet: Fleet
    path: Relay

    @property
    def bastion(self) -> FleetNode:
        """The machine that stamps."""
        return self.fleet.nodes[0]

    @property
    def jump(self) -> tuple[str, ...]:
        """The bastion over the long path, as a hop."""
        return (f"{self.bastion.user}@{self.path.address}:{self.path.port}",)

    @property
    def label(self) -> str:
        """The name of the vantage in results."""
        return f"{self.path.address}:{self.path.port}"

    def node(self, name: str, **ssh: Any) -> Node:
        """Return a node behind the bastion; keywords replace SSH settings."""
        return node_of(self.fleet, self.fleet[name], **{"jump": self.jump, **ssh})

    def write_config(self, path: Path, **ssh: str) -> Path:
        """Write a configuration with every node behind the bastion."""
        fleet = self.fleet
        own = {"user": fleet.user, "identity": str(fleet.identity), "known_hosts": str(fleet.known_hosts)}
        nodes = [{"name": one.name, "address": one.address, "port": one.port} for one in fleet.nodes[1:]]
        whole = {
            "ssh": {**own, "jump": list(self.jump), **ssh},
            "clusters": {"site": {"nodes": nodes, "interval": "1s"}},
        }
        path.write_text(yaml.safe_dump(whole, sort_keys=False))
        return path

    def nodes(self, **ssh: Any) -> list[Node]:
        """Return every node behind the bastion."""
        return [self.node(node.name, **ssh) for node in self.fleet.nodes[1:]]


@asynccontextmanager
async def site(
    count: int,
    *,
    delay_s: float = PATH_S,
    jitter_s: float = 0.0,
    logins: Mapping[str, Login] | None = None,
    address: str = "127.0.2.1",
) -> AsyncIterator[Site]:
    """Start a bastion, n1, behind a path of ``delay_s`` each way, and ``count`` nodes beside it."""
    async with Fleet(count + 1, logins=logins) as fleet:
        with Relay.before(fleet, fleet["n1"], address=address) as path:
            path.delay("forward", delay_s=delay_s)
            path.delay("backward", delay_s=delay_s, jitter_s=jitter_s)
            yield Site(fleet, path)


@asynccontextmanager
async def kept_links(nodes: Mapping[Key, Node]) -> AsyncIterator[dict[Key, Link]]:
    """Keep links to nodes; yield them after the first attempts."""
    arrivals = ArrivalClock()
    dialer = Dialer(arrivals)
    links = {key: Link(node, dialer, arrivals) for key, node in nodes.items()}
    keepers = [asyncio.create_task(link.keep()) for link in links.values()]
    try:
        await asyncio.gather(*(link.attempted.wait() for link in links.values()))
        yield links
    finally:
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        for link in links.values():
            link.close()
        await dialer.close()


def assert_near(site: Site, name: str, outcome: Outcome) -> int:
    """Compare a node's interval on its vantage's axis with the truth; return its bound."""
    assert isinstance(outcome, Measured), outcome
    return near_bound_ns(site, site.fleet[name], outcome.burst)


def near_bound_ns(site: Site, node: FleetNode, burst: Burst) -> int:
    """Return the bound of a node's RAW minus the vantage's, which must contain the truth."""
    exchanges = [one for one in (*burst.opening, burst.closing) if one and one.vantage]
    assert exchanges, burst
    last = exchanges[-1]
    assert last.vantage
    at_ns = last.vantage.received_ns
    near = vantage_offset(burst, at_ns)
    assert near is not None, burst
    then_ns = base_of(site.bastion.clock, at_ns, (burst.opening[0].sent_ns, last.received_ns))
    truth_ns = node.clock.reading("raw", then_ns) - site.bastion.clock.reading("raw", then_ns)
    assert truth_ns in near.widened(1), (node.name, truth_ns, near)
    return near.bound_ns


def base_of(clock: KnownClock, raw_ns: int, within_ns: tuple[int, int] | None = None) -> int:
    """Return the instant of the base at which a clock's RAW showed ``raw_ns``.

    It is within the last two minutes, or the span that is given, in which the clock did not jump.
    """
    now_ns = base_ns()
    earliest_ns, latest_ns = within_ns or (now_ns - 120 * NS_PER_S, now_ns + NS_PER_S)
    while latest_ns - earliest_ns > 1:
        middle_ns = (earliest_ns + latest_ns) // 2
        if clock.reading("raw", middle_ns) <= raw_ns:
            earliest_ns = middle_ns
        else:
            latest_ns = middle_ns
    return earliest_ns
