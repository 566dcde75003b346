"""The rates of a node's clocks, each with the interval that holds it and the method that gave it."""

from enum import StrEnum
from typing import NamedTuple

from skewmon.model import Drift, Interval

#: Fewer bursts than this are not a trend.
LEAST_SAMPLES = 5

#: A rate known to this is worth publishing even if its sign is not certain: "it hardly drifts".
NARROW = 1e-6


class Basis(StrEnum):
    """The method that gave a rate's interval."""

    BOUNDED = "bounded"
    STATISTICAL = "statistical"


class Rate(NamedTuple):
    """A rate in s/s with the interval that holds it, ahead positive."""

    lower: float
    upper: float
    basis: Basis
    samples: int

    @property
    def ratio(self) -> float:
        """The middle."""
        return (self.lower + self.upper) / 2

    @property
    def meaningful(self) -> bool:
        """Whether enough bursts show its sign, or that it is small."""
        if self.samples < LEAST_SAMPLES:
            return False
        return self.lower > 0 or self.upper < 0 or self.upper - self.lower <= 2 * NARROW

    def chained(self, reference: "Rate") -> "Rate":
        """Return the rate of a clock against a third one, by this one against a second and that one's."""
        lower = self.lower + reference.lower + self.lower * reference.lower
        return self._with(reference, lower, self.upper + reference.upper + self.upper * reference.upper)

    def minus(self, other: "Rate") -> "Rate":
        """Return the rate of a difference."""
        return self._with(other, self.lower - other.upper, self.upper - other.lower)

    def _with(self, other: "Rate", lower: float, upper: float) -> "Rate":
        basis = self.basis if self.basis is Basis.STATISTICAL else other.basis
        return Rate(lower, upper, basis, min(self.samples, other.samples))


class Rates(NamedTuple):
    """The three rates of one node; None if unknown. ``net`` is the rate of its wall clock."""

    oscillator: Rate | None = None
    correction: Rate | None = None
    net: Rate | None = None
    slew_ppb: Interval | None = None  # of the correction, as long as a slew lasts

    @property
    def published(self) -> Drift | None:
        """The net rate if it is meaningful, else None."""
        if self.net is None or not self.net.meaningful:
            return None
        return Drift(self.net.ratio, self.net.lower, self.net.upper)


NOTHING_KNOWN = Rates()
