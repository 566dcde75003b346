"""Runs in a guest, on a serial console that only the test has: reads and sets the guest's clocks.

One line in, one line of integers out; no network, no SSH and no skewmon is involved, so what is read here is
an independent truth, and what is set here is exact.
"""

import ctypes
import sys
import time
import tty

ADJ_FREQUENCY, ADJ_SETOFFSET, ADJ_NANO, ADJ_TICK = 0x0002, 0x0100, 0x2000, 0x4000

#: A tick of USER_HZ=100 in microseconds; each microsecond more is 100 ppm faster.
TICK_US = 10_000


class Timex(ctypes.Structure):
    """struct timex of adjtimex(2) on 64 bits."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        *((name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")),
        ("status", ctypes.c_int),
        *((name, ctypes.c_long) for name in ("constant", "precision", "tolerance", "sec", "nsec", "tick")),
        ("rest", ctypes.c_long * 16),
    ]


def adjust(modes, **fields):
    assert ctypes.CDLL(None).adjtimex(ctypes.byref(Timex(modes, **fields))) >= 0


def read():
    """Return REALTIME, MONOTONIC, RAW and REALTIME again, in this order."""
    return [time.clock_gettime_ns(clock) for clock in (0, 1, 4, 0)]


def step(size_ns):
    """Move REALTIME by exactly so much, independent of the duration: the kernel adds it itself."""
    sec, nsec = divmod(size_ns, 1_000_000_000)
    adjust(ADJ_SETOFFSET | ADJ_NANO, sec=sec, nsec=nsec)
    return []


def settime(real_ns):
    time.clock_settime_ns(time.CLOCK_REALTIME, real_ns)
    return []


def slew(ppm):
    """Let REALTIME and MONOTONIC run fast by so much."""
    ticks, rest = divmod(ppm + 250, 500)
    adjust(ADJ_FREQUENCY | ADJ_TICK, freq=(rest - 250) << 16, tick=TICK_US + 5 * ticks)
    return []


COMMANDS = {"read": read, "step": step, "settime": settime, "slew": slew}


def main():
    tty.setraw(0)
    for line in sys.stdin:
        name, *arguments = line.split()
        print(*COMMANDS[name](*map(int, arguments)), flush=True)


main()
