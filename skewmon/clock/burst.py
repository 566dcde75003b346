"""A node's exchanges of one round become its clock at the round's common instant.

The exchanges of a burst are combined by intersection: each excludes some values, so the best request and the
best reply may come from different exchanges, and an empty intersection proves that something moved.

A clock can be steered or stepped between a node's burst and the common instant. So each node is queried once
more after the instant: its own clocks' readings before and after enclose their readings at the instant.
"""

from skewmon.clock.interval import (
    OSCILLATOR,
    RHO_WALL_PPB,
    WALL,
    Clock,
    RateBounds,
    age_slack_ns,
    correction,
    intersection,
    middle_ns,
    steered,
    stepped,
)
from skewmon.errors import ProbeError, Reason
from skewmon.model import Burst, Estimate, Exchange, Interval, Program

#: Between two readings that enclose an instant the correction moves one way, but for the time daemon's
#: ordinary trimming of the frequency, which may change its sign: 100 ppm of the shorter side.
TRIM_PPB = 100_000


def estimate(burst: Burst, at_ns: int) -> Estimate:
    """Return the node's clocks at ``at_ns`` by this burst alone, with the rate of an unknown oscillator.

    Raises ProbeError (clock-moved) if the opening exchanges contradict each other: a step, a paused virtual
    machine, or a node that reports false readings.
    """
    oscillator = local = None
    if burst.program.raw is not None and burst.opening[-1].raw_in_ns is not None:
        oscillator = _offset_at(burst, at_ns, OSCILLATOR)
        local = correction_at(burst, at_ns)
        wall = oscillator + local
    else:
        wall = _offset_at(burst, at_ns, WALL)
    return Estimate(
        at_ns=at_ns,
        wall=wall,
        round_trip_ns=min([one.received_ns - one.sent_ns for one in burst.opening]),
        samples=len(burst.opening) + (burst.closing is not None),
        oscillator=oscillator,
        correction=local,
    )


def oscillator_at(burst: Burst, at_ns: int, rate: RateBounds) -> Interval | None:
    """Return RAW minus the base at ``at_ns`` with a known rate; None if the exchanges contradict it."""
    exchanges = burst.opening if burst.closing is None else (*burst.opening, burst.closing)
    return intersection(exchanges, burst.program, at_ns, OSCILLATOR, rate)


def ageing_ns(burst: Burst, at_ns: int, rate: RateBounds) -> int:
    """Return how much of the oscillator's bound comes from the age of the exchanges at a given rate."""
    bound = oscillator_at(burst, at_ns, rate)
    middle_ppb = (rate.lower_ppb + rate.upper_ppb) // 2
    ageless = oscillator_at(burst, at_ns, RateBounds(middle_ppb, middle_ppb))
    return max(0, bound.bound_ns - ageless.bound_ns) if bound and ageless else 0


def correction_at(burst: Burst, at_ns: int) -> Interval:
    """Return REALTIME minus RAW at ``at_ns`` from the node's own readings before and after it."""
    last = burst.opening[-1]
    lower_ns, upper_ns = correction(last, burst.program)
    if burst.closing is None:
        slack_ns = age_slack_ns(at_ns - middle_ns(last), RHO_WALL_PPB)
        return Interval(lower_ns - slack_ns, upper_ns + slack_ns)
    later_lower_ns, later_upper_ns = correction(burst.closing, burst.program)
    # The earliest that the first reading and the latest that the second can have been taken.
    gap_ns = min(at_ns - last.sent_ns, burst.closing.received_ns - at_ns)
    slack_ns = age_slack_ns(gap_ns, TRIM_PPB) + _excursion_ns(last, burst.closing, burst.program)
    return Interval(min(lower_ns, later_lower_ns) - slack_ns, max(upper_ns, later_upper_ns) + slack_ns)


def _excursion_ns(before: Exchange, after: Exchange, program: Program) -> int:
    """Return how far the correction may have left the span between two readings of it.

    A clock that is steered one way and stepped the other goes there and back: by no more than the lesser of
    the two, each of which MONOTONIC separates, to the bracket of the reads.
    """
    if program.mono is None or before.mono_ns is None or after.mono_ns is None:
        return 0  # neither can be known
    step, later_step = stepped(before, program), stepped(after, program)
    slew, later_slew = steered(before, program), steered(after, program)
    step_least_ns, step_most_ns = later_step[0] - step[1], later_step[1] - step[0]
    slew_least_ns, slew_most_ns = later_slew[0] - slew[1], later_slew[1] - slew[0]
    if (step_least_ns > 0 and slew_least_ns > 0) or (step_most_ns < 0 and slew_most_ns < 0):
        return 0  # both moved the same way
    return min(max(step_most_ns, -step_least_ns), max(slew_most_ns, -slew_least_ns))


def moved() -> ProbeError:
    """Return the error for exchanges that contradict each other."""
    return ProbeError(
        Reason.CLOCK_MOVED,
        "The exchanges of one burst contradict each other: the node's clock was stepped, or the machine "
        "was paused, while it was measured.",
        "The next round measures it again; if this repeats, look for two programs that set the clock.",
    )


def _offset_at(burst: Burst, at_ns: int, clock: Clock) -> Interval:
    if clock is OSCILLATOR and burst.closing is not None:
        both = intersection((*burst.opening, burst.closing), burst.program, at_ns, clock)
        if both is not None:
            return both  # nearly always; else the opening exchanges alone may agree
    opening = intersection(burst.opening, burst.program, at_ns, clock)
    if opening is None:
        raise moved()
    if burst.closing is None:
        return opening
    closing = intersection((burst.closing,), burst.program, at_ns, clock)
    if closing is None:
        return opening
    if clock is OSCILLATOR:
        return opening.hull(closing)
    # REALTIME may have been stepped in between, by less than the widths show: only a proven step counts.
    return opening if opening.meet(closing) else opening.hull(closing)
