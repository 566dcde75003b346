"""A weighted straight line through the middles of bursts, and whether they scatter about it like noise."""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import NamedTuple

from skewmon.model import Interval

#: Student's t for 99.9 % two-sided by degrees of freedom; in between, the next smaller one holds.
STUDENT_T = ((30, 3.646), (20, 3.850), (15, 4.073), (12, 4.318), (10, 4.587), (8, 5.041), (6, 5.959))
STUDENT_T_FEWEST = 12.924  # three degrees of freedom


class Point(NamedTuple):
    """The middle of one burst's offset, and its width as a measure of trust."""

    at_ns: int
    offset_ns: int
    width_ns: int

    @property
    def interval(self) -> Interval:
        """The burst's offset; either end up to a nanosecond outside of it."""
        return Interval.around(self.offset_ns, (self.width_ns + 1) // 2)


def line(points: Sequence[Point]) -> tuple[float, float, list[float]]:
    """Return slope, half-width of its confidence interval, and residuals of a weighted line."""
    # Loops instead of sums of generators, which take twice as long: each node has its line drawn each round.
    first_ns, zero_ns, _ = points[0]
    narrowest = min([point.width_ns for point in points]) + 1
    weighted = [
        ((narrowest / (width_ns + 1)) ** 2, float(at_ns - first_ns), float(offset_ns - zero_ns))
        for at_ns, offset_ns, width_ns in points
    ]
    total = x_mean = y_mean = 0.0
    for w, x, y in weighted:
        total += w
        x_mean += w * x
        y_mean += w * y
    x_mean, y_mean = x_mean / total, y_mean / total
    spread = slope = variance = 0.0
    for w, x, y in weighted:
        weight = w * (x - x_mean)
        spread += weight * (x - x_mean)
        slope += weight * y
    slope /= spread
    residuals = [y - y_mean - slope * (x - x_mean) for _, x, y in weighted]
    for (w, _, _), residual in zip(weighted, residuals, strict=True):
        variance += w * residual * residual
    variance /= len(points) - 2
    return slope, _student_t(len(points) - 2) * sqrt(variance / spread), residuals


def _student_t(freedom: int) -> float:
    return next((t for least, t in STUDENT_T if freedom >= least), STUDENT_T_FEWEST)


def is_random(residuals: Sequence[float]) -> bool:
    """Whether residuals change sign as often as noise does (Wald and Wolfowitz's runs test, 5 %)."""
    signs = [residual > 0 for residual in residuals]
    above = signs.count(True)
    below = len(signs) - above
    if not above or not below:
        return True
    runs = 1 + [one != other for one, other in pairwise(signs)].count(True)
    both, count = 2 * above * below, len(signs)
    mean = both / count + 1
    deviation = sqrt(both * (both - count) / (count * count * (count - 1)))
    return runs >= mean - 1.645 * deviation
