"""A node's exchanges of one round become its clock at the round's common instant.

The exchanges of a burst are combined by intersection: each excludes what cannot be, so the best request and
the best reply may come from different exchanges, and an empty intersection proves that something moved.

A clock can be steered or stepped between a node's burst and the common instant. So each node is asked once
more after the instant: what its own clocks then say encloses what they said at the instant.
"""

from collections.abc import Callable, Iterable

from skewmon.clock.interval import (
    RHO_RAW_PPB,
    RHO_WALL_PPB,
    age_slack_ns,
    aged,
    correction,
    middle_ns,
    oscillator_offset,
    steered,
    stepped,
    wall_offset,
)
from skewmon.errors import ProbeError, Reason
from skewmon.model import Burst, Estimate, Exchange, Interval, Program

#: Between two readings that enclose an instant the correction moves one way, but for the time daemon's
#: ordinary trimming of the frequency, which may change its sign: 100 ppm of the shorter side.
TRIM_PPB = 100_000

OffsetOf = Callable[[Exchange, Program], Interval | None]


def intersection(
    exchanges: Iterable[Exchange], program: Program, at_ns: int, offset_of: OffsetOf, rho_ppb: int
) -> Interval | None:
    """Return what all exchanges allow for one clock at ``at_ns``, or None where they contradict."""
    common: Interval | None = None
    for exchange in exchanges:
        offset = offset_of(exchange, program)
        if offset is None:
            return None
        offset = aged(offset, at_ns - middle_ns(exchange), rho_ppb)
        common = offset if common is None else common.meet(offset)
        if common is None:
            return None
    return common


def estimate(burst: Burst, at_ns: int) -> Estimate:
    """Return the node's clocks at ``at_ns``.

    Raises ProbeError (clock-moved) where the opening exchanges contradict each other: a step, a paused
    virtual machine, or a node that does not tell the truth.
    """
    oscillator = local = None
    if burst.program.raw is not None and burst.opening[-1].raw_in_ns is not None:
        oscillator = _offset_at(burst, at_ns, oscillator_offset, RHO_RAW_PPB)
        local = correction_at(burst, at_ns)
        wall = oscillator + local
    else:
        wall = _offset_at(burst, at_ns, wall_offset, RHO_WALL_PPB)
    return Estimate(
        at_ns=at_ns,
        wall=wall,
        round_trip_ns=min(exchange.round_trip_ns for exchange in burst.opening),
        samples=len(burst.opening) + (burst.closing is not None),
        oscillator=oscillator,
        correction=local,
    )


def correction_at(burst: Burst, at_ns: int) -> Interval:
    """Return REALTIME minus RAW at ``at_ns`` from the node's own readings before and after it."""
    last = burst.opening[-1]
    before = correction(last, burst.program)
    if burst.closing is None:
        return before.widened(age_slack_ns(at_ns - middle_ns(last), RHO_WALL_PPB))
    after = correction(burst.closing, burst.program)
    # The earliest that the first reading and the latest that the second can have been taken.
    gap = min(at_ns - last.sent_ns, burst.closing.received_ns - at_ns)
    slack = age_slack_ns(gap, TRIM_PPB) + _excursion_ns(last, burst.closing, burst.program)
    return before.hull(after).widened(slack)


def _excursion_ns(before: Exchange, after: Exchange, program: Program) -> int:
    """Return how far the correction may have left the span between two readings of it.

    A clock that is steered one way and stepped the other goes there and back: by no more than the lesser of
    the two, each of which MONOTONIC tells apart, to the bracket of the reads.
    """
    moves = [
        later - earlier
        for part in (stepped, steered)
        if (earlier := part(before, program)) is not None and (later := part(after, program)) is not None
    ]
    if not moves or min(move.lower_ns for move in moves) > 0 or max(move.upper_ns for move in moves) < 0:
        return 0
    return min(move.furthest_ns for move in moves)


def moved() -> ProbeError:
    """Return the error for exchanges that contradict each other."""
    return ProbeError(
        Reason.CLOCK_MOVED,
        "The exchanges of one burst contradict each other: the node's clock was stepped, or the machine "
        "was paused, while it was measured.",
        "The next round measures it again; if this repeats, look for two programs that set the clock.",
    )


def _offset_at(burst: Burst, at_ns: int, offset_of: OffsetOf, rho_ppb: int) -> Interval:
    opening = intersection(burst.opening, burst.program, at_ns, offset_of, rho_ppb)
    if opening is None:
        raise moved()
    if burst.closing is None:
        return opening
    closing = intersection((burst.closing,), burst.program, at_ns, offset_of, rho_ppb)
    if closing is None:
        return opening
    if offset_of is oscillator_offset:
        return opening.meet(closing) or opening.hull(closing)
    # REALTIME may have been stepped in between, by less than the widths show: only a proven step counts.
    return opening if opening.meet(closing) else opening.hull(closing)
