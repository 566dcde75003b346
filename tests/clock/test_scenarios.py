"""Simulated nodes under everything that can happen to a clock: no published interval misses the truth."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

import pytest

from skewmon.clock import history as history_module
from skewmon.clock import state as state_module
from skewmon.clock import wander as wander_module
from skewmon.clock.burst import estimate
from skewmon.clock.history import ResetReason
from skewmon.clock.interval import UNKNOWN_RATE, RateBounds, aged
from skewmon.clock.oscillator import CHANGE_PPB, LearnedRate
from skewmon.clock.state import ClockState, tightened, update_clocks
from skewmon.clock.steps import MovementKind
from skewmon.errors import ProbeError
from skewmon.model import NS_PER_S, Interval
from tests.clock.simulator import (
    MS,
    NETWORKS,
    PPM,
    RUNGS,
    SLEW_LIMIT_PPT,
    TRILLION,
    Machine,
    Observation,
    Pause,
    Reboot,
    Slew,
    Step,
    Suspend,
    holds,
)

ROUND_NS = 15 * NS_PER_S
ROUNDS = 10

#: Rungs that cannot read RAW assume that no program sets or steers REALTIME while they are asked (H5).
RUNGS_WITH_RAW = tuple(name for name, program in RUNGS.items() if program.raw is not None)


@dataclass(frozen=True)
class Scenario:
    """Something that happens at a random instant in ten rounds.

    ``between`` bursts if H2 requires it; ``steered`` by more than H5 allows.
    """

    name: str
    arrange: Callable[[Machine, int], None]
    between: bool = False
    steered: bool = False
    clocksource: str = "tsc"
    network: str | None = None
    wanders: bool = False  # faster than H6 allows, though not than H2b


def _slew(rate_ppt: int, span_s: int) -> Callable[[Machine, int], None]:
    def arrange(machine: Machine, at_ns: int) -> None:
        machine.schedule(at_ns, Slew(rate_ppt))
        machine.schedule(at_ns + span_s * NS_PER_S, Slew(0))

    return arrange


def _step_against_a_slew(machine: Machine, at_ns: int) -> None:
    machine.schedule(max(machine.at_ns, at_ns - NS_PER_S), Slew(5_000 * PPM))
    machine.schedule(at_ns, Step(-5 * MS))
    machine.schedule(at_ns + NS_PER_S, Slew(0))


SCENARIOS = (
    Scenario("calm", lambda machine, at_ns: None),
    Scenario("slew-100-ppm", _slew(100 * PPM, 30), steered=True),
    Scenario("slew-500-ppm", _slew(-500 * PPM, 30), steered=True),
    Scenario("slew-at-the-limit", _slew(SLEW_LIMIT_PPT, 1), steered=True),
    Scenario("slew-back-at-the-limit", _slew(-SLEW_LIMIT_PPT, 1), steered=True),
    Scenario("step-5-ms", lambda machine, at_ns: machine.schedule(at_ns, Step(5 * MS))),
    Scenario("step-back-20-ms", lambda machine, at_ns: machine.schedule(at_ns, Step(-20 * MS))),
    Scenario("step-back-20-ms-wan", lambda m, at_ns: m.schedule(at_ns, Step(-20 * MS)), network="wan-75-5"),
    Scenario("slew-500-ppm-wan", _slew(500 * PPM, 40), network="wan-5-75", steered=True),
    Scenario("step-against-slew", _step_against_a_slew, steered=True),
    Scenario("step-70-s", lambda machine, at_ns: machine.schedule(at_ns, Step(70 * NS_PER_S))),
    Scenario("leap", lambda machine, at_ns: machine.schedule(at_ns, Step(-NS_PER_S))),
    Scenario("suspend", lambda m, at_ns: m.schedule(at_ns, Suspend(3600 * NS_PER_S)), between=True),
    Scenario("nap", lambda m, at_ns: m.schedule(at_ns, Suspend(20 * MS)), between=True, network="wan-75-5"),
    Scenario("reboot", lambda machine, at_ns: machine.schedule(at_ns, Reboot(70 * MS)), between=True),
    Scenario("pause", lambda m, at_ns: m.schedule(at_ns, Pause(NS_PER_S)), between=True),
    Scenario("wander", lambda machine, at_ns: None, wanders=True),
    Scenario("wander-kvm", lambda machine, at_ns: None, wanders=True, clocksource="kvm-clock"),
    Scenario(
        "short-pause-kvm",
        lambda machine, at_ns: machine.schedule(at_ns, Pause(20 * MS)),
        between=True,
        clocksource="kvm-clock",
        network="wan-75-5",
    ),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


@dataclass
class Tally:
    """The counts of a campaign: node-rounds, misses, and everything that was reported."""

    rounds: int = 0
    unmeasured: int = 0
    proven_misses: int = 0
    plausible_misses: int = 0
    widened: int = 0
    reported: Counter[str] = field(default_factory=Counter)
    resets: Counter[str] = field(default_factory=Counter)
    steps: list[Interval] = field(default_factory=list)

    def take(self, state: ClockState | None, seen: Observation, *, fast: bool = False) -> ClockState | None:
        """Count one node-round; the rate of a ``fast`` one changes by more than H6 allows."""
        self.rounds += 1
        try:
            plain = estimate(seen.burst, seen.tau_ns)
        except ProbeError:
            self.unmeasured += 1
            return state
        state, update = update_clocks(state, seen.burst, plain)
        tight = tightened(plain, update)
        good = holds(tight.wall, seen.truth.wall_units)
        if tight.oscillator is not None and plain.oscillator is not None:
            good = good and holds(tight.oscillator, seen.truth.oscillator_units)
            self.widened += tight.oscillator.width_ns > plain.oscillator.width_ns
        self.widened += tight.wall.width_ns > plain.wall.width_ns
        self.proven_misses += not good
        if update.plausible is not None and not fast:
            lower, upper = update.plausible
            self.plausible_misses += not lower <= seen.truth.rate_ppt / TRILLION <= upper
        self.reported.update(movement.kind for movement in update.movements)
        self.steps += [m.size for m in update.movements if m.kind is MovementKind.STEP and m.size is not None]
        if update.reset is not None:
            self.resets[update.reset.reason] += 1
        return state


#: How often a node is asked in a round; a disturbed burst is followed by up to three more.
ASKED = (1, 1, 1, 1, 2, 3, 4)


def _wander(rng: Random, machine: Machine, span_ns: int, middle_ppt: int, *, fast: bool) -> int:
    """Return a ramp of the rate: as steep as H6 allows, or as far as H2b does."""
    if fast:
        return middle_ppt + rng.randint(-10 * PPM, 10 * PPM) - machine.rate_ppt
    most = wander_module.WANDER_PPB_PER_MIN * 1000 * span_ns // (60 * NS_PER_S)
    return rng.choice((-most, most, rng.randint(-most, most)))


#: The rates of oscillators: of good machines, of bad ones, and up to the bound less wander and a jump.
RATES_PPM = (50, 50, 300, 980)


def _rate_ppt(rng: Random, rung: str) -> int:
    most = rng.choice(RATES_PPM) if rung in RUNGS_WITH_RAW else RATES_PPM[0]
    return rng.randint(-most, most) * PPM


def run(scenario: Scenario, seed: int, tally: Tally, *, samples: int = 8, rung: str | None = None) -> None:
    """Simulate one node over ten rounds and count."""
    rng = Random(f"{scenario.name}-{seed}")  # a string: the same on every run, unlike hash()
    rung = rung or rng.choice(RUNGS_WITH_RAW if scenario.steered else tuple(RUNGS))
    machine = Machine(
        rng,
        network=scenario.network or rng.choice(tuple(NETWORKS)),
        rung=rung,
        clocksource=scenario.clocksource,
        rate_ppt=_rate_ppt(rng, rung),
    )
    middle_ppt = machine.rate_ppt
    machine.slew_ppt = rng.randint(-30, 30) * PPM
    first_ns = machine.at_ns + NS_PER_S
    at_ns = first_ns + rng.randrange(2, ROUNDS) * ROUND_NS - rng.randrange(1, 10 * MS)
    if not scenario.between and rung in RUNGS_WITH_RAW:
        at_ns = first_ns + rng.randrange(ROUNDS * ROUND_NS)
        if rng.random() < 0.5:  # within a burst, which is the worst case
            at_ns = first_ns + rng.randrange(ROUNDS) * ROUND_NS + rng.randrange(5 * MS)
    scenario.arrange(machine, at_ns)
    state, start_ns = None, first_ns
    for _ in range(ROUNDS):
        span_ns = start_ns - machine.at_ns
        machine.rest_until(
            start_ns, wander_ppt=_wander(rng, machine, span_ns, middle_ppt, fast=scenario.wanders)
        )
        start_ns = max(start_ns, machine.at_ns)  # it may have slept through
        seen = machine.observe(
            start_ns,
            samples=samples * rng.choice(ASKED),
            lead_ns=rng.choice((1000, MS, 3 * NS_PER_S)),
        )
        state = tally.take(state, seen, fast=scenario.wanders)
        start_ns += ROUND_NS


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_no_proven_interval_misses_the_truth(scenario: Scenario) -> None:
    """Whatever happens to the clocks, proven intervals hold, and history never widens anything."""
    tally = Tally()
    for seed in range(80):
        run(scenario, seed, tally)
    assert tally.rounds == 80 * ROUNDS
    assert tally.proven_misses == 0
    assert tally.plausible_misses == 0
    assert tally.widened == 0


@pytest.mark.prove
@pytest.mark.timeout(3600)
def test_a_million_node_rounds_without_a_miss() -> None:
    """The same at full count: every scenario, every network, every rung."""
    tally = Tally()
    for seed in range(1_000_000 // (ROUNDS * len(SCENARIOS)) + 1):
        for scenario in SCENARIOS:
            run(scenario, seed, tally, samples=3)
    assert tally.rounds >= 1_000_000
    assert (tally.proven_misses, tally.plausible_misses, tally.widened) == (0, 0, 0)


@pytest.mark.parametrize(
    ("name", "kind", "reset"),
    [
        ("step-5-ms", MovementKind.STEP, None),
        ("step-back-20-ms", MovementKind.STEP, None),
        ("step-back-20-ms-wan", MovementKind.STEP, None),
        ("step-70-s", MovementKind.STEP, None),
        ("suspend", MovementKind.SUSPEND, ResetReason.SUSPEND),
        ("reboot", MovementKind.REBOOT, ResetReason.REBOOT),
        ("pause", MovementKind.JUMP, ResetReason.CONTRADICTION),
        ("calm", None, None),
    ],
)
def test_each_change_is_reported_once_and_by_its_kind(
    name: str, kind: MovementKind | None, reset: ResetReason | None
) -> None:
    """A movement is reported once a node, no other is, and the past is dropped when it must be."""
    tally = Tally()
    for seed in range(40):
        run(BY_NAME[name], seed, tally, rung="python3")
    if (
        kind is MovementKind.STEP
    ):  # it may fall before the first burst or after the last, and is invisible then
        assert 30 <= tally.reported[kind] <= 40
    assert tally.reported == (
        {kind: tally.reported[kind]} if kind is MovementKind.STEP else {kind: 40} if kind else {}
    )
    assert tally.resets == ({reset: 40} if reset else {})


@pytest.mark.parametrize("network", NETWORKS)
def test_a_step_is_known_to_a_microsecond_on_any_network(network: str) -> None:
    """The size of a step comes from the node's own clocks, so the round trip does not blur it."""
    rng = Random(network)
    machine = Machine(rng, network=network, rate_ppt=20 * PPM)
    tally, state = Tally(), None
    for number in range(4):
        start_ns = machine.at_ns + ROUND_NS
        if number == 2:
            machine.schedule(machine.at_ns + NS_PER_S, Step(-31_000))
        machine.rest_until(start_ns)
        state = tally.take(state, machine.observe(start_ns))
    (size,) = tally.steps
    assert -31_000 in size
    assert size.width_ns < 3_000


