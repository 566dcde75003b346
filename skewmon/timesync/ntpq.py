"""``ntpq -p``: the table of peers, of ntp.org's ntpd and of NTPsec.

A row is read from its right end, where eight fields never hold a blank; what is left of them is a tally code,
a name that may hold blanks, and a reference identifier that may be empty. Where the header stands tells where
the name begins and ends, also in a table that was pasted with blanks before it.

ntpq's offset is peer minus local; here it is turned round, so that positive means that the node is ahead.
"""

import re
from dataclasses import dataclass

from skewmon.model import Peer, SyncStatus
from skewmon.timesync import refid as refids
from skewmon.timesync.report import Ledger, Outcome, ToolReport
from skewmon.timesync.values import flipped, is_value, octal, seconds, whole

TOOL = "ntpq"

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

#: Codes that no name begins with; x and o do begin names, and so count in the tally's own column only.
_PLAIN_TALLIES = ("*", "+", "-", "#", ".")

#: The fields right of the reference identifier: st t when poll reach delay offset jitter.
FIELDS = 8

#: Where the name begins, how wide it is: "%c%-15.15s " of ntpq-subs.c, where no header tells otherwise.
NAME_COLUMN, NAME_WIDTH = 1, 15

#: A wrapped name is continued by a row that begins with as many blanks as the name's field is wide.
_WRAP_INDENT = 12

