"""Rates that are held for some rounds: of nodes far from every line, and no longer than they are true."""

from collections.abc import Callable
from random import Random

import pytest

from skewmon.clock import held as held_module
from skewmon.clock.burst import estimate
from skewmon.clock.held import HELD_NS, HELD_ROUNDS, HeldRates, lasting
from skewmon.clock.history import Reset, ResetReason
from skewmon.clock.oscillator import Constraint
from skewmon.clock.rate import NOTHING_KNOWN, Basis, Rate, Rates
from skewmon.clock.sampling import WHOLE_BURST
from skewmon.clock.state import ClockState, ClockUpdate, update_clocks
from skewmon.clock.wander import WANDER_PPB_PER_MIN, Plausible
from skewmon.model import NS_PER_S, Interval
from tests.clock.simulator import (
    MS,
    NETWORKS,
    PPM,
    TRILLION,
    Machine,
    Observation,
    Pause,
    RateJump,
    Reboot,
    Slew,
    Step,
    Suspend,
)

ROUND_NS = 15 * NS_PER_S

#: Exchanges of a burst that stopped early.
SHORT = 2

#: Rounds until a rate on a quiet path is known to be calm.
SETTLED = 24

STILL = Constraint(0, -50_000, 50_000)
SLOW = Plausible(-1e-7, 1e-7)


def _rounds(
    machine: Machine,
    count: int,
    *,
    samples: int = SHORT,
    wander_ppt: Callable[[], int] = lambda: 0,
    round_ns: int = ROUND_NS,
) -> list[Observation]:
    seen = []
    for _ in range(count):
        start_ns = machine.at_ns + round_ns
        machine.rest_until(start_ns, wander_ppt=wander_ppt())
        seen.append(machine.observe(max(start_ns, machine.at_ns), samples=samples))
    return seen


def _take(
    state: ClockState | None, seen: list[Observation], *, is_far: bool = True
) -> list[tuple[ClockState, ClockUpdate]]:
    found = []
    for one in seen:
        state, update = update_clocks(state, one.burst, estimate(one.burst, one.tau_ns), is_far=is_far)
        found.append((state, update))
    return found


def _is_held(taken: tuple[ClockState, ClockUpdate]) -> bool:
    """Return whether a round used the rate of an earlier one."""
    state, _ = taken
    return state.held is not None and state.held.reading != state.history.proven  # type: ignore[union-attr]  # has RAW


def _machine(seed: int, **options: str) -> Machine:
    return Machine(Random(seed), rate_ppt=30 * PPM, **{"network": "lan", **options})  # type: ignore[arg-type]  # a name


