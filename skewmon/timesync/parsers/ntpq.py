"""``ntpq -p``: the table of peers, of ntp.org's ntpd, of NTPsec and of what is built on them.

A row is read from its right end, where the fields, eight as a rule, never hold a blank; what is left of them
is a tally code, a name that may hold blanks, and a reference identifier that may be empty. Where the header
stands tells where the name begins and ends, also in a table that was pasted with blanks before it.

ntpq's offset is peer minus local; here it is turned round, so that positive means that the node is ahead.
"""

import re
from dataclasses import replace

from skewmon.model import Peer, SyncStatus
from skewmon.timesync import refid as refids
from skewmon.timesync.parsers.ntpq_layout import NAME_WIDTH, Layout, of_header
from skewmon.timesync.parsers.report import LineTally, ToolOutcome, ToolReport
from skewmon.timesync.parsers.values import flipped, octal, seconds, whole

TOOL = "ntpq"

#: A wrapped name is continued by a row that begins with as many blanks as the name's field is wide.
_WRAP_INDENT = 12

_RULE = re.compile(r"[=\s]+|\s*-{20,}\s*")
_BANNER = re.compile(r"\s*(?:server=\S+|host\s*:\s*\S+.*|remote|Total peers\s*: [0-9]+)\s*")

#: Switches and routers print below or above the table what its codes mean.
_LEGEND = re.compile(
    r"\s*[*#+x=~-] (?=[^0-9]*\b(?:peer|selected|candidate|master|ticker|polled|configured)\b)[^0-9]*"
)
_HEX = re.compile(r"[0-9a-f]{1,8}", re.ASCII)


def parse(text: str, stderr: str = "", status: int = 0) -> ToolReport:
    """Read the table of ``ntpq -p``, ``-c apeers`` or ``-c opeers``, wrapped and with units too."""
    tally = LineTally(TOOL)
    lines = text.splitlines()
    headers = [layout for layout in map(of_header, lines) if layout is not None]
    layout = headers[0] if headers else Layout()
    peers: list[Peer] = []
    wrapped: str | None = None  # a name too wide for its column, which waits for its row
    for line in lines:
        layout = _layout(line, layout)
        continued = None if wrapped is None else _continued(wrapped, line, layout)
        if continued is not None:
            peers.append(continued)
            tally.understood(2)
            wrapped = None
            continue
        if wrapped is not None:
            tally.other(wrapped)
        wrapped = line if _may_be_wrapped(line) else None
        row = _row(line, layout)
        if row is not None:
            peers.append(row)
            tally.understood()
        elif _is_noise(line):
            tally.ignored()
        elif wrapped is None:
            tally.other(line)
    if wrapped is not None:
        tally.other(wrapped)
    tally.others(stderr.splitlines())
    return tally.report(
        _status(tuple(peers)),
        found=bool(peers),
        exit_status=status,
        empty=ToolOutcome.NO_SOURCES if headers else ToolOutcome.UNPARSED,
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


def _layout(line: str, layout: Layout) -> Layout:
    """Return what is known of the table after this line; its rule begins where rows do."""
    if _RULE.fullmatch(line) and line.strip() and not layout.server:
        return replace(layout, indent=len(line) - len(line.lstrip()))
    return of_header(line) or layout


def _is_noise(line: str) -> bool:
    known = (_RULE, _BANNER, _LEGEND)
    return any(pattern.fullmatch(line) for pattern in known) or of_header(line) is not None


def _may_be_wrapped(line: str) -> bool:
    """Tell whether this is a lone name, wider than its field: the first half of a wrapped row."""
    words = line.split()
    lone = len(words) == 1 and len(words[0]) > NAME_WIDTH
    return (lone or words[1:2] == ["vrf"]) and len(words) in {1, 3} and not _is_noise(line)


def _row(line: str, layout: Layout) -> Peer | None:
    """Read a whole row."""
    line = line.expandtabs()
    line = " " * layout.server + line[layout.server :]
    head, fields = layout.split(line) or ("", {})
    head = _without_between(head, layout)
    if not head.strip():
        return None
    if len(head) - len(head.lstrip()) >= layout.indent + _WRAP_INDENT and len(head.split()) == 1:
        return None  # the second half of a wrapped row, whose name is missing
    tally, name, refid = _head(head, layout)
    return _peer(tally, name, _refid(refid, layout), fields, layout) if name else None


def _continued(wrapped: str, line: str, layout: Layout) -> Peer | None:
    """Read a row whose name, too wide for its column, stands on the line before."""
    line = line.expandtabs()
    head, fields = layout.split(line) or ("", {})
    if not fields or line[:_WRAP_INDENT].strip():
        return None
    tally, name = _tally(wrapped, layout)
    name = name.partition(" ")[0]  # Cisco names a source's routing table behind its address
    refid = _refid(_without_between(head, layout).strip(), layout)
    return _peer(tally, name, refid, fields, layout)


def _refid(text: str, layout: Layout) -> str:
    """Return what of this column is a reference identifier, and no local address."""
    if layout.local:
        return ""
    if layout.hexadecimal and _HEX.fullmatch(text):  # the 32 bits of an address, without leading zeroes
        return refids.of_hex(text.zfill(8), stratum=2) or text
    return text


def _without_between(head: str, layout: Layout) -> str:
    """Return the tally code, the name and the reference identifier alone."""
    return head.rpartition(" ")[0].rstrip() if layout.between else head


def _tally(line: str, layout: Layout) -> tuple[str, str]:
    """Split a line's start into its tally code and what follows."""
    column = layout.indent if line[: layout.indent].strip() == "" else 0
    code, rest = line[column : column + 1], line[column + 1 :]
    stripped = line.strip()
    if code not in layout.states or (code == " " and stripped.startswith(layout.plain_codes)):
        # pasted with other blanks than the header
        plain = stripped.startswith(layout.plain_codes)
        code, rest = (stripped[0], stripped[1:]) if plain else (" ", stripped)
    return code, rest.strip().removeprefix("~")  # Cisco's mark of a source that is configured


def _head(head: str, layout: Layout) -> tuple[str, str, str]:
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


def _peer(tally: str, name: str, refid: str, fields: dict[str, str], layout: Layout) -> Peer:
    jitter = fields.get("jitter", fields.get("disp", ""))
    return Peer(
        name=name,
        state=layout.states[tally],
        refid=refids.word(refid) or None,
        stratum=whole(fields["st"]),
        kind=fields.get("t"),
        last_heard_s=_interval_s(fields.get("when", "-")),
        poll_s=_interval_s(fields.get("poll", "-")),
        reach=octal(fields["reach"]),
        delay_s=seconds(fields.get("delay", ""), layout.unit),
        offset_s=flipped(seconds(fields.get("offset", ""), layout.unit)),
        jitter_s=seconds(jitter, layout.unit),
        tally=tally,
    )


def _interval_s(text: str) -> float | None:
    """Seconds of ntpq's prettyinterval(): bare seconds, or minutes, hours and days by their letter."""
    if text == "-":
        return None
    return seconds(text)
