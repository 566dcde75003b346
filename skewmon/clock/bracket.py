"""A node's clocks against each other: brackets around REALTIME − MONOTONIC and BOOTTIME − MONOTONIC.

A change is judged by the measured brackets: only readings that cannot agree are a change. A virtual machine
that takes 10 µs to read a clock has brackets of 40 µs, and steps smaller than that show up once a narrower
bracket comes by; a fixed threshold would raise false alarms there and miss steps elsewhere.
"""

from typing import NamedTuple

from skewmon.clock.interval import ANYWHERE_NS, age_slack_ns
from skewmon.model import Exchange, Interval, Program, Quantum

#: Two processors' views of one clock may differ by some tens of nanoseconds; readings this close agree.
AGREEMENT_NS = 100

#: Linux limits a slew to 10 % (adjtimex(2): tick 9,000 to 11,000 µs, and ±500 ppm of frequency).
SLEW_LIMIT_PPB = 100_500_000


class Bracket(NamedTuple):
    """Two ends that enclose a difference of two clocks."""

    lower_ns: int
    upper_ns: int


def undisturbed(exchanges: tuple[Exchange, ...], program: Program) -> tuple[Bracket, Bracket] | None:
    """Return the brackets that all exchanges share, or None if they differ or exclude too little.

    The common case, quickly: the same brackets as ``wall_bracket`` and ``sleep_bracket`` give one by one.
    """
    real, raw, mono, boot = program.real, program.raw, program.mono, program.boot
    if raw is None or boot is None:
        return None
    assert mono is not None
    quanta_ns, real_quanta_ns = raw.early_ns + raw.late_ns, real.early_ns + real.late_ns
    wall_lowers, wall_uppers, slept_most, slept_least_ns = [], [], [], -ANYWHERE_NS
    for one in exchanges:
        mono_ns, boot_ns, raw_in_ns, raw_out_ns = one.mono_ns, one.boot_ns, one.raw_in_ns, one.raw_out_ns
        if mono_ns is None or boot_ns is None or raw_in_ns is None or raw_out_ns is None:
            return None
        real_in_ns, real_out_ns, passed_ns = one.real_in_ns, one.real_out_ns, raw_out_ns - raw_in_ns
        if passed_ns + quanta_ns < 0 or real_out_ns - real_in_ns < passed_ns - quanta_ns - real_quanta_ns:
            return None  # RAW ran backwards, or perhaps REALTIME was stepped backward, between the reads
        wall_lowers.append(real_in_ns - mono_ns)
        wall_uppers.append(real_out_ns - mono_ns)
        slept_ns, between_ns = boot_ns - mono_ns, passed_ns + quanta_ns
        slept_most.append(slept_ns)
        if slept_ns - between_ns > slept_least_ns:  # else it excludes nothing, even before slack is taken off
            least_ns = slept_ns - between_ns - age_slack_ns(between_ns, SLEW_LIMIT_PPB)
            slept_least_ns = max(slept_least_ns, least_ns)
    wall = _bracket(max(wall_lowers), min(wall_uppers), real, mono)
    slept = _bracket(slept_least_ns, min(slept_most), boot, mono)
    return (wall, slept) if wall is not None and slept is not None else None


def _bracket(lower_ns: int, upper_ns: int, clock: Quantum, mono: Quantum) -> Bracket | None:
    """Return the difference of a clock and MONOTONIC between two readings of it, with their resolution."""
    lower_ns -= clock.early_ns + mono.late_ns
    upper_ns += clock.late_ns + mono.early_ns
    return Bracket(lower_ns, upper_ns) if lower_ns <= upper_ns else None


def wall_bracket(exchange: Exchange, program: Program) -> Bracket | None:
    """Return REALTIME − MONOTONIC: REALTIME was read before MONOTONIC and again after it.

    A step forward between the reads only widens the bracket. A step backward would narrow it to
    values that never held: then REALTIME advanced by less than RAW did meanwhile, and there is no bracket.
    """
    assert exchange.mono_ns is not None
    assert program.mono is not None
    if exchange.raw_in_ns is not None and exchange.raw_out_ns is not None and program.raw is not None:
        least = exchange.raw_out_ns - exchange.raw_in_ns - program.raw.early_ns - program.raw.late_ns
        least -= age_slack_ns(least, SLEW_LIMIT_PPB) + program.real.early_ns + program.real.late_ns
        if exchange.real_out_ns - exchange.real_in_ns < least:
            return None
    lower = exchange.real_in_ns - exchange.mono_ns - program.real.early_ns - program.mono.late_ns
    upper = exchange.real_out_ns - exchange.mono_ns + program.real.late_ns + program.mono.early_ns
    return Bracket(lower, upper) if lower <= upper else None


def sleep_bracket(exchange: Exchange, program: Program) -> Bracket | None:
    """Return BOOTTIME − MONOTONIC: BOOTTIME was read after MONOTONIC and before REALTIME's second reading."""
    if exchange.boot_ns is None or exchange.raw_out_ns is None or exchange.raw_in_ns is None:
        return None
    assert exchange.mono_ns is not None
    boot, mono, raw = program.boot, program.mono, program.raw
    assert boot is not None
    assert mono is not None
    assert raw is not None
    between = exchange.raw_out_ns - exchange.raw_in_ns + raw.early_ns + raw.late_ns
    if between < 0:  # a RAW that runs backwards between two reads encloses nothing
        return None
    between += age_slack_ns(between, SLEW_LIMIT_PPB)
    difference = exchange.boot_ns - exchange.mono_ns
    return Bracket(
        difference - between - boot.early_ns - mono.late_ns, difference + boot.late_ns + mono.early_ns
    )


def change(before: Bracket | None, after: Bracket | None) -> Interval | None:
    """Return the change between two brackets that cannot agree, or None if they can."""
    if before is None or after is None:
        return None
    if after[0] - before[1] <= AGREEMENT_NS and before[0] - after[1] <= AGREEMENT_NS:
        return None
    return Interval(after[0] - before[1], after[1] - before[0])


def remainder(before: Bracket | None, after: Bracket | None, woken: Interval) -> Interval | None:
    """Return the movement of a wall clock beyond the time slept, or None if there need not be any."""
    if before is None or after is None:
        return None
    left = Interval(after.lower_ns - before.upper_ns, after.upper_ns - before.lower_ns) - woken
    return left if left.proven_ns > AGREEMENT_NS else None


def narrowed(known: Bracket | None, seen: Bracket | None) -> Bracket | None:
    """Return the intersection of two brackets around a difference that did not change."""
    if known is None or seen is None:
        return known or seen
    lower, upper = max(known[0], seen[0]), min(known[1], seen[1])
    return Bracket(lower, upper) if lower <= upper else seen


def agreed(known: Bracket | None, seen: Bracket) -> Bracket | None:
    """Return the same as ``narrowed`` if the difference need not have changed (``change``), else None."""
    if known is None:
        return seen
    lower, upper = max(known[0], seen[0]), min(known[1], seen[1])
    if (lower, upper) == known:
        return known  # nearly always
    if lower - upper > AGREEMENT_NS:
        return None
    return Bracket(lower, upper) if lower <= upper else seen
