"""The mean rate of an oscillator over the last minute, while it changes faster than H6 allows.

Two bursts bound the mean rate between them, whatever happened in between. The bursts in between narrow it:
a rate that changes by no more than RESTLESS_PPB_PER_MIN keeps the offset within a parabola about the straight
line from the first burst to the last. All lines that meet every burst so widened make a polygon.
"""

from collections.abc import Sequence
from typing import NamedTuple

from skewmon.clock.interval import UNKNOWN_RATE
from skewmon.clock.line import Point
from skewmon.clock.oscillator import Constraint
from skewmon.clock.polygon import Polygon
from skewmon.model import NS_PER_S

#: A fan that starts beside a crystal moves it by 1,000 ppb a minute; three times that.
RESTLESS_PPB_PER_MIN = 3000

#: Over this time a mean rate is wanted: five rounds of the default interval. Longer ones lag behind a rate
#: that changes, shorter ones are uncertain.
SPAN_NS = 75 * NS_PER_S

#: Divides ppb a minute times ns²: by two, by the parts in a billion, by the nanoseconds of a minute.
_HALF_PPB_PER_MIN = 2 * 10**9 * 60 * NS_PER_S


class Chord(NamedTuple):
    """Bounds of a mean rate, and the bursts that it rests on."""

    lower: float
    upper: float
    samples: int


def chord(points: Sequence[Point], least: int) -> Chord | None:
    """Return the mean rate over the last SPAN_NS, and over ``least`` bursts at the least (newest first).

    The oldest bursts are dropped until a line is left; None if there is none.
    """
    count = sum(points[0].at_ns - point.at_ns <= SPAN_NS for point in points)
    count = min(max(count, least), len(points))
    while count >= least:
        lines = _lines(points[:count])
        if lines is not None:
            return Chord(*lines.rate(), count)
        count = count * 3 // 4
    return None


def _lines(points: Sequence[Point]) -> Polygon | None:
    last, first = points[0], points[-1]
    newest = last.interval
    box = Polygon.box(last.at_ns, newest.lower_ns, newest.upper_ns, UNKNOWN_RATE)
    if box is None:
        return None
    bands = []
    for point in reversed(points[1:]):  # the oldest cuts most
        bend = (last.at_ns - point.at_ns) * (point.at_ns - first.at_ns) * RESTLESS_PPB_PER_MIN
        slack_ns = -(-bend // _HALF_PPB_PER_MIN)
        seen = point.interval
        bands.append((point.at_ns - last.at_ns, seen.lower_ns - slack_ns, seen.upper_ns + slack_ns))
    return box.clipped(bands)


def shows_no_bend(since_ns: int, now: Constraint) -> bool:
    """Return whether a rate that changes by RESTLESS_PPB_PER_MIN still leaves a straight line.

    The hardest to see is one that falls and rises again: a line stays within a 24th of the bend of one that
    only falls, which must be less than half a burst's width.
    """
    bend_ns = (now.at_ns - since_ns) ** 2 * RESTLESS_PPB_PER_MIN // _HALF_PPB_PER_MIN
    return bend_ns < 12 * (now.upper_ns - now.lower_ns)


def bent(span_ns: int) -> float:
    """Return how far a least-squares slope may be from the mean rate over the same time.

    A sixteenth of the change of the rate, if it falls in one half of the time and rises in the other.
    """
    return span_ns * RESTLESS_PPB_PER_MIN / (16 * 60 * NS_PER_S * 10**9)
