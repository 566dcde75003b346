"""The admin box's own clocks: the base, and kernel receive stamps converted to it.

The base is CLOCK_MONOTONIC_RAW: no daemon steps or steers it, so the admin box's own time daemon cannot
disturb a measurement. The kernel stamps arrivals in CLOCK_REALTIME, so each stamp is converted by the
difference of the two clocks *at the arrival*. That difference was read before, at the last send, and it is
read after, at the conversion. In between, REALTIME may have been stepped once or steered one way, so the
difference was between these readings, and the lowest of them gives the latest arrival. A step of the admin
box's clock, or a slew at the limit (8 % by chrony's default), then makes an interval wider and never wrong.

All this holds only if the REALTIME that this process reads is the one that the kernel stamps with, which is
checked rather than assumed.
"""

import socket
import struct
import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

from skewmon.clock.burst import TRIM_PPB
from skewmon.clock.interval import age_slack_ns
from skewmon.model import NS_PER_S, Interval

#: Linux on every architecture but parisc and sparc; Python has no name for it.
SO_TIMESTAMPNS = 35

#: Room for one control message that carries a timespec.
ANCILLARY_BYTES = socket.CMSG_SPACE(16)

#: The kernel may change it while it runs: a processor's counter that proves unsteady is given up.
OWN_CLOCKSOURCE = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")

Answer = TypeVar("Answer")

_TIMESPEC = struct.Struct("@ll")

#: Stamp and readings are whole nanoseconds rounded down, each.
QUANTA_NS = 2

#: A stamp older than this did not only wait in a socket buffer: the clocks disagree, and it is dropped.
OLDEST_STAMP_NS = NS_PER_S

#: A reading is kept for each send. Between an arrival and its conversion no more than a burst of every far
#: node is sent (FAR_AT_ONCE of phase.py); if the readings do not reach back, the stamp is dropped.
KEPT_READINGS = 512

#: The rate at which REALTIME is steered is taken from readings at least this far apart. An interruption
#: between the two reads of one costs some microseconds, which must not look like a rate.
STEERING_GAP_NS = 50_000
READ_NOISE_NS = 3_000

#: A steering that was seen counts for this long: a time daemon that slews one way may turn at any moment.
STEERING_MEMORY_NS = NS_PER_S

#: Linux steers by 100,000 ppm at most (man adjtimex: tick and freq).
STEERING_MAX_PPB = 100_000_000

#: Being interrupted between two reads is common on a busy machine; five times in a row means that the kernel
#: stamps with another clock than the one that this process reads.
CALIBRATION_TRIES = 5

#: How long a calibration serves; it bounds how long a kernel clock that runs away from the process's own
#: could go unnoticed.
CALIBRATION_AGE_NS = NS_PER_S


def base_ns() -> int:
    """Return the base now."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


@cache
def own_boot_id() -> str:
    """Return the boot_id of this kernel, or nothing if it has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def own_clocksource() -> str:
    """Return the clock source of the base at present, or nothing if the kernel does not publish it."""
    try:
        return OWN_CLOCKSOURCE.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def own_sleep_ns() -> int:
    """Return how long the admin box has slept since its boot: BOOTTIME minus MONOTONIC, at most so much.

    An interruption between the two reads adds to it, hence the least of a few.
    """
    slept = []
    for _ in range(CALIBRATION_TRIES):
        awake_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        slept.append(time.clock_gettime_ns(time.CLOCK_BOOTTIME) - awake_ns)
    return min(slept)


def admin_wall() -> Interval:
    """Return the admin box's REALTIME minus the base, from reads of the base that bracket it."""
    before = base_ns()
    wall = time.time_ns()
    after = base_ns()
    return Interval(wall - after - 1, wall + 1 - before)


