"""Durations are exact in both directions, and mistakes are explained."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skewmon.config.duration import MAX_DURATION_NS, format_duration, parse_duration_ns


@pytest.mark.parametrize(
    ("text", "duration_ns"),
    [
        ("0s", 0),
        ("1ns", 1),
        ("250us", 250_000),
        ("250µs", 250_000),
        ("50ms", 50_000_000),
        ("1s", 1_000_000_000),
        ("1.5s", 1_500_000_000),
        ("0.000000001s", 1),
        ("1m30s", 90_000_000_000),
        ("2h", 7_200_000_000_000),
        ("1d12h", 129_600_000_000_000),
        ("90m", 5_400_000_000_000),
    ],
)
def test_a_duration_is_read_exactly(text: str, duration_ns: int) -> None:
    """No float stands between the text and the nanoseconds."""
    assert parse_duration_ns(text) == duration_ns


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a duration"),
        ("15", "add a unit: 15s or 15ms"),
        ("1.5", "add a unit: 1.5s or 1.5ms"),
        ("-1s", "durations are not negative"),
        ("1 s", "write it without spaces"),
        ("1s ", "write it without spaces"),
        ("30s1m", "expected a duration"),
        ("1s1s", "expected a duration"),
        ("1S", "expected a duration"),
        ("s", "expected a duration"),
        (".5s", "expected a duration"),
        ("1.s", "expected a duration"),
        ("0.5ns", "expected whole nanoseconds"),
        ("9999d", "expected at most ten years"),
        ("1" * 41 + "s", "found 42 characters"),
        ("١s", "expected a duration"),
    ],
)
def test_a_mistake_is_explained(text: str, words: str) -> None:
    """The message has the expectation and, if it can be guessed, the intention."""
    with pytest.raises(ValueError, match=words):
        parse_duration_ns(text)


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5us"),
        (50_000_000, "50ms"),
        (90_000_000_000, "1m30s"),
        (90_500_000_000, "1m30.5s"),
        (7_200_000_000_000, "2h"),
        (86_400_000_000_000, "24h"),
        (-50_000_000, "-50ms"),
    ],
)
def test_a_duration_is_written_as_people_do(duration_ns: int, text: str) -> None:
    """The largest fitting units come first and nothing is rounded."""
    assert format_duration(duration_ns) == text


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=MAX_DURATION_NS))
def test_writing_and_reading_give_the_same_back(duration_ns: int) -> None:
    """The law of the pair, for every duration that is allowed."""
    assert parse_duration_ns(format_duration(duration_ns)) == duration_ns


@settings(deadline=None)
@given(st.text(alphabet="0123456789.hmsunµd -", max_size=45))
def test_any_text_is_a_duration_or_a_told_slip(text: str) -> None:
    """Nothing but ValueError comes out."""
    try:
        duration_ns = parse_duration_ns(text)
    except ValueError as error:
        shown = str(error)
    else:
        shown = format_duration(duration_ns)
    assert shown
