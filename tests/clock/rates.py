"""Rates that jump or wander: ``python -m tests.clock.rates`` prints the figures of docs/measurement.md.

Oscillators from perfect to 800 ppm, on simulated paths; the truth is known.
"""

import sys

from skewmon.clock.steps import MovementKind
from tests.clock.test_oscillator import INTERVALS_S, followed, jumped, machine_of

NETWORKS = ("loopback", "lan", "lan-loaded", "lan-forward", "wan")

#: Jumps of 200 ppm for each path and interval.
JUMPS = 400

#: Rounds of an oscillator at 90 ppm that wanders by 15 ppm; drift is published after the first of them.
ROUNDS, YOUNG = 200, 20


def jumps(network: str, interval_s: int) -> tuple[int, int]:
    """Return how many jumps have an interval that misses, and how many are an event within ten rounds."""
    missed = seen = 0
    for seed in range(JUMPS):
        result, rounds = jumped(seed, interval_s, network)
        missed += result.misses > 0
        kinds = {movement.kind for update in result.updates[rounds:] for movement in update.movements}
        seen += MovementKind.JUMP in kinds
    return missed, seen


def drift(network: str, interval_s: int) -> tuple[float, int, int]:
    """Return the worst error of a published drift in ppm, the intervals that miss, and all of them."""
    result = followed(machine_of(5, 90, network=network), interval_s, ROUNDS)
    worst_ppm, missed, published = 0.0, 0, 0
    for number, update in enumerate(result.updates[YOUNG:], YOUNG):
        rate = update.rates.oscillator
        if rate is None or not rate.meaningful:
            continue
        published += 1
        truth = result.true_rate(number, rate.samples)
        worst_ppm = max(worst_ppm, abs(rate.ratio - truth) * 1e6)
        missed += not rate.lower <= truth <= rate.upper
    return worst_ppm, missed, published


def main() -> None:
    """Print a line for each path and interval."""
    for network in NETWORKS:
        for interval_s in INTERVALS_S:
            missed, seen = jumps(network, interval_s)
            worst_ppm, outside, published = drift(network, interval_s)
            sys.stdout.write(
                f"{network}, {interval_s} s: of {JUMPS} jumps {missed} missed, {seen} events; "
                f"drift off by {worst_ppm:.2f} ppm at worst, {outside} of {published} intervals miss\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
