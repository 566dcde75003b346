"""The state of a node's clocks: the result of a round, the state that is kept, and its cost."""

import pickle
from dataclasses import replace
from random import Random

import pytest

from skewmon.clock.burst import estimate
from skewmon.clock.history import Proven, ResetReason
from skewmon.clock.line import Track
from skewmon.clock.state import ClockState, ClockUpdate, tightened, update_clocks, without_base
from skewmon.clock.steps import MovementKind
from skewmon.model import NS_PER_S, Exchange, Interval
from tests.clock.simulator import PPM, Machine, Observation, Slew, Step

ROUND_NS = 15 * NS_PER_S


def _rounds(machine: Machine, count: int) -> list[Observation]:
    seen = []
    for _ in range(count):
        start_ns = machine.at_ns + ROUND_NS
        machine.rest_until(start_ns)
        seen.append(machine.observe(start_ns))
    return seen


def _update_all(rounds: list[Observation]) -> tuple[ClockState, list[ClockUpdate]]:
    state, updates = None, []
    for seen in rounds:
        state, update = update_clocks(state, seen.burst, estimate(seen.burst, seen.tau_ns))
        updates.append(update)
    assert state is not None
    return state, updates


def test_updating_is_pure() -> None:
    """The same state and the same round give the same result, and the old state is untouched."""
    rounds = _rounds(Machine(Random(1)), 6)
    state, _ = _update_all(rounds[:5])
    before = pickle.dumps(state)
    last = rounds[5]
    now = estimate(last.burst, last.tau_ns)
    assert update_clocks(state, last.burst, now) == update_clocks(state, last.burst, now)
    assert pickle.dumps(state) == before
    with pytest.raises(AttributeError):
        state.steps = 3  # type: ignore[misc]  # that is the point


def test_steps_are_counted_for_good() -> None:
    """A reboot or a slew in between does not set the count back, and a slew is no step."""
    machine = Machine(Random(2))
    machine.schedule(machine.at_ns + 3 * ROUND_NS + NS_PER_S, Step(5_000_000))
    machine.schedule(machine.at_ns + 12 * ROUND_NS + NS_PER_S, Slew(900 * PPM))
    machine.schedule(machine.at_ns + 14 * ROUND_NS + NS_PER_S, Step(-5_000_000))
    state, updates = _update_all(_rounds(machine, 20))
    kinds = [movement.kind for update in updates for movement in update.movements]
    assert kinds == [MovementKind.STEP, MovementKind.SLEW, MovementKind.STEP]
    assert state.steps == updates[-1].steps == 2


def test_raw_that_runs_backwards_resets_by_name() -> None:
    """A snapshot that was restored keeps the boot's name; nothing of the past is believed."""
    rounds = _rounds(Machine(Random(3)), 4)
    last = rounds[-1]

    def earlier(exchange: Exchange) -> Exchange:
        assert exchange.raw_in_ns is not None
        assert exchange.raw_out_ns is not None
        back_ns = 86_400 * NS_PER_S
        return replace(
            exchange, raw_in_ns=exchange.raw_in_ns - back_ns, raw_out_ns=exchange.raw_out_ns - back_ns
        )

    opening = tuple(earlier(exchange) for exchange in last.burst.opening)
    rounds[-1] = replace(last, burst=replace(last.burst, opening=opening, closing=None))
    _, updates = _update_all(rounds)
    assert updates[-1].reset is not None
    assert updates[-1].reset.reason is ResetReason.RAW_BACKWARDS
    assert updates[-1].oscillator is None


def test_tightened_only_ever_narrows() -> None:
    """The wall interval follows the oscillator's, and an estimate without proof stays as it is."""
    (seen,) = _rounds(Machine(Random(4), network="wan"), 1)
    plain = estimate(seen.burst, seen.tau_ns)
    assert plain.oscillator is not None
    assert tightened(plain, ClockUpdate()) is plain
    middle = plain.oscillator.estimate_ns
    narrow = tightened(plain, ClockUpdate(oscillator=Proven(Interval.around(middle, 1000))))
    assert narrow.oscillator == Interval.around(middle, 1000)
    assert narrow.wall.width_ns < plain.wall.width_ns / 1000
    wide = tightened(plain, ClockUpdate(oscillator=Proven(Interval.around(middle, 10**12))))
    assert wide == plain


def test_a_state_without_base_keeps_the_readings_of_the_node_itself() -> None:
    """When the base stood still only measurements against it are worthless."""
    machine = Machine(Random(5))
    state, _ = _update_all(_rounds(machine, 6))
    state = without_base(state)
    assert state.history is None
    assert state.track == Track()
    machine.schedule(machine.at_ns + NS_PER_S, Step(50_000))
    (seen,) = _rounds(machine, 1)
    _, update = update_clocks(state, seen.burst, estimate(seen.burst, seen.tau_ns))
    assert [movement.kind for movement in update.movements] == [MovementKind.STEP]
    assert update.reset is None


def test_the_state_of_a_node_is_small() -> None:
    """Serialised, one node's past is a few kilobytes, and it stops growing."""
    state, _ = _update_all(_rounds(Machine(Random(6), network="lan-loaded"), 200))
    assert len(pickle.dumps(state)) < 8_000
