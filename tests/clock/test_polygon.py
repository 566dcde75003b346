"""The polygon of lines: never without the truth, never wider than before, exact but for its margin."""

from fractions import Fraction
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from skewmon.clock.interval import RateBounds
from skewmon.clock.polygon import MARGIN_NS, REACH_NS, Polygon
from skewmon.model import NS_PER_S

RHO_PPB = 100_000
RATE = RateBounds(-RHO_PPB, RHO_PPB)
RHO = RHO_PPB / NS_PER_S
HOURS_3 = 3 * 3600 * NS_PER_S

offsets = st.integers(-(10**18), 10**18)
slacks = st.integers(0, 50_000_000)
spans = st.integers(-HOURS_3, NS_PER_S)
rates_ppb = st.integers(-RHO_PPB, RHO_PPB)
bursts = st.lists(st.tuples(spans, slacks, slacks), max_size=16)


def _band(offset_ns: int, rate_ppb: int, dt_ns: int, below_ns: int, above_ns: int) -> tuple[int, int]:
    """Return whole ends that enclose the line offset + rate·dt at ``dt_ns``."""
    at = Fraction(rate_ppb * dt_ns, NS_PER_S) + offset_ns
    return int(at // 1) - below_ns, -int(-at // 1) + above_ns


@given(offset_ns=offsets, rate_ppb=rates_ppb, below_ns=slacks, above_ns=slacks, seen=bursts, later=spans)
def test_the_truth_is_never_cut_off(
    offset_ns: int,
    rate_ppb: int,
    below_ns: int,
    above_ns: int,
    seen: list[tuple[int, int, int]],
    later: int,
) -> None:
    """Any line that every band allows stays inside, in offset, in rate and in every extrapolation."""
    polygon = Polygon.box(0, offset_ns - below_ns, offset_ns + above_ns, RATE)
    for dt_ns, below, above in seen:
        assert polygon is not None
        polygon = polygon.clipped([(dt_ns, *_band(offset_ns, rate_ppb, dt_ns, below, above))])
    assert polygon is not None
    lower, upper = polygon.offset_ns()
    assert lower <= offset_ns <= upper
    slowest, fastest = polygon.rate()
    assert slowest <= rate_ppb / NS_PER_S <= fastest
    lower, upper = polygon.offset_ns(later)
    assert lower <= offset_ns + Fraction(rate_ppb * later, NS_PER_S) <= upper


@given(offset_ns=offsets, rate_ppb=rates_ppb, seen=bursts)
def test_a_band_never_widens(offset_ns: int, rate_ppb: int, seen: list[tuple[int, int, int]]) -> None:
    """Each further burst leaves offset and rate as they were or narrower."""
    polygon = Polygon.box(0, offset_ns - 10**6, offset_ns + 10**6, RATE)
    for dt_ns, below, above in seen:
        assert polygon is not None
        lower, upper = polygon.offset_ns()
        slowest, fastest = polygon.rate()
        polygon = polygon.clipped([(dt_ns, *_band(offset_ns, rate_ppb, dt_ns, below, above))])
        assert polygon is not None
        assert polygon.offset_ns()[0] >= lower - 1
        assert polygon.offset_ns()[1] <= upper + 1
        assert polygon.rate()[0] >= slowest - 1e-15
        assert polygon.rate()[1] <= fastest + 1e-15


def _exact_extremes(planes: list[tuple[int, int, Fraction]]) -> tuple[Fraction, Fraction] | None:
    """Return the least and greatest y over all corners of {a·y + b·r ≤ c}, by brute force."""
    ys = []
    for (a, b, c), (d, e, f) in combinations(planes, 2):
        determinant = a * e - b * d
        if determinant:
            y, r = (c * e - b * f) / Fraction(determinant), (a * f - c * d) / Fraction(determinant)
            if all(a * y + b * r <= c for a, b, c in planes):
                ys.append(y)
    return (min(ys), max(ys)) if ys else None


ms_spans = st.integers(-600_000, -1).map(lambda ms: ms * 1_000_000)


@given(
    ends=st.tuples(st.integers(-(10**7), 0), st.integers(0, 10**7)),
    seen=st.lists(st.tuples(ms_spans, st.integers(-(10**8), 10**8), st.integers(0, 10**7)), max_size=5),
)
def test_the_corners_are_those_of_exact_arithmetic(
    ends: tuple[int, int], seen: list[tuple[int, int, int]]
) -> None:
    """Against fractions and brute force: never narrower, and wider by little more than the margin."""
    rho = Fraction(RHO_PPB, NS_PER_S)
    planes = [(1, 0, Fraction(ends[1])), (-1, 0, Fraction(-ends[0])), (0, 1, rho), (0, -1, rho)]
    polygon = Polygon.box(0, *ends, RATE)
    for dt_ns, lower, width in seen:
        planes += [(1, dt_ns, Fraction(lower + width)), (-1, -dt_ns, Fraction(-lower))]
        polygon = polygon.clipped([(dt_ns, lower, lower + width)]) if polygon else None
    exact = _exact_extremes(planes)
    if exact is None:  # the margin may leave a sliver of an empty polygon, never the other way round
        return
    assert polygon is not None
    lower, upper = polygon.offset_ns()
    assert lower <= exact[0]
    assert exact[1] <= upper


def test_two_bursts_give_the_textbook_rate() -> None:
    """Two 100 µs wide bursts 600 s apart bound the rate to ± 100 µs / 600 s."""
    polygon = Polygon.box(0, -50_000, 50_000, RATE)
    assert polygon is not None
    polygon = polygon.clipped([(-600 * NS_PER_S, -50_000, 50_000)])
    assert polygon is not None
    slowest, fastest = polygon.rate()
    assert abs(fastest - 100e-6 / 600) < 4 * MARGIN_NS / (600 * NS_PER_S)
    assert abs(slowest + fastest) < 1e-15


def test_bands_that_contradict_each_other_leave_nothing() -> None:
    """A node that was at 0 and is at 1 ms ten milliseconds later obeys no rate of 100 ppm."""
    polygon = Polygon.box(0, 1_000_000, 1_000_100, RATE)
    assert polygon is not None
    assert polygon.clipped([(-10_000_000, 0, 100)]) is None


def test_a_band_that_cuts_nothing_leaves_every_corner() -> None:
    """Corners inside a band are not computed again."""
    polygon = Polygon.box(0, 0, 100, RATE)
    assert polygon is not None
    assert polygon.clipped([(-NS_PER_S, -(10**9), 10**9)]) == polygon


def test_beyond_the_reach_of_the_margin_there_is_no_polygon() -> None:
    """An interval of half an hour is not worth a polygon, and floating point would not be safe."""
    assert Polygon.box(0, 0, 2 * REACH_NS + 2, RATE) is None
