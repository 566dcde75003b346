"""A hostile or broken tool cannot make a parser think for long: overlong lines are set aside, whole."""

import time

import pytest

from skewmon.timesync.parsers.overlong import LONGEST_LINE, WIDEST_GAP
from skewmon.timesync.parsers.registry import PARSERS
from skewmon.timesync.script import TOOL_LIMIT_BYTES
from tests.timesync.captures import captures

#: Slow for patterns: runs that two neighbouring parts of a pattern can both match.
RUNS = ("\t", " ", "a", "1", " a", "a ", " 1", ".", "=", ":", "(", ",", "/", "$ ", ">a", "a:", " - ", "::")
BEGINNINGS = ("", "^* ", "x ", "Reference ID    : ", "/", "x: ")
ENDINGS = ("", "!", "\x00 z")

#: The longest text that is read of a tool. Fuzzing once found a text of a fifth of it that took 55 s.
SLOWEST_S = 1.5


@pytest.mark.parametrize("tool", PARSERS)
def test_no_output_takes_long_however_its_lines_are_made(tool: str) -> None:
    """Every line as long as may be, and as many as are read."""
    for run in RUNS:
        length = (WIDEST_GAP if run.isspace() else LONGEST_LINE) - 1
        for beginning in BEGINNINGS:
            for ending in ENDINGS:
                room = length - len(beginning) - len(ending)
                line = beginning + run * (room // len(run)) + ending
                began_s = time.process_time()
                report = PARSERS[tool](line, "", 0)
                took_s = (time.process_time() - began_s) * TOOL_LIMIT_BYTES / len(line)
                assert took_s < SLOWEST_S, (run, beginning, ending)
                assert report.lines == len(line.splitlines())


@pytest.mark.parametrize("overlong", ["\t" * 6_840, "x" * 5_000, "poll" + " " * 300 + "6"])
@pytest.mark.parametrize("tool", PARSERS)
def test_an_overlong_line_is_not_understood_and_not_lost(tool: str, overlong: str) -> None:
    """It is reported whole, and the lines around it keep their meaning."""
    for capture in captures():
        if capture.tool != tool:
            continue
        alone = PARSERS[tool](capture.stdout, capture.stderr, capture.exit_status)
        report = PARSERS[tool](
            f"{capture.stdout.rstrip()}\n{overlong}\n", capture.stderr, capture.exit_status
        )
        assert overlong in report.unparsed
        assert report.lines == len((capture.stdout.rstrip() + "\n" + overlong).splitlines()) + len(
            capture.stderr.splitlines()
        )
        assert report.status.synchronized == alone.status.synchronized


@pytest.mark.parametrize("tool", PARSERS)
def test_blank_lines_after_an_overlong_one_are_counted(tool: str) -> None:
    """Each line is somewhere in the account, the last empty one as well."""
    text = "x" * 5_000 + "\n\n\n"
    assert PARSERS[tool](text, text, 0).lines == 6


def test_the_longest_real_line_is_far_from_overlong() -> None:
    """Outputs of real tools pass untouched."""
    longest = max(len(line) for capture in captures() for line in capture.stdout.splitlines())
    assert longest * 2 < LONGEST_LINE
