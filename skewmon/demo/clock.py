"""The clocks of a simulated node: straight lines over this machine's own CLOCK_MONOTONIC_RAW."""

import time
from dataclasses import dataclass

from skewmon.model import NS_PER_S


@dataclass(frozen=True, slots=True)
class Step:
    """A jump of the wall clock, ``after_s`` after the start of the simulation."""

    after_s: float
    by_ns: int


@dataclass(frozen=True, slots=True)
class ClockOrigin:
    """This machine's clocks at the start; nodes share it, so that only their own errors set them apart."""

    base_ns: int
    real_ns: int

    @classmethod
    def now(cls) -> "ClockOrigin":
        """Read the clocks."""
        return cls(base_ns(), time.time_ns())


@dataclass(frozen=True, slots=True)
class ClockReading:
    """Every clock of a node at one instant, in nanoseconds, rounded down."""

    real_ns: int
    raw_ns: int
    mono_ns: int
    boot_ns: int


@dataclass(frozen=True, slots=True)
class SimulatedClock:
    """REALTIME, MONOTONIC_RAW, MONOTONIC and BOOTTIME of one node.

    ``offset_ns`` is how far the wall clock is ahead at the start, ``drift_ppb`` how fast the oscillator runs,
    which moves every clock, ``slew_ppb`` how its time daemon steers REALTIME and MONOTONIC on top of that.
    """

    origin: ClockOrigin
    offset_ns: int = 0
    drift_ppb: int = 0
    slew_ppb: int = 0
    steps: tuple[Step, ...] = ()
    uptime_ns: int = 40 * 86_400 * NS_PER_S  # at the start

    def read(self, base: int) -> ClockReading:
        """Return the node's clocks at an instant of the base."""
        elapsed = base - self.origin.base_ns
        oscillator = elapsed + elapsed * self.drift_ppb // NS_PER_S
        steered = elapsed + elapsed * (self.drift_ppb + self.slew_ppb) // NS_PER_S
        return ClockReading(
            real_ns=self.origin.real_ns + self.offset_ns + steered + self._stepped_ns(elapsed),
            raw_ns=self.uptime_ns + oscillator,
            mono_ns=self.uptime_ns + steered,
            boot_ns=self.uptime_ns + steered,
        )

    def _stepped_ns(self, elapsed: int) -> int:
        return sum(step.by_ns for step in self.steps if elapsed >= step.after_s * NS_PER_S)


def base_ns() -> int:
    """Return this machine's oscillator now."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
