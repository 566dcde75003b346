"""Traces of terminals, editors and web pages in a tool's output: colors, hard blanks, a byte order mark."""

import re
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import replace

from skewmon.timesync.parsers.report import Parser, ToolReport

#: Sequences that color text, move the cursor or set a title (ECMA-48), and a mark of byte order.
_UNSEEN = re.compile(
    r"\x1b\[[0-?]{0,40}[ -/]{0,4}[@-~]|\x1b\][^\x07\x1b]{0,400}(?:\x07|\x1b\\)|\x1b[()][0-9A-Z]|\ufeff"
)

#: Blanks of web pages and word processors; in an offset, a long minus.
_PLAIN = str.maketrans({"\xa0": " ", "\u2007": " ", "\u202f": " ", "\u2212": "-"})

#: Fewer lines than this are not a text in which every second line is blank.
_LEAST_DOUBLE_SPACED = 6


def without_terminal(parse: Parser) -> Parser:
    """Return a parser that reads an output as a person would see it, and counts the original lines."""

    def parse_plain(text: str, stderr: str = "", status: int = 0) -> ToolReport:
        plain, errors = _single_spaced(_plain(text)), _plain(stderr)
        if plain == text and errors == stderr:
            return parse(text, stderr, status)
        originals = (*text.splitlines(), *stderr.splitlines())
        report = parse(plain, errors, status)
        report = replace(report, noise=report.noise + len(originals) - report.lines)
        return _with_original_lines(report, originals)

    return parse_plain


def _plain(text: str) -> str:
    """Return the text with each line as it is seen."""
    ends = ((line, line.splitlines()[0]) for line in text.splitlines(keepends=True))
    return "".join(_seen(body) + line[len(body) :] for line, body in ends)


def _seen(line: str) -> str:
    if not line.isascii() or "\x1b" in line:
        line = _UNSEEN.sub("", line).translate(_PLAIN)
    return line.rstrip(" \t")


def _single_spaced(text: str) -> str:
    """Return the text without the blank line after each line, if there is one after each."""
    lines = text.splitlines()
    is_double = len(lines) >= _LEAST_DOUBLE_SPACED and not any(lines[1::2])
    return "".join(f"{line}\n" for line in lines[::2]) if is_double else text


def _with_original_lines(report: ToolReport, lines: Sequence[str]) -> ToolReport:
    originals: defaultdict[str, deque[str]] = defaultdict(deque)
    for line in lines:
        originals[_seen(line)].append(line)
    unparsed = tuple(originals[line].popleft() if originals[line] else line for line in report.unparsed)
    return replace(report, unparsed=unparsed, status=replace(report.status, unparsed=unparsed))
