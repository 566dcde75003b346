"""Twenty nodes that only speak NTP (real chronyds with known clocks) beside two measured over SSH."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from statistics import median

import pytest

from skewmon.clock.steps import MovementKind
from skewmon.errors import Reason
from skewmon.model import Cluster, ClusterView, Failed, Measured, Node, SshSettings, Threshold, Verdict
from skewmon.monitor.check import opened
from skewmon.monitor.monitor import Monitor
from skewmon.monitor.round import Round
from tests.fleet.clocks import KnownClock
from tests.fleet.sshd import Fleet
from tests.integration.container import prepare
from tests.integration.time_servers import BASE_OFF_PPM, TimeServers, time_servers

NODES = 20
MS = 1_000_000

#: Of the bound to half the round trip of a bare echo; with few rounds, one busy moment counts for more.
RATIO_MAX = 3.0
RATIO_OF_FEW_MAX = 6.0
SAMPLES = 8

ECHO = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    data, client = server.recvfrom(100)
    server.sendto(data, client)
"""


class Devices:
    """The nodes, their clocks by name, and rounds over all of them."""

    def __init__(self, servers: TimeServers, fleet: Fleet) -> None:
        self.clocks: dict[str, KnownClock] = {}
        nodes = []
        for number in range(NODES):
            name = f"sw{number}"
            address, port = servers.near(name, ahead_ns=number * MS)
            nodes.append(Node(name, address, SshSettings(port=port), "ntp"))
            self.clocks[name] = servers.clocks[name]
        for one in fleet.nodes:
            ssh = SshSettings("root", one.port, (str(fleet.identity),), (str(fleet.known_hosts),))
            nodes.append(Node(one.name, one.address, ssh))
            self.clocks[one.name] = one.clock
        self.cluster = Cluster(
            "devices", tuple(nodes), samples=SAMPLES, thresholds=(Threshold("critical", 1_000 * MS),)
        )

    @asynccontextmanager
    async def monitor(self) -> AsyncIterator[Monitor]:
        """Open links to all nodes for the block."""
        async with opened(self.cluster.nodes, 30.0) as links:
            yield Monitor(links)

    def misses(self, view: ClusterView) -> list[str]:
        """Return the nodes whose interval misses their clock."""
        return [
            node.name
            for node in view.nodes
            if isinstance(node.outcome, Measured)
            and self.clocks[node.name].truth_offset_at(view.at_ns) not in node.outcome.estimate.wall
        ]


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devices]:
    """Yield the nodes."""
    prepare()
    with time_servers(tmp_path_factory.mktemp("devices")) as servers, Fleet(2) as fleet:
        yield Devices(servers, fleet)


def view_of(found: Round) -> ClusterView:
    (view,) = found.complete_views()
    return view


def bounds(view: ClusterView, kind: str) -> list[int]:
    """Return the bounds of all nodes that one program measured."""
    outcomes = [node.outcome for node in view.nodes if isinstance(node.outcome, Measured)]
    return [one.estimate.wall.bound_ns for one in outcomes if one.burst.program.probe == kind]


