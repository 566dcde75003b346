"""The columns of a peer table, read from its header: their names, positions and units.

``ntpq -p`` of ntp.org and NTPsec has one set of columns; ``apeers``, ``opeers``, switches and routers that
ship ntpd add columns or leave some out. ``ntpdc -p``, and Cisco's version of it, has its own: it counts
seconds instead of milliseconds, and its first character is the mode of an association.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from skewmon.timesync.parsers.values import is_value, octal, whole

#: The columns right of the reference identifier in a table without a header.
STANDARD = ("st", "t", "when", "poll", "reach", "delay", "offset", "jitter")

#: Position and width of the name in a table without a header: "%c%-15.15s " of ntpq-subs.c.
NAME_COLUMN, NAME_WIDTH = 1, 15

#: Tally code → word (ntp.org, "Peer Status Word", select field).
STATES = {
    " ": "rejected",
    "x": "falseticker",
    ".": "excess",
    "-": "outlier",
    "+": "candidate",
    "#": "backup",
    "*": "system",
    "o": "pps",
}

#: Mode of an association → word (ntpdc(8)); only the followed one shows its selection, too.
MODES = {
    " ": "unknown",
    "+": "unknown",
    "-": "unknown",
    "=": "unknown",
    "^": "unknown",
    "~": "unknown",
    "*": "system",
}

#: Codes that are letters: names begin with them, too.
LETTERS = "xo"

_HEADER = re.compile(
    r"\s*(?:server\s+)?(?P<name>remote|address)\s+(?P<refid>refid|local|ref clock)\b(?P<rest>.*)"
)
_INTERVAL = re.compile(r"-|[0-9]{1,6}[smhdy]?", re.ASCII)
_KIND = re.compile(r"[A-Za-z0-9?-]", re.ASCII)


def _is_interval(text: str) -> bool:
    return _INTERVAL.fullmatch(text) is not None


#: Title → check of a field of its column; a column that is not known may hold any word.
_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "st": lambda text: whole(text) is not None,
    "t": lambda text: _KIND.fullmatch(text) is not None,
    "when": _is_interval,
    "poll": _is_interval,
    "reach": lambda text: octal(text) is not None,
    "delay": is_value,
    "offset": is_value,
    "jitter": is_value,
    "disp": is_value,
}


@dataclass(frozen=True, slots=True)
class Layout:
    """One table's columns; the default is ntp.org's own, for rows without a header.

    ``server`` is the width of the column with the host that was queried, of several hosts; ``between`` is
    whether a word without use stands between the reference identifier and the stratum; ``ruled`` is whether
    the indent is that of the rule, of which a terminal may have wrapped the rest.
    """

    server: int = 0
    indent: int = 0
    refid: int = NAME_COLUMN + NAME_WIDTH + 1
    columns: tuple[str, ...] = STANDARD
    between: bool = False
    hexadecimal: bool = False
    local: bool = False
    ruled: bool = False

    @property
    def is_of_ntpdc(self) -> bool:
        """Whether this is the older program's table, without kind and age of a source."""
        return "t" not in self.columns and "when" not in self.columns

    @property
    def unit(self) -> str:
        """Unit of a bare number of delay, offset and jitter."""
        return "s" if self.is_of_ntpdc else "ms"

    @property
    def states(self) -> Mapping[str, str]:
        """Meaning of the first character of a row."""
        return MODES if self.is_of_ntpdc else STATES

    @property
    def plain_codes(self) -> tuple[str, ...]:
        """Codes that no name begins with."""
        return tuple(code for code in self.states if code not in f" {LETTERS}")

    @property
    def has_vrf(self) -> bool:
        """Whether rows end with the name of a routing table, which may be missing or wrapped."""
        return self.columns[-1] == "vrf"

    def split(self, line: str) -> tuple[str, dict[str, str]] | None:
        """Return the text left of the fields, and the fields by their titles; None if they do not fit."""
        whole_row = _split(line, self.columns)
        return _split(line, self.columns[:-1]) if whole_row is None and self.has_vrf else whole_row


def _split(line: str, columns: tuple[str, ...]) -> tuple[str, dict[str, str]] | None:
    words = line.rsplit(None, len(columns))
    parts = words[-len(columns) :]
    fits = len(parts) == len(columns) and all(
        _CHECKS.get(title, bool)(part) for title, part in zip(columns, parts, strict=True)
    )
    head = words[0] if len(words) > len(parts) else ""
    return (head, dict(zip(columns, parts, strict=True))) if fits else None


def of_header(line: str) -> Layout | None:
    """Return the layout that a header announces, or None if the line is not a header."""
    found = _HEADER.match(line)
    titles = [] if found is None else found["rest"].split()
    if found is None or "reach" not in titles or "st" not in titles or len(set(titles)) < len(titles):
        return None
    first = titles.index("st")
    name = found.start("name")
    # ntpq prints "remote" five columns in, Cisco "address" right above the names.
    indent = max(0, name - (5 if found["name"] == "remote" else 2))
    assid = "assid" in titles
    return Layout(
        server=indent if line.lstrip().startswith("server") else 0,
        indent=indent,
        # The next title stands five columns into its field, too; `apeers` prints it one column in.
        refid=found.start("refid") - (0 if found["refid"] == "ref clock" else 1 if assid else 5),
        columns=tuple(titles[first:]),
        between=first > 0,
        hexadecimal=assid,
        local=found["refid"] == "local",
    )
