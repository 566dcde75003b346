"""The left part of a row of a peer table: tally code, name and reference identifier.

A tally code is one character, and ``x`` and ``o`` begin names, too. In a table whose leading blanks were
trimmed, or that stands behind a prefix of another program, the first character of a row proves nothing.
"""

import ipaddress
import re
from collections.abc import Iterable
from typing import NamedTuple

from skewmon.timesync.parsers.ntpq_layout import LETTERS, NAME_COLUMN, NAME_WIDTH, Layout

#: State of a source whose tally code is not known.
UNKNOWN = "unknown"

_DRIVER = re.compile(r"[A-Z][A-Z_0-9]{1,15}\([0-9]{1,3}\)")
_MASKED = re.compile(r"\*{2,}")

#: A name with another name in brackets behind it, which may be cut: ``192.0.2.65 (au.exam``.
_WITH_OTHER_NAME = re.compile(r"(\S+) +\(\S*")

#: Host names, addresses and drivers. Other characters are the prefix of another program, or a shifted column.
_NAME = re.compile(r"(?![0-9]+$)(?:[\w.%\[\]()/@?-]|:(?!-))+")

#: ``n1:`` as clush and pdsh print before each line; a cut IPv6 address ends so, too.
_LABEL = re.compile(r"[^:]*[^0-9A-Fa-f:.][^:]*:")

#: No reference identifier begins with a tally code, but NTPsec cuts long ones to ``-`` and their end.
_NOT_A_REFID = re.compile(r"[*+#>|]|.*\s")


class Head(NamedTuple):
    """Tally code, name and reference identifier; an unknown code is empty."""

    tally: str
    name: str
    refid: str


def read_head(head: str, layout: Layout, *, is_trimmed: bool | None) -> Head | None:
    """Split the text left of the fields, or return None if its parts cannot be those of a row.

    ``is_trimmed`` is whether the rows of the table lost their leading blanks, None if that is not known.
    """
    words = head.split()
    if _MASKED.fullmatch(words[0]):
        return Head("", words[0], "" if len(words) < 2 else words[1].strip("*"))
    tally, name, refid = _split(head, layout)
    code, rest = known_tally(tally, name, head, layout, is_trimmed=is_trimmed)
    name = plain_name(rest)
    return Head(code, name, refid) if is_name(name) and not _NOT_A_REFID.match(refid) else None


def plain_name(name: str) -> str:
    """Return a name without the second one in brackets behind it."""
    found = _WITH_OTHER_NAME.fullmatch(name)
    return name if found is None else found[1]


def is_name(text: str) -> bool:
    """Return whether this may be the name of a source."""
    return _NAME.fullmatch(text) is not None and _LABEL.fullmatch(text) is None


def split_tally(line: str, layout: Layout) -> tuple[str, str]:
    """Split a line's start into its tally code and the rest."""
    column = layout.indent if line[: layout.indent].strip() == "" else 0
    code, rest = line[column : column + 1], line[column + 1 :]
    stripped = line.strip()
    if code not in layout.states or (code == " " and stripped.startswith(layout.plain_codes)):
        # pasted with other blanks than the header
        plain = stripped.startswith(layout.plain_codes)
        code, rest = (stripped[0], stripped[1:]) if plain else (" ", stripped)
    return code, rest.strip().removeprefix("~")  # Cisco's mark of a source that is configured


def known_tally(
    code: str, rest: str, head: str, layout: Layout, *, is_trimmed: bool | None
) -> tuple[str, str]:
    """Return tally code and name; a letter that may be the first of the name is part of it.

    Proof that a letter is a code: the table has its leading blanks; an address or a driver's name follows; or
    the reference identifier stands in its column behind a padded name.
    """
    if code not in LETTERS or is_trimmed is False or _is_address(rest) or _DRIVER.fullmatch(rest):
        return code, rest
    padded = re.match(r"\s*\S+\s{2,}(?=\S)", head)
    column = None if padded is None else padded.end()
    first = layout.refid if is_trimmed is None else NAME_COLUMN + NAME_WIDTH + 1
    if column == first:
        return code, rest
    return (" " if column == first - 1 else ""), code + rest


def is_table_trimmed(lines: Iterable[str], layout: Layout, *, header: str | None) -> bool | None:
    """Return whether the rows lost their leading blanks, or None if that is not known."""
    if layout.is_of_ntpdc or layout.server:
        return False
    starts = {line[layout.indent : layout.indent + 1] for line in lines if layout.split(line.expandtabs())}
    if " " in starts:
        return False
    if starts - layout.states.keys():
        return True
    return False if header is not None and header[:1].isspace() else None


def _split(head: str, layout: Layout) -> tuple[str, str, str]:
    column = layout.refid
    if column < len(head) and head[column - 1] == " " and head[column] != " ":
        tally, name = split_tally(head[:column], layout)
        if name:
            return tally, name, head[column:].strip()
    tally, rest = split_tally(head, layout)
    if rest.endswith("(") or len(rest.split()) < 2:
        return tally, rest, ""
    name, refid = rest.rsplit(None, 1)
    return tally, name, refid


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
