"""A pause of the admin box is one event of its own, and no node is blamed for it."""

from pathlib import Path
from random import Random

import pytest

from skewmon.clock.burst import estimate
from skewmon.journal.detect import clock_events, cluster_events
from skewmon.journal.read import read
from skewmon.journal.reported import ReportedState
from skewmon.model import NS_PER_S, Cluster, Endpoint, Event, EventQuery, Interval, Measured, Node
from skewmon.monitor.round import run_round
from skewmon.monitor.state import MonitorState
from skewmon.probe.sweep import Sweep
from tests.clock.simulator import Machine, Step, holds, observe_round, pause_base
from tests.fleet.clocks import KnownClock
from tests.fleet.sshd import Fleet
from tests.integration.running import Running

ROUND_NS = 15 * NS_PER_S
PAUSE_NS = 40 * NS_PER_S

#: Programs that read four clocks, and one that reads the wall clock alone.
RUNGS = ("python3", "perl", "bash")


class Simulated:
    """Rounds of simulated machines in the endpoint of a sweeper."""

    def __init__(self, machines: list[Machine]) -> None:
        self.machines = machines

    async def sweep(self, links: dict[Endpoint, str], samples: int, *_: object) -> Sweep:
        start_ns = max(machine.at_ns for machine in self.machines) + ROUND_NS
        for machine in self.machines:
            machine.rest_until(start_ns)
        seen = observe_round(self.machines, start_ns, samples=samples)
        outcomes = [Measured(one.burst, estimate(one.burst, one.tau_ns)) for one in seen]
        self.truths = [one.truth.wall_units for one in seen]
        return Sweep(
            seen[0].tau_ns,
            Interval(0, 1_000),
            0.1,
            dict(zip(links, outcomes, strict=True)),
        )


async def journal_of(
    machines: list[Machine], pause_before: int, rounds: int
) -> tuple[list[Event], MonitorState]:
    """Run rounds with a pause of the base before one of them; return all events."""
    nodes = tuple(Node(f"n{number}", f"10.0.0.{number}") for number in range(1, len(machines) + 1))
    cluster = Cluster("c", nodes)
    state, sweeper = MonitorState(), Simulated(machines)
    links = {node.endpoint: node.name for node in nodes}
    before: ReportedState | None = None
    events: list[Event] = []
    for number in range(rounds):
        if number == pause_before:
            at_ns = max(machine.at_ns for machine in machines) + NS_PER_S
            pause_base(machines, at_ns, PAUSE_NS)
        found = await run_round([cluster], links, sweeper, state)  # type: ignore[arg-type]  # simulated
        (view,) = found.views
        for one, truth in zip(view.nodes, sweeper.truths, strict=True):
            assert isinstance(one.outcome, Measured)
            assert holds(one.outcome.estimate.wall, truth)
        events += clock_events(found)
        events += cluster_events(view, before) if before is not None else ()
        before = ReportedState.of(view)
    return events, state


@pytest.mark.parametrize("rungs", [("python3",) * 3, RUNGS, ("bash",) * 3], ids=["python", "mixed", "bash"])
async def test_a_pause_of_the_admin_box_is_one_event_and_not_a_step(rungs: tuple[str, ...]) -> None:
    """With every kind of node; the rounds after it have no more events than those before."""
    machines = [Machine(Random(number), rung=rung) for number, rung in enumerate(rungs)]
    events, state = await journal_of(machines, pause_before=6, rounds=12)
    (event,) = events
    assert (event.kind, event.cluster, event.node) == ("admin-box-paused", None, None)
    assert event.message.startswith("The admin box stood still for ")
    assert event.detail["lower"] * NS_PER_S <= PAUSE_NS <= event.detail["upper"] * NS_PER_S
    for record in state.nodes.values():
        assert +record.resets == {"base-paused": 1}
        assert record.clock_state is not None
        assert record.clock_state.steps == 0


async def test_a_step_during_the_pause_is_still_that_nodes() -> None:
    """Movements of a node's own clocks do not depend on the base."""
    machines = [Machine(Random(number)) for number in range(3)]
    machines[1].schedule(machines[1].at_ns + 6 * ROUND_NS + 2 * NS_PER_S, Step(-250_000_000))
    events, _ = await journal_of(machines, pause_before=6, rounds=12)
    kinds = sorted((event.kind, event.node) for event in events if event.kind != "culprits")
    assert kinds == [("admin-box-paused", None), ("step", "n2")]


async def test_a_leap_of_one_node_is_not_a_pause_of_the_admin_box() -> None:
    """It is the node's own step if it has no other clock."""
    machines = [Machine(Random(number), rung=rung) for number, rung in enumerate(RUNGS)]
    machines[2].schedule(machines[2].at_ns + 6 * ROUND_NS, Step(PAUSE_NS))
    events, _ = await journal_of(machines, pause_before=-1, rounds=12)
    assert [(event.kind, event.node) for event in events if event.kind != "culprits"] == [("step", "n3")]


async def test_the_daemon_reports_a_pause_of_its_own_machine(tmp_path: Path) -> None:
    """A real daemon that is stopped for a second between its rounds, over real nodes, in its journal."""
    state = tmp_path / "state"
    async with Fleet(3) as fleet:
        config = fleet.write_config(
            tmp_path / "skewmon.yml",
            cluster={"interval": "3s"},
            web={"listen": "127.0.0.1:0"},
            state_directory=str(state),
        )
        with KnownClock(tmp_path / "clock") as clock:
            async with Running(config, environment=clock.environment()) as daemon:
                rounds = "skewmon_rounds_total"
                await daemon.until(lambda: daemon.metric(rounds) >= 2)
                clock.pause(1)
                await daemon.until(lambda: daemon.metric(rounds) >= 5)
                assert daemon.metric("skewmon_node_success") == 3
                assert daemon.metric("skewmon_node_steps_total") == 0
                await daemon.end()
    found = [
        event for event in read(str(state), EventQuery(1_000)) if event.node or event.kind.startswith("a")
    ]
    (event,) = found
    assert event.kind == "admin-box-paused"
    assert event.detail["lower"] <= 1 <= event.detail["upper"]