def test_a_rate_is_held_for_a_minute_and_four_rounds_at_most() -> None:
    """However short the rounds are, and however long."""
    for round_ns in (2 * NS_PER_S, ROUND_NS, 40 * NS_PER_S):
        taken = _take(None, _rounds(_machine(1), 400, round_ns=round_ns))
        held, longest = 0, 0
        for state, update in taken:
            if state.held is None or state.history is None:
                continue
            held = held + 1 if state.held.reading != state.history.proven else 0
            longest = max(longest, held)
            assert state.history.proven.at_ns - state.held.reading.at_ns < HELD_NS
            assert update.plausible is not None
        assert longest == min(HELD_ROUNDS, -(-HELD_NS // round_ns)) - 1


def test_each_round_fits_about_one_node_in_four() -> None:
    """Nodes that were first measured together are not fitted together."""
    fleet = [_take(None, _rounds(_machine(seed), SETTLED + HELD_ROUNDS)) for seed in range(80)]
    for number in range(SETTLED, SETTLED + HELD_ROUNDS):
        fitted = sum(not _is_held(one[number]) for one in fleet)
        assert 80 / 8 <= fitted <= 80 / 2


@pytest.mark.parametrize(("samples", "is_far"), [(WHOLE_BURST, True), (SHORT, False)])
def test_a_whole_burst_and_a_node_near_a_line_are_always_fitted(samples: int, is_far: bool) -> None:
    taken = _take(None, _rounds(_machine(2), 3 * SETTLED, samples=samples), is_far=is_far)
    assert not any(map(_is_held, taken))


@pytest.mark.parametrize("network", ["loopback", "lan", "lan-loaded", "lan-forward"])
def test_a_held_rate_contains_the_truth(network: str) -> None:
    """The rate changes as fast as H6 allows, in one direction or there and back."""
    most = WANDER_PPB_PER_MIN * 1000 * ROUND_NS // (60 * NS_PER_S)
    count = 0
    for seed in range(30):
        rng = Random(seed)
        turn = rng.choice((4, 11, 1000))
        signs = iter([1 if number // turn % 2 else -1 for number in range(120)])
        seen = _rounds(_machine(seed, network=network), 120, wander_ppt=lambda: most * next(signs))  # noqa: B023
        for one, taken in zip(seen, _take(None, seen), strict=True):
            count += _is_held(taken)
            plausible = taken[1].plausible
            if plausible is not None:
                assert plausible.rate_lower <= one.truth.rate_ppt / TRILLION <= plausible.rate_upper
    assert count > 30 * 10


def test_held_rates_are_published_with_what_may_have_changed_since() -> None:
    """In every round alike, also in the one that fitted them, so that no bound swings."""
    seen = _rounds(_machine(3), 2 * SETTLED)
    rates = [(_is_held(one), one[1].rates.oscillator) for one in _take(None, seen)]
    exact = [update.rates.oscillator for _, update in _take(None, seen, is_far=False)]
    for (is_held, rate), alone in zip(rates[SETTLED:], exact[SETTLED:], strict=True):
        assert rate is not None
        assert alone is not None
        assert rate.basis is Basis.BOUNDED
        if not is_held:
            assert rate.upper - rate.lower > 1.9 * held_module.WANDERED
            assert rate.lower <= alone.upper
            assert alone.lower <= rate.upper


def test_the_narrowest_burst_waits_for_the_next_fit() -> None:
    """The bursts since the last fit are not lost: the best of them bounds the rate, too."""
    narrowest, counted = None, 0
    for taken in _take(None, _rounds(_machine(5, network="lan-loaded"), 4 * SETTLED)):
        state = taken[0]
        assert state.history is not None
        proven = state.history.proven
        if not _is_held(taken):
            if narrowest is not None and narrowest in state.history.constraints:
                counted += 1
            narrowest = None
        elif narrowest is None or proven.upper_ns - proven.lower_ns < narrowest.upper_ns - narrowest.lower_ns:
            narrowest = proven
        assert state.history.waiting == narrowest
    assert counted > 4


HAPPENINGS = {
    "step": lambda machine, at_ns: machine.schedule(at_ns, Step(5_000)),
    "step-back": lambda machine, at_ns: machine.schedule(at_ns, Step(-70 * NS_PER_S)),
    "slew": lambda machine, at_ns: machine.schedule(at_ns, Slew(500 * PPM)),
    "pause": lambda machine, at_ns: machine.schedule(at_ns, Pause(20 * MS)),
    "suspend": lambda machine, at_ns: machine.schedule(at_ns, Suspend(3 * NS_PER_S)),
    "reboot": lambda machine, at_ns: machine.schedule(at_ns, Reboot(70 * MS)),
    "rate": lambda machine, at_ns: machine.schedule(at_ns, RateJump(200 * PPM)),
    "little-rate": lambda machine, at_ns: machine.schedule(at_ns, RateJump(8 * PPM)),
}


@pytest.mark.parametrize("name", HAPPENINGS)
@pytest.mark.parametrize("network", ["loopback", "lan", "spikes", "wan-75-5"])
def test_proven_results_are_those_without_a_held_rate(name: str, network: str) -> None:
    """Steps, jumps, suspends and reboots are found in the same round, and bounds are the same."""
    assert network in NETWORKS
    for seed in range(6):
        machine = _machine(seed, network=network)
        seen = _rounds(machine, SETTLED + seed)
        HAPPENINGS[name](machine, machine.at_ns + 7 * NS_PER_S)
        seen += _rounds(machine, SETTLED)
        for (state, update), (plain, alone) in zip(
            _take(None, seen), _take(None, seen, is_far=False), strict=True
        ):
            assert update.oscillator == alone.oscillator
            assert update.movements == alone.movements
            assert (update.rate, update.mean_rate, update.steps) == (alone.rate, alone.mean_rate, alone.steps)
            assert _proven(update.reset) == _proven(alone.reset)
            assert (state.readings, state.steering) == (plain.readings, plain.steering)
            assert state.track == plain.track


def _proven(reset: Reset | None) -> Reset | None:
    """Return a reset if it concerns the proven history, too."""
    return None if reset is None or reset.reason is ResetReason.WANDER else reset


def test_a_burst_that_contradicts_a_held_rate_is_fitted_at_once() -> None:
    """A rate that jumps by less than H2b excludes is not held for the rest of the minute."""
    machine = _machine(4, network="loopback")
    before = _rounds(machine, SETTLED)
    machine.schedule(machine.at_ns + 1, RateJump(8 * PPM))
    *_, (_, last) = _take(None, before + _rounds(machine, 1))
    assert last.reset is not None
    assert last.reset.reason is ResetReason.WANDER


@pytest.mark.parametrize(
    ("now", "holds"),
    [
        (Constraint(NS_PER_S, -50_000, 50_000), True),
        (Constraint(HELD_NS, -50_000, 50_000), False),  # too old
        (Constraint(NS_PER_S, 50_099, 60_000), True),  # the rate leads there
        (Constraint(NS_PER_S, 50_101, 60_000), False),
        (Constraint(NS_PER_S, -60_000, -50_099), True),
        (Constraint(NS_PER_S, -60_000, -50_101), False),
    ],
)
def test_a_rate_is_held_while_it_leads_to_the_proven_offset(now: Constraint, holds: bool) -> None:
    assert HeldRates(STILL, SLOW, NOTHING_KNOWN).holds_at(now) is holds


def test_a_rate_that_would_lose_its_meaning_is_not_held() -> None:
    """Else it would be published in one round of four."""
    assert lasting(Rate(-0.95e-6, 0.95e-6, Basis.BOUNDED, 9)) is None
    assert lasting(Rate(-0.85e-6, 0.85e-6, Basis.BOUNDED, 9)) is not None
    assert lasting(Rate(-2e-6, 2e-6, Basis.BOUNDED, 9)) is not None, "it has none anyway"


@pytest.mark.parametrize(
    ("ppb", "is_steered"),
    [(Interval(-5, 40), True), (Interval(59, 70), True), (Interval(61, 70), False), (None, False)],
)
def test_a_correction_is_held_while_the_last_round_had_its_rate(
    ppb: Interval | None, is_steered: bool
) -> None:
    rates = Rates(correction=Rate(40e-9, 60e-9, Basis.BOUNDED, 9))
    assert HeldRates(STILL, SLOW, rates).is_steered_at(ppb) is is_steered
    assert not HeldRates(STILL, SLOW, NOTHING_KNOWN).is_steered_at(ppb)
