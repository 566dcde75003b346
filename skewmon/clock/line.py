"""A weighted straight line through the middles of bursts, and whether they scatter about it like noise.

The line follows from sums over the bursts. They are whole numbers: a burst is added and the oldest subtracted
without any rounding, so that sums are carried on from round to round.
"""

import struct
from collections.abc import Sequence
from math import sqrt
from operator import ne
from typing import NamedTuple

#: How many rounds a line and a correction's rate look back: about eight minutes at 15 s.
WINDOW = 32

#: Student's t for 99.9 % two-sided by degrees of freedom; in between, the next smaller one holds.
STUDENT_T = ((30, 3.646), (20, 3.850), (15, 4.073), (12, 4.318), (10, 4.587), (8, 5.041), (6, 5.959))
STUDENT_T_FEWEST = 12.924  # three degrees of freedom

#: A burst weighs this by its width squared: the widest burst of a slow node, 2**40 ns, still to five digits.
WHOLE_WEIGHT = 2**96

#: A packed point: its three numbers as 64-bit integers.
_POINT = struct.Struct("=3q")
_WINDOW_BYTES = WINDOW * _POINT.size


class Point(NamedTuple):
    """The middle of one burst's offset, and its width as a measure of trust."""

    at_ns: int
    offset_ns: int
    width_ns: int


class Sums(NamedTuple):
    """Weights of bursts and their products with instants and offsets, added up; exact."""

    weight: int = 0
    at: int = 0
    offset: int = 0
    at_at: int = 0
    at_offset: int = 0
    offset_offset: int = 0

    def after(self, added: Sequence[Point], removed: Sequence[Point]) -> "Sums":
        """Return the sums with some bursts more and others less."""
        weight, at, offset, at_at, at_offset, offset_offset = self
        for points, sign in ((added, 1), (removed, -1)):
            for at_ns, offset_ns, width_ns in points:
                w = sign * (WHOLE_WEIGHT // (width_ns + 1) ** 2 or 1)
                weight += w
                at += w * at_ns
                offset += w * offset_ns
                at_at += w * at_ns * at_ns
                at_offset += w * at_ns * offset_ns
                offset_offset += w * offset_ns * offset_ns
        return Sums(weight, at, offset, at_at, at_offset, offset_offset)


class Track(NamedTuple):
    """The last bursts of a clock, newest first, and the sums over them; bounded, and a value.

    The bursts are packed: thousands of nodes have a track each, and as objects its points take 5 KiB.
    """

    packed: bytes = b""
    sums: Sums = Sums()

    @property
    def length(self) -> int:
        """The number of bursts."""
        return len(self.packed) // _POINT.size

    @property
    def points(self) -> tuple[Point, ...]:
        """The bursts."""
        return tuple([Point(*point) for point in _POINT.iter_unpack(self.packed)])

    def point(self, number: int) -> Point:
        """Return the burst that so many are newer than; there must be one."""
        return Point(*_POINT.unpack_from(self.packed, number * _POINT.size))

    def after(self, point: Point) -> "Track":
        """Return the track with one more burst; an empty one after readings that no clock has."""
        try:
            packed = _POINT.pack(*point) + self.packed
        except struct.error:  # nanoseconds beyond 64 bits, or 292 years
            return Track()
        left = [Point(*old) for old in _POINT.iter_unpack(packed[_WINDOW_BYTES:])]
        return Track(packed[:_WINDOW_BYTES], self.sums.after((point,), left))

    def newest(self, count: int) -> "Track":
        """Return the track of so many bursts."""
        return Track(self.packed[: count * _POINT.size], self.sums.after((), self.points[count:]))


class FittedLine(NamedTuple):
    """A slope, the half-width of its confidence interval, and whether each burst lies above the line."""

    slope: float
    half: float
    above: list[bool]


def line(track: Track) -> FittedLine:
    """Return the weighted straight line through the bursts."""
    weight, at, offset, at_at, at_offset, offset_offset = track.sums
    spread = weight * at_at - at * at
    shared = weight * at_offset - at * offset
    unexplained = (weight * offset_offset - offset * offset) * spread - shared * shared
    points = track.points
    freedom = len(points) - 2
    slope = shared / spread
    first_ns, zero_ns, _ = points[0]
    start = (offset - zero_ns * weight) / weight - slope * ((at - first_ns * weight) / weight)
    above = [offset_ns - zero_ns - start > slope * (at_ns - first_ns) for at_ns, offset_ns, _ in points]
    return FittedLine(slope, _student_t(freedom) * sqrt(unexplained / (spread * spread * freedom)), above)


def _student_t(freedom: int) -> float:
    return next((t for least, t in STUDENT_T if freedom >= least), STUDENT_T_FEWEST)


def is_random(above: Sequence[bool]) -> bool:
    """Whether bursts change sides of a line as often as noise does (Wald and Wolfowitz's runs test, 5 %)."""
    count, ups = len(above), sum(above)
    if ups in (0, count):
        return True
    runs: int = 1 + sum(map(ne, above, above[1:]))
    both = 2 * ups * (count - ups)
    mean = both / count + 1
    deviation = sqrt(both * (both - count) / (count * count * (count - 1)))
    return runs >= mean - 1.645 * deviation
