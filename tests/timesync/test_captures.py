"""Real outputs of real tools, each with its expected report."""

import pytest

from skewmon.timesync.parsers.registry import PARSERS
from tests.timesync.captures import DIRECTORY, Capture, captures, described

CAPTURES = list(captures())


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.name)
def test_the_report_of_a_capture_is_as_recorded(capture: Capture) -> None:
    """Every field of the report, every count and every line left over is as recorded."""
    assert described(capture.parse()) == capture.expected


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.name)
def test_every_line_of_a_capture_ends_in_one_place(capture: Capture) -> None:
    """Parsed, noise and unparsed lines add up to all lines of both streams."""
    lines = capture.stdout.splitlines() + capture.stderr.splitlines()
    report = capture.parse()
    assert report.lines == len(lines)
    assert set(report.unparsed) <= set(lines)


def test_every_parser_has_captures() -> None:
    """No tool is parsed on faith."""
    assert {capture.tool for capture in CAPTURES} == set(PARSERS)


def test_every_text_has_its_expectation() -> None:
    """Every output has an expected report."""
    texts = {path.stem for path in DIRECTORY.glob("*.txt")}
    assert texts == {capture.name for capture in CAPTURES}
    assert all(capture.expected is not None for capture in CAPTURES)