def kernel_stamp(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    """Return the REALTIME of arrival that the kernel attached to a message, or None."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            return int(seconds) * NS_PER_S + int(nanoseconds)
    return None


class ArrivalClock:
    """Converts kernel receive stamps to the base, or refuses if that could break a bound."""

    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self.doubts = 0  # how often stamps turned out to be another clock's
        self._is_kernels = False  # whether this process reads the clock that the kernel stamps with
        self._calibrated_ns = 0
        self._readings: deque[tuple[int, int]] = deque(maxlen=KEPT_READINGS)  # REALTIME, base
        self._steering_ppb = 0  # the fastest that REALTIME was seen to run from the base lately
        self._steering_seen_ns = 0

    def calibrate(self) -> None:
        """Check with a message to this process that the kernel stamps with the REALTIME that is read here."""
        now = base_ns()
        if not self.enabled or (self._is_kernels and now - self._calibrated_ns < CALIBRATION_AGE_NS):
            return
        self._check()
        self._calibrated_ns = now

    def confirm(self) -> None:
        """Check again: a clock of this process that left the kernel's meanwhile is a doubt.

        No stamp is used then until the next calibration.
        """
        if self._is_kernels:
            self._check()

    def _check(self) -> None:
        agree = self._stamps_agree()
        if self._is_kernels and not agree:
            self.doubts += 1
        self._is_kernels = agree

    async def believed(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return an answer, asked for again if a doubt about the stamps that it rests on came up."""
        doubts = self.doubts
        answer = await ask()
        self.confirm()
        return answer if self.doubts == doubts else await ask()

    def departure_ns(self) -> int:
        """Return the base now, before something is sent, and note how REALTIME differs from it."""
        wall = time.time_ns()
        now = base_ns()
        self._note_steering(wall, now)
        self._readings.append((wall, now))
        return now

    def arrival_ns(self, stamp_ns: int) -> int | None:
        """Return an upper limit of the arrival on the base, or None if the stamp cannot be trusted.

        REALTIME is read before the base, here as in ``departure_ns``: an interruption between the two then
        makes the arrival later, never earlier, than the truth. A reading below the stamp was taken before the
        arrival, or REALTIME was stepped back since the arrival: then the reading itself is low, and safe.

        Between two readings REALTIME may have been steered one way and then the other, if it was steered
        lately: it may then have been lower than at both by half the span at that rate.
        """
        if not self._is_kernels:
            return None
        wall = time.time_ns()
        now = base_ns()
        if not 0 <= wall - stamp_ns <= OLDEST_STAMP_NS:
            return None
        lowest = wall - now
        for then_wall, then in reversed(self._readings):
            lowest = min(lowest, then_wall - then)
            if then_wall < stamp_ns:
                slack_ns = age_slack_ns(now - then, TRIM_PPB + self._steering_ppb // 2)
                return stamp_ns - lowest + slack_ns + QUANTA_NS
        return None

    def _note_steering(self, wall: int, now: int) -> None:
        if not self._readings:
            return
        then_wall, then = self._readings[-1]
        if now - then < STEERING_GAP_NS:
            return
        moved_ns = abs((wall - now) - (then_wall - then)) - READ_NOISE_NS
        rate_ppb = min(STEERING_MAX_PPB, max(0, moved_ns) * NS_PER_S // (now - then))
        if rate_ppb >= self._steering_ppb or now - self._steering_seen_ns > STEERING_MEMORY_NS:
            self._steering_ppb, self._steering_seen_ns = rate_ppb, now

    @staticmethod
    def _stamps_agree() -> bool:
        try:
            near, far = _own_sockets()
            for _ in range(CALIBRATION_TRIES):
                sent = time.time_ns()
                token, received = sent.to_bytes(8, "big"), b""
                near.send(token)
                while received != token:  # an interrupted check may have left its message
                    received, ancillary, _, _ = far.recvmsg(len(token), ANCILLARY_BYTES)
                stamp = kernel_stamp(ancillary)
                if stamp is not None and sent <= stamp <= time.time_ns():
                    return True
        except OSError:  # no descriptor left: without stamps the intervals are wider this time
            pass
        return False


@cache
def _own_sockets() -> tuple[socket.socket, socket.socket]:
    """Return two connected sockets of this process, kept for good: each node needs them twice a round."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    near.settimeout(0)
    far.settimeout(0)
    far.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    return near, far
