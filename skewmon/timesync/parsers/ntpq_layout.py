"""What the header of a peer table tells: which columns there are, where they lie, what their numbers count.

``ntpq -p`` of ntp.org and NTPsec has one set of columns; ``apeers``, ``opeers``, switches and routers that
ship ntpd put others between them or leave some out. ``ntpdc -p``, and what Cisco made of it, has its own: it
counts seconds where ntpq counts milliseconds, and its first character is the mode of an association.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from skewmon.timesync.parsers.values import is_value, octal, whole

#: The columns right of the reference identifier, where no header tells otherwise.
STANDARD = ("st", "t", "when", "poll", "reach", "delay", "offset", "jitter")

#: Where the name begins, how wide it is: "%c%-15.15s " of ntpq-subs.c, where no header tells otherwise.
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

#: Mode of an association → word (ntpdc(8)); only of the followed one the selection is told, too.
MODES = {
    " ": "unknown",
    "+": "unknown",
    "-": "unknown",
    "=": "unknown",
    "^": "unknown",
    "~": "unknown",
    "*": "system",
}

#: Codes that begin names, too, and so count in the tally's own column only.
_LETTERS = "xo"

_HEADER = re.compile(
    r"\s*(?:server\s+)?(?P<name>remote|address)\s+(?P<refid>refid|local|ref clock)\b(?P<rest>.*)"
)
_INTERVAL = re.compile(r"-|[0-9]{1,6}[smhdy]?", re.ASCII)
_KIND = re.compile(r"[A-Za-z0-9?-]", re.ASCII)


def _is_interval(text: str) -> bool:
    return _INTERVAL.fullmatch(text) is not None


#: Title → what a field of its column must be; a column that is not known may hold any word.
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

    ``server`` is the width of the column that names which of several hosts was asked; ``between`` is whether
    a word of no interest stands between the reference identifier and the stratum.
    """

    server: int = 0
    indent: int = 0
    refid: int = NAME_COLUMN + NAME_WIDTH + 1
    columns: tuple[str, ...] = STANDARD
    between: bool = False
    hexadecimal: bool = False
    local: bool = False

    @property
    def is_of_ntpdc(self) -> bool:
        """Whether this is the older program's table, which tells neither kind nor age of a source."""
        return "t" not in self.columns and "when" not in self.columns

    @property
    def unit(self) -> str:
        """Return what a bare number of delay, offset and jitter counts."""
        return "s" if self.is_of_ntpdc else "ms"

    @property
    def states(self) -> Mapping[str, str]:
        """Return what the first character of a row means."""
        return MODES if self.is_of_ntpdc else STATES

    @property
    def plain_codes(self) -> tuple[str, ...]:
        """Return the codes that no name begins with."""
        return tuple(code for code in self.states if code not in f" {_LETTERS}")

    def split(self, line: str) -> tuple[str, dict[str, str]] | None:
        """Return what stands left of the fields, and these by their titles; None where they do not fit."""
        words = line.rsplit(None, len(self.columns))
        parts = words[-len(self.columns) :]
        fits = len(parts) == len(self.columns) and all(
            _CHECKS.get(title, bool)(part) for title, part in zip(self.columns, parts, strict=True)
        )
        head = words[0] if len(words) > len(parts) else ""
        return (head, dict(zip(self.columns, parts, strict=True))) if fits else None


def of_header(line: str) -> Layout | None:
    """Return the layout that a header announces, or None where the line is none."""
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
