"""Rounds of sick fleets without a network: the cost of all that follows the measurement.

``python -m tests.bench.sickness [NODES ...]`` prints, for each sickness, the processor time of the evaluation
and of the report, per node and round.
"""

import asyncio
import gc
import logging
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from random import Random

import structlog

from skewmon.alert.thresholds import in_force
from skewmon.clock.state import ClockUpdate
from skewmon.clock.steps import Movement, MovementKind
from skewmon.daemon.daemon import collect_seldom
from skewmon.daemon.report import DaemonStatus, Reporter
from skewmon.daemon.systemd import Systemd
from skewmon.errors import Reason
from skewmon.export.server import Exporter
from skewmon.journal import Journal
from skewmon.journal.record import Record
from skewmon.model import (
    NS_PER_S,
    Burst,
    Cluster,
    Estimate,
    Failed,
    Interval,
    Measured,
    Node,
    Outcome,
    Peer,
    Program,
    SshSettings,
    SyncStatus,
    Threshold,
    ThresholdKind,
)
from skewmon.monitor.evaluate import evaluate
from skewmon.monitor.node_state import NodeUpdate
from skewmon.monitor.round import Round
from skewmon.monitor.state import MonitorState
from skewmon.notify.alerting import Alerting
from skewmon.notify.receiver import Origin
from skewmon.probe.sweep import Sweep

WALL_NS = 1_795_351_187_123_456_789
INTERVAL_S = 15

LINES = (
    Threshold("warning", 50_000_000, for_s=60.0, clear_for_s=60.0),
    Threshold("critical", NS_PER_S, clear_for_s=60.0),
    Threshold("warning", 5 * NS_PER_S, ThresholdKind.AHEAD),
    Threshold("warning", 5 * NS_PER_S, ThresholdKind.BEHIND),
)

#: Rounds before the ones that count. After the first one, more time passes than any line waits for.
SETTLING_ROUNDS = 3
PATIENCE_S = 1_000

SSH = SshSettings(user="skewmon", identities=("/home/ada/.ssh/id_ed25519",))
MUTE = Failed(Reason.NO_ANSWER, "It is silent.", "Is it up?")
SERVERS = tuple(f"10.9.9.{number}" for number in range(1, 5))
CHRONY = SyncStatus(
    "chronyd",
    synchronized=True,
    stratum=3,
    source=SERVERS[0],
    refid=SERVERS[0],
    offset_s=2e-5,
    root_distance_s=4e-3,
    leap="none",
    peers=tuple(Peer(name, "candidate" if name != SERVERS[0] else "system", reach=255) for name in SERVERS),
    daemons=("chronyd",),
)
MANY_FINDINGS = replace(
    CHRONY,
    peers=(*CHRONY.peers[:1], Peer("10.9.9.2", "falseticker", reach=255)),
    frequency_ppm=500.0,
    unparsed=("chronyc-tracking: ?",),
    failures=("ntpq: timed out",),
)


@dataclass(frozen=True)
class Sickness:
    """How the nodes of a fleet differ from healthy ones, each by its number."""

    status: Callable[[int], SyncStatus] = lambda number: CHRONY
    ahead_ns: Callable[[int], int] = lambda number: 0
    is_mute: Callable[[int], bool] = lambda number: False
    steps: bool = False
    nodes_a_cluster: int | None = None  # None: all


def _of(wrong: Callable[[int], bool], ahead_ns: int = 70 * NS_PER_S) -> Callable[[int], int]:
    return lambda number: ahead_ns if wrong(number) else 0


SICKNESSES = {
    "healthy": Sickness(),
    "no time daemon": Sickness(status=lambda number: SyncStatus("none")),
    "unsynchronized": Sickness(status=lambda number: replace(CHRONY, synchronized=False)),
    "many findings": Sickness(status=lambda number: MANY_FINDINGS),
    "all mute": Sickness(is_mute=lambda number: True),
    "most mute": Sickness(is_mute=lambda number: number % 5 > 1),
    "all stepped": Sickness(steps=True),
    "a third wrong": Sickness(ahead_ns=_of(lambda number: number % 3 == 0)),
    "a third admits it": Sickness(
        status=lambda number: replace(CHRONY, offset_s=0.0 if number % 3 else 70.0),
        ahead_ns=_of(lambda number: number % 3 == 0),
    ),
    "a third has another source": Sickness(
        status=lambda number: replace(CHRONY, refid=SERVERS[0 if number % 3 else 1], peers=()),
        ahead_ns=_of(lambda number: number % 3 == 0),
    ),
    "half wrong": Sickness(ahead_ns=_of(lambda number: number % 2 == 0)),
    "each elsewhere": Sickness(ahead_ns=lambda number: number * NS_PER_S),
    "small clusters": Sickness(status=lambda number: replace(CHRONY, synchronized=False), nodes_a_cluster=10),
}


