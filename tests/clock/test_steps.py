"""Movements of a node's clocks: exact in size, reported once, by kind, and never made up."""

from dataclasses import replace
from random import Random

import pytest

from skewmon.clock import steps
from skewmon.clock.burst import estimate
from skewmon.clock.steps import Movement, MovementKind, Readings, follow, went_backwards
from skewmon.model import NS_PER_S, Burst, Exchange
from tests.clock.simulator import (
    MS,
    NETWORKS,
    PPM,
    US,
    Happening,
    Machine,
    Observation,
    Reboot,
    Slew,
    Step,
    Suspend,
)

ROUND_NS = 15 * NS_PER_S

#: 2027-01-01T00:00:00Z on REALTIME.
NEW_YEAR_NS = 1_798_761_600 * NS_PER_S


class Follower:
    """One node, followed round by round."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.readings: Readings | None = None
        self.reported: list[Movement] = []

    def take(self, seen: Observation) -> list[Movement]:
        self.readings, movements = follow(self.readings, seen.burst, estimate(seen.burst, seen.tau_ns))
        self.reported += movements
        return list(movements)

    def round(self, happening: Happening | None = None) -> list[Movement]:
        start_ns = self.machine.at_ns + ROUND_NS
        if happening is not None:
            self.machine.schedule(self.machine.at_ns + 7 * NS_PER_S, happening)
        self.machine.rest_until(start_ns)
        return self.take(self.machine.observe(max(start_ns, self.machine.at_ns)))


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("size_ns", [-70 * NS_PER_S, -8 * US, 8 * US, 5 * MS])
def test_a_step_is_exact_whatever_the_round_trip(network: str, size_ns: int) -> None:
    """Size, direction and time window, from the node's own reads."""
    node = Follower(Machine(Random(network), network=network, rate_ppt=30 * PPM))
    assert node.round() == []
    stepped_ns = node.machine.at_ns + 7 * NS_PER_S
    (step,) = node.round(Step(size_ns))
    assert step.kind is MovementKind.STEP
    assert step.size is not None
    assert size_ns in step.size
    assert step.size.width_ns < 2600
    assert step.after_ns <= stepped_ns <= step.before_ns
    assert node.round() == []


def test_slow_reads_make_no_false_steps() -> None:
    """On a guest kernel that takes 10 µs a read, brackets of 40 µs are no steps."""
    machine = Machine(Random(1), rung="python3-uml")
    node = Follower(machine)
    for _ in range(300):
        node.round()
    assert node.reported == []


def test_slow_reads_still_see_a_real_step() -> None:
    """A step beyond the brackets is reported with the width that they allow, and holds the truth."""
    node = Follower(Machine(Random(2), rung="python3-uml"))
    node.round()
    (step,) = node.round(Step(200 * US))
    assert step.size is not None
    assert 200 * US in step.size
    assert 2 * US < step.size.width_ns < 200 * US


def test_slewing_is_not_a_step() -> None:
    """Not even at the limit of 83,333 ppm, because REALTIME and MONOTONIC are slewed together."""
    node = Follower(Machine(Random(3)))
    node.round()
    node.round(Slew(83_333 * PPM))
    node.round(Slew(0))
    assert node.reported == []


def test_a_step_within_a_burst_is_reported_once() -> None:
    """Even between the two readings of one exchange, when the bracket holds both levels."""
    for delay_ns in range(0, 3 * MS, 17_389):
        machine = Machine(Random(delay_ns))
        node = Follower(machine)
        node.round()
        start_ns = machine.at_ns + ROUND_NS
        machine.rest_until(start_ns)
        machine.schedule(start_ns + delay_ns, Step(-MS))
        node.take(machine.observe(start_ns))
        node.round()
        assert [movement.kind for movement in node.reported] == [MovementKind.STEP]
        size = node.reported[0].size
        assert size is not None
        assert -MS in size


def test_two_steps_within_a_burst_are_two() -> None:
    """A step there and back within one burst is seen by the exchanges in between."""
    machine = Machine(Random(5))
    node = Follower(machine)
    node.round()
    start_ns = machine.at_ns + ROUND_NS
    machine.rest_until(start_ns)
    machine.schedule(start_ns + 500 * US, Step(MS))
    machine.schedule(start_ns + 1300 * US, Step(-MS))
    node.take(machine.observe(start_ns))
    sizes = [movement.size for movement in node.reported if movement.size]
    assert [size.estimate_ns > 0 for size in sizes] == [True, False]


