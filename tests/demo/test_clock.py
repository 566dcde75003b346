"""A simulated clock follows its settings to the nanosecond."""

from skewmon.demo.clock import ClockOrigin, SimulatedClock, Step
from skewmon.demo.nodes import JUMP_AFTER_S, JUMP_NS, simulated_nodes
from skewmon.model import NS_PER_S

ORIGIN = ClockOrigin(base_ns=5_000, real_ns=1_795_000_000 * NS_PER_S)


def at(seconds: float) -> int:
    return ORIGIN.base_ns + round(seconds * NS_PER_S)


def error_ns(clock: SimulatedClock, base: int) -> int:
    """Return how far the wall clock is ahead of a right one."""
    return clock.read(base).real_ns - SimulatedClock(ORIGIN).read(base).real_ns


def test_an_offset_moves_the_wall_clock_alone():
    """A node that is ahead reads a later REALTIME and the same oscillator."""
    right, ahead = SimulatedClock(ORIGIN), SimulatedClock(ORIGIN, offset_ns=700)
    assert ahead.read(at(3)).real_ns == right.read(at(3)).real_ns + 700
    assert ahead.read(at(3)).raw_ns == right.read(at(3)).raw_ns


def test_drift_moves_every_clock_by_its_rate():
    """50 ppm are 50 us a second, on REALTIME, RAW, MONOTONIC and BOOTTIME alike."""
    drifting = SimulatedClock(ORIGIN, drift_ppb=50_000)
    before, after = drifting.read(at(0)), drifting.read(at(10))
    expected = 10 * NS_PER_S + 500_000
    for clock in ("real_ns", "raw_ns", "mono_ns", "boot_ns"):
        assert getattr(after, clock) - getattr(before, clock) == expected
    assert error_ns(drifting, at(10)) == 500_000


def test_a_slew_leaves_the_oscillator_alone():
    """A steered clock moves REALTIME and MONOTONIC against RAW."""
    slewed = SimulatedClock(ORIGIN, slew_ppb=-100_000).read(at(1))
    free = SimulatedClock(ORIGIN).read(at(1))
    assert slewed.raw_ns == free.raw_ns
    assert slewed.real_ns - free.real_ns == slewed.mono_ns - free.mono_ns == -100_000


def test_a_step_comes_at_its_time_and_moves_realtime_alone():
    """One nanosecond before it nothing has happened; MONOTONIC never knows."""
    clock = SimulatedClock(ORIGIN, steps=(Step(12.0, 70 * NS_PER_S),))
    assert error_ns(clock, at(12) - 1) == 0
    assert error_ns(clock, at(12)) == 70 * NS_PER_S
    assert clock.read(at(12)).mono_ns - clock.read(at(12) - 1).mono_ns == 1


def test_the_cast_has_every_story_and_grows_with_healthy_nodes():
    """The first seven are always the same; names are unique; only n3 jumps."""
    nodes = simulated_nodes(40, ORIGIN)
    assert len({node.name for node in nodes}) == len(nodes) == 40
    jumped = [node.name for node in nodes if error_ns(node.clock, at(JUMP_AFTER_S)) > JUMP_NS]
    assert jumped == ["n3"]
    assert [node.name for node in nodes if not node.reachable] == ["n6"]
    assert [node.name for node in simulated_nodes(2, ORIGIN)] == ["n1", "n2"]