# --- the tests above can fail: each of these mistakes makes them ------------------------------------


def _misses(names: tuple[str, ...], seeds: int, *, rung: str = "python3") -> int:
    tally = Tally()
    for name in names:
        for seed in range(seeds):
            run(BY_NAME[name], seed, tally, rung=rung)
    return tally.proven_misses


def test_without_ageing_the_truth_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With rho = 0 an old bound is taken for a new one."""
    still = RateBounds(0, 0)
    monkeypatch.setattr(LearnedRate, "bounds", lambda *_: still)
    assert _misses(("calm",), 60) > 0


def test_history_kept_over_a_suspend_misses_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    """On an asymmetric path a sleep of 20 ms contradicts nothing; only BOOTTIME shows it."""
    assert _misses(("nap",), 60) == 0
    monkeypatch.setattr(state_module, "_broken", lambda *args, **options: None)
    assert _misses(("nap",), 60) > 0


def test_history_of_a_clock_that_can_stand_still_misses_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    """A paused guest on kvm-clock is why such nodes get no proof from history."""
    steady = history_module.STEADY_CLOCKSOURCES | {"kvm-clock"}
    monkeypatch.setattr(history_module, "STEADY_CLOCKSOURCES", steady)
    assert _misses(("short-pause-kvm",), 60) > 0


@pytest.mark.parametrize("name", ["slew-500-ppm-wan", "step-back-20-ms-wan"])
def test_history_of_the_wall_clock_misses_the_truth(name: str) -> None:
    """Ageing REALTIME by RFC 5905's 15 ppm, as if it were never set nor steered, is wrong within minutes."""
    misses = 0
    for seed in range(40):
        rng = Random(seed)
        machine = Machine(rng, network=BY_NAME[name].network or "lan", rate_ppt=10 * PPM)
        start_ns = machine.at_ns + NS_PER_S
        BY_NAME[name].arrange(machine, start_ns + rng.randrange(ROUNDS * ROUND_NS))
        known: tuple[int, Interval] | None = None
        for _ in range(ROUNDS):
            machine.rest_until(start_ns)
            seen = machine.observe(start_ns)
            wall = estimate(seen.burst, seen.tau_ns).wall
            if known is not None:
                wall = wall.meet(aged(known[1], seen.tau_ns - known[0], RateBounds(-15_000, 15_000))) or wall
            misses += not holds(wall, seen.truth.wall_units)
            known = (seen.tau_ns, wall)
            start_ns += ROUND_NS
    assert misses > 0


@pytest.mark.parametrize("fast", [False, True])
def test_the_simulator_obeys_the_hypotheses(fast: bool) -> None:
    """The truth keeps to the bounds on rates and their changes: else the tests above would prove nothing."""
    rng = Random(7)
    machine = Machine(rng, rate_ppt=750 * PPM)
    rates = []
    for _ in range(200):
        before = machine.truth(machine.at_ns)
        start_ns = machine.at_ns + ROUND_NS
        machine.rest_until(start_ns, wander_ppt=_wander(rng, machine, ROUND_NS, 750 * PPM, fast=fast))
        moved = machine.truth(start_ns).oscillator_units - before.oscillator_units
        rates.append(moved / ROUND_NS / PPM)
    assert max(map(abs, rates)) * 1000 <= UNKNOWN_RATE.upper_ppb
    assert (max(rates) - min(rates)) * 1000 <= CHANGE_PPB
    steepest_ppm = max(abs(one - other) for one, other in pairwise(rates))
    assert (steepest_ppm * 1000 > wander_module.WANDER_PPB_PER_MIN) == fast
