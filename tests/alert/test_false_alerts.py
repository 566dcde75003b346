"""A slow network cannot start or end an alert: simulated nodes, from exchanges to the alert machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from skewmon.alert.conditions import observe
from skewmon.alert.machine import State, step
from skewmon.clock.baseline import BurstBaseline, burst_width_ns
from skewmon.clock.burst import estimate
from skewmon.clock.sampling import BurstGoal, is_enough, is_expected, near_changed
from skewmon.model import NS_PER_S, Burst, Cluster, ClusterView, Endpoint, Interval, Measured, Node, Threshold
from skewmon.monitor.round import run_round
from skewmon.monitor.state import MonitorState
from skewmon.probe.sweep import Sweep
from tests.alert.samples import firing, restarted
from tests.alert.views import MS, S, missing, named, node, offsets, view
from tests.clock.simulator import PPM, Machine, holds, observe_round

LINE = Threshold("warning", 50 * MS, for_s=0.0, clear_for_s=0.0)

#: The most that one direction takes longer than the other, which takes no time at all.
DELAY_NS = 200 * MS

WALL_NS = 1_790_000_000 * NS_PER_S
START_NS = 10**15
INTERVAL_NS = 15 * NS_PER_S

#: Nodes on either side of the gap; each pair across it is as far apart as can be without passing the line.
SIDE = 5

#: Rounds of such pairs for clusters of each age.
PAIR_ROUNDS = 50_000

#: Clusters whose first round has to prove the skew.
FIRST_ROUNDS = 200


class LopsidedPath:
    """A path with all its delay in one direction, another one and in another manner each round."""

    def __init__(self, rng: Random, delay_ns: int = DELAY_NS) -> None:
        self._rng = rng
        self._most_ns = delay_ns
        self.change()

    def change(self) -> None:
        """Choose a direction, and whether the delay is the same for a whole burst."""
        self._forward = self._rng.random() < 0.5
        self._steady_ns = self._rng.randrange(self._most_ns + 1) if self._rng.random() < 0.5 else None

    def __call__(self) -> tuple[int, int]:
        """Return the delays of one exchange, there and back."""
        delay_ns = self._rng.randrange(self._most_ns + 1) if self._steady_ns is None else self._steady_ns
        return (delay_ns, 0) if self._forward else (0, delay_ns)


@dataclass
class Simulated:
    """A cluster of simulated nodes behind lopsided paths, measured and judged by the real code."""

    ahead_ns: Sequence[int]
    seed: int
    state: State = field(default_factory=State)
    now_ns: int = START_NS
    samples: int | None = None
    delay_ns: int = DELAY_NS
    path: type[LopsidedPath] = LopsidedPath
    baselines: dict[Endpoint, BurstBaseline] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng = Random(self.seed)
        self.paths = [self.path(Random(rng.random()), self.delay_ns) for _ in self.ahead_ns]
        # One rate for all, so that their truth stays as far apart as it was.
        self.machines = [
            Machine(Random(rng.random()), network=path, rate_ppt=20 * PPM, wall_ns=WALL_NS + ahead)
            for path, ahead in zip(self.paths, self.ahead_ns, strict=True)
        ]
        for machine in self.machines:
            # Each REALTIME has exactly the given offset, without a remainder.
            machine._mono = machine._mono_rest = machine._raw_rest = 0
        nodes = tuple(Node(f"n{number}", f"10.0.0.{number}") for number in range(1, len(self.machines) + 1))
        self.cluster = Cluster("sim", nodes, samples=self.samples, thresholds=(LINE,))
        self.links = {one.endpoint: index for index, one in enumerate(nodes)}
        self.monitor = MonitorState()

    async def sweep(
        self,
        links: Mapping[Endpoint, int],
        _samples: int,
        _interval_s: float,
        goals: Mapping[Endpoint, BurstGoal],
    ) -> Sweep:
        """Measure every node, as the real sweeper does; of a burst with a goal the first exchanges count."""
        seen = observe_round(self.machines, self.now_ns)
        bursts = [self._ended(endpoint, one.burst, goals) for endpoint, one in zip(links, seen, strict=True)]
        latest = dict(zip(links, (burst.opening[-1] for burst in bursts), strict=True))
        changed = [
            burst
            for one, burst in zip(links, bursts, strict=True)
            if (goal := goals.get(one)) and not is_expected(latest[one], goal.wall, goal.at_ns)
        ]
        near = near_changed(latest, changed, [LINE.limit_ns], seen[0].tau_ns) & goals.keys()
        bursts = [seen[links[one]].burst if one in near else bursts[links[one]] for one in links]
        self.exchanges = [len(burst.opening) for burst in bursts]
        outcomes = [
            Measured(burst, estimate(burst, one.tau_ns)) for burst, one in zip(bursts, seen, strict=True)
        ]
        assert all(
            holds(one.estimate.wall, s.truth.wall_units) for one, s in zip(outcomes, seen, strict=True)
        )
        return Sweep(
            seen[0].tau_ns, Interval(0, 1_000), 0.25, {one: outcomes[link] for one, link in links.items()}
        )

    def _ended(self, endpoint: Endpoint, burst: Burst, goals: Mapping[Endpoint, BurstGoal]) -> Burst:
        """Return the part of a burst after which the real one would have ended."""
        baseline, goal = self.baselines.get(endpoint, BurstBaseline()), goals.get(endpoint)
        count = 1
        while count < len(burst.opening) and not (goal and is_enough(goal, baseline, burst.opening[:count])):
            count += 1
        self.baselines[endpoint] = baseline.after(burst_width_ns(burst.opening[:count]))
        return replace(burst, opening=burst.opening[:count])

    async def round(self) -> ClusterView:
        """Let an interval pass, measure and judge; return the view."""
        for machine, path in zip(self.machines, self.paths, strict=True):
            machine.rest_until(self.now_ns)
            path.change()
        links: dict[Endpoint, int] = self.links
        (found,) = (await run_round([self.cluster], links, self, self.monitor)).views  # type: ignore[arg-type]  # simulated
        self.state, _ = step(self.state, observe(found), self.now_ns)
        self.now_ns = max(machine.at_ns for machine in self.machines) + INTERVAL_NS
        return found


async def _doubtful_rounds(rounds: int, restart_every: int) -> int:
    """Process rounds with all pairs on the line; none may fire. Return the number of ambiguous ones."""
    doubtful = 0
    for seed in range(rounds // restart_every):
        simulated = Simulated([0] * SIDE + [LINE.limit_ns] * SIDE, seed)
        for _ in range(restart_every):
            found = await simulated.round()
            assert simulated.state.firing == []
            assert found.skew is not None
            assert found.skew.lower_ns <= LINE.limit_ns <= found.skew.upper_ns
            doubtful += found.verdict == "ambiguous"
    return doubtful


@pytest.mark.parametrize("restart_every", [10, 500], ids=["young", "long-known"])
async def test_no_delay_on_one_side_raises_an_alert(restart_every: int) -> None:
    """Twice 50,000 rounds of pairs exactly on the line, up to 200 ms all on one side: not one alert."""
    rounds = PAIR_ROUNDS // (SIDE * SIDE)
    assert await _doubtful_rounds(rounds, restart_every) == rounds


async def _widest_ns(ahead_ns: Sequence[int], seed: int) -> int:
    """Return how wide the widest pair offset is in the first round of a cluster."""
    found = await Simulated(ahead_ns, seed).round()
    return max(pair.offset.upper_ns - pair.offset.lower_ns for pair in found.pairs)


@pytest.mark.parametrize("sign", [1, -1], ids=["ahead", "behind"])
async def test_a_skew_beyond_line_and_width_fires_in_the_first_round(sign: int) -> None:
    """A nanosecond more than the line and the pair's own width: always, at once, by the node's name."""
    for seed in range(FIRST_ROUNDS):
        width_ns = await _widest_ns((0, 0, 0), seed)
        skew_ns = sign * (LINE.limit_ns + width_ns + 1)
        simulated = Simulated((0, 0, skew_ns), seed)  # the same seed is the same network
        await simulated.round()
        assert [(key.name, key.node) for key in simulated.state.firing] == [("SkewmonSkewHigh", "n3")]


WRONG = offsets(named("c"), a=0, b=0, c=70 * S)

#: Views that may follow a proven skew without proving the contrary, and the alerts that they raise.
SILENCES: dict[str, tuple[ClusterView, set[tuple[str, str | None]]]] = {
    "the wrong node": (view(node("a"), node("b"), missing("c")), {("SkewmonNodeUnreachable", "c")}),
    "the majority": (
        view(missing("a"), node("b"), node("c", 70 * S)),
        {("SkewmonNodeUnreachable", "a")},
    ),
    "all but one": (
        view(missing("a"), missing("b"), node("c", 70 * S)),
        {("SkewmonNodeUnreachable", "a"), ("SkewmonNodeUnreachable", "b"), ("SkewmonSkewUnknown", None)},
    ),
    "every node": (view(missing("a"), missing("b"), missing("c")), {("SkewmonSkewUnknown", None)}),
    "doubt": (offsets(a=0, b=0, c=0, bound_ns=100 * S), set()),
}


@pytest.mark.parametrize(("silence", "own"), SILENCES.values(), ids=SILENCES)
def test_silence_ends_no_alert_and_has_alerts_of_its_own(
    silence: ClusterView, own: set[tuple[str, str | None]]
) -> None:
    """A day without proof of health after a proven skew: the alerts still fire, with their starts."""
    state, _ = step(State(), observe(WRONG), 0)
    before = firing(state)
    assert before
    for number in range(1, 24 * 60):
        state, changes = step(state, observe(silence), number * 60 * S)
        assert all(change.alert.firing for change in changes)
    starts = {one.key: one.started_wall_ns for one in firing(state)}
    assert {one.key: one.started_wall_ns for one in before}.items() <= starts.items()
    assert {(key.name, key.node) for key in starts if key.name != "SkewmonSkewHigh"} == own


def test_nothing_ends_while_nothing_is_measured() -> None:
    """A measurement that stopped for a week, on either side of a restart, is no proof of health."""
    state, _ = step(State(), observe(WRONG), 0)
    state = restarted(state)
    healthy = offsets(a=0, b=0, c=0)
    assert step(state, observe(healthy), 7 * 86_400 * S)[1] == ()
