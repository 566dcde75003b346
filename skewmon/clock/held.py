"""A fitted rate of an oscillator that is held for some rounds.

A fit costs as much as all other conclusions about a node. By H6 a rate is the same a minute later, to 0.1
ppm. So a node that is far from every line holds its rate for up to a minute, wider by that, while each burst
agrees with it. Proven offsets and their bounds do not rest on a fit, and are new in every round.
"""

from typing import NamedTuple

from skewmon.clock.oscillator import Constraint
from skewmon.clock.rate import Rate, Rates
from skewmon.clock.wander import WANDER_PPB_PER_MIN, Plausible
from skewmon.model import NS_PER_S, Interval

#: A fit is not used for longer.
HELD_NS = 60 * NS_PER_S

#: Nor for more rounds. Nodes begin them in different ones, so that each round fits the rates of one in four.
HELD_ROUNDS = 4

#: By so much a rate may change meanwhile (H6).
WANDERED = WANDER_PPB_PER_MIN * HELD_NS / (60 * NS_PER_S) / 1e9


class HeldRates(NamedTuple):
    """Rates for HELD_NS after the proven offset that was the newest one in their fit."""

    reading: Constraint
    plausible: Plausible
    rates: Rates

    def holds_at(self, now: Constraint) -> bool:
        """Return whether the fit is young enough, and agrees with the offset that is proven now."""
        elapsed_ns = now.at_ns - self.reading.at_ns
        least_ns, most_ns = now.lower_ns - self.reading.upper_ns, now.upper_ns - self.reading.lower_ns
        lower, upper = self.plausible
        return elapsed_ns < HELD_NS and least_ns <= elapsed_ns * upper and elapsed_ns * lower <= most_ns

    def is_steered_at(self, ppb: Interval | None) -> bool:
        """Return whether the correction still has its rate, by the mean of the last round."""
        known = self.rates.correction
        if ppb is None or known is None:
            return False
        return ppb.lower_ns <= known.upper * 1e9 and known.lower * 1e9 <= ppb.upper_ns


def is_due(bursts: int, phase: int) -> bool:
    """Return whether the next burst of a node, after so many, is part of a fit in any case.

    ``phase`` is any number that a node keeps for many rounds, and other nodes have another of.
    """
    return (bursts + phase) % HELD_ROUNDS == 0


def lasting(rate: Rate) -> Rate | None:
    """Return the bounds of a fitted rate for HELD_NS; None if they would no longer be meaningful."""
    wide = rate._replace(lower=rate.lower - WANDERED, upper=rate.upper + WANDERED)
    return None if rate.meaningful and not wide.meaningful else wide


def held_rates(reading: Constraint, plausible: Plausible, rates: Rates) -> HeldRates:
    """Return the rates that a fit gave, to be held; that of the oscillator is a lasting one."""
    lower, upper = plausible
    return HeldRates(reading, Plausible(lower - WANDERED, upper + WANDERED), rates)
