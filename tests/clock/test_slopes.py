"""The slopes of lines: never without the truth, exact but for the margin."""

from fractions import Fraction
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from skewmon.clock.slopes import MARGIN_NS, Band, Slopes, slopes
from skewmon.model import NS_PER_S

RHO_PPB = 100_000
RHO = RHO_PPB / NS_PER_S
HOURS_3 = 3 * 3600 * NS_PER_S

slacks = st.integers(0, 50_000_000)
ages = st.integers(-HOURS_3, -1)
rates_ppb = st.integers(-RHO_PPB, RHO_PPB)
seen_bursts = st.lists(st.tuples(ages, slacks, slacks), max_size=16)


def _around(rate_ppb: int, dt_ns: int, below_ns: int, above_ns: int) -> Band:
    """Return a band that encloses the line rate·dt at ``dt_ns``."""
    at = Fraction(rate_ppb * dt_ns, NS_PER_S)
    return dt_ns, int(at // 1) - below_ns, -int(-at // 1) + above_ns


@given(rate_ppb=rates_ppb, now=st.tuples(slacks, slacks), seen=seen_bursts)
def test_the_truth_is_never_excluded(
    rate_ppb: int, now: tuple[int, int], seen: list[tuple[int, int, int]]
) -> None:
    """The slope of any line that meets every band stays within the limits, in whatever order they come."""
    bands = [_around(rate_ppb, *one) for one in [*seen, (0, *now)]]
    found = slopes(bands, -RHO, RHO)
    assert found is not None
    assert found.least <= rate_ppb / NS_PER_S <= found.greatest


Exact = tuple[Fraction, Fraction]


def _exact(bands: list[Band], margin: float = 0) -> Exact:
    """Return the limits that all pairs of bands set, which are crossed if no line meets all."""
    least, greatest = Fraction(-RHO), Fraction(RHO)
    for (at, lower, upper), (later, later_lower, later_upper) in combinations(bands, 2):
        least = max(least, (later_lower - upper - Fraction(margin)) / (later - at))
        greatest = min(greatest, (later_upper - lower + Fraction(margin)) / (later - at))
    return least, greatest


ms_ages = st.integers(-600_000, -1).map(lambda ms: ms * 1_000_000)
any_bands = st.lists(
    st.tuples(ms_ages, st.integers(-(10**8), 10**8), st.integers(0, 10**8)),
    min_size=1,
    max_size=7,
    unique_by=lambda one: one[0],
).map(lambda seen: [(dt, lower, lower + width) for dt, lower, width in [*sorted(seen), (0, 0, 10**6)]])


@given(bands=any_bands)
def test_the_limits_are_those_of_all_pairs(bands: list[Band]) -> None:
    """Against fractions: never narrower, and wider by no more than the margin."""
    least, greatest = _exact(bands)
    found = slopes(bands, -RHO, RHO)
    if found is None:
        assert least > greatest
        return
    widest = _exact(bands, 1.01 * MARGIN_NS)
    assert widest[0] - Fraction(1, 10**18) <= found.least
    assert found.greatest <= widest[1] + Fraction(1, 10**18)
    if least <= greatest:
        assert found.least <= least
        assert greatest <= found.greatest


def _distance_ns(bands: list[Band], number: int, found: Slopes) -> Fraction:
    """Return how near any line comes to an end of a band on its way between the others' ends."""
    limits = [Fraction(found.least), Fraction(found.greatest)]
    nearest = []
    for end in (1, 2):
        bends = [Fraction(o[end] - b[end], o[0] - b[0]) for b, o in combinations(bands, 2)]
        for slope in [*limits, *(bend for bend in bends if limits[0] <= bend <= limits[1])]:
            values = [one[end] - slope * one[0] for one in bands]
            nearest.append(max(values) - values[number] if end == 1 else values[number] - min(values))
    return min(nearest)


@given(bands=any_bands)
def test_a_side_is_a_band_that_a_line_can_touch(bands: list[Band]) -> None:
    """Against fractions: every band that is touched, and none that every line misses by a nanosecond."""
    found = slopes(bands, -RHO, RHO)
    if found is None:
        return
    for number in range(len(bands)):
        distance_ns = _distance_ns(bands, number, found)
        if distance_ns == 0:
            assert found.has_side(bands, number)
        elif distance_ns > MARGIN_NS:
            assert not found.has_side(bands, number)


def test_two_bursts_give_the_textbook_rate() -> None:
    """Two 100 µs wide bursts 600 s apart bound the rate to ± 100 µs / 600 s."""
    found = slopes([(-600 * NS_PER_S, -50_000, 50_000), (0, -50_000, 50_000)], -RHO, RHO)
    assert found is not None
    assert abs(found.greatest - 100e-6 / 600) < 1e-18
    assert abs(found.least + 100e-6 / 600) < 1e-18


def test_bands_that_contradict_each_other_leave_nothing() -> None:
    """A node that was at 0 and is at 1 ms ten milliseconds later obeys no rate of 100 ppm."""
    assert slopes([(-10_000_000, 0, 100), (0, 1_000_000, 1_000_100)], -RHO, RHO) is None


def test_bands_of_one_instant_that_differ_leave_nothing() -> None:
    """Nothing is at two offsets at once, and no division by zero comes of it."""
    assert slopes([(-5, 0, 1), (0, 10, 20), (0, 30, 40)], -RHO, RHO) is None
    bands = [(-5, 0, 12), (0, 0, 20), (0, 10, 40)]
    found = slopes(bands, -RHO, RHO)
    assert found is not None
    assert all(found.has_side(bands, number) for number in range(3))
