"""The rate of a node's free oscillator against the base, as past rounds bound it.

Hypothesis H2a: two free oscillators run apart by at most ``UNKNOWN_RATE``. H2b: their rate changes by at
most ``CHANGE_PPB`` within ``CHANGE_WITHIN_NS``, apart from events that the history detects. Two proven
offsets bound the mean rate between them. The rate took that mean's value at some instant in between, so at
every instant that is within an hour of the whole span it lies within ``CHANGE_PPB`` of the mean.
"""

from typing import NamedTuple

from skewmon.clock.interval import UNKNOWN_RATE, RateBounds
from skewmon.model import NS_PER_S

#: H2b: crystals change by about 1 ppm per degree at worst; 20 degrees in an hour are a failed fan.
CHANGE_PPB = 20_000
CHANGE_WITHIN_NS = 3600 * NS_PER_S

#: Readings older than this are dropped, so that the newest bounds hold for 20 more minutes.
KEPT_NS = 2400 * NS_PER_S

#: Readings that are kept: the oldest gives the longest span; the others replace it, or divide the span.
MOST_READINGS = 4
SPACING_NS = 600 * NS_PER_S


class Constraint(NamedTuple):
    """The two ends that enclose an offset at one instant."""

    at_ns: int
    lower_ns: int
    upper_ns: int


def mean_rate(before: Constraint, after: Constraint) -> RateBounds:
    """Return the mean rate between two instants, rounded outwards."""
    span_ns = after.at_ns - before.at_ns
    return RateBounds(
        (after.lower_ns - before.upper_ns) * NS_PER_S // span_ns,
        -((before.lower_ns - after.upper_ns) * NS_PER_S // span_ns),
    )


class LearnedRate(NamedTuple):
    """Readings of one oscillator, oldest first, and its mean rate since the oldest; None until known."""

    readings: tuple[Constraint, ...] = ()
    mean: RateBounds | None = None

    def bounds(self, until_ns: int) -> RateBounds:
        """Return the bounds of the rate from the oldest reading until an instant."""
        if self.mean is None or until_ns - self.readings[0].at_ns > CHANGE_WITHIN_NS:
            return UNKNOWN_RATE
        lower_ppb = max(self.mean.lower_ppb - CHANGE_PPB, UNKNOWN_RATE.lower_ppb)
        upper_ppb = min(self.mean.upper_ppb + CHANGE_PPB, UNKNOWN_RATE.upper_ppb)
        return RateBounds(lower_ppb, upper_ppb) if lower_ppb <= upper_ppb else UNKNOWN_RATE

    def after(self, now: Constraint, *, steady: bool) -> "LearnedRate":
        """Return this with one more reading.

        A clock that is not ``steady`` may have stood still unnoticed, which falsifies the mean of one span:
        the result is then the hull of two spans, so that one pause an hour does no harm.
        """
        readings = self.readings
        while readings and now.at_ns - readings[0].at_ns > KEPT_NS:
            readings = readings[1:]
        if not readings or now.at_ns <= readings[-1].at_ns:
            return LearnedRate((now,))
        mean = mean_rate(readings[0], now) if steady else _mean_of_halves(readings, now)
        if now.at_ns - readings[-1].at_ns >= min(SPACING_NS, readings[-1].at_ns - readings[0].at_ns):
            readings = (*readings, now)
            if len(readings) > MOST_READINGS:
                readings = (readings[0], *readings[2:])
        return LearnedRate(readings, mean)


def _mean_of_halves(readings: tuple[Constraint, ...], now: Constraint) -> RateBounds | None:
    """Return the hull of the mean rates of two spans that share one reading; None before there is one."""
    if len(readings) < 2:
        return None
    middle_ns = (readings[0].at_ns + now.at_ns) // 2
    middle = min(readings[1:], key=lambda reading: abs(reading.at_ns - middle_ns))
    first, second = mean_rate(readings[0], middle), mean_rate(middle, now)
    return RateBounds(min(first.lower_ppb, second.lower_ppb), max(first.upper_ppb, second.upper_ppb))
