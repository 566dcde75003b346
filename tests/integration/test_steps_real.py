"""Real SSH servers with clocks that step, slew, sleep and reboot: each is reported once, as such."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random

import pytest

from skewmon.clock.state import ClockUpdate
from skewmon.clock.steps import Movement, MovementKind
from skewmon.journal.detect import clock_events, cluster_events
from skewmon.journal.reported import ReportedState
from skewmon.model import NS_PER_S, Cluster, ClusterView, Endpoint, Event, Interval, Threshold
from skewmon.monitor.check import opened
from skewmon.monitor.round import run_round
from skewmon.monitor.state import MonitorState
from skewmon.probe.link import Link
from skewmon.probe.sweep import Sweeper
from tests.fleet.sshd import Fleet, FleetNode
from tests.integration.measuring import TIMEOUT_S, nodes_of

LINES = (Threshold("warning", 50_000_000), Threshold("critical", NS_PER_S))

LEAST_STEP_NS = 10_000
LARGEST_STEP_NS = 3_600 * NS_PER_S

#: Beyond its half-width, a step's reported size may be wrong by this much.
TOLERANCE_NS = 2_000

#: How fast the daemons of this test steer.
SLEW_PPM = 500


@dataclass
class Round:
    """The result of one round: the view, every node's movements, the journal's events."""

    view: ClusterView
    told: dict[str, ClockUpdate]
    events: list[Event]

    @property
    def movements(self) -> list[tuple[str, Movement]]:
        """Every movement of the round with the node that made it, slews apart."""
        return [
            (name, movement)
            for name, said in self.told.items()
            for movement in said.movements
            if movement.kind is not MovementKind.SLEW
        ]


@dataclass
class Watch:
    """Rounds of one cluster, one after the other, as the daemon runs them."""

    fleet: Fleet
    cluster: Cluster
    links: dict[Endpoint, Link]
    state: MonitorState = field(default_factory=MonitorState)
    sweeper: Sweeper = field(default_factory=Sweeper)
    before: ReportedState | None = None

    async def round(self) -> Round:
        """Run a round in which every node is measured."""
        found = await run_round([self.cluster], self.links, self.sweeper, self.state)
        (view,) = found.views
        assert view.measured == len(self.fleet), [node.outcome for node in view.nodes]
        events = list(clock_events(found))
        if self.before is not None:
            events += cluster_events(view, self.before)
        self.before = ReportedState.of(view)
        told = {node.name: self.state.node(node.endpoint).clock_update for node in self.cluster.nodes}
        return Round(view, told, events)


@asynccontextmanager
async def watched(count: int) -> AsyncIterator[Watch]:
    """Start a fleet, open its links and run the first round, which has nothing to compare with."""
    async with Fleet(count) as fleet, opened(nodes_of(fleet), TIMEOUT_S) as links:
        watch = Watch(fleet, Cluster("fleet", tuple(nodes_of(fleet)), thresholds=LINES), links)
        assert (await watch.round()).movements == []
        yield watch


def any_step_ns(rng: Random) -> int:
    """Draw from ten microseconds to an hour, every decade as often as the next, either way."""
    decades = len(str(LARGEST_STEP_NS // LEAST_STEP_NS))
    size = round(LEAST_STEP_NS * 10 ** rng.uniform(0, decades))
    return rng.choice((-1, 1)) * min(size, LARGEST_STEP_NS)


def assert_told(found: Round, node: FleetNode, step_ns: int) -> None:
    """Check that the round reports exactly this step of this node: view, findings and events."""
    assert len(found.movements) == 1, (node.name, step_ns, found.movements)
    ((name, movement),) = found.movements
    assert (name, movement.kind) == (node.name, MovementKind.STEP)
    assert movement.size is not None
    assert step_ns in movement.size.widened(1), (step_ns, movement)
    assert abs(movement.size.estimate_ns - step_ns) <= TOLERANCE_NS + movement.size.bound_ns
    assert {one.name: one.stepped for one in found.view.nodes if one.stepped} == {name: movement.size}
    findings = [(one.name, f.kind) for one in found.view.nodes for f in one.findings if f.kind == "stepped"]
    assert findings == [(name, "stepped")]
    ((event),) = [event for event in found.events if event.kind == "step"]
    assert event.node == name
    way = "forward" if step_ns > 0 else "back"
    assert event.message.startswith(f"The clock of {name} jumped {way} by ")
    assert abs(event.detail["seconds"] * NS_PER_S - step_ns) <= TOLERANCE_NS + movement.size.bound_ns


async def step_many_times(trials: int, seed: int) -> list[Interval]:
    """Step one clock of several before a round, so often; return the reported sizes."""
    rng, sizes = Random(seed), []
    async with watched(3) as watch:
        steps = dict.fromkeys((node.name for node in watch.fleet.nodes), 0)
        for _ in range(trials):
            node, step_ns = rng.choice(watch.fleet.nodes), any_step_ns(rng)
            rng.choice(watch.fleet.nodes).clock.slew(rng.randint(-SLEW_PPM, SLEW_PPM))
            node.clock.step(step_ns)
            found = await watch.round()
            assert_told(found, node, step_ns)
            steps[node.name] += 1
            sizes += [movement.size for _, movement in found.movements if movement.size]
            if rng.random() < 0.3:  # reported once: the next round adds nothing
                assert (await watch.round()).movements == []
        assert {one.name: one.steps for one in (await watch.round()).view.nodes} == steps
    return sizes


async def test_each_step_is_one_event_of_the_node_that_moved() -> None:
    """From 10 us to an hour, either way, in the first round after, right to 2 us and the bracket."""
    sizes = await step_many_times(40, seed=1)
    assert len(sizes) == 40


@pytest.mark.prove
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(2, 12))
async def test_each_of_a_thousand_steps_is_one_event_of_the_node_that_moved(seed: int) -> None:
    """The same, ten fleets of a hundred steps."""
    assert len(await step_many_times(100, seed)) == 100


async def slew_many_times(changes: int, seed: int) -> None:
    """Change every node's slew rate again and again, with rounds before, after and meanwhile."""
    rng = Random(seed)
    async with watched(3) as watch:
        for node in watch.fleet.nodes:
            node.clock.drift(rng.randint(-40, 40))
        for _ in range(changes):
            for node in watch.fleet.nodes:
                ppm = rng.choice((SLEW_PPM, -SLEW_PPM, 0, Fraction(rng.randint(-500_000, 500_000), 1_000)))
                node.clock.slew(ppm)
            found = await watch.round()
            assert found.movements == []
            assert [event for event in found.events if event.kind == "step"] == []
        assert {one.steps for one in found.view.nodes} == {0}


