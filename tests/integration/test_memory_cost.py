"""The cost of the state of a thousand nodes, in time and in memory; and that the shortcut is right."""

import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import pytest

from skewmon.clock import steps
from skewmon.clock.burst import estimate
from skewmon.clock.state import ClockState, ClockUpdate, update_clocks
from skewmon.model import NS_PER_S, Cluster, Interval, Measured, Node, Threshold
from skewmon.monitor.evaluate import evaluate
from skewmon.monitor.state import MonitorState
from skewmon.probe.sweep import Sweep
from skewmon.runtime.memory import collect_seldom
from tests.clock.simulator import MS, PPM, Machine, Observation, Pause, Slew, Step, Suspend
from tests.monitor.rounds import take_in
from tests.timesync.test_claim import HELD

NODES = 1_000
ROUND_NS = 15 * NS_PER_S

#: More rounds than anything remembers.
ROUNDS = 40

#: Far apart enough for a vote, as the simulated machines are.
LINES = (Threshold("warning", 50 * MS), Threshold("critical", NS_PER_S))

#: Simulating so many different machines would take minutes; each of a few stands for many nodes.
MACHINES = 20

MOST_BYTES = 60 * 2**20

#: A round's mathematics on an idle core, and how much slower a test may find a machine that others use.
MOST_S = 0.1
BUSY = 3


@dataclass
class Costs:
    """Processor seconds of the last rounds."""

    estimate_s: list[float] = field(default_factory=list)
    remember_s: list[float] = field(default_factory=list)
    evaluate_s: list[float] = field(default_factory=list)  # pairs, vote, drift, findings, the published views


def observed(machine: Machine, rounds: int) -> list[Observation]:
    """Return the observations of a machine in so many rounds."""
    seen = []
    for _ in range(rounds):
        machine.rest_until(machine.at_ns + ROUND_NS)
        seen.append(machine.observe(machine.at_ns))
    return seen


def filled() -> tuple[MonitorState, Costs]:
    """Return the state of a thousand nodes after many rounds, and the costs of the last ten rounds."""
    machines = [Machine(Random(seed), rate_ppt=(seed - 10) * PPM) for seed in range(MACHINES)]
    rounds = list(zip(*(observed(machine, ROUNDS) for machine in machines), strict=True))
    nodes = [Node(f"n{number}", f"10.0.{number // 250}.{number % 250}") for number in range(NODES)]
    endpoints = [node.endpoint for node in nodes]
    cluster = Cluster("large", tuple(nodes), thresholds=LINES)
    state, costs = MonitorState(), Costs()
    for endpoint in endpoints:
        state.note_status(endpoint, HELD)
    for seen in rounds:
        began = time.process_time()
        found = [
            Measured(one.burst, estimate(one.burst, one.tau_ns))
            for one in (seen[number % MACHINES] for number in range(NODES))
        ]
        estimated = time.process_time()
        told = [
            take_in(state, endpoint, outcome, 0) for endpoint, outcome in zip(endpoints, found, strict=True)
        ]
        remembered = time.process_time()
        outcomes = dict(zip(endpoints, told, strict=True))
        view = evaluate(cluster, Sweep(seen[0].tau_ns, Interval(0, 1_000), 0.1, outcomes), state, 0)
        assert view.measured == NODES
        costs.estimate_s.append(estimated - began)
        costs.remember_s.append(remembered - estimated)
        costs.evaluate_s.append(time.process_time() - remembered)
    return state, costs


def size_of(root: object, shared: set[int]) -> int:
    """Return the bytes of everything that is reached from an object, each thing once."""
    total, waiting = 0, [root]
    while waiting:
        one = waiting.pop()
        if id(one) in shared or isinstance(one, type):
            continue
        shared.add(id(one))
        total += one.__sizeof__()
        waiting += gc.get_referents(one)
    return total


@pytest.fixture
def _collected_seldom() -> Iterator[None]:
    """Let Python search for cycles as the daemon does."""
    before = gc.get_threshold()
    collect_seldom()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.usefixtures("_collected_seldom")
def test_a_thousand_nodes_are_remembered_quickly_and_in_little_memory() -> None:
    """The best of the last rounds counts: other programs on this machine only add to it."""
    state, costs = filled()
    best = min(one + other for one, other in zip(costs.estimate_s[-10:], costs.remember_s[-10:], strict=True))
    states = [record.clock_state for record in state.nodes.values()]
    bytes_ = size_of(states, {id(None), id(True), id(False)})
    print(
        f"{NODES} nodes: estimate {min(costs.estimate_s[-10:]) * 1e3:.0f} ms, "
        f"remember {min(costs.remember_s[-10:]) * 1e3:.0f} ms, "
        f"evaluate {min(costs.evaluate_s[-10:]) * 1e3:.0f} ms "
        f"a round, history {bytes_ / 2**20:.1f} MiB"
    )
    assert bytes_ < MOST_BYTES
    assert best < MOST_S * BUSY


def told(seen: list[Observation]) -> list[ClockUpdate]:
    """Return the state of a machine, round after round."""
    clock_state: ClockState | None = None
    recollections = []
    for one in seen:
        clock_state, said = update_clocks(clock_state, one.burst, estimate(one.burst, one.tau_ns))
        recollections.append(said)
    return recollections


@pytest.mark.parametrize("seed", range(20))
def test_comparing_a_burst_at_once_or_one_by_one_is_equal(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a burst's exchanges are compared at once or one by one makes no difference."""
    rng = Random(seed)
    machine = Machine(rng, network="lan-loaded", rung=rng.choice(("python3", "perl")), rate_ppt=20 * PPM)
    for happening in (Step(31_000), Slew(400 * PPM), Step(-20 * MS), Suspend(3 * NS_PER_S), Pause(MS)):
        machine.schedule(machine.at_ns + rng.randrange(ROUND_NS * 30), happening)
    seen = observed(machine, 30)
    quick = told(seen)
    monkeypatch.setattr(steps, "undisturbed", lambda *_: None)
    assert told(seen) == quick
    assert any(said.movements for said in quick)
