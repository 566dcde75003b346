"""Movements of a node's clocks between two rounds: steps, leap seconds, slews, suspends, reboots.

REALTIME − MONOTONIC changes on a discontinuity alone: slewing moves both. Both are read on the node, so a
step is known to the width of the reads' own bracket, whatever the network did, and it is the node's own step.
BOOTTIME − MONOTONIC is the time slept, MONOTONIC − RAW everything that a time daemon steers.

Without MONOTONIC only offsets that no permitted slew connects are reported.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from skewmon.clock.bracket import (
    SLEW_LIMIT_PPB,
    Bracket,
    agreed,
    change,
    narrowed,
    remainder,
    sleep_bracket,
    undisturbed,
    wall_bracket,
)
from skewmon.clock.interval import RHO_WALL_PPB, WALL, age_slack_ns, intersection
from skewmon.model import NS_PER_S, Burst, Estimate, Exchange, Interval, Program

#: A leap second is one second, by a kernel that inserts it at a tick: up to 10 ms late at HZ=100, and the
#: daemon corrects that on its own account.
LEAP_NS = NS_PER_S
LEAP_TOLERANCE_NS = 10_000_000

#: The time of saved readings of an earlier daemon: before anything that this base can date.
UNWATCHED_NS = 0


class MovementKind(StrEnum):
    """Kinds of change of a node's clocks."""

    STEP = "step"
    LEAP = "leap"
    SUSPEND = "suspend"
    REBOOT = "reboot"
    SLEW = "slew"
    MOVED = "moved"  # step or fast slew: without MONOTONIC they look alike
    JUMP = "jump"  # of the oscillator: its rate changed, or the machine stood still


@dataclass(frozen=True, slots=True)
class Movement:
    """One change of a node's clocks, after one instant of the base and before another.

    ``size`` is by how much the wall clock moved (SUSPEND: how long the node slept); ``rate_ppb`` a SLEW's
    rate, ahead positive.
    """

    kind: MovementKind
    after_ns: int
    before_ns: int
    size: Interval | None = None
    rate_ppb: Interval | None = None


class Readings(NamedTuple):
    """The last readings of a node's clocks against each other, at ``seen_ns`` on the base."""

    boot_id: str
    seen_ns: int
    real_ns: int
    raw_ns: int | None
    wall_at_ns: int
    wall: Bracket | None  # REALTIME − base at wall_at_ns; None if that was another base
    stepped: Bracket | None  # REALTIME − MONOTONIC
    slept: Bracket | None  # BOOTTIME − MONOTONIC
    last: tuple[Exchange, Program] | None = None  # the exchange at seen_ns
    since_ns: int = UNWATCHED_NS  # ``stepped`` is of exchanges from here on


def follow(
    readings: Readings | None, burst: Burst, estimate: Estimate
) -> tuple[Readings, tuple[Movement, ...]]:
    """Return the readings after one more burst, and every movement that it proves; each is reported once."""
    first, last = burst.opening[0], burst.closing or burst.opening[-1]
    boot_id = burst.program.boot_id
    movements: tuple[Movement, ...] = ()
    wall = Bracket(estimate.wall.lower_ns, estimate.wall.upper_ns)
    stepped = slept = None
    since_ns = first.sent_ns
    if readings is not None and _rebooted(readings, burst):
        movements = (Movement(MovementKind.REBOOT, readings.seen_ns, first.received_ns),)
        readings = None
    if burst.program.mono is not None and first.mono_ns is not None:
        stepped, slept, since_ns, movements = _compare(readings, burst, movements)
    else:
        wall, displaced = _displace(readings, burst, wall, estimate.at_ns)
        movements += displaced
    now = Readings(
        boot_id,
        last.sent_ns,
        last.real_out_ns,
        last.raw_out_ns,
        estimate.at_ns,
        wall,
        stepped,
        slept,
        (last, burst.program),
        since_ns,
    )
    return now, movements


def _rebooted(readings: Readings, burst: Burst) -> bool:
    """Whether a node was rebooted; if its boot has no id, only RAW shows it."""
    boot_id = burst.program.boot_id
    return boot_id != readings.boot_id or (not boot_id and went_backwards(readings, burst))


def went_backwards(readings: Readings, burst: Burst) -> bool:
    """Whether RAW ran backwards since: a restored snapshot, or a boot that kept its id."""
    raw_ns = burst.opening[0].raw_in_ns
    return readings.raw_ns is not None and raw_ns is not None and raw_ns < readings.raw_ns