async def test_slews_are_never_called_steps() -> None:
    """Up to 500 ppm, changed between every two rounds."""
    await slew_many_times(60, seed=3)


@pytest.mark.prove
@pytest.mark.timeout(1200)
async def test_a_thousand_slews_are_never_called_steps() -> None:
    """The same at full count."""
    await slew_many_times(1_000, seed=4)


async def test_a_step_during_a_round_is_reported_by_it_or_the_next() -> None:
    """Never twice, never by the wrong node; a round that it disturbs does not swallow it."""
    rng = Random(5)
    async with watched(2) as watch:
        for _ in range(25):
            node, step_ns = rng.choice(watch.fleet.nodes), any_step_ns(rng)
            at_s = rng.uniform(0, 0.005)
            asyncio.get_running_loop().call_later(at_s, node.clock.step, step_ns)
            told: list[tuple[str, Movement]] = []
            (view,) = (await run_round([watch.cluster], watch.links, watch.sweeper, watch.state)).views
            told += _movements(watch)
            await asyncio.sleep(0.006)  # until the step was surely made
            (view,) = (await run_round([watch.cluster], watch.links, watch.sweeper, watch.state)).views
            told += _movements(watch)
            ((name, movement),) = told
            assert (name, movement.kind) == (node.name, MovementKind.STEP)
            assert movement.size is not None
            assert step_ns in movement.size.widened(1)
            assert view.measured == 2


def _movements(watch: Watch) -> list[tuple[str, Movement]]:
    return [
        (node.name, movement)
        for node in watch.cluster.nodes
        for movement in watch.state.node(node.endpoint).clock_update.movements
    ]


async def test_of_two_nodes_the_one_that_stepped_is_reported_but_not_named_as_wrong() -> None:
    """The step is read on the node; of two clocks either may be right."""
    async with watched(2) as watch:
        node = watch.fleet["n2"]
        node.clock.step(70 * NS_PER_S)
        found = await watch.round()
        assert_told(found, node, 70 * NS_PER_S)
        assert found.view.verdict == "critical"
        assert (found.view.vote.verdict, found.view.vote.culprits) == ("undetermined", ())
        assert [event.kind for event in found.events] == ["step", "culprits"]
        again = await watch.round()
        assert again.movements == []
        assert again.events == []
        assert again.view.vote.verdict == "undetermined"


@dataclass(frozen=True)
class Happening:
    """A movement that is not a step, and its event."""

    name: str
    arrange: Callable[[FleetNode], None]
    kind: MovementKind
    event: str
    sentence: str


HAPPENINGS = (
    Happening(
        "suspend", lambda node: node.clock.suspend(90), MovementKind.SUSPEND, "suspend", "n1 slept for "
    ),
    Happening("reboot", lambda node: node.clock.reboot(), MovementKind.REBOOT, "reboot", "n1 was rebooted."),
)


@pytest.mark.parametrize("happening", HAPPENINGS, ids=lambda happening: happening.name)
async def test_other_movements_are_not_reported_as_steps(happening: Happening) -> None:
    """A node that slept or was rebooted is reported as such, once, and its history is dropped."""
    async with Fleet(2) as fleet:
        cluster = Cluster("fleet", tuple(nodes_of(fleet)), thresholds=LINES)
        state = MonitorState()
        kinds: list[MovementKind] = []
        events: list[Event] = []
        for number in range(4):
            if number == 2:
                happening.arrange(fleet["n1"])
            async with opened(
                nodes_of(fleet), TIMEOUT_S
            ) as links:  # a rebooted node sends its first line again
                found = await run_round([cluster], links, Sweeper(), state)
            (view,) = found.views
            assert view.measured == 2, [node.outcome for node in view.nodes]
            for one in cluster.nodes:
                said = state.node(one.endpoint).clock_update
                kinds += [movement.kind for movement in said.movements]
            events += clock_events(found)
        assert kinds == [happening.kind]
        (told,) = [event for event in events if event.kind == happening.event]
        assert told.node == "n1"
        assert told.message.startswith(happening.sentence)
        assert view.nodes[0].steps == 0
