"""A node's oscillator against that of its vantage, from the vantage's own stamps."""

from collections.abc import Iterable
from dataclasses import replace

from skewmon.clock.interval import OSCILLATOR, RateBounds, intersection
from skewmon.model import Burst, Exchange, Interval


def on_vantage(exchanges: Iterable[Exchange]) -> tuple[Exchange, ...]:
    """Return the exchanges that have stamps of a vantage, with these in the place of the base's."""
    return tuple(
        replace(one, sent_ns=one.vantage.sent_ns, received_ns=one.vantage.received_ns, vantage=None)
        for one in exchanges
        if one.vantage is not None
    )


def vantage_offset(burst: Burst, at_ns: int, rate: RateBounds | None = None) -> Interval | None:
    """Return the node's RAW minus the vantage's at ``at_ns`` of the vantage's RAW.

    None if the node has no RAW, the vantage stamped no exchange, or the exchanges contradict each other.
    """
    exchanges = on_vantage((*burst.opening, *((burst.closing,) if burst.closing else ())))
    if burst.program.raw is None or not exchanges:
        return None
    return intersection(exchanges, burst.program, at_ns, OSCILLATOR, rate)
