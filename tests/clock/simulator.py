"""A discrete-event simulator of nodes, their clocks and their networks, with exact integer truth.

Everything happens on the base, since only differences against it can be observed; the admin box's own
oscillator error is common to all nodes and therefore part of every machine's ``rate_ppt``.
Offsets are kept as whole nanoseconds plus a remainder in 1e-12 ns, so that a rate in parts per trillion times
a span in nanoseconds is exact: a test compares the truth with an interval without any rounding of its own.

The rate of an oscillator is a continuous function of time: constant while a burst runs, and a straight ramp
between bursts. Wander is therefore bounded exactly, as the hypothesis requires.
"""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from skewmon.model import NS_PER_S, Burst, Exchange, Interval, Program, Quantum

#: Parts per trillion in one; also how many units of the remainder make a nanosecond.
TRILLION = 10**12
PPM = 10**6  # one part per million, in parts per trillion

#: The most a kernel lets a daemon slew: chrony's default ``maxslewrate`` of 83,333.333 ppm.
SLEW_LIMIT_PPT = 83_333 * PPM

MS = 10**6
US = 10**3

#: Delays of one exchange: forward and back, in nanoseconds.
Path = Callable[[], tuple[int, int]]


# --- networks ----------------------------------------------------------------------------------------


def exponentials(rng: Random, mean_ns: float, size: int = 4096) -> tuple[int, ...]:
    """Return a table of exponential delays; drawing from a table is five times faster than computing."""
    return tuple(int(rng.expovariate(1 / mean_ns)) for _ in range(size))


def constant(forward_ns: int, back_ns: int) -> Path:
    """Return a path whose delays never change; adversarial if they differ."""
    delays = (forward_ns, back_ns)
    return lambda: delays


def queueing(rng: Random, forward_ns: int, back_ns: int, mean_ns: float) -> Path:
    """Return a path with independent exponential queues each way on top of a floor."""
    table, bits = exponentials(rng, mean_ns), rng.getrandbits

    def delays() -> tuple[int, int]:
        both = bits(24)
        return forward_ns + table[both >> 12], back_ns + table[both & 4095]

    return delays


def one_sided(rng: Random, floor_ns: int, mean_ns: float, *, forward: bool) -> Path:
    """Return a path of which only one direction queues: the worst case for a midpoint."""
    table, bits = exponentials(rng, mean_ns), rng.getrandbits
    if forward:
        return lambda: (floor_ns + table[bits(12)], floor_ns)
    return lambda: (floor_ns, floor_ns + table[bits(12)])


def spikes(rng: Random, floor_ns: int, spike_ns: int) -> Path:
    """Return a path that is quiet but for one packet in sixteen, which waits up to ``spike_ns``."""
    bits, below = rng.getrandbits, rng.randrange

    def delays() -> tuple[int, int]:
        forward = floor_ns if bits(4) else floor_ns + below(spike_ns)
        return forward, floor_ns if bits(4) else floor_ns + below(spike_ns)

    return delays


#: Every kind of network that the laws must hold on, by name.
NETWORKS: dict[str, Callable[[Random], Path]] = {
    "loopback": lambda rng: queueing(rng, 20 * US, 20 * US, 8 * US),
    "lan": lambda rng: queueing(rng, 100 * US, 100 * US, 15 * US),
    "lan-loaded": lambda rng: queueing(rng, 100 * US, 100 * US, 300 * US),
    "lan-forward": lambda rng: one_sided(rng, 100 * US, 300 * US, forward=True),
    "lan-back": lambda rng: one_sided(rng, 100 * US, 300 * US, forward=False),
    "instant": lambda _: constant(0, 0),
    "wan": lambda rng: queueing(rng, 40 * MS, 40 * MS, 300 * US),
    "wan-75-5": lambda rng: queueing(rng, 75 * MS, 5 * MS, 200 * US),
    "wan-5-75": lambda rng: queueing(rng, 5 * MS, 75 * MS, 200 * US),
    "wan-constant": lambda _: constant(75 * MS, 5 * MS),
    "spikes": lambda rng: spikes(rng, 120 * US, 50 * MS),
}


# --- readings of a node-side program -----------------------------------------------------------------

_FINE = Quantum(0, 1)


def _rung(probe: str, real: Quantum, rest: Quantum | None) -> Program:
    return Program(probe=probe, real=real, raw=rest, mono=rest, boot=rest)


