"""Lines that no time tool prints, kept from the patterns that would take minutes over them.

A pattern with two open-ended parts in a row tries every way to share a long run between them. Real lines are
short; a longer one is reported as not understood, whole, and costs nothing.
"""

import re
from dataclasses import replace

from skewmon.timesync.parsers.report import Parser, ToolReport

#: The longest real lines are lists of servers in systemd's properties: some hundred characters.
LONGEST_LINE = 2_048

#: Tables are padded to a terminal's width at most.
WIDEST_GAP = 200

_GAP = re.compile(rf"\s{{{WIDEST_GAP}}}")


def without_overlong(parse: Parser) -> Parser:
    """Return a parser that never sees such a line, and reports it as not understood."""

    def parse_short(text: str, stderr: str = "", status: int = 0) -> ToolReport:
        held: dict[str, str] = {}
        report = parse(_hold(text, held), _hold(stderr, held), status)
        if not held:
            return report
        unparsed = tuple(held.get(line, line) for line in report.unparsed)
        return replace(report, unparsed=unparsed, status=replace(report.status, unparsed=unparsed))

    return parse_short


def _hold(text: str, held: dict[str, str]) -> str:
    """Return the text with a stand-in for each overlong line, and remember the line of each."""
    if len(text) < WIDEST_GAP:
        return text
    lines = text.splitlines()
    overlong = [number for number, line in enumerate(lines) if _is_overlong(line)]
    for number in overlong:
        stand_in = f"\x7f{len(held)}"  # no tool prints a DEL, so no parser takes it for a fact
        held[stand_in] = lines[number]
        lines[number] = stand_in
    # Every line ends, so that an empty one at the end stays one.
    return "".join(f"{line}\n" for line in lines) if overlong else text


def _is_overlong(line: str) -> bool:
    return len(line) > LONGEST_LINE or _GAP.search(line) is not None
