"""Laws for every parser and every text."""

import math
from dataclasses import fields, is_dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skewmon.timesync.parsers.registry import PARSERS
from skewmon.timesync.parsers.report import ToolReport
from tests.fuzz.mutate import accounted
from tests.timesync.captures import captures

LINES = sorted({line for capture in captures() for line in (capture.stdout + capture.stderr).splitlines()})

texts = st.one_of(
    st.text(max_size=400),
    st.lists(st.one_of(st.sampled_from(LINES), st.text(max_size=80)), max_size=12).map("\n".join),
)


def numbers(value: object) -> list[float]:
    """Return every number inside a report."""
    if is_dataclass(value):
        return [number for field in fields(value) for number in numbers(getattr(value, field.name))]
    if isinstance(value, tuple):
        return [number for one in value for number in numbers(one)]
    return [value] if isinstance(value, int | float) else []


@pytest.mark.parametrize("tool", PARSERS)
@settings(max_examples=150, deadline=None)
@given(text=texts, stderr=st.one_of(st.just(""), texts), status=st.sampled_from([0, 1, 124, 127, 137, 255]))
def test_no_text_breaks_a_parser_or_loses_a_line(tool: str, text: str, stderr: str, status: int) -> None:
    """Any text at all ends as a report whose lines add up and whose numbers are finite."""
    report = PARSERS[tool](text, stderr, status)
    assert isinstance(report, ToolReport)
    assert accounted(report, text, stderr) == ""
    assert all(math.isfinite(number) for number in numbers(report))


@pytest.mark.parametrize("tool", PARSERS)
@settings(max_examples=50, deadline=None)
@given(text=texts, status=st.sampled_from([0, 1, 137]))
def test_parsing_is_a_function_of_the_text(tool: str, text: str, status: int) -> None:
    """The same text gives the same report: no clock, no state, no chance."""
    assert PARSERS[tool](text, "", status) == PARSERS[tool](text, "", status)
