"""Forecasts: two ends that hold the truth, and no word where the direction is open."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skewmon.clock.drift import Basis, Rate
from skewmon.clock.forecast import Discipline, forecast, sentence
from skewmon.model import NS_PER_S, Interval

MS = 10**6


def _rate(lower: float, upper: float) -> Rate:
    return Rate(lower, upper, Basis.BOUNDED, 20)


def test_earliest_and_latest_use_the_opposite_ends() -> None:
    """10 to 20 ms ahead, 10 to 20 ppm fast: 50 ms in 1,500 to 4,000 s."""
    outlook = forecast(Interval(10 * MS, 20 * MS), _rate(10e-6, 20e-6), 50 * MS, Discipline.FREE)
    assert outlook is not None
    assert outlook.earliest_s == pytest.approx(1500)
    assert outlook.latest_s == pytest.approx(4000)
    assert outlook.middle_s == pytest.approx(2750)
    assert outlook.ahead


@given(
    offset_ns=st.integers(-(10**9), 10**9),
    ppb=st.integers(100, 100_000),
    below=st.integers(0, 10**7),
    above=st.integers(0, 10**7),
    blur=st.floats(0, 0.5),
)
def test_the_true_moment_lies_between_the_ends(
    offset_ns: int, ppb: int, below: int, above: int, blur: float
) -> None:
    """For any offset inside its interval and any rate inside its own."""
    rate = ppb * 1e-9
    outlook = forecast(
        Interval(offset_ns - below, offset_ns + above),
        _rate(rate * (1 - blur), rate * (1 + blur)),
        50 * MS,
        Discipline.FREE,
    )
    assert outlook is not None
    truth_s = max(0, 50 * MS - offset_ns) / rate / NS_PER_S
    assert outlook.earliest_s <= truth_s * (1 + 1e-9)
    assert truth_s <= outlook.latest_s * (1 + 1e-9)


def test_a_clock_that_falls_behind_passes_the_line_on_the_other_side() -> None:
    """The mirror image has the same times."""
    there = forecast(Interval(10 * MS, 20 * MS), _rate(10e-6, 20e-6), 50 * MS, Discipline.FREE)
    back = forecast(Interval(-20 * MS, -10 * MS), _rate(-20e-6, -10e-6), 50 * MS, Discipline.FREE)
    assert there is not None
    assert back is not None
    assert (there.earliest_s, there.latest_s) == (back.earliest_s, back.latest_s)
    assert not back.ahead


@pytest.mark.parametrize(
    "rate", [None, _rate(-1e-6, 2e-6), _rate(0.0, 2e-6), Rate(1e-6, 2e-6, Basis.BOUNDED, 4)]
)
def test_an_uncertain_direction_is_no_forecast(rate: Rate | None) -> None:
    """No rate, both signs, a zero or too few bursts: nothing is said."""
    assert forecast(Interval(0, 1), rate, 50 * MS, Discipline.FREE) is None


def test_a_line_already_passed_is_reached_now() -> None:
    """Both ends are 0 where the whole interval lies beyond."""
    outlook = forecast(Interval(60 * MS, 61 * MS), _rate(1e-6, 2e-6), 50 * MS, Discipline.FREE)
    assert outlook is not None
    assert (outlook.earliest_s, outlook.latest_s) == (0, 0)


def test_what_steers_the_clock_changes_the_words() -> None:
    """Free, steered and unknown are three sentences."""
    words = {}
    for synchronized in (False, True, None):
        discipline = Discipline.of(synchronized)
        outlook = forecast(Interval(10 * MS, 20 * MS), _rate(10e-6, 20e-6), 50 * MS, discipline)
        assert outlook is not None
        words[synchronized] = sentence(outlook)
    assert words == {
        False: (
            "Nothing steers this clock: at its rate it passes 0.05 s ahead "
            "between 25 min and 67 min from now."
        ),
        True: (
            "A time daemon steers this clock; were its trend to last, it would pass 0.05 s ahead "
            "between 25 min and 67 min from now."
        ),
        None: "If nothing steers this clock, it passes 0.05 s ahead between 25 min and 67 min from now.",
    }


def test_spans_are_told_in_the_unit_that_suits() -> None:
    """Seconds, minutes, hours, days."""
    outlook = forecast(Interval(-MS, MS), _rate(-1e-9, -1e-10), 50 * MS, Discipline.FREE)
    assert outlook is not None
    assert "behind between 567 d and 5903 d" in sentence(outlook)
    outlook = forecast(Interval(49 * MS, 49 * MS), _rate(10e-6, 1e-4), 50 * MS, Discipline.FREE)
    assert outlook is not None
    assert "between 10 s and 100 s" in sentence(outlook)