@pytest.mark.parametrize(
    ("size_ns", "before_new_year_s", "kind"),
    [
        (-NS_PER_S, 8, MovementKind.LEAP),
        (NS_PER_S, 8, MovementKind.LEAP),
        (-NS_PER_S, 86_400, MovementKind.STEP),
        (-NS_PER_S + 30 * MS, 8, MovementKind.STEP),
        (-2 * NS_PER_S, 8, MovementKind.STEP),
    ],
)
def test_a_leap_second_is_one_second_at_the_end_of_a_month(
    size_ns: int, before_new_year_s: int, kind: MovementKind
) -> None:
    """The same second in the middle of a month is a step, and so is any other size."""
    machine = Machine(Random(6), wall_ns=NEW_YEAR_NS - (before_new_year_s + 15) * NS_PER_S)
    node = Follower(machine)
    node.round()
    (movement,) = node.round(Step(size_ns))
    assert movement.kind is kind


def test_a_suspend_is_not_a_step() -> None:
    """On waking the kernel moves REALTIME and BOOTTIME alike; that is sleep, reported with its length."""
    node = Follower(Machine(Random(7)))
    node.round()
    (slept,) = node.round(Suspend(3600 * NS_PER_S))
    assert slept.kind is MovementKind.SUSPEND
    assert slept.size is not None
    assert 3600 * NS_PER_S in slept.size
    assert node.round() == []


def test_a_step_on_waking_is_reported_beside_the_suspend() -> None:
    """A correction by a daemon after the sleep is a step of its own size."""
    machine = Machine(Random(8))
    node = Follower(machine)
    node.round()
    machine.schedule(machine.at_ns + NS_PER_S, Suspend(60 * NS_PER_S))
    machine.schedule(machine.at_ns + 70 * NS_PER_S, Step(250 * MS))
    machine.rest_until(machine.at_ns + 90 * NS_PER_S)
    slept, step = node.take(machine.observe(machine.at_ns))
    assert (slept.kind, step.kind) == (MovementKind.SUSPEND, MovementKind.STEP)
    assert step.size is not None
    assert 250 * MS in step.size


def test_a_reboot_is_reported_and_readings_are_not_compared_across_it() -> None:
    """MONOTONIC starts again, so no difference means anything; the next step is seen again."""
    node = Follower(Machine(Random(9)))
    node.round()
    (reboot,) = node.round(Reboot(70 * MS))
    assert reboot.kind is MovementKind.REBOOT
    assert node.round() == []
    assert [movement.kind for movement in node.round(Step(MS))] == [MovementKind.STEP]


def test_raw_that_runs_backwards_is_noticed() -> None:
    """A restored snapshot keeps the boot's name and gives itself away by RAW."""
    machine = Machine(Random(10))
    node = Follower(machine)
    node.round()
    assert node.readings is not None
    start_ns = machine.at_ns + ROUND_NS
    machine.rest_until(start_ns)
    seen = machine.observe(start_ns)
    assert not went_backwards(node.readings, seen.burst)
    restored = tuple(_earlier(exchange, 3600 * NS_PER_S) for exchange in seen.burst.opening)
    assert went_backwards(node.readings, replace(seen.burst, opening=restored))


def _earlier(exchange: Exchange, by_ns: int) -> Exchange:
    assert exchange.raw_in_ns is not None
    assert exchange.raw_out_ns is not None
    return replace(exchange, raw_in_ns=exchange.raw_in_ns - by_ns, raw_out_ns=exchange.raw_out_ns - by_ns)


def test_without_monotonic_a_small_step_is_not_made_up() -> None:
    """A program with one clock cannot separate 5 ms from drift and delay, and reports no step."""
    node = Follower(Machine(Random(11), rung="bash"))
    node.round()
    assert node.round(Step(5 * MS)) == []


