"""Forecasts: two ends that hold the truth, and none if the direction is open."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skewmon.clock.forecast import discipline, forecast, sentence
from skewmon.clock.rate import Basis, Rate
from skewmon.model import NS_PER_S, Discipline, Forecast, Interval, Passing, SyncStatus

MS = 10**6


def _rate(lower: float, upper: float) -> Rate:
    return Rate(lower, upper, Basis.BOUNDED, 20)


def test_earliest_and_latest_use_the_opposite_ends() -> None:
    """10 to 20 ms ahead, 10 to 20 ppm fast: 50 ms in 1,500 to 4,000 s."""
    coming = forecast(Interval(10 * MS, 20 * MS), _rate(10e-6, 20e-6), [50 * MS], Discipline.FREE)
    assert coming is not None
    (passing,) = coming.passings
    assert passing.earliest_s == pytest.approx(1500)
    assert passing.latest_s == pytest.approx(4000)
    assert coming.ahead


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
    coming = forecast(
        Interval(offset_ns - below, offset_ns + above),
        _rate(rate * (1 - blur), rate * (1 + blur)),
        [50 * MS],
        Discipline.FREE,
    )
    assert coming is not None
    truth_s = max(0, 50 * MS - offset_ns) / rate / NS_PER_S
    (passing,) = coming.passings
    assert passing.earliest_s <= truth_s * (1 + 1e-9)
    assert truth_s <= passing.latest_s * (1 + 1e-9)


def test_a_clock_that_falls_behind_passes_the_line_on_the_other_side() -> None:
    """The mirror image has the same times."""
    there = forecast(Interval(10 * MS, 20 * MS), _rate(10e-6, 20e-6), [50 * MS], Discipline.FREE)
    back = forecast(Interval(-20 * MS, -10 * MS), _rate(-20e-6, -10e-6), [50 * MS], Discipline.FREE)
    assert there is not None
    assert back is not None
    assert there.passings == back.passings
    assert not back.ahead


@pytest.mark.parametrize(
    "rate", [None, _rate(-1e-6, 2e-6), _rate(0.0, 2e-6), Rate(1e-6, 2e-6, Basis.BOUNDED, 4)]
)
def test_an_uncertain_direction_gives_no_forecast(rate: Rate | None) -> None:
    """No rate, both signs, a zero or too few bursts."""
    assert forecast(Interval(0, 1), rate, [50 * MS], Discipline.FREE) is None


def test_a_line_already_passed_is_reached_now() -> None:
    """Both ends are 0 if the whole interval lies beyond."""
    coming = forecast(Interval(60 * MS, 61 * MS), _rate(1e-6, 2e-6), [50 * MS], Discipline.FREE)
    assert coming is not None
    assert coming.passings == (Passing(50 * MS, 0, 0),)
    assert sentence(coming) == ""


def test_every_threshold_is_forecast_lowest_first() -> None:
    """A line that is passed already is not foretold again, and no line is no forecast."""
    offset, rate = Interval(60 * MS, 60 * MS), _rate(10e-6, 20e-6)
    coming = forecast(offset, rate, [1_060 * MS, 50 * MS, 1_060 * MS], Discipline.FREE)
    assert coming is not None
    assert [one.limit_ns for one in coming.passings] == [50 * MS, 1_060 * MS]
    assert [one.limit_ns for one in coming.upcoming] == [1_060 * MS]
    assert "50 ms" not in sentence(coming)
    assert forecast(offset, rate, [], Discipline.FREE) is None


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (SyncStatus("ntpd", synchronized=False), "Nothing steers this clock: at its rate it passes {}."),
        (
            SyncStatus("ntpd", synchronized=True),
            "A time daemon steers this clock; were its trend to last, it would pass {}.",
        ),
        (SyncStatus("ntpd"), "If nothing steers this clock, it passes {}."),
        (None, "If nothing steers this clock, it passes {}."),
    ],
)
def test_the_sentence_depends_on_the_steering_of_the_clock(status: SyncStatus | None, text: str) -> None:
    """Free, steered and unknown are three sentences."""
    coming = forecast(Interval(10 * MS, 19 * MS), _rate(10e-6, 20e-6), [50 * MS], discipline(status))
    assert coming is not None
    assert sentence(coming) == text.format("50 ms ahead between 25 min and 67 min from now")


@pytest.mark.parametrize(
    ("earliest_s", "latest_s", "text"),
    [
        (10.9, 100.1, "between 10 s and 101 s from now"),
        (7_100.0, 7_300.0, "between 118 min and 3 h from now"),
        (100_000.0, 200_000.0, "between 27 h and 3 d from now"),
        (0.0, 100.0, "within 100 s from now"),
        (600.0, 1e12, "in 10 min at the earliest"),
        (0.0, float("inf"), "at any time from now on"),
    ],
)
def test_times_are_shown_in_a_fitting_unit_and_rounded_outwards(
    earliest_s: float, latest_s: float, text: str
) -> None:
    """Seconds, minutes, hours, days; no latest moment if it is out of sight."""
    coming = Forecast(
        ahead=False, discipline=Discipline.FREE, passings=(Passing(50 * MS, earliest_s, latest_s),)
    )
    assert sentence(coming).endswith(f"it passes 50 ms behind {text}.")