def best_echo_ns(port: int) -> int:
    """Return the shortest of a burst of round trips of a bare UDP echo."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
        client.connect(("127.0.0.1", port))
        client.settimeout(5.0)
        trips = []
        for _ in range(SAMPLES):
            began_ns = time.perf_counter_ns()
            client.send(b"." * 48)
            client.recv(100)
            trips.append(time.perf_counter_ns() - began_ns)
        return min(trips)


@pytest.mark.parametrize(
    ("rounds", "ratio_max"),
    [
        (8, RATIO_OF_FEW_MAX),
        pytest.param(200, RATIO_MAX, marks=[pytest.mark.prove, pytest.mark.timeout(1_800)]),
    ],
)
async def test_bounds_are_those_of_the_path_and_no_interval_misses(
    devices: Devices, rounds: int, ratio_max: float
) -> None:
    """At most three times half a bare echo of the same run, in the median of nodes and rounds."""
    echo = subprocess.Popen([sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True)
    try:
        assert echo.stdout is not None
        port = int(echo.stdout.readline())
        found, halves, misses = list[int](), list[int](), list[str]()
        async with devices.monitor() as monitor:
            for _ in range(rounds):
                view = view_of(await monitor.round([devices.cluster]))
                assert view.measured == NODES + 2, [node.outcome for node in view.nodes]
                misses += devices.misses(view)
                found += bounds(view, "ntp")
                halves.append(best_echo_ns(port) // 2)
    finally:
        echo.kill()
        echo.communicate()
    ratio = median(found) / median(halves)
    print(
        f"{len(found)} bursts by NTP, {len(misses)} misses; bound {median(found) / 1000:.1f} us, "
        f"half a bare echo {median(halves) / 1000:.1f} us, ratio {ratio:.2f}"
    )
    assert misses == []
    assert len(found) == NODES * rounds
    assert ratio <= ratio_max


async def test_replies_carry_the_claims_of_the_server(devices: Devices) -> None:
    """As the status of a time daemon, without a login; over SSH they come from the node's tools."""
    async with devices.monitor() as monitor:
        view = view_of(await monitor.round([devices.cluster]))
    said = {node.name: node.timesync for node in view.nodes}["sw0"]
    assert said is not None
    assert (said.daemon, said.synchronized, said.stratum, said.leap) == ("ntp", True, 5, "none")
    assert "local-island" in [one.kind for one in view.nodes[0].findings]
    assert view.verdict is Verdict.OK, [(node.name, node.outcome) for node in view.nodes]


async def test_a_step_larger_than_the_interval_is_seen(devices: Devices) -> None:
    """H5: the wall clock alone is read, so a step is one that the bounds prove."""
    clock = devices.clocks["sw3"]
    async with devices.monitor() as monitor:
        for _ in range(2):
            await monitor.round([devices.cluster])
        clock.step(500 * MS)
        found = await monitor.round([devices.cluster])
        clock.step(-500 * MS)
    endpoint = next(node.endpoint for node in devices.cluster.nodes if node.name == "sw3")
    moved = found.movements[endpoint].movements
    assert [one.kind for one in moved] == [MovementKind.STEP]
    assert moved[0].size is not None
    assert 500 * MS in moved[0].size
    assert found.movements.keys() == {endpoint}
    assert devices.misses(view_of(found)) == []


async def test_drift_is_that_of_the_wall_clock(devices: Devices) -> None:
    """H5 again: the slope of a line through the last rounds, less the 80 ppm that all nodes share."""
    devices.clocks["sw4"].drift(400)
    async with devices.monitor() as monitor:
        for _ in range(10):
            view = view_of(await monitor.round([devices.cluster]))
            assert devices.misses(view) == []
            await asyncio.sleep(0.1)  # the rounds of a daemon are further apart still
    devices.clocks["sw4"].drift(BASE_OFF_PPM)
    drift = {node.name: node.drift for node in view.nodes}["sw4"]
    assert drift is not None
    assert drift.lower <= (400 - BASE_OFF_PPM) * 1e-6 <= drift.upper
    assert drift.upper - drift.lower < 200e-6


async def test_a_node_without_a_server_has_a_reason(devices: Devices) -> None:
    """Refused at once, or silent for three requests."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        nodes = (
            Node("absent", "127.0.6.99", SshSettings(port=11_123), "ntp"),
            Node("silent", "127.0.0.1", SshSettings(port=port), "ntp"),
        )
        async with opened(nodes, 20.0) as links:
            (view,) = (await Monitor(links).round([Cluster("none", nodes)])).complete_views()
    outcomes = [node.outcome for node in view.nodes]
    assert all(isinstance(one, Failed) for one in outcomes)
    assert [one.reason for one in outcomes if isinstance(one, Failed)] == [
        Reason.CONNECTION_REFUSED,
        Reason.NO_ANSWER,
    ]