@pytest.mark.parametrize(
    ("size_ns", "kind"),
    [(70 * NS_PER_S, MovementKind.STEP), (-70 * NS_PER_S, MovementKind.STEP), (NS_PER_S, MovementKind.MOVED)],
)
def test_without_monotonic_a_step_is_more_than_any_slew(size_ns: int, kind: MovementKind) -> None:
    """One second in a round of 15 s may have been slewed at the kernel's limit: it moved, no more."""
    node = Follower(Machine(Random(12), rung="bash"))
    node.round()
    (movement,) = node.round(Step(size_ns))
    assert movement.kind is kind
    assert movement.size is not None
    assert size_ns in movement.size
    assert node.round() == []


def test_a_program_without_boottime_still_sees_steps() -> None:
    """Sleep is then unknown, steps are not."""
    machine = Machine(Random(13))
    node = Follower(machine)

    def without_boot(seen: Observation) -> Observation:
        burst = seen.burst
        program = replace(burst.program, boot=None)
        opening = tuple(replace(exchange, boot_ns=None) for exchange in burst.opening)
        return replace(seen, burst=Burst(program, opening))

    for happening in (None, Step(MS)):
        start_ns = machine.at_ns + ROUND_NS
        if happening:
            machine.schedule(machine.at_ns + NS_PER_S, happening)
        machine.rest_until(start_ns)
        node.take(without_boot(machine.observe(start_ns)))
    assert [movement.kind for movement in node.reported] == [MovementKind.STEP]


@pytest.mark.parametrize("rung", ["bash", "date", "date-s"])
@pytest.mark.parametrize("size_ns", [-3600 * NS_PER_S, 70 * NS_PER_S])
def test_without_monotonic_a_step_before_the_closing_exchange_is_one(rung: str, size_ns: int) -> None:
    """The round's interval then holds both levels, and the next one would agree with either."""
    node = Follower(Machine(Random(14), rung=rung))
    node.round()
    start_ns = node.machine.at_ns + ROUND_NS
    node.machine.rest_until(start_ns)
    node.machine.schedule(start_ns + 40 * MS, Step(size_ns))
    (step,) = node.take(node.machine.observe(start_ns, tau_ns=start_ns + 50 * MS))
    assert step.kind is MovementKind.STEP
    assert step.size is not None
    assert size_ns in step.size
    assert step.after_ns <= start_ns + 40 * MS <= step.before_ns
    assert node.round() == []
    (back,) = node.round(Step(-size_ns))
    assert back.size is not None
    assert -size_ns in back.size


def test_a_boot_without_a_name_ends_where_raw_runs_backwards() -> None:
    """A node without /proc names no boot; its MONOTONIC starts again all the same, and that is not a step."""
    machine = Machine(Random(15))
    node = Follower(machine)

    def nameless(happening: Happening | None = None) -> list[Movement]:
        start_ns = machine.at_ns + ROUND_NS
        if happening is not None:
            machine.schedule(machine.at_ns + 7 * NS_PER_S, happening)
        machine.rest_until(start_ns)
        seen = machine.observe(start_ns)
        program = replace(seen.burst.program, boot_id="")
        return node.take(replace(seen, burst=replace(seen.burst, program=program)))

    assert nameless() == []
    assert [movement.kind for movement in nameless(Reboot(70 * MS))] == [MovementKind.REBOOT]
    assert nameless() == []
    assert [movement.kind for movement in nameless(Step(MS))] == [MovementKind.STEP]


@pytest.mark.parametrize("years", [-3100, -1970, 3100])
def test_a_clock_that_no_calendar_knows_can_step(years: int) -> None:
    """Twenty digits of nanoseconds reach beyond the year 1; a second there is a step, not a leap."""
    node = Follower(Machine(Random(16), wall_ns=years * 31_557_600 * NS_PER_S))
    node.round()
    assert [movement.kind for movement in node.round(Step(NS_PER_S))] == [MovementKind.STEP]


