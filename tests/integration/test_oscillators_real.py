"""Real SSH servers on machines with bad oscillators: no miss, drift, and the finding."""

import asyncio
import time
from collections import defaultdict
from fractions import Fraction
from statistics import median

import pytest

from skewmon.clock.burst import oscillator_at
from skewmon.clock.rate import Rate
from skewmon.errors import Reason
from skewmon.journal.detect import clock_events
from skewmon.model import NS_PER_S, Cluster, Failed, Measured, NodeView
from skewmon.monitor.check import opened
from skewmon.monitor.round import Round, run_round
from skewmon.monitor.state import MonitorState
from skewmon.probe.budget import Budget
from skewmon.probe.sweep import Sweeper
from tests.clock.simulator import PPM
from tests.clock.test_oscillator import BEFORE, DRIFT_NS, triangle_ppt
from tests.fleet.clocks import base_ns
from tests.fleet.sshd import Fleet, FleetNode
from tests.integration.measuring import TIMEOUT_S, assert_inside, nodes_of

#: The rates of the nodes; the last one's jumps by JUMP_PPM during the run.
RATES_PPM = (0, 90, 150, 300, 800, -20)
JUMP_PPM = 200

#: Nodes are waited for as if the rounds were this far apart: this machine may be busy.
PATIENT_S = 15

#: How often a wandering rate is changed.
WANDER_S = 0.5


class Town:
    """Nodes with bad oscillators, measured round after round."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.rates_ppm = dict(zip((node.name for node in fleet.nodes), RATES_PPM, strict=True))
        self.state = MonitorState()
        self.events: list[tuple[str, str | None]] = []
        self.named: list[set[str]] = []
        self.measured = 0
        self.rates: dict[str, Rate | None] = {}  # the last one of each node
        self.instants: dict[str, list[int]] = defaultdict(list)
        self.now_ns: dict[str, list[int]] = defaultdict(list)
        self.before_ns: dict[str, list[int]] = defaultdict(list)

    def wander(self) -> None:
        """Move every rate along its triangle."""
        for node in self.fleet.nodes:
            wander_ppm = Fraction(triangle_ppt(base_ns()), PPM)
            node.clock.drift(self.rates_ppm[node.name] + wander_ppm)

    async def keep_wandering(self) -> None:
        """Change the rates for as long as the test runs."""
        while True:
            self.wander()
            await asyncio.sleep(WANDER_S)

    def take(self, found: Round) -> None:
        """Compare a round with the truth."""
        self.events += [(event.kind, event.node) for event in clock_events(found)]
        (view,) = found.views
        self.named.append({node.name for node in view.nodes if "oscillator-off" in _kinds(node)})
        assert view.findings == ()
        for node, shown, at in zip(self.fleet.nodes, view.nodes, view.cluster.nodes, strict=True):
            if isinstance(shown.outcome, Failed):
                assert shown.outcome.reason is Reason.LATE  # on a busy machine
                continue
            self.measured += 1
            assert_inside(node, shown.outcome)
            self._compare_bounds(shown)
            self.instants[node.name].append(shown.outcome.estimate.at_ns)
            self.rates[node.name] = self.state.node(at.endpoint).clock_update.rates.oscillator

    def _compare_bounds(self, shown: NodeView) -> None:
        assert isinstance(shown.outcome, Measured)
        estimate = shown.outcome.estimate
        assert estimate.oscillator is not None
        before = oscillator_at(shown.outcome.burst, estimate.at_ns, BEFORE)
        if before is not None:
            self.before_ns[shown.name].append(before.bound_ns)
            self.now_ns[shown.name].append(estimate.oscillator.bound_ns)


def _kinds(shown: NodeView) -> list[str]:
    return [finding.kind for finding in shown.findings]


def _true_rate(node: FleetNode, at_ns: int, over_ns: int) -> float:
    return (node.clock.reading("raw", at_ns) - node.clock.reading("raw", at_ns - over_ns)) / over_ns - 1


async def measured(interval_s: float, rounds: int) -> None:
    """Measure bad oscillators so often; one jumps in the middle."""
    async with Fleet(len(RATES_PPM)) as fleet, opened(nodes_of(fleet), TIMEOUT_S) as links:
        town, sweeper = Town(fleet), Sweeper(lambda _: Budget.of_interval(PATIENT_S))
        town.wander()
        cluster = Cluster("c", tuple(nodes_of(fleet)), interval_s=interval_s)
        wandering = asyncio.create_task(town.keep_wandering())
        began_s = time.monotonic()
        for number in range(rounds):
            if number == rounds // 2:
                town.rates_ppm["n6"] += JUMP_PPM
                town.wander()
                # The offset leaves its course by more than a burst is wide, even on a busy machine.
                await asyncio.sleep(interval_s)
            await asyncio.sleep(max(0.0, began_s + number * interval_s - time.monotonic()))
            town.take(await run_round([cluster], links, sweeper, town.state))
        wandering.cancel()
        _assert_drift(town)
    assert town.measured > 0.8 * rounds * len(RATES_PPM)
    assert [event for event in town.events if event[0] == "oscillator-jump"] == [("oscillator-jump", "n6")]
    assert not any({"n1", "n2"} & named for named in town.named)
    first = {name: [name in named for named in town.named].index(True) + 1 for name in ("n3", "n4", "n5")}
    # The old constant is true of no other, and a false one leaves too little; at 90 ppm nearly so.
    for name, share in (("n1", 1.0), ("n2", 1.05)):
        now_ns, before_ns = median(town.now_ns[name][3:]), median(town.before_ns[name][3:])
        print(f"{name}: median bound {now_ns / 1000:.1f} us, by the old constant {before_ns / 1000:.1f}")
        assert now_ns <= share * before_ns
    print(f"every {interval_s:g} s: named in round {first}, {town.measured} node-rounds, no miss")


def _assert_drift(town: Town) -> None:
    """Compare rates with the mean of the truth: within their bounds, and to 2 % on a quiet machine."""
    for node in town.fleet.nodes[1:5]:
        rate, instants = town.rates[node.name], town.instants[node.name]
        assert rate is not None
        assert rate.meaningful
        used = instants[-rate.samples :]
        over_ns = used[-1] - next(one for one in used if used[-1] - one <= DRIFT_NS)
        truth = _true_rate(node, used[-1], over_ns)
        path = 2 * max(town.now_ns[node.name][-3:]) / over_ns
        assert rate.lower <= truth <= rate.upper, (node.name, rate, truth)
        assert abs(rate.ratio - truth) <= 0.02 * truth + path / 4, (node.name, rate, truth)
        shown = f"{rate.ratio * 1e6:.2f} ppm, truth {truth * 1e6:.2f}"
        print(f"{node.name}: {shown} over {over_ns / NS_PER_S:.0f} s")


async def test_real_nodes_with_bad_oscillators_are_measured_and_named() -> None:
    """Half a minute of rounds every two seconds, with rates that wander and one that jumps."""
    await measured(2, 14)


@pytest.mark.prove
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("interval_s", "rounds"), [(2, 200), (15, 40)])
async def test_a_thousand_real_node_rounds_of_bad_oscillators(interval_s: float, rounds: int) -> None:
    """The same at full length."""
    await measured(interval_s, rounds)
