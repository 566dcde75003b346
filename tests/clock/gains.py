"""The gain from history on bounds that queues widen: ``python -m tests.clock.gains`` prints the tables.

History narrows bounds in two ways: a node whose burst is wider than its baseline is measured again in the
same round, and earlier proven offsets stay true once they are aged.
"""

import sys
from dataclasses import dataclass, replace
from random import Random

from skewmon.clock.baseline import BurstBaseline, burst_width_ns, joined
from skewmon.clock.burst import estimate
from skewmon.clock.state import ClockState, tightened, update_clocks
from skewmon.model import NS_PER_S, Burst, Measured
from skewmon.probe.sweep import REPEATS
from tests.clock.simulator import MS, PPM, US, Machine, holds, queueing

SAMPLES = 8

#: The first rounds have no past to lean on.
WARM_UP = 5

QUEUES_US = (300, 1_000, 3_000, 10_000, 30_000)
INTERVALS_MS = (200, 1_000, 2_000, 5_000, 15_000)


def p95(values: list[int]) -> int:
    """Return the bound that one in twenty exceeds."""
    return sorted(values)[len(values) * 95 // 100]


@dataclass(frozen=True)
class Gain:
    """The p95 of the bounds in nanoseconds: of single bursts, and with history."""

    alone_ns: int
    remembered_ns: int

    @property
    def share(self) -> float:
        """The share by which history narrows the bounds."""
        return 1 - self.remembered_ns / self.alone_ns


class Bounds:
    """The bounds of one fleet, each with and without history; neither may miss the truth."""

    def __init__(self) -> None:
        self.alone: list[int] = []
        self.remembered: list[int] = []

    def take(self, found: Measured, state: ClockState | None) -> tuple[ClockState, Measured]:
        """Compare a round's outcome with its first burst alone."""
        at_ns = found.estimate.at_ns
        first = estimate(replace(found.burst, opening=found.burst.opening[:SAMPLES]), at_ns)
        state, update = update_clocks(state, found.burst, found.estimate)
        best = tightened(found.estimate, update)
        assert best.oscillator is not None
        assert first.oscillator is not None
        assert best.oscillator.width_ns <= first.oscillator.width_ns
        self.alone.append(first.wall.bound_ns)
        self.remembered.append(best.wall.bound_ns)
        return state, Measured(found.burst, best)

    def gain(self) -> Gain:
        """Return the comparison."""
        return Gain(p95(self.alone), p95(self.remembered))


def asked(machine: Machine, usual: BurstBaseline, repeats: int) -> tuple[Burst, BurstBaseline]:
    """Return a burst with its repeats if it was disturbed, as a sweep measures a real node."""
    burst = Burst(machine._program, machine.exchanges(machine.at_ns, SAMPLES)[0])
    later = usual.after(burst_width_ns(burst.opening))
    for _ in range(repeats):
        if usual.disturbed(burst_width_ns(burst.opening)):
            burst = joined(burst, Burst(machine._program, machine.exchanges(machine.at_ns, SAMPLES)[0]))
    return burst, later


def simulated_gain(queue_us: int, interval_ms: int, *, repeats: int = 0) -> float:
    """Return the same for simulated nodes behind queues that hold each packet up by so much on average."""
    bounds = Bounds()
    for seed in range(5):
        rng = Random(seed)
        network = queueing(rng, 100 * US, 100 * US, queue_us * US)
        machine = Machine(rng, network=network, rate_ppt=rng.randint(-50, 50) * PPM)
        state, usual = None, BurstBaseline()
        for number in range(100):
            machine.rest_until(machine.at_ns + interval_ms * NS_PER_S // 1000)
            burst, usual = asked(machine, usual, repeats)
            tau_ns = machine.at_ns + MS
            truth, (closing, _) = machine.truth(tau_ns), machine.exchange(tau_ns + MS)
            burst = replace(burst, closing=closing)
            kept = bounds if number >= WARM_UP else Bounds()
            state, best = kept.take(Measured(burst, estimate(burst, tau_ns)), state)
            assert holds(best.estimate.wall, truth.wall_units)
    return bounds.gain().share


def main() -> None:
    """Print the table."""
    for repeats in (0, REPEATS):
        sys.stdout.write(f"\nasked again: {'at most ' + str(repeats) + ' times' if repeats else 'never'}\n")
        head = "".join(f"{ms / 1000:>8g} s" for ms in INTERVALS_MS)
        sys.stdout.write(f"{'mean wait':>10}{head}\n")
        for queue_us in QUEUES_US:
            gains = "".join(f"{simulated_gain(queue_us, ms, repeats=repeats):>10.0%}" for ms in INTERVALS_MS)
            sys.stdout.write(f"{queue_us / 1000:>7g} ms{gains}\n")


if __name__ == "__main__":
    main()
