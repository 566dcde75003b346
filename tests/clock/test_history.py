"""The history of an oscillator: its gain, its end, and its limits."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skewmon.clock.burst import estimate, oscillator_at
from skewmon.clock.history import (
    History,
    HistoryUpdate,
    Proven,
    ResetReason,
    base_pause,
    review,
)
from skewmon.clock.interval import UNKNOWN_RATE
from skewmon.clock.wander import MAX_CONSTRAINTS, Plausible, wander_slack_ns
from skewmon.model import NS_PER_S, Interval
from tests.clock.simulator import (
    MS,
    PPM,
    Machine,
    Observation,
    Pause,
    Reboot,
    holds,
    observe_round,
    pause_base,
)


def _rounds(machine: Machine, count: int, *, gap_ns: int = 15 * NS_PER_S) -> list[Observation]:
    seen = []
    for _ in range(count):
        start_ns = machine.at_ns + gap_ns
        machine.rest_until(start_ns)
        seen.append(machine.observe(max(start_ns, machine.at_ns)))
    return seen


def _review_all(rounds: list[Observation]) -> tuple[History, list[HistoryUpdate]]:
    history, reviews = None, []
    for seen in rounds:
        history, update = review(history, seen.burst, estimate(seen.burst, seen.tau_ns))
        reviews.append(update)
    assert history is not None
    return history, reviews


def test_the_first_burst_has_no_past_to_be_tightened_by() -> None:
    """Without history nothing is proven beyond the burst itself, and nothing is reset."""
    _, (update,) = _review_all(_rounds(Machine(Random(1)), 1))
    assert update == HistoryUpdate(None, None)


def test_rounds_in_quick_succession_tighten_proven_bounds() -> None:
    """Ageing over 100 ms costs 10 µs: on a loaded path earlier luck still counts."""
    rounds = _rounds(Machine(Random(2), network="lan-loaded"), 60, gap_ns=100 * MS)
    _, reviews = _review_all(rounds)
    plain = [estimate(seen.burst, seen.tau_ns).oscillator for seen in rounds]
    widths = [
        (update.proven.interval.width_ns, now.width_ns)
        for update, now in zip(reviews, plain, strict=True)
        if update.proven and now
    ]
    assert all(proven <= now for proven, now in widths)
    assert sum(proven for proven, _ in widths) < 0.95 * sum(now for _, now in widths)


def test_the_rate_of_an_oscillator_becomes_known() -> None:
    """After ten minutes of 15 s rounds on a LAN the rate is known to 2 ppm and contains the truth."""
    _, reviews = _review_all(_rounds(Machine(Random(3), rate_ppt=-23 * PPM), 40))
    plausible = reviews[-1].plausible
    assert plausible is not None
    assert plausible.rate_lower <= -23e-6 <= plausible.rate_upper
    assert plausible.rate_upper - plausible.rate_lower < 4e-6


def test_proven_and_plausible_are_different_types() -> None:
    """A result that rests on the wander hypothesis cannot be passed to a function that wants proof."""
    _, reviews = _review_all(_rounds(Machine(Random(4)), 3))
    assert type(reviews[-1].proven) is Proven
    assert type(reviews[-1].plausible) is Plausible
    assert not issubclass(Plausible, Proven)


def test_memory_is_bounded() -> None:
    """However long a node is followed, few constraints are kept."""
    history, _ = _review_all(_rounds(Machine(Random(5), network="lan-loaded"), 300))
    assert len(history.constraints) <= MAX_CONSTRAINTS
    assert history.bursts == 300


def test_a_clock_that_can_stand_still_gets_a_rate_from_history_alone() -> None:
    """On kvm-clock the current burst alone counts, but it ages by the rate of two spans."""
    rounds = _rounds(Machine(Random(6), clocksource="kvm-clock"), 5)
    _, updates = _review_all(rounds)
    assert all(update.plausible is None for update in updates)
    assert [update.rate == UNKNOWN_RATE for update in updates] == [True, True, True, False, False]
    assert [update.proven is None for update in updates] == [True, True, True, False, False]
    for seen, update in zip(rounds[3:], updates[3:], strict=True):
        assert update.proven is not None
        assert update.proven.interval == oscillator_at(seen.burst, seen.tau_ns, update.rate)


def test_a_reboot_drops_the_history() -> None:
    """The key of a history holds the boot."""
    machine = Machine(Random(7))
    before = _rounds(machine, 3)
    machine.schedule(machine.at_ns + NS_PER_S, Reboot())
    _, reviews = _review_all(before + _rounds(machine, 2))
    assert [update.reset.reason if update.reset else None for update in reviews] == [
        None,
        None,
        None,
        ResetReason.REBOOT,
        None,
    ]


def test_another_clocksource_drops_the_history() -> None:
    """When the kernel gives up on tsc, old rates mean nothing."""
    rounds = _rounds(Machine(Random(8)), 3)
    last = rounds[-1]
    program = replace(last.burst.program, clocksource="hpet")
    rounds[-1] = replace(last, burst=replace(last.burst, program=program))
    _, reviews = _review_all(rounds)
    assert reviews[-1].reset is not None
    assert reviews[-1].reset.reason is ResetReason.CLOCKSOURCE


def test_a_pause_contradicts_the_history_by_its_length() -> None:
    """A machine that stood still for a second falls back by a second."""
    machine = Machine(Random(9))
    before = _rounds(machine, 3)
    machine.schedule(machine.at_ns + NS_PER_S, Pause(NS_PER_S))
    _, reviews = _review_all(before + _rounds(machine, 1))
    reset = reviews[-1].reset
    assert reset is not None
    assert reset.reason is ResetReason.CONTRADICTION
    assert reset.moved is not None
    assert -NS_PER_S in reset.moved


def test_a_short_pause_is_seen_once_the_rate_is_known() -> None:
    """One millisecond hides in 15 s at 1,000 ppm, not at 20 ppm about a rate that is known."""
    machine = Machine(Random(10))
    before = _rounds(machine, 30)
    machine.schedule(machine.at_ns + NS_PER_S, Pause(MS))
    _, reviews = _review_all(before + _rounds(machine, 1))
    reset = reviews[-1].reset
    assert reset is not None
    assert reset.reason is ResetReason.RATE
    assert reset.moved is not None
    assert -MS in reset.moved


def test_a_rate_that_wanders_faster_than_h6_drops_plausible_conclusions_alone() -> None:
    """15 ppm within five minutes: the proven offset and the rate's bounds go on."""
    machine, rounds = Machine(Random(11), network="loopback"), []
    for _ in range(20):
        machine.rest_until(machine.at_ns + 15 * NS_PER_S, wander_ppt=750_000)
        rounds.append(machine.observe(machine.at_ns))
    history, updates = _review_all(rounds)
    reasons = {update.reset.reason for update in updates if update.reset}
    assert reasons == {ResetReason.WANDER}
    assert all(update.reset.moved is None for update in updates if update.reset)
    assert history.bursts == 20
    assert history.calm_bursts < 20
    for seen, update in zip(rounds[2:], updates[2:], strict=True):
        assert update.proven is not None
        assert holds(update.proven.interval, seen.truth.oscillator_units)
        assert update.rate != UNKNOWN_RATE