_HEADER = re.compile(r"\s*remote\s+(refid|local)\b.*\breach\b")
_RULE = re.compile(r"[=\s]+")
_BANNER = re.compile(r"\s*(?:server=\S+|host\s*:\s*\S+.*|ntpq> ?|remote)\s*")
_INTERVAL = re.compile(r"-|[0-9]{1,6}[smhdy]?", re.ASCII)
_KIND = re.compile(r"[A-Za-z0-9?-]", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the columns of one table lie; the default is ntp.org's own, for rows without a header."""

    indent: int = 0
    refid: int = NAME_COLUMN + NAME_WIDTH + 1
    assid: bool = False
    local: bool = False


def parse(text: str, stderr: str = "", status: int = 0) -> ToolReport:
    """Read the table of ``ntpq -p``, ``-c apeers`` or ``-c opeers``, wrapped and with units too."""
    ledger = Ledger(TOOL)
    lines = text.splitlines()
    layout = _layout(lines)
    peers: list[Peer] = []
    wrapped: str | None = None  # a name too wide for its column, which waits for its row
    for line in lines:
        continued = None if wrapped is None else _continued(wrapped, line, layout)
        if continued is not None:
            peers.append(continued)
            ledger.understood(2)
            wrapped = None
            continue
        if wrapped is not None:
            ledger.other(wrapped)
        wrapped = line if _may_be_wrapped(line) else None
        row = _row(line, layout)
        if row is not None:
            peers.append(row)
            ledger.understood()
        elif _is_noise(line):
            ledger.ignored()
        elif wrapped is None:
            ledger.other(line)
    if wrapped is not None:
        ledger.other(wrapped)
    ledger.others(stderr.splitlines())
    headed = any(_HEADER.match(line) for line in lines)
    return ledger.report(
        _status(tuple(peers)),
        found=bool(peers),
        exit_status=status,
        empty=Outcome.NO_SOURCES if headed else Outcome.UNPARSED,
    )


def _status(peers: tuple[Peer, ...]) -> SyncStatus:
    # With a pulse per second ntpd marks two: the clock that numbers the seconds, and the pulse it follows.
    marked = sorted((peer for peer in peers if peer.state in {"pps", "system"}), key=lambda peer: peer.state)
    followed = marked[0] if marked else None
    if followed is None:
        return SyncStatus("unknown", synchronized=False if peers else None, peers=peers)
    # The table holds the followed source's stratum; the clock that follows it is one further away.
    return SyncStatus(
        "unknown",
        synchronized=True,
        stratum=None if followed.stratum is None else followed.stratum + 1,
        source=followed.name,
        refid=_upstream(followed),
        offset_s=followed.offset_s,
        reach=followed.reach,
        last_update_s=followed.last_heard_s,
        poll_s=followed.poll_s,
        peers=peers,
    )


def _upstream(followed: Peer) -> str | None:
    """Return the refid of a clock that follows this source: its address, or a reference clock's word."""
    if followed.kind == "l":
        return followed.refid
    if ":" in followed.name and len(followed.name) == NAME_WIDTH:
        return None  # an IPv6 address that was cut off in the middle names somebody else
    return refids.of_address(followed.name)


def _layout(lines: list[str]) -> _Layout:
    for line in lines:
        found = _HEADER.match(line)
        if found:
            # Both programs print "remote" five columns in, and the title of the next column five columns into
            # its field; `apeers` squeezes the association in and prints it one column in.
            assid = " assid" in line
            return _Layout(
                indent=max(0, line.index("remote") - 5),
                refid=line.index(found[1]) - (1 if assid else 5),
                assid=assid,
                local=found[1] == "local",
            )
    return _Layout()


def _is_noise(line: str) -> bool:
    return any(pattern.fullmatch(line) for pattern in (_RULE, _BANNER)) or _HEADER.match(line) is not None


def _may_be_wrapped(line: str) -> bool:
    """Tell whether this is a lone name, wider than its field: the first half of a wrapped row."""
    name = line.strip()
    return len(name) > NAME_WIDTH and len(name.split()) == 1 and not _is_noise(line)


def _row(line: str, layout: _Layout) -> Peer | None:
    """Read a whole row."""
    fields = _fields(line)
    head = "" if fields is None else line[: _start_of(line, fields)].rstrip()
    if fields is None or not head.strip():
        return None
    tally, name, refid = _head(head, layout)
    return _peer(tally, name, _refid(refid, layout), fields) if name else None


def _continued(wrapped: str, line: str, layout: _Layout) -> Peer | None:
    """Read a row whose name, too wide for its column, stands on the line before."""
    fields = _fields(line)
    if fields is None or line[:_WRAP_INDENT].strip():
        return None
    tally, name = _tally(wrapped, layout)
    return _peer(tally, name, _refid(line[: _start_of(line, fields)].strip(), layout), fields)


def _refid(text: str, layout: _Layout) -> str:
    """Return what of this column is a reference identifier: no association number, no local address."""
    if layout.local:
        return ""
    return text.rpartition(" ")[0].strip() if layout.assid else text


def _fields(line: str) -> list[str] | None:
    """Return the eight fields at a line's end, or None where they are not what they must be."""
    parts = line.rsplit(None, FIELDS)[-FIELDS:]
    return parts if len(parts) == FIELDS and _fields_fit(parts) else None


def _start_of(line: str, fields: list[str]) -> int:
    """Return the column where the eight fields begin, found from the right, where they are."""
    end = len(line)
    for field in reversed(fields):
        end = line.rindex(field, 0, end)
    return end


def _fields_fit(fields: list[str]) -> bool:
    stratum, kind, when, poll, reach, *values = fields
    return (
        whole(stratum) is not None
        and _KIND.fullmatch(kind) is not None
        and _INTERVAL.fullmatch(when) is not None
        and _INTERVAL.fullmatch(poll) is not None
        and octal(reach) is not None
        and all(is_value(value) for value in values)
    )


def _tally(line: str, layout: _Layout) -> tuple[str, str]:
    """Split a line's start into its tally code and what follows."""
    column = layout.indent if line[: layout.indent].strip() == "" else 0
    code, rest = line[column : column + 1], line[column + 1 :]
    stripped = line.strip()
    if code in STATES and (code != " " or not stripped.startswith(_PLAIN_TALLIES)):
        return code, rest.strip()
    if stripped.startswith(_PLAIN_TALLIES):  # pasted with other blanks than the header
        return stripped[0], stripped[1:].strip()
    return " ", stripped


def _head(head: str, layout: _Layout) -> tuple[str, str, str]:
    """Split what stands left of the fields into tally code, name and reference identifier."""
    column = layout.refid
    if column < len(head) and head[column - 1] == " " and head[column] != " ":
        tally, name = _tally(head[:column], layout)
        if name:
            return tally, name, head[column:].strip()
    tally, rest = _tally(head, layout)
    if rest.endswith("(") or len(rest.split()) < 2:
        return tally, rest, ""
    name, refid = rest.rsplit(None, 1)
    return tally, name, refid


def _peer(tally: str, name: str, refid: str, fields: list[str]) -> Peer:
    stratum, kind, when, poll, reach, delay, offset, jitter = fields
    return Peer(
        name=name,
        state=STATES[tally],
        refid=refids.word(refid) or None,
        stratum=whole(stratum),
        kind=kind,
        last_heard_s=_interval_s(when),
        poll_s=_interval_s(poll),
        reach=octal(reach),
        delay_s=seconds(delay, "ms"),
        offset_s=flipped(seconds(offset, "ms")),
        jitter_s=seconds(jitter, "ms"),
        tally=tally,
    )


def _interval_s(text: str) -> float | None:
    """Seconds of ntpq's prettyinterval(): bare seconds, or minutes, hours and days by their letter."""
    if text == "-":
        return None
    return seconds(text)
