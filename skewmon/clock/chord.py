"""The mean rate of an oscillator over the last minute, while it changes faster than H6 allows.

Two bursts bound the mean rate between them, whatever happened in between. The bursts in between narrow it:
a rate that changes by no more than RESTLESS_PPB_PER_MIN keeps the offset within a parabola about the straight
line from the first burst to the last. So a line that meets every burst so widened has that mean rate.
"""

from collections.abc import Sequence
from typing import NamedTuple

from skewmon.clock.interval import UNKNOWN_RATE
from skewmon.clock.line import Point
from skewmon.clock.oscillator import Constraint
from skewmon.clock.slopes import Band, slopes
from skewmon.model import NS_PER_S

#: A fan that starts beside a crystal moves it by 1,000 ppb a minute; three times that.
RESTLESS_PPB_PER_MIN = 3000

#: Over this time a mean rate is wanted: five rounds of the default interval. Longer ones lag behind a rate
#: that changes, shorter ones are uncertain.
SPAN_NS = 75 * NS_PER_S

#: Divides ppb a minute times ns²: by two, by the parts in a billion, by the nanoseconds of a minute.
_HALF_PPB_PER_MIN = 2 * 10**9 * 60 * NS_PER_S

#: Divides ns², and gives the bend by such a change.
_BEND = _HALF_PPB_PER_MIN // RESTLESS_PPB_PER_MIN


class Chord(NamedTuple):
    """Bounds of a mean rate, and the bursts that it rests on."""

    lower: float
    upper: float
    samples: int


def chord(points: Sequence[Point], least: int) -> Chord | None:
    """Return the mean rate over the last SPAN_NS, and over ``least`` bursts at the least (newest first).

    The oldest bursts are dropped until a line is left; None if there is none.
    """
    count = sum([points[0].at_ns - at_ns <= SPAN_NS for at_ns, _, _ in points])
    count = min(max(count, least), len(points))
    while count >= least:
        bands = _bands(points[:count])
        found = slopes(bands, UNKNOWN_RATE.lower_ppb / NS_PER_S, UNKNOWN_RATE.upper_ppb / NS_PER_S)
        if found is not None:
            return Chord(found.least, found.greatest, count)
        count = count * 3 // 4
    return None


def _bands(points: Sequence[Point]) -> list[Band]:
    """Return the bursts, each widened by the bend between the first and the last of them; oldest first."""
    last_ns, zero_ns, _ = points[0]
    first_ns = points[-1].at_ns
    bands = []
    for at_ns, offset_ns, width_ns in reversed(points):
        reach_ns = (width_ns + 1) // 2 - (last_ns - at_ns) * (first_ns - at_ns) // _BEND
        middle_ns = offset_ns - zero_ns
        bands.append((at_ns - last_ns, middle_ns - reach_ns, middle_ns + reach_ns))
    return bands


def shows_no_bend(since_ns: int, now: Constraint) -> bool:
    """Return whether a rate that changes by RESTLESS_PPB_PER_MIN still leaves a straight line.

    The hardest to see is one that falls and rises again: a line stays within a 24th of the bend of one that
    only falls, which must be less than half a burst's width.
    """
    bend_ns = (now.at_ns - since_ns) ** 2 // _BEND
    return bend_ns < 12 * (now.upper_ns - now.lower_ns)


def bent(span_ns: int) -> float:
    """Return how far a least-squares slope may be from the mean rate over the same time.

    A sixteenth of the change of the rate, if it falls in one half of the time and rises in the other.
    """
    return span_ns * RESTLESS_PPB_PER_MIN / (16 * 60 * NS_PER_S * 10**9)
