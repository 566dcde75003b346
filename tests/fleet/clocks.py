"""Clocks whose truth is known to the nanosecond, for any process that preloads ``shim.c``.

A clock is a chain of segments. In each, every one of the node's clocks is a straight line over the *base*,
the machine's own CLOCK_MONOTONIC_RAW: ``reading + elapsed + floor(elapsed × rate / 10¹²)``, in integers. The
shim evaluates the same line from the same integers, so that ``truth()`` is exact and not an estimate.
"""

import mmap
import os
import shutil
import struct
import subprocess
import tempfile
import time
import uuid
from bisect import bisect_right
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

NS_PER_S = 1_000_000_000

#: Rates are whole parts per 10¹²: a millionth of a ppm.
RATE_ONE = 10**12
RATE_PER_PPM = 10**6

ClockName = Literal["real", "mono", "raw", "boot"]
CLOCK_NAMES: tuple[ClockName, ...] = ("real", "mono", "raw", "boot")

HEADER = struct.Struct("=QQq")  # sequence, shift_stamps, tai_ns
SEGMENT = struct.Struct("=q4q4q")  # origin, readings, rates
SIZE = HEADER.size + 2 * SEGMENT.size


@cache
def build(name: str, *sources: str) -> Path:
    """Compile the preloaded library ``name`` from the C files beside this one and return its path."""
    here = Path(__file__).parent
    built = Path(tempfile.gettempdir()) / f"skewmon-fleet-{os.getuid()}"
    built.mkdir(mode=0o755, exist_ok=True)
    newest = max(path.stat().st_mtime_ns for path in (*here.glob("*.c"), *here.glob("*.h")))
    library = built / f"{name}-{newest}.so"
    if not library.exists():
        compiler = shutil.which("gcc") or shutil.which("cc")
        assert compiler, "the fleet needs a C compiler: install gcc and libc6-dev"
        partial = library.with_suffix(f".{os.getpid()}")  # several test runs may build at once
        command = [compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(partial)]
        subprocess.run([*command, *(str(here / source) for source in sources)], check=True)
        partial.rename(library)
    return library


def shim() -> Path:
    """Return the preloaded library that gives a process clocks of its own."""
    return build("shim", "shim.c", "boot_id.c")


def base_ns() -> int:
    """Read the base."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


@dataclass(frozen=True, slots=True)
class Segment:
    """Straight lines for every clock of the node from ``origin_ns`` of the base on."""

    origin_ns: int
    readings_ns: tuple[int, int, int, int]  # in the order of CLOCK_NAMES
    drift_e12: int = 0
    slew_e12: int = 0

    @property
    def rates_e12(self) -> tuple[int, int, int, int]:
        """The rate of every clock against the base; a slewed clock gains on a drifting oscillator.

        BOOTTIME is MONOTONIC and the time slept, so it is slewed with it.
        """
        slewed = self.drift_e12 + self.slew_e12 + self.drift_e12 * self.slew_e12 // RATE_ONE
        return (slewed, slewed, self.drift_e12, slewed)

    def at(self, base: int) -> tuple[int, int, int, int]:
        """Read every clock at an instant of the base."""
        elapsed = base - self.origin_ns
        real, mono, raw, boot = (
            reading + elapsed + elapsed * rate // RATE_ONE
            for reading, rate in zip(self.readings_ns, self.rates_e12, strict=True)
        )
        return real, mono, raw, boot

    def packed(self) -> bytes:
        """Return the record as ``struct segment`` of the shim."""
        return SEGMENT.pack(self.origin_ns, *self.readings_ns, *self.rates_e12)


def kernel_now() -> Segment:
    """Return the machine's own clocks as a segment; nodes that share one differ by their settings."""
    ids = (time.CLOCK_REALTIME, time.CLOCK_MONOTONIC, time.CLOCK_MONOTONIC_RAW, time.CLOCK_BOOTTIME)
    real, mono, raw, boot = (time.clock_gettime_ns(one) for one in ids)
    return Segment(raw, (real, mono, raw, boot))


def in_e12(ppm: int | str | Fraction) -> int:
    """Turn ppm (a whole number, a decimal in quotes or a fraction) into the record's unit; never rounds."""
    rate = Fraction(ppm) * RATE_PER_PPM
    assert rate.denominator == 1, f"{ppm} ppm is finer than a millionth of a ppm"
    return rate.numerator