#: The ladder of node-side programs; ``python3-uml`` reads slowly, ``jiffies`` only every 4 ms.
RUNGS: dict[str, Program] = {
    "python3": _rung("python3", _FINE, _FINE),
    "python3-uml": _rung("python3", _FINE, _FINE),
    "jiffies": _rung("python3", Quantum(0, 4 * MS), Quantum(0, 4 * MS)),
    "perl": _rung("perl", Quantum(120, 120), Quantum(120, 120)),
    "bash": _rung("bash", Quantum(0, US), None),
    "date": _rung("date", _FINE, None),
    "date-s": _rung("date-s", Quantum(0, NS_PER_S), None),
}

#: The longest pause between two reads of the clocks, as a number of random bits.
READ_GAP_BITS = {"python3-uml": 14}
READ_GAP_BITS_USUAL = 8


def quantised(reading_ns: int, quantum: Quantum) -> int:
    """Return the reading that a program prints of a clock at ``reading_ns`` (rounded down) or a bit later."""
    if quantum.early_ns:  # a double of seconds: 2**-22 s apart at today's date, rounded to nearest
        return round((reading_ns << 22) / NS_PER_S) * NS_PER_S >> 22
    return reading_ns - reading_ns % quantum.late_ns


# --- truth -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Truth:
    """The true values of the node's clocks at an instant of the base, in units of 1e-12 ns."""

    at_ns: int
    oscillator_units: int
    wall_units: int
    rate_ppt: int  # of the oscillator

    @property
    def oscillator_ns(self) -> float:
        """RAW minus the base, for messages."""
        return self.oscillator_units / TRILLION

    @property
    def wall_ns(self) -> float:
        """REALTIME minus the base, for messages."""
        return self.wall_units / TRILLION


def holds(interval: Interval, truth_units: int) -> bool:
    """Whether the truth lies inside, exactly."""
    return interval.lower_ns * TRILLION <= truth_units <= interval.upper_ns * TRILLION


@dataclass(frozen=True, slots=True)
class Observation:
    """One simulated burst, the common instant it was taken for, and the truth at that instant."""

    burst: Burst
    tau_ns: int
    truth: Truth


# --- changes of a clock ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """The wall clock is set: by ``size_ns``, at once. A leap second is a step of one second."""

    size_ns: int


@dataclass(frozen=True, slots=True)
class Slew:
    """The daemon steers: MONOTONIC and REALTIME run ``rate_ppt`` faster than the oscillator from now on."""

    rate_ppt: int


@dataclass(frozen=True, slots=True)
class Suspend:
    """The node sleeps: RAW and MONOTONIC stand still, REALTIME and BOOTTIME are put right on waking.

    Sleeps and pauses may only be scheduled between bursts, and nothing can be asked while they last.
    """

    span_ns: int


@dataclass(frozen=True, slots=True)
class Pause:
    """The node's virtual machine stands still and so does every clock that it has (kvm-clock)."""

    span_ns: int


@dataclass(frozen=True, slots=True)
class BasePause:
    """The base stood still instead: no time passed on it, but on the node."""

    span_ns: int


@dataclass(frozen=True, slots=True)
class Reboot:
    """The node rebooted; its wall clock came back ``error_ns`` off."""

    error_ns: int = 0


@dataclass(frozen=True, slots=True)
class RateJump:
    """The oscillator runs ``rate_ppt`` faster from now on."""

    rate_ppt: int


Happening = Step | Slew | Suspend | Pause | BasePause | Reboot | RateJump


