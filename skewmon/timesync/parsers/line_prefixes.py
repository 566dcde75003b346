"""Prefixes that another program put before every line of a tool: syslog, clush, a mail, line numbers.

An output is parsed as it is first. If lines were not understood, prefixes that they share are removed, one
inside the other, and the removal counts only if fewer lines are left over and none is lost. Of several the
one that removes least counts: the start of a single line may hold values.
"""

import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice, pairwise

from skewmon.timesync.parsers.report import Parser, ToolReport

_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{8}(?:[.,][0-9]{1,9})?(?: ?(?:Z|[+-][0-9]{2}:?[0-9]{2}))?"
_MONTH_DATE = (
    r"(?:<[0-9]{1,3}>)?(?:[A-Z][a-z]{2},? )?[A-Z][a-z]{2} [ 0-9][0-9]"
    r" [0-9:]{8}(?:\.[0-9]{1,9})?(?: [0-9]{4})?"
)

_PROGRAM = r"(?P<owner>\S{1,80} [^\s:\[]{1,80})(?:\[[0-9]{1,9}\])?"

#: One layer of prefix each. A prefix ends with one blank at most: more may be a blank tally code. The group
#: ``owner`` must be the same in all lines, so that the outputs of two nodes are not mixed.
_FORMS = tuple(
    re.compile(pattern)
    for pattern in (
        # syslog, and RFC 5424; each line may be of a process of its own
        rf"\s{{0,4}}(?:{_DATE}|{_MONTH_DATE}|[0-9]{{10}}\.[0-9]{{6}}) {_PROGRAM}:(?: |$)",
        rf"<[0-9]{{1,3}}>1 {_DATE} (?P<owner>\S{{1,80}} \S{{1,48}}) \S{{1,20}} \S{{1,32}} -(?: |$)",
        rf"\s{{0,4}}\[?(?:{_DATE}|{_MONTH_DATE})\]?:?(?: |\t|$)",
        rf"\s{{0,4}}\[?{_DATE} [A-Z]{{3,4}}\]?:?(?: |\t|$)",
        r"\s{0,4}\[?[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?\]?(?: |\t|$)",
        r"\s{0,4}\[ {0,8}[0-9]{1,9}\.[0-9]{1,9}\](?: |$)",  # the kernel's log
        r"\s{0,4}(?:[>|\u2502]{1,4}|#|//|;|[-\u2013\u2022])(?: |$)",  # a quoted mail, a comment, a list
        r">{1,4}",
        r"\s{0,8}\[?(?P<number>[0-9]{1,6})[\]:.)|-]{0,2}(?: |\t|$)",
        # numbers of lines; grep's have no blank
        r"\s{0,8}(?P<number>[0-9]{1,6})[:-]",
        r"\s{0,4}(?P<owner>[\w\[][\w.@/\[\]-]{0,80}? {0,8}(?::|\||>|\]|=>))(?: |\t|$)",  # clush, pdsh
        r"(?P<owner>[\w./-]{1,80}:)",  # grep over files
        r"(?:stdout|stderr) [FP] ",  # containers
    )
)

#: A shared start may hold the first letters of a table's rows, too: it is tried up to the ends of its words.
_WORD_ENDS = re.compile(r"(?<=\S)[ \t]")
_MOST_WORDS = 4

#: Prefixes inside one another: a mail that quotes a log of a terminal.
_LAYERS = 3

#: Attempts to parse the first lines of one output, which bound the cost of an output that is garbage.
_ATTEMPTS = 60
_SAMPLE_LINES = 40


def without_prefix(parse: Parser) -> Parser:
    """Return a parser that also reads outputs with a prefix before every line."""

    def parse_plain(text: str, stderr: str = "", status: int = 0) -> ToolReport:
        report = parse(text, stderr, status)
        lines = text.splitlines()
        plain = _best(parse, lines, set(report.unparsed)) if report.unparsed else lines
        if plain == lines:
            return report
        return _with_original_lines(parse(_joined(plain, text), stderr, status), lines, plain)

    return parse_plain


def _best(parse: Parser, lines: list[str], unparsed: set[str]) -> list[str]:
    """Return the lines without those prefixes whose removal leaves the fewest lines not understood."""
    sample = lines[:_SAMPLE_LINES]
    best, most = _attempt(parse, sample), sum(map(len, sample))
    chosen: tuple[_Layer, ...] = ()
    damaged = [index for index, line in enumerate(sample) if line in unparsed and line.strip()]
    for layers, plain in islice(_candidates(sample, damaged), _ATTEMPTS):
        report = _attempt(parse, plain)
        kept = len("".join("".join(plain).split()))
        is_better = (len(report.unparsed), -kept) < (len(best.unparsed), -most)
        if is_better and report.parsed >= best.parsed:
            best, most, chosen = report, kept, layers
    for layer in chosen:
        lines = layer(lines)
    return lines


