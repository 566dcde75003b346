"""Prefixes that another program put before every line of a tool: syslog, clush, a mail, line numbers.

An output is parsed as it is first. If lines were not understood, prefixes that they share are removed, one
inside the other, and the removal counts only if fewer lines are left over and none is lost.
"""

import re
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from skewmon.timesync.parsers.report import Parser, ToolReport

_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{8}(?:[.,][0-9]{1,9})?(?: ?(?:Z|UTC|[+-][0-9]{2}:?[0-9]{2}))?"
_MONTH_DATE = r"(?:<[0-9]{1,3}>)?[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}(?:\.[0-9]{1,9})?(?: [0-9]{4})?"

#: One layer of prefix each. A prefix ends with one blank at most: more may be a blank tally code. The group
#: ``owner`` must be the same in all lines, so that the outputs of two nodes are not mixed.
_FORMS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\s{{0,4}}(?:{_DATE}|{_MONTH_DATE}) (?P<owner>\S{{1,80}} [^\s:]{{1,80}}:)(?: |$)",  # syslog
        rf"\s{{0,4}}\[?(?:{_DATE}|{_MONTH_DATE})\]?:?(?: |\t|$)",
        r"\s{0,4}\[?[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?\]?(?: |\t|$)",
        r"\s{0,4}\[ {0,8}[0-9]{1,9}\.[0-9]{1,9}\](?: |$)",  # the kernel's log
        r"\s{0,4}(?:[>|\u2502]{1,4}|#|//|;|[-\u2013\u2022])(?: |$)",  # a quoted mail, a comment, a list
        r"\s{0,8}\[?[0-9]{1,6}[\]:.)|-]{0,2}(?: |\t|$)",  # line numbers
        r"\s{0,8}[0-9]{1,6}[:-](?=\S)",  # line numbers of grep
        r"\s{0,4}(?P<owner>[\w\[][\w.@/\[\]-]{0,80}? ?(?::|\||>|\]|=>))(?: |\t|$)",  # clush, pdsh, compose
        r"(?P<owner>[\w./-]{1,80}:)(?=\S)",  # grep over files
        r"(?:stdout|stderr) [FP] ",  # containers
    )
)

#: Prefixes inside one another: a mail that quotes a log of a terminal.
_LAYERS = 3

#: Attempts to parse one output; each is a few milliseconds.
_ATTEMPTS = 24

_NO_INDENT = re.compile(r"\s*")


def without_prefix(parse: Parser) -> Parser:
    """Return a parser that also reads outputs with a prefix before every line."""

    def parse_plain(text: str, stderr: str = "", status: int = 0) -> ToolReport:
        best = parse(text, stderr, status)
        if not best.unparsed:
            return best
        lines = text.splitlines()
        least = set(best.unparsed)
        for plain in _candidates(lines, least):
            report = parse(_joined(plain, text), stderr, status)
            if len(report.unparsed) < len(best.unparsed) and report.parsed >= best.parsed:
                best = _with_original_lines(report, lines, plain)
        return best

    return parse_plain


def _candidates(lines: Sequence[str], unparsed: set[str]) -> Iterator[list[str]]:
    """Yield the lines without one layer of prefix, without two, and so on."""
    damaged = [index for index, line in enumerate(lines) if line in unparsed and line.strip()]
    queue = deque([(0, list(lines))])
    attempts = 0
    while queue:
        layers, current = queue.popleft()
        for plain in _without_layer(current, damaged):
            if attempts == _ATTEMPTS:
                return
            attempts += 1
            yield plain
            if layers + 1 < _LAYERS:
                queue.append((layers + 1, plain))


def _without_layer(lines: list[str], damaged: Sequence[int]) -> Iterator[list[str]]:
    for form in _FORMS:
        ends = _ends(form, lines, damaged)
        if ends and 2 * sum(index in ends for index in damaged) >= len(damaged):
            yield [line[ends.get(index, 0) :] for index, line in enumerate(lines)]
    shared = _shared([line for line in lines if line.strip()])
    indent = _NO_INDENT.match(shared)
    for size in {len(shared), 0 if indent is None else indent.end()} - {0}:
        if len(lines) > 1:
            yield [line[size:] for line in lines]


def _shared(lines: Sequence[str]) -> str:
    """Return the longest start that all lines have."""
    first, last = min(lines, default=""), max(lines, default="")
    pairs = enumerate(zip(first, last, strict=False))
    return first[: next((at for at, (one, other) in pairs if one != other), len(first))]


def _ends(form: re.Pattern[str], lines: Sequence[str], damaged: Sequence[int]) -> dict[int, int]:
    """Return the end of the prefix in each line with the owner of the first damaged one."""
    found = {index: form.match(line) for index, line in enumerate(lines) if line.strip()}
    first = next((match for index in damaged if (match := found.get(index)) is not None), None)
    if first is None:
        return {}
    owner = first.groupdict().get("owner")
    return {
        index: match.end()
        for index, match in found.items()
        if match is not None and match.groupdict().get("owner") == owner
    }


def _joined(lines: Sequence[str], original: str) -> str:
    """Return the lines as a text that ends as the original does."""
    is_cut = bool(lines[-1]) and original.endswith(original.splitlines()[-1])
    text = "".join(f"{line}\n" for line in lines)
    return text[:-1] if is_cut else text


def _with_original_lines(report: ToolReport, lines: Sequence[str], plain: Sequence[str]) -> ToolReport:
    originals: defaultdict[str, deque[str]] = defaultdict(deque)
    for line, short in zip(lines, plain, strict=True):
        originals[short].append(line)
    unparsed = tuple(originals[line].popleft() if originals.get(line) else line for line in report.unparsed)
    return replace(report, unparsed=unparsed, status=replace(report.status, unparsed=unparsed))
