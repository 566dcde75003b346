"""The rates of a node's clocks against the base and against another axis than its own."""

from collections.abc import Mapping
from math import ceil, floor

from skewmon.clock.burst import ageing_ns
from skewmon.clock.interval import UNKNOWN_RATE
from skewmon.clock.rate import NOTHING_KNOWN, Basis, Rate, Rates
from skewmon.clock.state import ClockUpdate
from skewmon.model import NS_PER_S, Interval, Measured, OscillatorRate, Outcome


def rates_ppb(update: ClockUpdate, axis_ppb: Interval | None) -> tuple[Interval | None, Interval | None]:
    """Return the proven mean rates of a node's oscillator and of its wall clock against the base.

    ``axis_ppb`` is the rate of the node's axis against the base.
    """
    if update.mean_rate is None or axis_ppb is None:
        return None, None
    oscillator, correction = chained_ppb(Interval(*update.mean_rate), axis_ppb), update.rates.correction
    if correction is None:
        return oscillator, None
    corrected = Interval(floor(correction.lower * 1e9), ceil(correction.upper * 1e9))
    return oscillator, chained_ppb(corrected, oscillator)


def chained_ppb(rate: Interval, reference: Interval) -> Interval:
    """Return the rate of a clock against a third one, by its rate against a second and that one's."""
    if reference.lower_ns == reference.upper_ns == 0:
        return rate  # of a node that is measured on the base
    return Interval(
        rate.lower_ns + reference.lower_ns + rate.lower_ns * reference.lower_ns // NS_PER_S,
        rate.upper_ns + reference.upper_ns - -rate.upper_ns * reference.upper_ns // NS_PER_S,
    )


def oscillator_rate(outcome: Outcome, update: ClockUpdate) -> OscillatorRate | None:
    """Return the bounds of the rate by which a round was aged, and their cost while the rate is unknown."""
    if not isinstance(outcome, Measured) or outcome.estimate.oscillator is None:
        return None
    lower_ppb, upper_ppb = update.rate
    unknown = update.rate == UNKNOWN_RATE
    seen = outcome.local or outcome
    cost_ns = ageing_ns(seen.burst, seen.estimate.at_ns, update.rate) if unknown else None
    return OscillatorRate(lower_ppb / 1e9, upper_ppb / 1e9, cost_ns)


def rates_on_axis(rates: Rates, axes_ppb: Mapping[str, Interval | None], label: str, axis: str) -> Rates:
    """Return a node's rate against another axis than its own; unknown if that of either axis is."""
    if label == axis or rates.net is None:
        return rates
    own_ppb, other_ppb = axes_ppb.get(label), axes_ppb.get(axis)
    if own_ppb is None or other_ppb is None:
        return NOTHING_KNOWN
    slowest = (own_ppb.lower_ns - other_ppb.upper_ns) / (NS_PER_S + other_ppb.upper_ns)
    fastest = (own_ppb.upper_ns - other_ppb.lower_ns) / (NS_PER_S + other_ppb.lower_ns)
    return Rates(net=rates.net.chained(Rate(slowest, fastest, Basis.BOUNDED, rates.net.samples)))
