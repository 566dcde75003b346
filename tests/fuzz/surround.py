"""Valid outputs as they are passed on: behind prefixes, indented, repeated, wrapped or cut at the end.

Whatever was done to an output, each value of its parse is the same as in the original, or absent for a
reason, or named as a suspect.
"""

import random
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import NamedTuple

from skewmon.model import Peer, SyncStatus
from skewmon.timesync.parsers.report import SOURCES_MISSING, ToolReport

#: Prefixes that do not change from line to line.
_CONSTANT = (
    "> ",
    ">> ",
    "| ",
    "n1: ",
    "db-7.example.com: ",
    "n1 | ",
    "[n1] ",
    "# ",
    " - ",
    "ntp_1  | ",
    "Jan 10 05:39:29 n1 check[940]: ",
    "Feb  3 23:00:01 web-12.example.net ntpcheck: ",
    "2026-01-10T05:39:29.123456+01:00 n1 check[12]: ",
    "2026-01-10 05:39:29 ",
    "[2026-01-10T05:39:29Z] ",
    "2026-01-10T05:39:29.123456789Z stdout F ",
)

#: Narrower than any table and wider than any.
_WIDTHS = (40, 132)


class Surrounded(NamedTuple):
    """An output as it was passed on, and how."""

    text: str
    how: str


def _prefixed(text: str, chance: random.Random) -> Surrounded:
    prefix = chance.choice(_CONSTANT)
    return Surrounded(_each(text, lambda line, _: prefix + line), f"prefix {prefix!r}")


def _logged(text: str, chance: random.Random) -> Surrounded:
    hour, minute, pid = chance.randrange(24), chance.randrange(60), chance.randrange(2, 99_999)
    form = chance.choice(("Jan {d:2} {h:02}:{m:02}:{s:02} n1 check[{p}]: ", "{h:02}:{m:02}:{s:02} "))
    day = chance.randint(1, 31)
    return Surrounded(
        _each(text, lambda line, at: form.format(d=day, h=hour, m=minute, s=at % 60, p=pid) + line), "logged"
    )


def _numbered(text: str, chance: random.Random) -> Surrounded:
    form = chance.choice(("{:>6}\t{}", "{:>3} {}", "{}: {}", "{}:{}", "{:>4}| {}"))
    return Surrounded(_each(text, lambda line, at: form.format(at + 1, line)), f"numbered {form!r}")


def _nested(text: str, chance: random.Random) -> Surrounded:
    outer = chance.choice(("> ", "n1: ", "# "))
    inner = _prefixed(text, chance) if chance.random() < 0.5 else _numbered(text, chance)
    return Surrounded(_each(inner.text, lambda line, _: outer + line), f"prefix {outer!r} of {inner.how}")


def _indented(text: str, chance: random.Random) -> Surrounded:
    indent = " " * chance.randint(1, 12)
    return Surrounded(_each(text, lambda line, _: indent + line), f"indented by {len(indent)}")


def _repeated(text: str, chance: random.Random) -> Surrounded:
    between = chance.choice(("", "\n"))
    return Surrounded(text + between + text, "repeated")


def _line_repeated(text: str, chance: random.Random) -> Surrounded:
    lines = text.splitlines(keepends=True) or [""]
    at = chance.randrange(len(lines))
    return Surrounded("".join([*lines[: at + 1], lines[at], *lines[at + 1 :]]), f"line {at} repeated")


def _cut(text: str, chance: random.Random) -> Surrounded:
    # Between two lines a table of fewer sources is as valid as the whole one.
    return Surrounded(text[: chance.randint(0, len(text))].removesuffix("\n"), "cut")


def _wrapped(text: str, chance: random.Random) -> Surrounded:
    width = chance.randint(*_WIDTHS)
    lines = [
        piece
        for line in text.splitlines()
        for piece in (
            textwrap.wrap(line, width, drop_whitespace=chance.random() < 0.5, replace_whitespace=False)
            or [""]
        )
    ]
    return Surrounded("".join(f"{line}\n" for line in lines), f"wrapped at {width}")


def _folded(text: str, chance: random.Random) -> Surrounded:
    width = chance.randint(*_WIDTHS)
    lines = [line[at : at + width] for line in text.splitlines() for at in range(0, max(1, len(line)), width)]
    return Surrounded("".join(f"{line}\n" for line in lines), f"folded at {width}")


def _each(text: str, change: Callable[[str, int], str]) -> str:
    lines = text.splitlines()
    return "".join(f"{change(line, at)}\n" for at, line in enumerate(lines))


_WAYS: Sequence[Callable[[str, random.Random], Surrounded]] = (
    *(_prefixed, _logged, _numbered, _nested, _indented),
    *(_repeated, _line_repeated, _cut, _wrapped, _folded),
)

#: Ways that leave every line as it is, so that no value may be lost.
_LOSSLESS = frozenset({_prefixed, _logged, _numbered, _nested, _indented})


def surrounded(text: str, chance: random.Random) -> tuple[Surrounded, bool]:
    """Return the output as it is passed on, and whether every value must survive."""
    way = chance.choice(_WAYS)
    return way(text, chance), way in _LOSSLESS


def wrong_value(original: ToolReport, report: ToolReport, *, is_lossless: bool = False) -> str:
    """Return a value that is neither that of the original nor absent for a reason nor suspect, or nothing."""
    is_doubted = bool(set(report.suspects) - set(original.suspects)) or SOURCES_MISSING in report.suspects
    known, found = _values(original.status), _values(report.status)
    if is_lossless and not original.unparsed and known != found:
        different = {key for key in known.keys() | found.keys() if known.get(key) != found.get(key)}
        return f"not the same: {sorted(map(str, different))[:5]}"
    for key, values in found.items():
        if not values <= known.get(key, set()) and not is_doubted:
            return f"{key}: {sorted(map(str, values))}, was {sorted(map(str, known.get(key, set())))}"
    return ""


def _values(status: SyncStatus) -> Mapping[str, set[object]]:
    """Return every value by its path; a source's by its name, which several sources may share."""
    values: dict[str, set[object]] = {}
    for name, value in _fields(status):
        values.setdefault(name, set()).add(value)
    for peer in status.peers:
        for name, value in _fields(peer):
            values.setdefault(f"source {peer.name}: {name}", set()).add(value)
    if status.kernel is not None:
        for name, value in _fields(status.kernel):
            values.setdefault(f"kernel: {name}", set()).add(value)
    return values


def _fields(value: SyncStatus | Peer | object) -> list[tuple[str, object]]:
    assert is_dataclass(value)
    pairs = ((field.name, getattr(value, field.name)) for field in fields(value))
    skipped = ("unparsed", "suspects", "failures", "peers", "kernel", "daemons", "daemon")
    return [(name, one) for name, one in pairs if one is not None and name not in skipped]
