"""The admin box's own clocks: the base, and kernel receive stamps brought onto it.

The base is CLOCK_MONOTONIC_RAW: no daemon steps or steers it, so the admin box's own time daemon cannot
disturb a measurement. The kernel stamps arrivals in CLOCK_REALTIME, so each stamp is converted by its age:
``arrival = base now − (REALTIME now − stamp)``. That holds only while REALTIME was not stepped between the
arrival and the conversion, and only if the REALTIME that this process reads is the one that the kernel
stamps with; both are checked rather than assumed.
"""

import socket
import struct
import time

from skewmon.model import NS_PER_S, Interval

#: Linux on every architecture but parisc and sparc; Python has no name for it.
SO_TIMESTAMPNS = 35

#: Room for one control message that carries a timespec.
ANCILLARY_BYTES = socket.CMSG_SPACE(16)

_TIMESPEC = struct.Struct("@ll")

#: A step of the admin box's REALTIME below this is absorbed by adding it to every converted stamp; a larger
#: one shows in REALTIME − MONOTONIC and the stamp is dropped. Three clock reads in a row take under 1 µs.
STEP_TOLERANCE_NS = 2_000

#: A stamp older than this did not just wait in a socket buffer: the clocks disagree, and it is dropped.
OLDEST_STAMP_NS = NS_PER_S

#: Being interrupted between two reads is common on a busy machine; five times in a row means that the kernel
#: stamps with another clock than the one this process reads.
CALIBRATION_TRIES = 5

#: How long a calibration serves. A step in between is seen by every conversion; this only bounds how long a
#: kernel clock that runs away from the process's own could go unseen.
CALIBRATION_AGE_NS = NS_PER_S


def base_ns() -> int:
    """Return the base now."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


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
    """Brings kernel receive stamps onto the base, or refuses where that could break a bound."""

    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self._mark: int | None = None  # REALTIME − MONOTONIC, which only a step changes
        self._calibrated_ns = 0

    def calibrate(self) -> None:
        """Check against a message to oneself that the kernel stamps with the REALTIME that is read here."""
        now = base_ns()
        if not self.enabled or (self._mark is not None and now - self._calibrated_ns < CALIBRATION_AGE_NS):
            return
        self._mark = self._probe()
        self._calibrated_ns = now

    def arrival_ns(self, stamp_ns: int) -> int | None:
        """Return an upper limit of the arrival on the base, or None where the stamp cannot be trusted.

        REALTIME is read before the base: an interruption between the two then makes the arrival later,
        never earlier, than the truth.
        """
        if self._mark is None:
            return None
        wall = time.time_ns()
        now = base_ns()
        if abs(wall - time.monotonic_ns() - self._mark) > STEP_TOLERANCE_NS:
            return None
        age = wall - stamp_ns
        return now - age + STEP_TOLERANCE_NS if 0 <= age <= OLDEST_STAMP_NS else None

    @staticmethod
    def _probe() -> int | None:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with near, far:
            far.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            for _ in range(CALIBRATION_TRIES):
                sent = time.time_ns()
                near.send(b".")
                _, ancillary, _, _ = far.recvmsg(1, ANCILLARY_BYTES)
                wall = time.time_ns()
                monotonic = time.monotonic_ns()
                stamp = kernel_stamp(ancillary)
                if stamp is not None and sent <= stamp <= wall:
                    return wall - monotonic
        return None
