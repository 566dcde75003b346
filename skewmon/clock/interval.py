"""Exchanges become an interval; an interval grows older.

Integers throughout, rounded outwards: an interval may become a nanosecond too wide, never too narrow.
"""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import NamedTuple

from skewmon.model import NS_PER_S, Exchange, Interval, Program, Quantum

#: The most by which two free oscillators (MONOTONIC_RAW) run apart, in parts per billion: crystals are
#: good to ±50 ppm, so 100 ppm between two. Hypothesis H2 of docs/measurement.md.
RHO_RAW_PPB = 100_000

#: The same for REALTIME of a node whose RAW cannot be read: 100 ppm between the oscillators and the kernel's
#: own limit for a steered clock (adjtimex(2), ±500 ppm). chrony may slew faster: H5 of docs/measurement.md.
RHO_WALL_PPB = 600_000

#: The admin box's base is read in whole nanoseconds, rounded down.
BASE_QUANTUM_NS = 1

#: Further apart than any two clocks: a reading of more than twenty digits never gets here.
ANYWHERE_NS = 2**80


def age_slack_ns(elapsed_ns: int, rho_ppb: int) -> int:
    """Return by how much a clock of rate error ``rho_ppb`` may have moved in ``elapsed_ns``, rounded up."""
    return -(-abs(elapsed_ns) * rho_ppb // NS_PER_S)


def aged(interval: Interval, elapsed_ns: int, rho_ppb: int) -> Interval:
    """Return what an interval says of an instant ``elapsed_ns`` away from its own."""
    return interval.widened(age_slack_ns(elapsed_ns, rho_ppb))


def middle_ns(exchange: Exchange) -> int:
    """Return the nominal instant of an exchange, half way between departure and arrival."""
    return (exchange.sent_ns + exchange.received_ns) // 2


#: The lower and the upper end of an interval that is only a step of a calculation.
Ends = tuple[int, int]


class Clock(NamedTuple):
    """One of a node's clocks: what an exchange holds of it, how coarsely it is read, how fast it may run off.

    ``readings`` gives departure and arrival on the base, then the clock on the way in and on the way out.
    """

    readings: Callable[[Exchange], tuple[int, int, int, int]]
    quantum: Callable[[Program], Quantum]
    rho_ppb: int


WALL = Clock(
    attrgetter("sent_ns", "received_ns", "real_in_ns", "real_out_ns"), attrgetter("real"), RHO_WALL_PPB
)

#: MONOTONIC_RAW, which the node must be able to read.
OSCILLATOR = Clock(
    attrgetter("sent_ns", "received_ns", "raw_in_ns", "raw_out_ns"), attrgetter("raw"), RHO_RAW_PPB
)


def intersection(
    exchanges: Iterable[Exchange], program: Program, at_ns: int, clock: Clock
) -> Interval | None:
    """Return what all exchanges allow of a clock minus the base at ``at_ns``, or None where they contradict.

    Causality alone: the node reads the clock after the request left, and once more before the reply arrived.
    NTP's two differences (RFC 5905 section 8), kept as an upper and a lower end instead of halved; both hold
    at the exchange's middle and are aged from there. A thousand nodes pass here with every exchange they
    have, hence plain integers.
    """
    readings, quantum, rho_ppb = clock.readings, clock.quantum(program), clock.rho_ppb
    early_ns, late_ns = quantum.early_ns + BASE_QUANTUM_NS, quantum.late_ns
    lower_ns, upper_ns = -ANYWHERE_NS, ANYWHERE_NS
    for sent_ns, received_ns, in_ns, out_ns in map(readings, exchanges):
        lower = out_ns - early_ns - received_ns
        upper = in_ns + late_ns - sent_ns
        if lower <= lower_ns and upper >= upper_ns:
            continue  # says less than is known even before slack is added
        slack_ns = age_slack_ns(received_ns - sent_ns, rho_ppb) // 2 + 1
        if lower - slack_ns > upper + slack_ns:
            return None  # a clock that ran backwards between its two readings
        slack_ns += age_slack_ns(at_ns - (sent_ns + received_ns) // 2, rho_ppb)
        lower_ns = max(lower_ns, lower - slack_ns)
        upper_ns = min(upper_ns, upper + slack_ns)
    return Interval(lower_ns, upper_ns) if lower_ns <= upper_ns else None


def offset_of(exchange: Exchange, program: Program, clock: Clock) -> Interval | None:
    """Return a clock minus the base at the exchange's middle, or None where it contradicts itself."""
    return intersection((exchange,), program, middle_ns(exchange), clock)


def correction(exchange: Exchange, program: Program) -> Interval:
    """Return REALTIME minus MONOTONIC_RAW as the node read it, exact but for the bracket of the reads.

    REALTIME was read before the first RAW and after the last, so the two differences enclose the truth. A
    step between the reads widens them, or, backwards, swaps them: then the truth may lie outside by as much
    as the reads took, and a second exchange must say what held before or after.
    """
    assert exchange.raw_in_ns is not None
    assert exchange.raw_out_ns is not None
    assert program.raw is not None
    before = exchange.real_in_ns - exchange.raw_in_ns - program.real.early_ns - program.raw.late_ns
    after = exchange.real_out_ns - exchange.raw_out_ns + program.real.late_ns + program.raw.early_ns
    return Interval(before, after) if before <= after else Interval(after, before)


def stepped(exchange: Exchange, program: Program) -> Ends | None:
    """Return REALTIME − MONOTONIC, which only a step changes, or None where MONOTONIC was not read."""
    if exchange.mono_ns is None or program.mono is None:
        return None
    before = exchange.real_in_ns - exchange.mono_ns - program.real.early_ns - program.mono.late_ns
    after = exchange.real_out_ns - exchange.mono_ns + program.real.late_ns + program.mono.early_ns
    return (before, after) if before <= after else (after, before)


def steered(exchange: Exchange, program: Program) -> Ends | None:
    """Return MONOTONIC − RAW, which only a time daemon's steering changes, or None where it was not read."""
    if exchange.mono_ns is None or program.mono is None:
        return None
    assert exchange.raw_in_ns is not None
    assert exchange.raw_out_ns is not None
    assert program.raw is not None
    before = exchange.mono_ns - exchange.raw_out_ns - program.mono.early_ns - program.raw.late_ns
    after = exchange.mono_ns - exchange.raw_in_ns + program.mono.late_ns + program.raw.early_ns
    return (before, after) if before <= after else (after, before)
