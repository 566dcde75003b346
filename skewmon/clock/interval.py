"""Exchanges become an interval; an interval grows older.

Integers throughout, rounded outwards: an interval may become a nanosecond too wide, never too narrow.
"""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import NamedTuple, Protocol

from skewmon.model import NS_PER_S, Exchange, Interval, Program, Quantum


class RateBounds(NamedTuple):
    """The least and the greatest rate of a clock against the base in parts per billion, ahead positive."""

    lower_ppb: int
    upper_ppb: int


#: Hypothesis H2a of docs/measurement.md: two free oscillators (MONOTONIC_RAW) run apart by at most 1,000 ppm.
#: Crystals are good to ±50 ppm, but the counter of a virtual machine whose frequency was calibrated badly is
#: off by hundreds, and ntpd itself corrects up to 500.
UNKNOWN_RATE = RateBounds(-1_000_000, 1_000_000)

#: The rate of REALTIME on a node whose RAW cannot be read: 100 ppm between the oscillators and the kernel's
#: own limit for a steered clock (adjtimex(2), ±500 ppm). chrony may slew faster: H5 of docs/measurement.md.
RHO_WALL_PPB = 600_000
WALL_RATE = RateBounds(-RHO_WALL_PPB, RHO_WALL_PPB)

#: The admin box's base is read in whole nanoseconds, rounded down.
BASE_QUANTUM_NS = 1

#: Further apart than any two clocks: a reading of more than twenty digits never gets here.
ANYWHERE_NS = 2**80


def age_slack_ns(elapsed_ns: int, rho_ppb: int) -> int:
    """Return by how much a clock of rate error ``rho_ppb`` may have moved in ``elapsed_ns``, rounded up."""
    return -(-abs(elapsed_ns) * rho_ppb // NS_PER_S)


class HasEnds(Protocol):
    """An interval, or a value with its two ends."""

    @property
    def lower_ns(self) -> int:
        """The lower end."""

    @property
    def upper_ns(self) -> int:
        """The upper end."""


def aged(interval: HasEnds, elapsed_ns: int, rate: RateBounds) -> Interval:
    """Return the interval that follows for an instant ``elapsed_ns`` away from its own."""
    slowest_ppb, fastest_ppb = rate if elapsed_ns > 0 else (rate.upper_ppb, rate.lower_ppb)
    return Interval(
        interval.lower_ns + elapsed_ns * slowest_ppb // NS_PER_S,
        interval.upper_ns - -elapsed_ns * fastest_ppb // NS_PER_S,
    )


def middle_ns(exchange: Exchange) -> int:
    """Return the nominal instant of an exchange, half way between departure and arrival."""
    return (exchange.sent_ns + exchange.received_ns) // 2


#: The lower and the upper end of an interval that is only a step of a calculation.
Ends = tuple[int, int]


class Clock(NamedTuple):
    """One of a node's clocks: how an exchange holds it, how coarsely it is read, and its rate until measured.

    ``readings`` gives departure and arrival on the base, then the clock on the way in and on the way out.
    """

    readings: Callable[[Exchange], tuple[int, int, int, int]]
    quantum: Callable[[Program], Quantum]
    rate: RateBounds


WALL = Clock(attrgetter("sent_ns", "received_ns", "real_in_ns", "real_out_ns"), attrgetter("real"), WALL_RATE)

#: MONOTONIC_RAW, which the node must be able to read.
OSCILLATOR = Clock(
    attrgetter("sent_ns", "received_ns", "raw_in_ns", "raw_out_ns"), attrgetter("raw"), UNKNOWN_RATE
)


def intersection(
    exchanges: Iterable[Exchange],
    program: Program,
    at_ns: int,
    clock: Clock,
    rate: RateBounds | None = None,
) -> Interval | None:
    """Return a clock minus the base at ``at_ns`` as all exchanges allow it, or None if they contradict.

    Causality alone: the node reads the clock after the request left, so the clock was no further ahead at the
    departure; and once more before the reply arrived, so it was no further behind at the arrival. These are
    NTP's two differences (RFC 5905 section 8), kept as two ends instead of halved, each aged from its own
    instant by ``rate``, which is the clock's own until measured. A thousand nodes pass here with every
    exchange they have, hence plain integers.
    """
    readings, quantum = clock.readings, clock.quantum(program)
    slowest_ppb, fastest_ppb = rate or clock.rate
    only_widens = slowest_ppb <= 0 <= fastest_ppb
    early_ns, late_ns = quantum.early_ns, quantum.late_ns
    lower_ns, upper_ns = -ANYWHERE_NS, ANYWHERE_NS
    for sent_ns, received_ns, in_ns, out_ns in map(readings, exchanges):
        arrived_ns = received_ns + BASE_QUANTUM_NS
        lower = out_ns - early_ns - arrived_ns
        upper = in_ns + late_ns - sent_ns
        if only_widens and lower <= lower_ns and upper >= upper_ns:
            continue  # excludes nothing even before it is aged
        since_ns = at_ns - arrived_ns
        lower += since_ns * (slowest_ppb if since_ns > 0 else fastest_ppb) // NS_PER_S
        if lower > lower_ns:  # noqa: PLR1730
            lower_ns = lower
        since_ns = at_ns - sent_ns
        upper -= -since_ns * (fastest_ppb if since_ns > 0 else slowest_ppb) // NS_PER_S
        if upper < upper_ns:  # noqa: PLR1730  # a call would take as long as all else
            upper_ns = upper
    return Interval(lower_ns, upper_ns) if lower_ns <= upper_ns else None


def offset_of(exchange: Exchange, program: Program, clock: Clock) -> Interval | None:
    """Return a clock minus the base at the exchange's middle, or None if it contradicts itself."""
    return intersection((exchange,), program, middle_ns(exchange), clock)


def correction(exchange: Exchange, program: Program) -> Ends:
    """Return REALTIME minus MONOTONIC_RAW as the node read it, exact but for the bracket of the reads.

    REALTIME was read before the first RAW and after the last, so the two differences enclose the truth. A
    step between the reads widens them, or, backwards, swaps them: then the truth may lie outside by as much
    as the reads took, and a second exchange must show the value before or after.
    """
    real, raw = program.real, program.raw
    assert exchange.raw_in_ns is not None
    assert exchange.raw_out_ns is not None
    assert raw is not None
    before = exchange.real_in_ns - exchange.raw_in_ns - real.early_ns - raw.late_ns
    after = exchange.real_out_ns - exchange.raw_out_ns + real.late_ns + raw.early_ns
    return (before, after) if before <= after else (after, before)


def stepped(exchange: Exchange, program: Program) -> Ends:
    """Return REALTIME − MONOTONIC, which only a step changes."""
    real, mono = program.real, program.mono
    assert exchange.mono_ns is not None
    assert mono is not None
    before = exchange.real_in_ns - exchange.mono_ns - real.early_ns - mono.late_ns
    after = exchange.real_out_ns - exchange.mono_ns + real.late_ns + mono.early_ns
    return (before, after) if before <= after else (after, before)


def steered(exchange: Exchange, program: Program) -> Ends:
    """Return MONOTONIC − RAW, which only a time daemon's steering changes."""
    mono, raw = program.mono, program.raw
    assert exchange.mono_ns is not None
    assert mono is not None
    assert exchange.raw_in_ns is not None
    assert exchange.raw_out_ns is not None
    assert raw is not None
    before = exchange.mono_ns - exchange.raw_out_ns - mono.early_ns - raw.late_ns
    after = exchange.mono_ns - exchange.raw_in_ns + mono.late_ns + raw.early_ns
    return (before, after) if before <= after else (after, before)