@dataclass
class Fleet:
    """A fleet of simulated nodes with one sickness, and the monitor's state of it."""

    nodes: int
    sickness: Sickness
    state: MonitorState = field(default_factory=MonitorState)

    def __post_init__(self) -> None:
        self._rng = Random(1)
        self._at_ns = 0
        self._rounds = 0
        size = self.sickness.nodes_a_cluster or self.nodes
        self.clusters = [
            _cluster(begin, min(size, self.nodes - begin)) for begin in range(0, self.nodes, size)
        ]
        self.state.adopt(self.clusters)
        self._nodes = [node for cluster in self.clusters for node in cluster.nodes]
        for number, node in enumerate(self._nodes):
            self.state.note_status(node.endpoint, self.sickness.status(number))

    def measure(self) -> tuple[Sweep, int]:
        """Measure and commit a round; return it with its wall time."""
        self._at_ns += (PATIENCE_S if self._rounds == 1 else INTERVAL_S) * NS_PER_S
        self._rounds += 1
        wall_ns = WALL_NS + self._at_ns
        updates = {}
        for number, node in enumerate(self._nodes):
            outcome = self._outcome(number)
            latest = ClockUpdate(movements=self._movements())
            updates[node.endpoint] = NodeUpdate(outcome, outcome, None, latest)
        self.state.commit(updates, self.clusters, self._at_ns, wall_ns, 0)
        outcomes = {endpoint: one.outcome for endpoint, one in updates.items()}
        return Sweep(self._at_ns, Interval(0, 1_000), 0.5, outcomes), wall_ns

    def evaluate(self, sweep: Sweep, wall_ns: int) -> Round:
        """Evaluate a round."""
        views = tuple(evaluate(cluster, sweep, self.state, wall_ns) for cluster in self.clusters)
        return Round(sweep.at_ns, wall_ns, views, {})

    def _outcome(self, number: int) -> Outcome:
        if self.sickness.is_mute(number):
            return MUTE
        offset_ns = self.sickness.ahead_ns(number) + self._rng.randint(-20_000, 20_000)
        program = Program("python3", f"boot-{number}", "tsc")
        return Measured(
            Burst(program, ()), Estimate(self._at_ns, Interval.around(offset_ns, 40_000), 80_000, 8)
        )

    def _movements(self) -> tuple[Movement, ...]:
        if not self.sickness.steps:
            return ()
        since_ns = self._at_ns - INTERVAL_S * NS_PER_S
        return (Movement(MovementKind.STEP, since_ns, self._at_ns, Interval.around(2 * NS_PER_S, 1_000)),)


def _cluster(begin: int, count: int) -> Cluster:
    nodes = tuple(
        Node(f"node{number}", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", SSH)
        for number in range(begin, begin + count)
    )
    lines = in_force(None, LINES)
    return Cluster(f"c{begin}", nodes, INTERVAL_S, thresholds=lines, config_file="/etc/skewmon/skewmon.yml")


@asynccontextmanager
async def reporting(fleet: Fleet) -> AsyncIterator[Reporter]:
    """Report rounds of a fleet as the daemon does, without a listener; alerts wait in their queues."""
    with tempfile.TemporaryDirectory() as directory:
        async with Journal.open(directory) as journal, Record.open(directory, journal) as record:
            alerting, exporter = Alerting(journal), Exporter()
            alerting.configure((), Origin())
            reporter = Reporter(fleet.state, DaemonStatus(), journal, record, alerting, exporter, Systemd())
            reporter.adopt(tuple(fleet.clusters))
            task = asyncio.create_task(alerting.run())
            try:
                yield reporter
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await exporter.stop()


async def costs_us(nodes: int, sickness: Sickness, rounds: int = 4) -> tuple[float, float]:
    """Return the processor time of evaluation and report, per node and round, in microseconds."""
    fleet = Fleet(nodes, sickness)
    evaluation_s = report_s = 0.0
    async with reporting(fleet) as reporter:
        for number in range(SETTLING_ROUNDS + rounds):
            measured = fleet.measure()
            begun_s = time.thread_time()
            found = fleet.evaluate(*measured)
            evaluated_s = time.thread_time()
            reporter.report(found)
            if number >= SETTLING_ROUNDS:
                evaluation_s += evaluated_s - begun_s
                report_s += time.thread_time() - evaluated_s
            await asyncio.sleep(0)
    scale = 1e6 / nodes / rounds
    return evaluation_s * scale, report_s * scale


def main(sizes: Sequence[int]) -> None:
    """Print the costs of each sickness at each size."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    collect_seldom()
    for name, sickness in SICKNESSES.items():
        for nodes in sizes:
            gc.collect()
            evaluation_us, report_us = asyncio.run(costs_us(nodes, sickness))
            print(f"{name:26} {nodes:6,} nodes: {evaluation_us:6.1f} us + {report_us:6.1f} us", flush=True)


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [1_000, 10_000])