def test_when_most_nodes_leap_alike_the_base_stood_still() -> None:
    """A paused admin box sees every node ahead by one amount; no node is to blame."""
    machines = [Machine(Random(seed), rate_ppt=seed * PPM) for seed in range(5)]
    histories: list[History | None] = [None] * 5
    moved: dict[str, Interval] = {}
    for number in range(4):
        start_ns = max(machine.at_ns for machine in machines) + 15 * NS_PER_S
        if number == 3:
            pause_base(machines, start_ns - NS_PER_S, 250 * MS)
        for machine in machines:
            machine.rest_until(start_ns)
        for index, seen in enumerate(observe_round(machines, start_ns)):
            now = estimate(seen.burst, seen.tau_ns)
            assert holds(now.wall, seen.truth.wall_units)
            histories[index], update = review(histories[index], seen.burst, now)
            if update.reset and update.reset.moved:
                moved[f"n{index}"] = update.reset.moved
    pause = base_pause(moved.values(), followed=5)
    assert pause is not None
    assert 250 * MS in pause


def test_one_node_that_leaps_is_not_a_base_pause() -> None:
    """One contradiction among many, or contradictions of different sizes, say nothing of the base."""
    second, minute = Interval(10**9, 10**9 + 5), Interval(60 * 10**9, 60 * 10**9 + 5)
    assert base_pause([second], followed=1) is None
    assert base_pause([second, second], followed=4) is None
    assert base_pause([second, minute], followed=2) is None
    assert base_pause([-second, -second], followed=2) is None
    assert base_pause([], followed=0) is None
    assert base_pause([second, second], followed=3) is not None


@pytest.mark.parametrize("asleep_s", [40, 3600, 7 * 86_400])
def test_oscillators_that_ran_apart_while_the_base_slept_still_agree_on_it(asleep_s: int) -> None:
    """Fifty ppm of an hour are 180 ms, and bounds are a millisecond: no common amount is exact."""
    asleep_ns = asleep_s * NS_PER_S
    gained = [Interval.around(asleep_ns + asleep_ns * ppm // 10**6, MS) for ppm in (-49, 3, 49)]
    pause = base_pause(gained, followed=4)
    assert pause is not None
    assert asleep_ns in pause


@given(st.integers(0, 3 * 3600 * NS_PER_S))
def test_wander_covers_a_rate_that_bends_as_fast_as_it_may(dt_ns: int) -> None:
    """100 ppb a minute, half the square of the time, rounded up."""
    exact = dt_ns * dt_ns * 100 / (60 * 1e9 * 1e9) / 2
    assert exact - 1e-3 <= wander_slack_ns(dt_ns) <= exact + 1.001
