"""One exchange becomes an interval; an interval grows older.

Integers throughout, rounded outwards: an interval may become a nanosecond too wide, never too narrow.
"""

from skewmon.model import NS_PER_S, Exchange, Interval, Program, Quantum

#: The most by which two free oscillators (MONOTONIC_RAW) run apart, in parts per billion: crystals are
#: good to ±50 ppm, so 100 ppm between two. Hypothesis H2 of docs/measurement.md.
RHO_RAW_PPB = 100_000

#: The same for REALTIME of a node whose RAW cannot be read: 100 ppm between the oscillators and the kernel's
#: own limit for a steered clock (adjtimex(2), ±500 ppm). chrony may slew faster: H5 of docs/measurement.md.
RHO_WALL_PPB = 600_000

#: The admin box's base is read in whole nanoseconds, rounded down.
BASE_QUANTUM_NS = 1


def age_slack_ns(elapsed_ns: int, rho_ppb: int) -> int:
    """Return by how much a clock of rate error ``rho_ppb`` may have moved in ``elapsed_ns``, rounded up."""
    return -(-abs(elapsed_ns) * rho_ppb // NS_PER_S)


def aged(interval: Interval, elapsed_ns: int, rho_ppb: int) -> Interval:
    """Return what an interval says of an instant ``elapsed_ns`` away from its own."""
    return interval.widened(age_slack_ns(elapsed_ns, rho_ppb))


def middle_ns(exchange: Exchange) -> int:
    """Return the nominal instant of an exchange, half way between departure and arrival."""
    return (exchange.sent_ns + exchange.received_ns) // 2


def offset_of(
    exchange: Exchange, clock_in_ns: int, clock_out_ns: int, quantum: Quantum, rho_ppb: int
) -> Interval | None:
    """Return a node's clock minus the base at the exchange's middle, or None where it contradicts itself.

    Causality alone: the node reads ``clock_in`` after the request left, and ``clock_out`` before the reply
    arrived. NTP's two differences (RFC 5905 section 8), kept as an upper and a lower end instead of halved.
    """
    slack = age_slack_ns(exchange.round_trip_ns, rho_ppb) // 2 + 1
    upper = clock_in_ns + quantum.late_ns - exchange.sent_ns + slack
    lower = clock_out_ns - quantum.early_ns - exchange.received_ns - BASE_QUANTUM_NS - slack
    return Interval(lower, upper) if lower <= upper else None


def wall_offset(exchange: Exchange, program: Program) -> Interval | None:
    """Return REALTIME minus the base at the exchange's middle."""
    return offset_of(exchange, exchange.real_in_ns, exchange.real_out_ns, program.real, RHO_WALL_PPB)


def oscillator_offset(exchange: Exchange, program: Program) -> Interval | None:
    """Return MONOTONIC_RAW minus the base at the exchange's middle; the node must be able to read RAW."""
    assert exchange.raw_in_ns is not None
    assert exchange.raw_out_ns is not None
    assert program.raw is not None
    return offset_of(exchange, exchange.raw_in_ns, exchange.raw_out_ns, program.raw, RHO_RAW_PPB)


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
    return Interval(min(before, after), max(before, after))


def stepped(exchange: Exchange, program: Program) -> Interval | None:
    """Return REALTIME − MONOTONIC, which only a step changes, or None where MONOTONIC was not read."""
    if exchange.mono_ns is None or program.mono is None:
        return None
    before = exchange.real_in_ns - exchange.mono_ns - program.real.early_ns - program.mono.late_ns
    after = exchange.real_out_ns - exchange.mono_ns + program.real.late_ns + program.mono.early_ns
    return Interval(min(before, after), max(before, after))


def steered(exchange: Exchange, program: Program) -> Interval | None:
    """Return MONOTONIC − RAW, which only a time daemon's steering changes, or None where it was not read."""
    if exchange.mono_ns is None or program.mono is None:
        return None
    assert exchange.raw_in_ns is not None
    assert exchange.raw_out_ns is not None
    assert program.raw is not None
    before = exchange.mono_ns - exchange.raw_out_ns - program.mono.early_ns - program.raw.late_ns
    after = exchange.mono_ns - exchange.raw_in_ns + program.mono.late_ns + program.raw.early_ns
    return Interval(min(before, after), max(before, after))