class KnownClock:
    """The clocks of one node: moved by the test, read by processes with ``environment()``.

    ``offset_ns`` is how far REALTIME is ahead of the origin's, ``uptime_ns`` how much longer than the
    machine itself the node has been up.
    """

    def __init__(
        self, path: Path, origin: Segment | None = None, *, offset_ns: int = 0, uptime_ns: int = 0
    ) -> None:
        self.path = path
        start = origin or kernel_now()
        real, mono, raw, boot = start.readings_ns
        readings = (real + offset_ns, mono + uptime_ns, raw + uptime_ns, boot + uptime_ns)
        self._segments = [replace(start, readings_ns=readings)]
        tai_ns = time.clock_gettime_ns(time.CLOCK_TAI) - time.clock_gettime_ns(time.CLOCK_REALTIME)
        self._tai_ns = round(tai_ns / NS_PER_S) * NS_PER_S
        self._stamps = False
        path.write_bytes(bytes(SIZE))
        path.chmod(0o644)
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), SIZE)
        self._sequence = memoryview(self._map)[:8].cast("Q")
        self._publish(self._segments[0])
        self._begin_boot()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the control file; its readers keep the last record."""
        self._sequence.release()
        self._map.close()

    def environment(self, path: str | None = None) -> dict[str, str]:
        """Return the environment variables with which a process sees this clock."""
        return {"LD_PRELOAD": str(shim()), "FLEET_CLOCK": path or str(self.path)}

    # --- changes by the test -------------------------------------------------------------------

    def step(self, ns: int) -> None:
        """Set REALTIME ahead by ``ns`` at once, as clock_settime does."""
        self._change(step_ns=(ns, 0, 0, 0))

    def slew(self, ppm: int | str | Fraction) -> None:
        """Steer REALTIME and MONOTONIC at ``ppm``, as adjtimex does; 0 ends it."""
        self._change(slew_e12=in_e12(ppm))

    def drift(self, ppm: int | str | Fraction) -> None:
        """Let the oscillator, and so every clock, run ``ppm`` fast from now on."""
        self._change(drift_e12=in_e12(ppm))

    def suspend(self, seconds: int) -> None:
        """Let the node have slept: BOOTTIME and REALTIME went on, MONOTONIC and RAW stood still."""
        slept_ns = seconds * NS_PER_S
        self._change(step_ns=(slept_ns, 0, 0, slept_ns))

    def pause(self, seconds: int) -> None:
        """Let the node have been stopped by its hypervisor: every clock stood still."""
        lost_ns = -seconds * NS_PER_S
        self._change(step_ns=(lost_ns, lost_ns, lost_ns, lost_ns))

    def reboot(self) -> None:
        """Start the clocks that count from boot again at zero, under a new boot_id; REALTIME goes on."""
        _, mono, raw, boot = self._segments[-1].at(base_ns())
        self._begin_boot()
        self._change(step_ns=(0, -mono, -raw, -boot))

    def shift_kernel_stamps(self, *, on: bool) -> None:
        """Also shift SCM_TIMESTAMPNS, as on a machine whose kernel's clock is the wrong one."""
        self._stamps = on
        self._change()

    # --- the truth ------------------------------------------------------------------------

    def reading(self, clock: ClockName, base: int) -> int:
        """Return the reading of ``clock``, in the future if nothing is changed, at an instant of the base."""
        index = bisect_right(self._segments, base, key=lambda segment: segment.origin_ns) - 1
        return self._segments[max(index, 0)].at(base)[CLOCK_NAMES.index(clock)]

    def truth(self, base: int) -> int:
        """Return REALTIME at an instant of the base."""
        return self.reading("real", base)

    def truth_offset_at(self, base: int) -> int:
        """Return REALTIME minus the base at an instant of the base."""
        return self.truth(base) - base

    @property
    def changes(self) -> int:
        """How often the clock was changed."""
        return len(self._segments) - 1

    # --- the record --------------------------------------------------------------------------------

    def _change(
        self,
        step_ns: tuple[int, int, int, int] = (0, 0, 0, 0),
        drift_e12: int | None = None,
        slew_e12: int | None = None,
    ) -> None:
        """Begin a new segment now; readers of the old one had read the base before its origin."""
        last = self._segments[-1]
        self._sequence[0] += 1
        origin_ns = base_ns()
        real, mono, raw, boot = (
            reading + step for reading, step in zip(last.at(origin_ns), step_ns, strict=True)
        )
        segment = Segment(
            origin_ns,
            (real, mono, raw, boot),
            last.drift_e12 if drift_e12 is None else drift_e12,
            last.slew_e12 if slew_e12 is None else slew_e12,
        )
        self._write(segment, last)
        self._sequence[0] += 1
        self._segments.append(segment)

    def _begin_boot(self) -> None:
        """Give the node another boot_id than any machine or boot has had."""
        self.path.with_name(f"{self.path.name}.boot_id").write_text(f"{uuid.uuid4()}\n")

    def _publish(self, first: Segment) -> None:
        self._sequence[0] += 1
        self._write(first, first)
        self._sequence[0] += 1

    def _write(self, now: Segment, before: Segment) -> None:
        body = struct.pack("=Qq", self._stamps, self._tai_ns) + now.packed() + before.packed()
        self._map[8:] = body
