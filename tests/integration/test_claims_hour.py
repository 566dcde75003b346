"""Healthy nodes are left in peace: no finding of any kind in an hour, while claims grow a minute old."""

from random import Random

from skewmon.clock.burst import estimate
from skewmon.demo.clock import ClockOrigin, ClockReading, SimulatedClock
from skewmon.demo.nodes import SimulatedNode
from skewmon.demo.status_output import status_output
from skewmon.model import NS_PER_S, Cluster, Endpoint, Measured, Node, SyncStatus, Threshold
from skewmon.monitor.round import run_round
from skewmon.monitor.state import MonitorState
from skewmon.probe.sweep import Sweep
from skewmon.timesync import script
from skewmon.timesync.status import assemble
from tests.clock.simulator import Machine, Step, observe_round

LINES = (Threshold("warning", 50_000_000), Threshold("critical", NS_PER_S))

HOUR_S = 3_600
INTERVAL_S = 15
STATUS_INTERVAL_S = 60

#: The start of the hour by the nodes' clocks.
WALL_NS = 1_790_000_000 * NS_PER_S

#: Errors under chrony in a data center: some tens of microseconds, some hundredths of a ppm.
OFFSETS_NS = (12_000, -38_000, 71_000, -5_000, 44_000)
RATES_PPT = (20_000, -35_000, 5_000, -12_000, 28_000)

NONCE = "hour4711hour"


class Hour:
    """A sweeper over simulated machines whose rounds start when the test says."""

    def __init__(self, machines: dict[str, Machine]) -> None:
        self.machines = machines
        self.at_ns = 10**15

    async def sweep(self, links: dict[Endpoint, str], samples: int, *_: object) -> Sweep:
        """Measure all machines at one instant; the admin box's clock agrees with the first of them."""
        seen = observe_round([self.machines[name] for name in links.values()], self.at_ns, samples=samples)
        outcomes = [Measured(one.burst, estimate(one.burst, one.tau_ns)) for one in seen]
        return Sweep(
            seen[0].tau_ns,
            outcomes[0].estimate.wall,
            0.25,
            dict(zip(links, outcomes, strict=True)),
        )


def machine(number: int) -> Machine:
    """Return a node whose clock is held well."""
    made = Machine(Random(number), wall_ns=WALL_NS + OFFSETS_NS[number], rate_ppt=RATES_PPT[number])
    made._mono = 0  # its REALTIME is exactly as requested
    return made


async def test_an_hour_of_healthy_nodes_has_no_finding() -> None:
    """Two hundred and forty rounds, claims renewed each minute; then one clock jumps, reported at once."""
    nodes = tuple(Node(f"n{number}", f"n{number}.example.com") for number in range(5))
    cluster = Cluster("hour", nodes, thresholds=LINES)
    links = {one.endpoint: one.name for one in nodes}
    hour, state = Hour({f"n{number}": machine(number) for number in range(5)}), MonitorState()
    for elapsed_s in range(0, HOUR_S, INTERVAL_S):
        hour.at_ns = 10**15 + elapsed_s * NS_PER_S
        if elapsed_s % STATUS_INTERVAL_S == 0:
            for number, one in enumerate(nodes):
                state.note_status(one.endpoint, claim(number, elapsed_s))
        (view,) = (await run_round([cluster], links, hour, state)).views  # type: ignore[arg-type]  # a link is a name
        told = [found for node in view.nodes for found in node.findings] + list(view.findings)
        assert told == [], (elapsed_s, told)
        assert (view.verdict, view.measured) == ("ok", 5)
    hour.at_ns += INTERVAL_S * NS_PER_S
    hour.machines["n2"].schedule(hour.at_ns - 1, Step(70 * NS_PER_S))
    (view,) = (await run_round([cluster], links, hour, state)).views  # type: ignore[arg-type]  # a link is a name
    told = {node.name: [found.kind for found in node.findings] for node in view.nodes if node.findings}
    assert told == {"n2": ["claims-sync-but-off", "stepped"]}


def claim(number: int, elapsed_s: int) -> SyncStatus:
    """Return the claims of a node's chronyd at that time, parsed from its output."""
    clock = SimulatedClock(ClockOrigin(0, 0), OFFSETS_NS[number])
    now = ClockReading(WALL_NS + elapsed_s * NS_PER_S, 0, 0, 0)
    return assemble(
        script.split(NONCE, status_output(NONCE, SimulatedNode(f"n{number}", "healthy", clock), now))
    )