@pytest.mark.parametrize("size_ns", [-15 * US, -8 * US, 12 * US, 15 * US])
def test_a_step_that_slow_reads_hide_at_first_has_its_size_later(size_ns: int) -> None:
    """Readings that agree with both sides of it neither date it nor measure the difference from before it."""
    late = 0
    for seed in range(120):
        node = Follower(Machine(Random(seed), rung="python3-uml"))
        for _ in range(5):
            node.round()
        stepped_ns = node.machine.at_ns + 7 * NS_PER_S
        reported = [node.round(Step(size_ns)), *(node.round() for _ in range(20))]
        late += bool(any(reported[1:]))
        for movement in (movement for movements in reported for movement in movements):
            assert movement.kind is MovementKind.STEP
            assert movement.size is not None
            assert size_ns in movement.size
            assert movement.after_ns <= stepped_ns <= movement.before_ns
    assert late


def test_a_step_after_many_calm_rounds_is_dated_to_the_last_of_them() -> None:
    """A reading that took no time proves that the step came later."""
    node = Follower(Machine(Random(17)))
    for _ in range(50):
        node.round()
    seen_ns = node.machine.at_ns
    (step,) = node.round(Step(20 * US))
    assert seen_ns - MS < step.after_ns <= seen_ns


@pytest.mark.parametrize("rung", ["python3", "python3-uml", "perl"])
def test_a_quiet_burst_is_judged_at_once_as_its_exchanges_are_one_by_one(
    rung: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if a clock is set back between two of its reads, by less than they take."""
    for seed in range(150):
        rng = Random(seed)
        machine = Machine(rng, network="loopback", rung=rung)
        found: list[Observation] = []
        for number in range(4):
            start_ns = machine.at_ns + ROUND_NS
            machine.rest_until(start_ns)
            if number == 2:
                size_ns = rng.choice((-1, 1)) * rng.randrange(100, 30 * US)
                machine.schedule(start_ns + rng.randrange(500 * US), Step(size_ns))
            found.append(machine.observe(start_ns))
        reported = []
        for at_once in (True, False):
            with monkeypatch.context() as patch:
                if not at_once:
                    patch.setattr(steps, "undisturbed", lambda *_: None)
                node = Follower(machine)
                reported.append([(node.take(seen), node.readings) for seen in found])
        assert reported[0] == reported[1]


def test_a_step_back_between_slow_reads_does_not_pass_for_a_narrow_bracket() -> None:
    """REALTIME then advances by less than RAW, and the two readings enclose values that never held."""
    for seed in range(250):
        rng = Random(seed)
        node = Follower(Machine(rng, network="loopback", rung="python3-uml"))
        for _ in range(8):
            node.round()
        start_ns = node.machine.at_ns + ROUND_NS
        node.machine.rest_until(start_ns)
        size_ns = -rng.randrange(6 * US, 30 * US)
        node.machine.schedule(start_ns + rng.randrange(1_200 * US), Step(size_ns))
        node.take(node.machine.observe(start_ns))
        for _ in range(12):
            node.round()
        assert len(node.reported) <= 1
        assert all(movement.size is not None and size_ns in movement.size for movement in node.reported)


def test_a_step_without_a_date_came_after_the_one_before_it() -> None:
    """If all readings since agree with it, it came since the last step, and not before."""
    undated = 0
    for seed in range(40):
        node = Follower(Machine(Random(seed), rung="python3-uml"))
        node.round()
        (first,) = node.round(Step(MS))
        node.round(Step(12 * US))
        for _ in range(12):
            node.round()
        for second in node.reported[1:]:
            assert second.after_ns >= first.after_ns
            undated += second.after_ns < first.before_ns
    assert undated


def test_a_step_within_a_burst_of_slow_reads_has_its_size() -> None:
    """Exchanges that agree with both sides have narrowed the bracket from before by values from after."""
    reported = 0
    for seed in range(130, 350):
        node = Follower(Machine(Random(seed), rung="python3-uml"))
        for _ in range(seed % 6):
            node.round()
        start_ns = node.machine.at_ns + ROUND_NS
        node.machine.rest_until(start_ns)
        node.machine.schedule(start_ns + seed * 7919 % (1200 * US), Step(25 * US))
        node.take(node.machine.observe(start_ns))
        for _ in range(6):
            node.round()
        assert len(node.reported) <= 1
        assert all(movement.size is not None and 25 * US in movement.size for movement in node.reported)
        reported += len(node.reported)
    assert reported > 150
