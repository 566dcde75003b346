"""Rounds over the guests, one at a time, each held against the consoles."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from skewmon.clock.state import ClockUpdate
from skewmon.clock.steps import Movement, MovementKind
from skewmon.journal.detect import clock_events, cluster_events
from skewmon.journal.reported import ReportedState
from skewmon.model import NS_PER_S, Cluster, ClusterView, Endpoint, Event, Interval, Measured, Threshold
from skewmon.monitor.check import opened
from skewmon.monitor.round import run_round
from skewmon.monitor.state import MonitorState
from skewmon.probe.link import Link
from skewmon.probe.sweep import Sweeper
from tests.lab.cluster import Lab
from tests.lab.console import Truth

#: All reports on a clock that would be wrong for one that only runs.
JUMPS = (MovementKind.STEP, MovementKind.MOVED, MovementKind.LEAP, MovementKind.SUSPEND, MovementKind.REBOOT)

LINES = (Threshold("warning", 50_000_000), Threshold("critical", NS_PER_S))

#: Guests log in slowly, and several at once on two processors slower still.
TIMEOUT_S = 40.0


@dataclass(frozen=True)
class Round:
    """The report of one round, and every clock's true reading meanwhile."""

    view: ClusterView
    told: dict[str, ClockUpdate]
    events: list[Event]
    truths: dict[str, Truth]

    def movements(self, *kinds: MovementKind) -> list[tuple[str, Movement]]:
        """Return the movements of these kinds, each with the node that made it."""
        return [
            (name, movement)
            for name, said in self.told.items()
            for movement in said.movements
            if movement.kind in kinds
        ]

    def wall(self, name: str) -> Interval:
        """Return the interval of a node's wall clock."""
        (node,) = [node for node in self.view.nodes if node.name == name]
        assert isinstance(node.outcome, Measured), node.outcome
        return node.outcome.estimate.wall


async def _nothing() -> None:
    """Let a round go on undisturbed."""


@dataclass
class Watch:
    """One cluster of all guests, watched as the daemon watches it."""

    lab: Lab
    cluster: Cluster
    links: dict[Endpoint, Link]
    state: MonitorState = field(default_factory=MonitorState)
    sweeper: Sweeper = field(default_factory=Sweeper)
    before: ReportedState | None = None

    async def round(self, meanwhile: Callable[[], Awaitable[None]] = _nothing) -> Round:
        """Run a round; every node that it measured must agree with its console."""
        first = {guest.name: guest.console.wall() for guest in self.lab.guests}
        async with asyncio.TaskGroup() as group:
            views = group.create_task(run_round([self.cluster], self.links, self.sweeper, self.state))
            group.create_task(meanwhile())
        found = views.result()
        (view,) = found.views
        truths = {guest.name: first[guest.name].until(guest.console.wall()) for guest in self.lab.guests}
        events = list(clock_events(found))
        if self.before is not None:
            events += cluster_events(view, self.before)
        self.before = ReportedState.of(view)
        told = {node.name: self.state.node(node.endpoint).clock_update for node in self.cluster.nodes}
        result = Round(view, told, events, truths)
        _assert_true(result)
        return result


def _assert_true(found: Round) -> None:
    for node in found.view.nodes:
        if isinstance(node.outcome, Measured):
            wall, truth = node.outcome.estimate.wall, found.truths[node.name]
            assert wall.lower_ns <= truth.upper_ns, (node.name, wall, truth)
            assert wall.upper_ns >= truth.lower_ns, (node.name, wall, truth)
    for pair in found.view.pairs:
        mine, theirs = found.truths[pair.node], found.truths[pair.peer]
        assert pair.offset.lower_ns <= mine.upper_ns - theirs.lower_ns, (pair, mine, theirs)
        assert pair.offset.upper_ns >= mine.lower_ns - theirs.upper_ns, (pair, mine, theirs)


@asynccontextmanager
async def watched(lab: Lab) -> AsyncIterator[Watch]:
    """Log in to the guests and run the first round, which has nothing to compare with."""
    nodes = lab.nodes()
    async with opened(nodes, TIMEOUT_S) as links:
        watch = Watch(lab, Cluster("lab", tuple(nodes), thresholds=LINES), links)
        first = await watch.round()
        assert first.view.measured == len(nodes), [node.outcome for node in first.view.nodes]
        assert first.movements(*MovementKind) == []
        yield watch
