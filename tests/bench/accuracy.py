"""How exact the intervals are, against the truth, the floor and the alternatives."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import linear_regression, median

from skewmon.model import Endpoint, Measured, Node, Outcome, SshSettings
from skewmon.monitor.check import opened
from skewmon.monitor.node_state import NodeState
from skewmon.probe.link import Link
from skewmon.probe.sweep import Sweeper
from tests.bench import contenders, echo
from tests.bench.table import Row
from tests.fleet.relay import Relay
from tests.fleet.sshd import Fleet, FleetNode
from tests.integration.sites import PATH_S
from tests.integration.test_vantage_accuracy import narrower

SAMPLES = 8
CROWD = 100
ROUNDS = 100
CROWD_ROUNDS = 100
UNSTAMPED_ROUNDS = 20

#: Delays added to each direction in turn; their sum is the round trip that the bound has to grow by half of.
ADDED_MS = (0, 5, 10, 20, 40)
DELAY_ROUNDS = 15

VANTAGE_NODES = 8
VANTAGE_ROUNDS = 20

NAIVE_SAMPLES = 15
CROWD_SAMPLES = 2

ERROR_GOALS = {"ssh host date +%s.%N": ("≥ 1,000", "≥ 5,000")}
CPU_GOALS = {"parallel-ssh (pssh)": ("≥ 20", "≥ 60")}

OPEN_TIMEOUT_S = 120.0
NS_PER_S = 1_000_000_000
NS_PER_US = 1_000


@dataclass
class Tally:
    """Bounds, errors of the estimates, misses of the truth, and the cost."""

    bounds_ns: list[int] = field(default_factory=list)
    errors_ns: list[int] = field(default_factory=list)
    misses: int = 0
    failures: int = 0
    cpu_s: float = 0.0

    @property
    def count(self) -> int:
        return len(self.bounds_ns)

    @property
    def cpu_per_node_s(self) -> float:
        return self.cpu_s / self.count


@asynccontextmanager
async def links_to(
    fleet: Fleet, nodes: Sequence[FleetNode], at: Relay | None = None, *, kernel_stamps: bool = True
) -> AsyncIterator[dict[Endpoint, Link]]:
    """Open links to nodes of the fleet, or to the one node behind a relay."""
    places = [(at.address, at.port)] if at else [(node.address, node.port) for node in nodes]
    targets = [
        Node(
            node.name,
            address,
            SshSettings(
                user=fleet.user,
                port=port,
                identities=(str(fleet.identity),),
                known_hosts=(str(fleet.known_hosts),),
            ),
        )
        for node, (address, port) in zip(nodes, places, strict=True)
    ]
    async with opened(targets, OPEN_TIMEOUT_S, kernel_stamps=kernel_stamps) as links:
        yield links


async def measure(
    nodes: Sequence[FleetNode], links: Mapping[Endpoint, Link], rounds: int, *, remember: bool = True
) -> Tally:
    """Run rounds and hold every interval against the truth.

    With ``remember`` intervals are those of a daemon in its steady state: each node has a history, and so a
    rate that is known. Without, each round stands for itself and ages as for an unknown oscillator.
    """
    tally, sweeper = Tally(), Sweeper()
    await sweeper.sweep(links, SAMPLES)  # the first round learns which nodes are near
    began = time.process_time()
    sweeps = [await sweeper.sweep(links, SAMPLES) for _ in range(rounds)]
    tally.cpu_s = time.process_time() - began
    states = {endpoint: NodeState() for endpoint in links}
    for sweep in sweeps:
        outcomes = [
            _remembered(states[endpoint], outcome) if remember else outcome
            for endpoint, outcome in sweep.outcomes.items()
        ]
        for node, outcome in zip(nodes, outcomes, strict=True):
            if not isinstance(outcome, Measured):
                tally.failures += 1
                continue
            truth_ns = node.clock.truth_offset_at(sweep.at_ns)
            tally.bounds_ns.append(outcome.estimate.wall.bound_ns)
            tally.errors_ns.append(abs(outcome.estimate.wall.estimate_ns - truth_ns))
            tally.misses += truth_ns not in outcome.estimate.wall
    return tally


def _remembered(state: NodeState, outcome: Outcome) -> Outcome:
    """Return a node's outcome as its history tightens it, as in a round of the daemon."""
    update = state.update(outcome)
    state.commit(update, time.time_ns())
    return update.outcome


