"""Mutations of real outputs, and the law that every report of a parser must keep."""

import random

from skewmon.timesync.parsers.report import ToolReport

#: Pieces that upset parsers before: huge numbers, signs, units, controls, other scripts' digits.
PIECES = (
    *(
        "-",
        "+",
        ".",
        "nan",
        "inf",
        "1e999",
        "9" * 400,
        "0x7f",
        "-0",
        "(",
        ")",
        "[",
        "\x00",
        "\t",
        "\r",
        "\x0b",
    ),
    *(
        "\u2028",
        "\u0661\u0662",
        "\ud800",
        "\u00b5s",
        "\u03bcs",
        "68m",
        "18h",
        "377",
        "=",
        "====",
        ",",
        "::",
        "%eth0",
        "{ }",
        " ",
    ),
)

#: No tool prints this much; longer inputs only make the loop slower.
TEXT_MAX = 20_000


def mutated(text: str, chance: random.Random) -> str:
    """Return the text with one to six mutations."""
    for _ in range(chance.randint(1, 6)):
        text = chance.choice(_MUTATIONS)(text, chance)[:TEXT_MAX]
    return text


def _cut(text: str, chance: random.Random) -> str:
    start = chance.randint(0, len(text))
    return text[:start] + text[start + chance.randint(0, 30) :]


def _insert(text: str, chance: random.Random) -> str:
    place = chance.randint(0, len(text))
    return text[:place] + chance.choice(PIECES) + text[place:]


def _flip(text: str, chance: random.Random) -> str:
    if not text:
        return text
    place = chance.randrange(len(text))
    return (
        text[:place]
        + chr(chance.choice((chance.randrange(32, 127), chance.randrange(0x3000))))
        + text[place + 1 :]
    )


def _repeat(text: str, chance: random.Random) -> str:
    lines = text.splitlines(keepends=True) or [""]
    place = chance.randrange(len(lines))
    return "".join(lines[:place] + [lines[place]] * chance.randint(2, 20) + lines[place + 1 :])


def _shuffle(text: str, chance: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    chance.shuffle(lines)
    return "".join(lines)


def _respace(text: str, chance: random.Random) -> str:
    return text.replace("  ", " " * chance.randint(0, 5), chance.randint(1, 10))


def _replace_word(text: str, chance: random.Random) -> str:
    words = text.split(" ")
    words[chance.randrange(len(words))] = chance.choice(PIECES)
    return " ".join(words)


_MUTATIONS = (_cut, _insert, _flip, _repeat, _shuffle, _respace, _replace_word)


def accounted(report: ToolReport, text: str, stderr: str) -> str:
    """Return the fault in a report's account of its lines, or nothing."""
    lines = text.splitlines() + stderr.splitlines()
    if report.lines != len(lines):
        return f"{report.lines} lines accounted for, {len(lines)} given"
    left = [line for line in report.unparsed if line not in lines]
    return f"lines that were never given: {left}" if left else ""
