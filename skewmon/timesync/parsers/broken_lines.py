"""Lines that were cut at the end of a text or wrapped by a terminal: their values are kept as suspects."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, pairwise, takewhile

from skewmon.timesync.parsers.report import Parser, ToolReport

#: Characters of a line in the name of a suspect.
_SHOWN = 60

#: Suspects of one output that are named.
_MOST = 5

#: Lines that are tried together with the next ones.
_MOST_CANDIDATES = 20

#: Pieces of one line that are looked for.
_MOST_PIECES = 3

#: First lines of an output, which may hold the header that its rows are read by.
_HEAD_LINES = 6


def with_broken_lines(parse: Parser) -> Parser:
    """Return a parser that names values of lines that may be broken as suspects."""

    def parse_carefully(text: str, stderr: str = "", status: int = 0) -> ToolReport:
        report = parse(text, stderr, status)
        wrapped = _wrapped(parse, text, report) if report.unparsed else ()
        suspects = [*islice(wrapped, _MOST)]
        if report.parsed and _is_cut(text) and _holds_values(parse, text, stderr, status, report):
            suspects.append(f"the last line has no end and may be cut off: {_short(text.splitlines()[-1])}")
        return replace(report, suspects=(*report.suspects, *suspects)) if suspects else report

    return parse_carefully


def _is_cut(text: str) -> bool:
    """Return whether the text ends within a line."""
    last = text.splitlines(keepends=True)[-1:]
    return bool(last) and last == [last[0].rstrip("\r\n")]


def _holds_values(parse: Parser, text: str, stderr: str, status: int, report: ToolReport) -> bool:
    """Return whether the last line is the start of one, or holds a value."""
    lines = text.splitlines(keepends=True)
    shorter = parse("".join(lines[:-1]), stderr, status)
    # Nothing of the line was understood, or a single character, which may be a prompt or a rule as well.
    is_start = len(lines[-1].strip()) < 2 or lines[-1] in report.unparsed
    return is_start or report.status != shorter.status


def _wrapped(parse: Parser, text: str, report: ToolReport) -> Iterator[str]:
    """Name lines that were understood, but are longer with the lines below, which were not.

    A program that wraps lines breaks one only if the next word does not fit into the width of the others.
    """
    lines = text.splitlines()
    width = max((len(line) for line in lines), default=0)
    unparsed = {line for line in report.unparsed if line.strip()}
    candidates = (
        (index, line)
        for index, (line, after) in enumerate(pairwise(lines))
        if after in unparsed and line not in unparsed and any(map(str.isalnum, line))
        if len(line) + len(after.split()[0]) >= width
    )
    for index, line in islice(candidates, _MOST_CANDIDATES):
        rests = takewhile(unparsed.__contains__, lines[index + 1 : index + 1 + _MOST_PIECES])
        if _is_longer(parse, lines[: min(index, _HEAD_LINES)], line, list(rests)):
            yield f"the line after {_short(line)} may be its rest"


def _is_longer(parse: Parser, head: Sequence[str], line: str, rests: Sequence[str]) -> bool:
    """Return whether the line together with some of these is understood, alone or below the head."""
    return any(
        _is_understood(parse, before, blank.join([line, *rests[:count]]))
        for before in ((), head)
        for count in range(1, len(rests) + 1)
        for blank in ("", " ")
    )


def _is_understood(parse: Parser, head: Sequence[str], line: str) -> bool:
    """Return whether this line is understood below the head, of which all need not be."""
    return line not in parse("".join(f"{one}\n" for one in (*head, line)), "", 0).unparsed


def _short(line: str) -> str:
    return repr(line.strip()[:_SHOWN])
