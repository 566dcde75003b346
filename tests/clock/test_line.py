"""The line through a track: its sums are exact, and it is the weighted line of least squares."""

from collections.abc import Sequence
from fractions import Fraction
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from skewmon.clock.line import WHOLE_WEIGHT, WINDOW, Point, Sums, Track, line
from skewmon.model import NS_PER_S


def track_of(newest_first: Sequence[Point]) -> Track:
    """Return the track of bursts."""
    return reduce(Track.after, reversed(newest_first), Track())


bursts = st.lists(
    st.tuples(st.integers(1, 900 * NS_PER_S), st.integers(-(10**9), 10**9), st.integers(0, 10**9)),
    min_size=4,
    max_size=3 * WINDOW,
)


def _points(seen: list[tuple[int, int, int]]) -> list[Point]:
    """Return bursts of an oscillator that is far from the base, newest first."""
    points, at_ns = [], 10**15
    for gap_ns, offset_ns, width_ns in seen:
        at_ns += gap_ns
        points.append(Point(at_ns, 7 * 10**17 + offset_ns, width_ns))
    return points[::-1]


@given(seen=bursts, count=st.integers(3, WINDOW))
def test_sums_that_are_carried_on_are_those_of_the_points(
    seen: list[tuple[int, int, int]], count: int
) -> None:
    """However long a clock was followed, nothing of the past is left, nor rounded away."""
    points = _points(seen)
    track = track_of(points)
    assert track.points == tuple(points[:WINDOW])
    assert [track.point(number) for number in range(track.length)] == points[:WINDOW]
    assert track.sums == Sums().after(points[:WINDOW], ())
    assert track.newest(count) == track_of(points[:WINDOW][:count])


@given(seen=bursts)
def test_the_line_has_the_least_weighted_squares(seen: list[tuple[int, int, int]]) -> None:
    """Against fractions: the slope, and the side of each burst that is not on the line."""
    track = track_of(_points(seen))
    weights = [WHOLE_WEIGHT // (point.width_ns + 1) ** 2 for point in track.points]
    x_mean = Fraction(sum(w * p.at_ns for w, p in zip(weights, track.points, strict=True)), sum(weights))
    y_mean = Fraction(sum(w * p.offset_ns for w, p in zip(weights, track.points, strict=True)), sum(weights))
    moved = [(w, p.at_ns - x_mean, p.offset_ns - y_mean) for w, p in zip(weights, track.points, strict=True)]
    slope = sum(w * x * y for w, x, y in moved) / sum(w * x * x for w, x, _ in moved)
    drawn = line(track)
    assert abs(drawn.slope - slope) <= abs(slope) * Fraction(1, 10**15)
    for (_, x, y), above in zip(moved, drawn.above, strict=True):
        if abs(y - slope * x) > Fraction(1, 100):
            assert above == (y - slope * x > 0)


def test_readings_beyond_64_bits_leave_no_track() -> None:
    """A node may claim any number of 20 digits; its next readings begin a new track."""
    track = track_of(_points([(1, 0, 0)] * 5))
    assert track.after(Point(10**15, 10**20, 100)) == Track()
    assert Track().after(Point(10**15, 0, 100)).length == 1
