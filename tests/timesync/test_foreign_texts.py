"""Output of tools without a parser, and of known tools with another locale.

The figures in ``foreign.txt`` are made up; the formats are those of the tools named in its headings.
"""

import re
from pathlib import Path

import pytest

from skewmon.timesync.parsers.registry import PARSERS
from skewmon.timesync.parsers.report import ToolOutcome
from tests.timesync.test_awkward_texts import SHOW_TIMESYNC, parse

_SECTIONS = re.split(
    r"^=== (.*)\n", Path(__file__).with_name("foreign.txt").read_text("utf-8"), flags=re.MULTILINE
)
FOREIGN = dict(zip(_SECTIONS[1::2], _SECTIONS[2::2], strict=True))

CLAIMS = ("synchronized", "stratum", "source", "refid", "offset_s", "root_distance_s", "reach", "poll_s")


@pytest.mark.parametrize("tool", PARSERS)
@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_text_gives_no_value(name: str, tool: str) -> None:
    """A label or a number that a tool has in common with another one is not a claim."""
    report = parse(tool, FOREIGN[name])
    status = report.status
    assert report.outcome is ToolOutcome.UNPARSED
    assert {claim: getattr(status, claim) for claim in CLAIMS} == dict.fromkeys(CLAIMS)
    assert (status.frequency_ppm, status.peers) == (None, ())
    if status.kernel is not None:
        assert (status.kernel.offset_s, status.kernel.frequency_ppm) == (None, None)
    assert report.unparsed


def test_a_status_word_in_hexadecimal_is_not_a_decimal_number() -> None:
    """The word 2001 of ntpdc has no bit for "not synchronized"; as a decimal number it would have."""
    text = FOREIGN["ntpdc-kerninfo"]
    assert "2001" in text
    assert parse("ntptime", text).status.synchronized is None


def test_labels_of_its_own_tool_count_even_if_most_values_are_not_understood() -> None:
    """A decimal comma hides the values; stratum and leap stay, and every other line is reported."""
    text = """\
Reference ID    : C0000201 (ntp1.example.net)
Stratum         : 3
System time     : 69,901234567 seconds slow of NTP time
Last offset     : -0,000006747 seconds
Frequency       : 3,225 ppm slow
Leap status     : Normal
"""
    report = parse("chronyc-tracking", text)
    assert (report.status.stratum, report.status.synchronized) == (3, True)
    assert report.status.offset_s is None
    assert len(report.unparsed) == 3


@pytest.mark.parametrize("weekday", ["Mi", "mer.", "\u661f\u671f\u4e09", "Sun"])
def test_the_weekday_of_a_stamp_may_be_in_any_language(weekday: str) -> None:
    """An offset of 70 s is not lost with it."""
    text = SHOW_TIMESYNC.replace("Sun 2022", f"{weekday} 2022").replace("09:32:08 UTC", "09:33:20 UTC")
    status = parse("show-timesync", text).status
    assert status.offset_s is not None
    assert abs(status.offset_s) == 70


def test_a_variable_with_a_decimal_comma_is_a_suspect() -> None:
    """It is not a number, and its absence is explained."""
    report = parse("ntpq-rv", "associd=0 status=0615 leap_none,\nleap=00, stratum=2, offset=-69901,234\n")
    assert report.status.offset_s is None
    assert report.suspects == ("offset '-69901,234' is not a number",)


@pytest.mark.parametrize(
    ("line", "offset_s"),
    [("offset 0.123456789 s,", None), ("offset -123.456 us,", 0.000123456), ("offset 12 ms,", None)],
)
def test_an_offset_of_the_kernel_has_its_unit(line: str, offset_s: float | None) -> None:
    """Seconds are not read as microseconds."""
    kernel = parse("ntptime", f"  {line}\n  status 0x2001 (PLL,NANO),\n").status.kernel
    assert kernel is not None
    assert kernel.offset_s == offset_s