class Machine:
    """One node: four clocks, a network path to it and a program that answers.

    Time only moves forward: ask for exchanges and truths in the order of their instants.
    """

    def __init__(
        self,
        rng: Random,
        *,
        network: str | Path = "lan",
        rung: str = "python3",
        clocksource: str = "tsc",
        rate_ppt: int = 0,
        start_ns: int = 10**15,
        wall_ns: int = 1_790_000_000 * NS_PER_S,
    ) -> None:
        self.rng = rng
        self.path = NETWORKS[network](rng) if isinstance(network, str) else network
        self.program = RUNGS[rung]
        self.clocksource = clocksource
        self._gap_bits = READ_GAP_BITS.get(rung, READ_GAP_BITS_USUAL)
        self._plain = rung.startswith("python3")
        self._boots = itertools.count(1)
        self._agenda: list[tuple[int, Happening]] = []
        self._next_ns: float = float("inf")
        self.at_ns = start_ns
        self.rate_ppt = rate_ppt
        self.slew_ppt = 0
        uptime_ns = rng.randrange(10**12, 10**16)
        self._raw, self._raw_rest = uptime_ns - start_ns, rng.randrange(TRILLION)  # RAW − base
        self._mono, self._mono_rest = rng.randrange(10**9), rng.randrange(TRILLION)  # MONOTONIC − RAW
        self._real = wall_ns - uptime_ns  # REALTIME − MONOTONIC
        self._boot = rng.randrange(10**12)  # BOOTTIME − MONOTONIC
        self._start_boot()

    def _start_boot(self) -> None:
        boot_id = f"boot-{next(self._boots)}-{self.rng.getrandbits(32):08x}"
        p = self.program
        self._program = Program(
            probe=p.probe,
            boot_id=boot_id,
            clocksource=self.clocksource,
            real=p.real,
            raw=p.raw,
            mono=p.mono,
            boot=p.boot,
        )

    # -- changes --------------------------------------------------------------------------------------

    def schedule(self, at_ns: int, happening: Happening) -> None:
        """Let something happen at an instant that is still to come."""
        assert at_ns >= self.at_ns, "the past is past"
        self._agenda.append((at_ns, happening))
        self._agenda.sort(key=lambda entry: entry[0])
        self._next_ns = self._agenda[0][0]

    def rest_until(self, at_ns: int, *, wander_ppt: int = 0) -> None:
        """Let time pass without a burst; the rate ramps by ``wander_ppt`` in a straight line."""
        span_ns = at_ns - self.at_ns
        wander_ppt -= wander_ppt % 2  # an even ramp has a whole mean, so the truth stays exact
        self._move(wander_ppt // 2, span_ns)  # the part of a ramp beyond a constant rate over the same span
        self.advance(at_ns)
        self.rate_ppt += wander_ppt

    def _move(self, rate_ppt: int, span_ns: int) -> None:
        carry, self._raw_rest = divmod(self._raw_rest + rate_ppt * span_ns, TRILLION)
        self._raw += carry

    def advance(self, at_ns: int) -> None:
        """Let time pass, with everything that is scheduled until then."""
        while self._next_ns <= at_ns:
            moment, happening = self._agenda.pop(0)
            self._next_ns = self._agenda[0][0] if self._agenda else float("inf")
            self._run(moment)
            self._happen(happening)
        if at_ns > self.at_ns:
            self._run(at_ns)

    def _run(self, at_ns: int) -> None:
        span_ns = at_ns - self.at_ns
        self._move(self.rate_ppt, span_ns)
        carry, self._mono_rest = divmod(self._mono_rest + self.slew_ppt * span_ns, TRILLION)
        self._mono += carry
        self.at_ns = at_ns

    def _happen(self, happening: Happening) -> None:
        match happening:
            case Step(size_ns):
                self._real += size_ns
            case Slew(rate_ppt):
                self.slew_ppt = rate_ppt
            case Suspend(span_ns):
                self._stand_still(span_ns)
                self._real += span_ns
                self._boot += span_ns
            case Pause(span_ns):
                self._stand_still(span_ns)
            case BasePause(span_ns):
                self._raw += span_ns
            case Reboot(error_ns):
                self._reboot(error_ns)
            case RateJump(rate_ppt):
                self.rate_ppt += rate_ppt

    def _stand_still(self, span_ns: int) -> None:
        self._raw -= span_ns
        self.at_ns += span_ns

    def _reboot(self, error_ns: int) -> None:
        real = self._raw + self._mono + self._real + error_ns  # REALTIME − base, which survives
        self._raw, self._mono, self._boot = 5 * NS_PER_S - self.at_ns, 0, 0
        self._real = real - self._raw
        self.slew_ppt = 0
        self._start_boot()

    # -- observations ---------------------------------------------------------------------------------

    def truth(self, at_ns: int) -> Truth:
        """Return the true values of the clocks at an instant, exactly."""
        self.advance(at_ns)
        assert self.at_ns == at_ns, "the node sleeps"
        oscillator = self._raw * TRILLION + self._raw_rest
        wall = oscillator + (self._mono + self._real) * TRILLION + self._mono_rest
        return Truth(at_ns, oscillator, wall, self.rate_ppt)

    def exchange(self, departure_ns: int) -> tuple[Exchange, int]:
        """Return one exchange whose request leaves at ``departure_ns``, and when its reply arrives."""
        forward_ns, back_ns = self.path()
        bits, width = self.rng.getrandbits, self._gap_bits
        t_real = departure_ns + forward_ns + bits(width)
        t_raw = t_real + bits(width)
        t_mono = t_raw + bits(width)
        t_boot = t_mono + bits(width)
        t_raw_out = t_boot + bits(width)
        t_real_out = t_raw_out + bits(width)
        moments = (t_real, t_raw, t_mono, t_boot, t_raw_out, t_real_out)
        if self._plain and self._next_ns > t_real_out:
            readings = self._read_plainly(moments)
            self._run(t_real_out)
        else:
            readings = self._read_slowly(moments)
        arrival_ns = t_real_out + back_ns + bits(5)
        slop = bits(24)  # the admin stamps a request early and a reply late, never the other way round
        sent_ns, received_ns = departure_ns - (slop & 4095), arrival_ns + (slop >> 12)
        real_in, raw_in, mono, boot, raw_out, real_out = readings
        if self.program.raw is None:
            real_out = real_in  # a program with one clock reads it once
        return (
            Exchange(sent_ns, received_ns, real_in, real_out, raw_in, raw_out, mono, boot),
            received_ns,
        )

    def _read_plainly(self, moments: tuple[int, ...]) -> tuple[int | None, ...]:
        """Return the six readings, rounded down, of a stretch in which nothing happens."""
        t_real, t_raw, t_mono, t_boot, t_raw_out, t_real_out = moments
        since, rate, both = self.at_ns, self.rate_ppt, self.rate_ppt + self.slew_ppt
        raw, raw_rest = self._raw, self._raw_rest
        mono, mono_rest = raw + self._mono, raw_rest + self._mono_rest
        real = mono + self._real
        return (
            t_real + real + (mono_rest + both * (t_real - since)) // TRILLION,
            t_raw + raw + (raw_rest + rate * (t_raw - since)) // TRILLION,
            t_mono + mono + (mono_rest + both * (t_mono - since)) // TRILLION,
            t_boot + mono + self._boot + (mono_rest + both * (t_boot - since)) // TRILLION,
            t_raw_out + raw + (raw_rest + rate * (t_raw_out - since)) // TRILLION,
            t_real_out + real + (mono_rest + both * (t_real_out - since)) // TRILLION,
        )

    def _read_slowly(self, moments: tuple[int, ...]) -> tuple[int | None, ...]:
        """Return the six readings as the program prints them, whatever happens in between."""
        program = self.program
        kinds = (program.real, program.raw, program.mono, program.boot, program.raw, program.real)
        readings: list[int | None] = []
        for index, (moment, quantum) in enumerate(zip(moments, kinds, strict=True)):
            self.advance(moment)
            now = self._read_plainly((moment,) * 6)[index]
            readings.append(None if quantum is None or now is None else quantised(now, quantum))
        return tuple(readings)

    def exchanges(self, start_ns: int, count: int) -> tuple[tuple[Exchange, ...], int]:
        """Return exchanges back to back from ``start_ns``, and when the last reply has arrived."""
        taken: list[Exchange] = []
        for _ in range(count):
            one, arrived_ns = self.exchange(start_ns)
            taken.append(one)
            start_ns = arrived_ns + 4096  # more than the stamp of the next request may be early
        return tuple(taken), start_ns

    def observe(
        self,
        start_ns: int,
        *,
        samples: int = 8,
        lead_ns: int = MS,
        lag_ns: int = MS,
        tau_ns: int | None = None,
    ) -> Observation:
        """Return a whole burst: ``samples`` exchanges, the common instant, one more exchange.

        Without ``tau_ns`` the instant lies ``lead_ns`` after the opening; ``lag_ns`` later the closing.
        """
        opening, done_ns = self.exchanges(start_ns, samples)
        tau = done_ns + lead_ns if tau_ns is None else tau_ns
        assert tau >= done_ns, "the common instant comes after every opening"
        program, truth = self._program, self.truth(tau)
        closing, _ = self.exchange(tau + 4096 + lag_ns)
        return Observation(Burst(program, opening, closing), tau, truth)


# --- many nodes against one base ---------------------------------------------------------------------


def pause_base(machines: Iterable[Machine], at_ns: int, span_ns: int) -> None:
    """Let the base itself stand still: every node's oscillator seems to leap ahead by as much."""
    for machine in machines:
        machine.schedule(at_ns, BasePause(span_ns))


def observe_round(
    machines: Iterable[Machine], start_ns: int, *, samples: int = 8, lead_ns: int = MS
) -> list[Observation]:
    """Return one round of many nodes, all evaluated at one common instant."""
    nodes = list(machines)
    opened = [(node, *node.exchanges(start_ns, samples), node._program) for node in nodes]
    tau_ns = max(done_ns for _, _, done_ns, _ in opened) + lead_ns
    round_: list[Observation] = []
    for node, opening, _, program in opened:
        truth = node.truth(tau_ns)
        closing, _ = node.exchange(tau_ns + 8192)
        round_.append(Observation(Burst(program, opening, closing), tau_ns, truth))
    return round_
