"""The slopes of all straight lines that meet several bursts.

A burst encloses an oscillator's offset at one instant: a *band*. No line that meets two bands rises by more
than from the lower end of the earlier to the upper end of the later one, nor by less than from the upper end
of the earlier to the lower end of the later one. The tightest of these limits are the answer.

They are found without comparing all pairs. Seen along a slope, the bands leave a gap between the lowest of
their upper ends and the highest of their lower ends. The gap is a concave function of the slope, and a slope
is possible if it is not negative. Newton's method, begun at a limit that is too far out, comes to the true
one in two or three strides: each stride leads to the limit that the two bands at the gap set.

Floating point is safe here: every limit is one of two bands, whichever they are, and rounded outwards; and a
gap counts as negative beyond MARGIN_NS alone. The ends at the gap are within REACH_NS of each other, so that
no term exceeds 2**41 ns and the gap errs by less than 2**-9 ns.
"""

from collections.abc import Sequence
from math import inf, nextafter
from typing import NamedTuple

#: Lines that miss a band by less than this count as meeting it.
MARGIN_NS = 1.0

#: The greatest width of the newest burst, and span times rate, that the margin is good for: 18 minutes.
REACH_NS = 2**40

#: ``dt_ns`` from the newest burst the offset lies between two ends, relative to an offset of that burst.
Band = tuple[int, int, int]


class Slopes(NamedTuple):
    """The least and the greatest slope of all lines that meet several bands.

    ``touched`` has the numbers of the bands that the lines of these two slopes touch.
    """

    least: float
    greatest: float
    touched: tuple[int, ...]

    def has_side(self, bands: Sequence[Band], number: int) -> bool:
        """Return whether one of the lines touches an end of a band.

        Of two lower ends, a line that is flat enough is nearer to the later one; of two upper ends, one
        that is steep enough.
        """
        if number in self.touched:
            return True
        dt = bands[number][0]
        for end in (1, 2):
            own = bands[number][end]
            earlier = [(own - one[end]) / (dt - one[0]) for one in bands[:number] if one[0] != dt]
            later = [(own - one[end]) / (dt - one[0]) for one in bands[number + 1 :] if one[0] != dt]
            at_least, at_most = (later, earlier) if end == 1 else (earlier, later)
            if max([self.least, *at_least]) <= min([self.greatest, *at_most]):
                return True
        return False


def slopes(bands: Sequence[Band], least: float, greatest: float) -> Slopes | None:
    """Return the slopes between two limits of all lines that meet all bands; None if no line does.

    The bands are in the order of time.
    """
    (first, first_lower, first_upper), (last, last_lower, last_upper) = bands[0], bands[-1]
    if (run_ns := last - first) > 0:
        least = max(least, nextafter((last_lower - first_upper) / run_ns, -inf))
        greatest = min(greatest, nextafter((last_upper - first_lower) / run_ns, inf))
    steepest = _limit(bands, greatest, 1)
    flattest = _limit(bands, least, -1) if steepest else None
    if steepest is None or flattest is None or flattest[0] > steepest[0]:
        return None
    return Slopes(flattest[0], steepest[0], (*flattest[1:], *steepest[1:]))


def _limit(bands: Sequence[Band], slope: float, outwards: int) -> tuple[float, int, int] | None:
    """Return the limit on one side of the possible slopes, none of which is beyond ``slope``.

    With it come the numbers of the bands whose lower and upper end a line of this slope touches.
    """
    while True:
        lowers = [lower - slope * dt for dt, lower, _ in bands]
        uppers = [upper - slope * dt for dt, _, upper in bands]
        highest, lowest = max(lowers), min(uppers)
        one, other = lowers.index(highest), uppers.index(lowest)
        if highest - lowest <= MARGIN_NS:
            return slope, one, other
        run_ns = bands[other][0] - bands[one][0]
        if run_ns * outwards <= 0:
            return None  # the two exclude this slope and all on its inner side
        slope = nextafter((bands[other][2] - bands[one][1]) / run_ns, outwards * inf)
