"""The notations of numbers and durations."""

import pytest

from skewmon.timesync.parsers.values import is_value, number, octal, seconds, span_s, whole


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.283", 0.001283),
        ("+1.283", 0.001283),
        ("449445.", 449.445),
        (".5", 0.0005),
        ("5602175", 5602.175),
        ("700ns", 7e-07),
        ("3.25us", 3.25e-06),
        ("1.2\u00b5s", 1.2e-06),
        ("1.2\u03bcs", 1.2e-06),
        ("-1.5s", -1.5),
        ("nan", None),
        (".", None),
        ("X", None),
        ("-", None),
        ("12q", None),
        ("1e999", None),
        ("9" * 41, None),
        ("\u0661", None),
    ],
)
def test_values_are_read_in_their_unit(text: str, expected: float | None) -> None:
    """A bare number counts in the tool's unit; a missing or foreign one is None."""
    assert seconds(text, "ms") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("34min 8s", 2048.0),
        ("-5.224ms", -0.005224),
        ("1h 2min", 3720.0),
        ("0", 0.0),
        ("1month 2w", 3_839_400.0),
        ("", None),
        ("soon", None),
        ("5 apples", None),
    ],
)
def test_systemds_spans_add_up(text: str, expected: float | None) -> None:
    """Units stand in any number; one foreign word spoils the whole."""
    assert span_s(text) == expected


def test_missing_values_count_as_values_and_words_do_not() -> None:
    """A row with a dot in it is still a row; one with a word is not."""
    assert all(is_value(text) for text in (".", "nan", "X", "-", "1.5", "2ms"))
    assert not any(is_value(text) for text in ("", "word", "1.2.3", "--"))


def test_registers_are_octal_and_whole_numbers_decimal() -> None:
    """377 is 255; 999 is no register; neither signs nor other scripts' digits are digits."""
    assert (octal("377"), octal("999"), octal(""), octal("7" * 7)) == (255, None, None, None)
    assert (whole("16"), whole("-1"), whole("\u0661"), whole("9" * 21)) == (16, None, None, None)
    assert (number("+0.5"), number("1 2"), number("0x10")) == (0.5, None, None)