def _compare(
    readings: Readings | None, burst: Burst, movements: tuple[Movement, ...]
) -> tuple[Bracket | None, Bracket | None, int, tuple[Movement, ...]]:
    """Return the brackets after all exchanges of a burst, their start, and the movements on the way."""
    stepped = readings.stepped if readings else None
    slept = readings.slept if readings else None
    after_ns = readings.seen_ns if readings else 0
    real_ns = readings.real_ns if readings else 0
    exchanges = burst.opening if burst.closing is None else (*burst.opening, burst.closing)
    since_ns = readings.since_ns if readings and readings.stepped else exchanges[0].sent_ns
    calm = undisturbed(exchanges, burst.program)
    if calm is not None:
        wall, sleep = agreed(stepped, calm[0]), agreed(slept, calm[1])
        if wall is not None and sleep is not None:
            return wall, sleep, since_ns, movements
    for number, exchange in enumerate(exchanges):
        wall, sleep = wall_bracket(exchange, burst.program), sleep_bracket(exchange, burst.program)
        woken = change(slept, sleep)
        jump = change(stepped, wall)
        left_ns = after_ns
        if woken is not None and _is_sleep(woken, jump, stepped, wall):
            movements += (Movement(MovementKind.SUSPEND, after_ns, exchange.received_ns, woken),)
            # On waking REALTIME and BOOTTIME are moved alike: only the difference is a step.
            jump = remainder(stepped, wall, woken)
            stepped = None
        elif jump is not None:
            left_ns, jump = _left(readings, exchanges[:number], burst.program, wall, jump)
        if jump is not None:
            kind = MovementKind.LEAP if _is_leap(jump, real_ns, exchange.real_out_ns) else MovementKind.STEP
            movements += (Movement(kind, max(left_ns, since_ns), exchange.received_ns, jump),)
            stepped = None
        if stepped is None:
            since_ns = exchange.sent_ns
        stepped = narrowed(stepped, wall)
        slept = sleep if woken is not None else narrowed(slept, sleep)
        after_ns, real_ns = exchange.sent_ns, exchange.real_out_ns
    return stepped, slept, since_ns, movements


def _left(
    readings: Readings | None,
    exchanges: tuple[Exchange, ...],
    program: Program,
    wall: Bracket | None,
    jump: Interval,
) -> tuple[int, Interval]:
    """Return the start of the last exchange that excludes the present wall clock, and the size of the step.

    An exchange whose reads took longer than the step is large agrees with either side. It does not date the
    step, and it may have narrowed the bracket from before by values from after: then that is not its size.
    """
    seen = [(exchange.sent_ns, exchange, program) for exchange in exchanges]
    if readings is not None and readings.last is not None:
        seen.insert(0, (readings.seen_ns, *readings.last))
    for unclear, (sent_ns, exchange, its_program) in enumerate(reversed(seen)):
        apart = change(wall_bracket(exchange, its_program), wall)
        if apart is not None:
            return sent_ns, apart if unclear else jump
    return UNWATCHED_NS, jump.widened(jump.width_ns) if seen else jump


def _is_sleep(woken: Interval, jump: Interval | None, before: Bracket | None, after: Bracket | None) -> bool:
    """Whether BOOTTIME gained on MONOTONIC because the node slept: then REALTIME gained with it.

    A kernel that steers the one but not the other must not look like a node that sleeps a little every round.
    """
    return woken.lower_ns > 0 and (jump is not None or before is None or after is None)


def _is_leap(size: Interval, real_before_ns: int, real_after_ns: int) -> bool:
    """Whether a step is one second, across the end of a UTC month: leap seconds occur nowhere else."""
    if abs(abs(size.estimate_ns) - LEAP_NS) > LEAP_TOLERANCE_NS + size.bound_ns:
        return False
    # An inserted second replays 23:59:60 as 23:59:59 or 00:00:00: look two seconds further both ways.
    return month(real_before_ns - 2 * LEAP_NS) != month(real_after_ns + 2 * LEAP_NS)


def month(real_ns: int) -> tuple[int, int] | None:
    """Return the month that a clock shows, or None if the calendar does not have it."""
    try:
        day = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=real_ns // NS_PER_S)
    except OverflowError:
        return None
    return day.year, day.month


def _displace(
    readings: Readings | None, burst: Burst, wall: Bracket, at_ns: int
) -> tuple[Bracket, tuple[Movement, ...]]:
    """Return the wall clock after a burst, as of ``at_ns``, and its movements that drift does not explain.

    The clock may have moved since the last burst, and once more before the closing exchange: then ``wall``
    holds both levels, and the next burst must be compared with the later one alone.
    """
    movements: list[Movement | None] = []
    last = burst.opening[-1]
    opening = intersection(burst.opening, burst.program, at_ns, WALL)
    closing = intersection((burst.closing,), burst.program, at_ns, WALL) if burst.closing else None
    apart = opening is not None and closing is not None and opening.meet(closing) is None
    earlier = Bracket(opening.lower_ns, opening.upper_ns) if apart and opening else wall
    if readings is not None and readings.wall is not None:
        movements.append(_displaced(readings.wall, earlier, readings.wall_at_ns, at_ns))
    if apart and closing and burst.closing:
        wall = Bracket(closing.lower_ns, closing.upper_ns)
        movements.append(_displaced(earlier, wall, last.sent_ns, burst.closing.received_ns))
    return wall, tuple(movement for movement in movements if movement)


def _displaced(before: Bracket, after: Bracket, after_ns: int, before_ns: int) -> Movement | None:
    """Return a movement that drift does not explain; a STEP if no slew explains it either."""
    for kind, rate_ppb in ((MovementKind.STEP, SLEW_LIMIT_PPB), (MovementKind.MOVED, RHO_WALL_PPB)):
        slack = age_slack_ns(before_ns - after_ns, rate_ppb)
        reach = Bracket(before.lower_ns - slack, before.upper_ns + slack)
        if (size := change(reach, after)) is not None:
            return Movement(kind, after_ns, before_ns, size)
    return None