def _attempt(parse: Parser, lines: Sequence[str]) -> ToolReport:
    return parse("".join(f"{line}\n" for line in lines), "", 0)


#: The removal of one layer.
_Layer = Callable[[list[str]], list[str]]


def _candidates(lines: list[str], damaged: Sequence[int]) -> Iterator[tuple[tuple[_Layer, ...], list[str]]]:
    """Yield the lines without one layer of prefix, without two, and so on."""
    queue: deque[tuple[tuple[_Layer, ...], list[str]]] = deque([((), lines)])
    while queue:
        layers, current = queue.popleft()
        for layer in _layers_of(current, damaged):
            candidate = ((*layers, layer), layer(current))
            if 2 * sum(bool(candidate[1][index].strip()) for index in damaged) < len(damaged):
                continue  # no prefixes, but the lines themselves
            yield candidate
            if len(layers) + 1 < _LAYERS:
                queue.append(candidate)


def _layers_of(lines: Sequence[str], damaged: Sequence[int]) -> Iterator[_Layer]:
    """Yield the layers that at least half of the damaged lines share."""
    for form in _FORMS:
        found = [form.match(line) for line in lines]
        first = next((match for index in damaged if (match := found[index]) is not None), None)
        if first is None:
            continue
        owner = first.groupdict().get("owner")
        ends = _ends(form, owner, lines)
        if 2 * sum(index in ends for index in damaged) >= len(damaged):
            yield partial(_without_form, form, owner)
    filled = [line for line in lines if line.strip()]
    shared = _shared(filled)
    starts = {shared, *(shared[: end.end()] for end in islice(_WORD_ENDS.finditer(shared), _MOST_WORDS))}
    titled = _shared(filled[1:])  # by salt: the node's name, and its output indented below it
    starts |= {titled[: len(titled) - len(titled.lstrip())], shared[:1] if len(filled) > 1 else ""}
    for start in sorted(starts - {""}, key=len):
        yield partial(_without_start, start)


def _without_form(form: re.Pattern[str], owner: str | None, lines: list[str]) -> list[str]:
    ends = _ends(form, owner, lines)
    return [line[ends.get(index, 0) :] for index, line in enumerate(lines)]


def _without_start(start: str, lines: list[str]) -> list[str]:
    bare = start.rstrip()  # of a line that is empty behind it
    return ["" if bare and line == bare else line.removeprefix(start) for line in lines]


def _ends(form: re.Pattern[str], owner: str | None, lines: Sequence[str]) -> dict[int, int]:
    """Return the end of the prefix in each line that has it, from the same owner.

    Numbers are line numbers only if every line has one and each is greater than that of the line above.
    """
    found = {index: form.match(line) for index, line in enumerate(lines) if line.strip()}
    if "number" in form.groupindex:
        numbers = [-1 if match is None else int(match["number"]) for match in found.values()]
        if -1 in numbers or any(one >= other for one, other in pairwise(numbers)):
            return {}
    return {
        index: match.end()
        for index, match in found.items()
        if match is not None and match.groupdict().get("owner") == owner
    }


def _shared(lines: Sequence[str]) -> str:
    """Return the longest start that all lines have."""
    first, last = min(lines, default=""), max(lines, default="")
    pairs = enumerate(zip(first, last, strict=False))
    return first[: next((at for at, (one, other) in pairs if one != other), len(first))]


def _joined(lines: Sequence[str], original: str) -> str:
    """Return the lines as a text that ends as the original does."""
    is_cut = bool(lines) and bool(lines[-1]) and original.endswith(original.splitlines()[-1])
    text = "".join(f"{line}\n" for line in lines)
    return text[:-1] if is_cut else text


def _with_original_lines(report: ToolReport, lines: Sequence[str], plain: Sequence[str]) -> ToolReport:
    originals: defaultdict[str, deque[str]] = defaultdict(deque)
    for line, short in zip(lines, plain, strict=True):
        originals[short].append(line)
    unparsed = tuple(originals[line].popleft() if originals.get(line) else line for line in report.unparsed)
    return replace(report, unparsed=unparsed, status=replace(report.status, unparsed=unparsed))
