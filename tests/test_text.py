"""Numbers as a person reads them: few digits, the right unit, and rounded to the safe side."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skewmon.text import (
    at_least,
    at_most,
    bound,
    coarse,
    estimate,
    exact,
    harmless,
    names,
    offset,
    rate,
    rfc3339,
    signed_seconds,
    span,
    span_of_seconds,
    utc,
)

S = 1_000_000_000
NS_OF = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": S,
    "min": 60 * S,
    "h": 3_600 * S,
    "days": 86_400 * S,
    "years": 31_557_600 * S,
}

spans = st.integers(-(10**15), 10**20)


def read(text: str) -> Decimal:
    """Return the nanoseconds of a printed span."""
    number, unit = text.replace(",", "").split()
    return Decimal(number) * NS_OF[unit]


@given(spans)
def test_bounds_are_rounded_to_the_safe_side(value_ns: int) -> None:
    """A lower bound is never more than it is, an upper one and a bound never less."""
    assert read(at_least(value_ns)) <= value_ns <= read(at_most(value_ns))
    assert value_ns <= read(bound(abs(value_ns)))


@given(spans)
def test_rounding_costs_less_than_a_thousandth(value_ns: int) -> None:
    """Four digits are kept."""
    for text in (at_least(value_ns), span(value_ns), at_most(value_ns)):
        assert abs(read(text) - value_ns) * 1_000 <= abs(value_ns)


@pytest.mark.parametrize(
    ("value_ns", "text"),
    [
        (0, "0 ns"),
        (48_100, "48.1 us"),
        (312_000_000, "312 ms"),
        (999_996_000, "1 s"),
        (70 * S, "70 s"),
        (900 * S, "900 s"),
        (1_234 * S, "20.57 min"),
        (3 * 3_600 * S, "3 h"),
        (7 * 86_400 * S, "7 days"),
        (3_601 * S, "1 h"),
        (3_599_600_000_000, "1 h"),
        (172_799 * S, "2 days"),
        (5_400 * S, "1.5 h"),
        (700 * 86_400 * S, "700 days"),
        (1_795_000_000 * S, "56.88 years"),
        (20_000 * 86_400 * S, "54.76 years"),
    ],
)
def test_a_measured_span_has_four_digits_and_the_unit_that_fits(value_ns: int, text: str) -> None:
    """The rounded value chooses the unit."""
    assert span(value_ns) == text


def test_a_configured_span_is_not_rounded() -> None:
    """A threshold is printed as it was typed."""
    assert [exact(one) for one in (1, 1_500, 50_000_000, 1_234_567_000, 300 * S)] == [
        "1 ns",
        "1.5 us",
        "50 ms",
        "1.234567 s",
        "300 s",
    ]


def test_an_estimate_has_the_digits_that_its_bound_supports() -> None:
    """At most microseconds of seconds."""
    assert offset(70 * S + 12_345, 32_000) == "+70.000012 s ± 32 us"
    assert estimate(-312_456_789, 2_000_000) == "-312.5 ms"
    assert estimate(0, 40_000) == "+0 ns"


def test_claims_may_be_any_number() -> None:
    """Output of a daemon is shown without other checks."""
    assert span_of_seconds(-0.3124) == "312.4 ms"
    assert signed_seconds(-0.3124) == "-312.4 ms"
    assert signed_seconds(0.0) == "0 ns"
    assert span_of_seconds(float("nan")) == signed_seconds(float("inf")) == "no number"


def test_a_coarse_span_is_whole() -> None:
    """Rounded down, or up on demand."""
    assert [coarse(one) for one in (0.4, 119.0, 120.0, 7_199.0, 200_000.0)] == [
        "0 s",
        "119 s",
        "2 min",
        "119 min",
        "2 d",
    ]
    assert coarse(200_000.0, up=True) == "3 d"


def test_a_rate_is_in_parts_per_million() -> None:
    """Nanoseconds a second divided by a thousand."""
    assert rate(-12_345_678) == "-1.235e+04 ppm"
    assert rate(100_000) == "100 ppm"


def test_a_long_list_of_names_is_cut_short() -> None:
    """The rest is a number."""
    assert names([]) == ""
    assert names(["a", "b"]) == "a, b"
    assert names([*"abcdefg"]) == "a, b, c, d, e and 2 more"
    assert names([*"abc"], 1) == "a and 2 more"


def test_instants_are_in_utc_and_never_rounded_up() -> None:
    """Also those before the epoch."""
    at_ns = 1_795_351_187_999_999_999
    assert rfc3339(at_ns) == "2026-11-22T12:39:47.999Z"
    assert rfc3339(at_ns, 6) == "2026-11-22T12:39:47.999999Z"
    assert rfc3339(at_ns, 0) == "2026-11-22T12:39:47Z"
    assert rfc3339(-1) == "1969-12-31T23:59:59.999Z"
    assert utc(at_ns) == "2026-11-22 12:39:47 UTC"


def test_foreign_text_commands_no_terminal() -> None:
    """Escapes are spelt out."""
    assert harmless("n1\x1b[2J\n") == "n1\\x1b[2J\\n"