async def added_delays(fleet: Fleet, node: FleetNode) -> tuple[float, Tally]:
    """Return how much the bound grows per second of added round trip, and a tally of all."""
    whole, added_ns, bounds_ns = Tally(), [], []
    with Relay.before(fleet, node) as relay:
        async with links_to(fleet, [node], relay) as links:
            for ms in ADDED_MS:
                for way, other in (("forward", "backward"), ("backward", "forward")):
                    relay.delay(way, delay_s=ms / 1000)
                    relay.delay(other, delay_s=0)
                    tally = await measure([node], links, DELAY_ROUNDS, remember=False)
                    added_ns.append(ms * 1_000_000)
                    bounds_ns.append(median(tally.bounds_ns))
                    whole.bounds_ns += tally.bounds_ns
                    whole.misses += tally.misses
    return linear_regression(added_ns, bounds_ns).slope, whole


def floor_ns(node: FleetNode, cores: int) -> float:
    """Return half the round trip of a bare echo, the best of as many as a burst has, typically."""
    with echo.connected(node.address, cores=cores) as client:
        return median(echo.best_of(client, SAMPLES) for _ in range(ROUNDS)) / 2


async def rows(fleet: Fleet) -> list[Row]:
    """Measure everything on one fleet and return the table."""
    node = fleet.nodes[0]
    floor, on_one = floor_ns(node, cores=2), floor_ns(node, cores=1)
    async with links_to(fleet, [node]) as links:
        alone = await measure([node], links, ROUNDS)
    async with links_to(fleet, fleet.nodes) as links:
        crowd = await measure(fleet.nodes, links, CROWD_ROUNDS)
    async with links_to(fleet, fleet.nodes, kernel_stamps=False) as links:
        unstamped = await measure(fleet.nodes, links, UNSTAMPED_ROUNDS)
    slope, delayed = await added_delays(fleet, node)
    tallies = (alone, crowd, unstamped, delayed)
    misses, count = sum(one.misses for one in tallies), sum(one.count for one in tallies)
    bound, error = median(alone.bounds_ns), median(alone.errors_ns)
    crowd_bound = median(crowd.bounds_ns)
    stamps_off = median(unstamped.bounds_ns) / crowd_bound
    return [
        Row("intervals that miss the truth", f"{misses} in {count:,}", "0", "0"),
        Row("bound of one node, median", f"±{bound / NS_PER_US:.1f} us"),
        Row("error of its estimate, median", f"{error / NS_PER_US:.1f} us"),
        Row("bound ÷ half the round trip of a bare TCP echo", f"{bound / floor:.2f}", "≤ 6", "≤ 3"),
        Row("the same if the echo's two ends share one core", f"{bound / on_one:.2f}"),
        Row(f"bound with {len(fleet)} at once ÷ with one", f"{crowd_bound / bound:.2f}", "≤ 2", "≤ 1.2"),
        Row("the same without the kernel's stamps ÷ with them", f"{stamps_off:.0f}", "≥ 5"),
        Row("growth of the bound per round trip added", f"{slope:.3f}", "0.50 ± 0.01", "0.50"),
        *await _from_a_vantage(),
        *await _against_others(fleet, node, error, crowd.cpu_per_node_s),
    ]


async def _from_a_vantage() -> list[Row]:
    """Measure nodes behind a bastion that is far away, and compare each with the truth."""
    found, ratio = await narrower(VANTAGE_NODES, VANTAGE_ROUNDS)
    node, pair = found.median_ns()
    path = f"behind {2 * PATH_S * 1000:.0f} ms"
    return [
        Row(f"bound of a node {path}, from its bastion", f"±{node / NS_PER_US:.1f} us", "≤ 125 us"),
        Row(f"bound of a pair {path}, from its bastion", f"±{pair / NS_PER_US:.1f} us", "≤ 250 us"),
        Row("bound of that pair without a vantage ÷ with it", f"{ratio:.0f}", "≥ 150"),
    ]


async def _against_others(fleet: Fleet, node: FleetNode, error_ns: float, cpu_s: float) -> list[Row]:
    others = {
        "ssh host date +%s.%N": contenders.openssh(fleet, node, NAIVE_SAMPLES),
        "asyncssh, connecting each time": await contenders.connect_each_time(fleet, node, NAIVE_SAMPLES),
        "parallel-ssh (pssh)": contenders.pssh(fleet, CROWD_SAMPLES),
        "parallel-ssh, the library": await contenders.parallel_ssh(fleet, CROWD_SAMPLES),
    }
    rows = [Row("client CPU per node and round", f"{cpu_s * 1000:.2f} ms")]
    for name, other in others.items():
        times, ms = other.error_ns / error_ns, other.error_ns / 1e6
        goals = ERROR_GOALS.get(name, ())
        rows.append(Row(f"error of {name} ÷ skewmon's", f"{times:,.0f}  ({ms:.1f} ms)", *goals))
    for name, other in others.items():
        times, ms = other.cpu_s / cpu_s, other.cpu_s * 1000
        goals = CPU_GOALS.get(name, ())
        rows.append(Row(f"CPU of {name} ÷ skewmon's", f"{times:.1f}  ({ms:.1f} ms)", *goals))
    return rows
