"""``ntpq -p``: the table of peers, of ntp.org's ntpd, of NTPsec and of devices built on them.

A row is read from its right end: its fields, usually eight, never hold a blank. Left of them are a tally
code, a name that may hold blanks, and a reference identifier that may be empty. The position of the header
shows the columns of the name, also in a table that was pasted with blanks before it.

ntpq's offset is peer minus local; here the sign is turned, so that positive means that the node is ahead.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from skewmon.model import Peer, SyncStatus
from skewmon.timesync import refid as refids
from skewmon.timesync.parsers.ntpq_layout import NAME_WIDTH, Layout, of_header
from skewmon.timesync.parsers.ntpq_names import (
    UNKNOWN,
    Head,
    is_name,
    is_table_trimmed,
    known_tally,
    read_head,
    split_tally,
)
from skewmon.timesync.parsers.report import LineTally, ToolOutcome, ToolReport
from skewmon.timesync.parsers.sanity import UNSYNCHRONIZED_STRATUM
from skewmon.timesync.parsers.values import flipped, octal, seconds, whole

TOOL = "ntpq"

#: A wrapped name is continued by a row that begins with as many blanks as the name's field is wide.
_WRAP_INDENT = 12

_RULE = re.compile(r"[=\s]+|\s*-{20,}\s*")
_BANNER = re.compile(r"\s*(?:server=\S+|host\s*:\s*\S+.*|remote|Total peers\s*: [0-9]+)\s*")

#: Switches and routers explain the codes below or above the table.
_LEGEND = re.compile(
    r"\s*[*#+x=~-] (?=[^0-9]*\b(?:peer|selected|candidate|master|ticker|polled|configured)\b)[^0-9]*"
)
#: ntpq prints seven characters of a number at most: one of seven digits and signs may have had more.
_MAY_BE_CUT = re.compile(r"(?=.{7})[+-]?[0-9]+", re.ASCII)

#: A line that begins with the name or address of a source, whatever its length.
_STARTS_NAME = re.compile(r"\s*[*#+x~=-]?[\w-]+[.:(]")
_HEX = re.compile(r"[0-9a-f]{1,8}", re.ASCII)


def parse(text: str, stderr: str = "", status: int = 0) -> ToolReport:
    """Read the table of ``ntpq -p``, ``-c apeers`` or ``-c opeers``, wrapped and with units too."""
    lines = text.splitlines()
    table = _PeerTable(lines)
    for line in lines:
        table.take(line)
    table.end()
    tally = table.tally
    is_complete = not tally.unparsed or not _may_hide_the_followed(tally.unparsed, lines, text)
    tally.others(stderr.splitlines())
    return tally.report(
        _status(tuple(table.peers), tally, is_complete=is_complete),
        found=bool(table.peers),
        exit_status=status,
        empty=ToolOutcome.NO_SOURCES if table.headers else ToolOutcome.UNPARSED,
    )


class _PeerTable:
    """The rows read so far, and the state that the next line is read in."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.tally = LineTally(TOOL)
        self.peers: list[Peer] = []
        self.headers = [line for line in lines if of_header(line) is not None]
        self._layout = (of_header(self.headers[0]) if self.headers else None) or Layout()
        self._is_trimmed = is_table_trimmed(
            lines, self._layout, header=self.headers[0] if self.headers else None
        )
        self._wrapped: str | None = None  # a name that waits for its row
        self._in_second = False
        self._in_row = False  # the line before is the start of a row, but its fields are missing
        self._lacks_vrf = False  # the last row may go on with the name of a routing table

    def take(self, line: str) -> None:
        """Read one line; a second table, which may be another host's, is not understood."""
        self._in_second = self._in_second or (bool(self.peers) and of_header(line) is not None)
        self._layout = _layout(line, self._layout)
        if self._wrapped is not None:
            peer = self._continued(self._wrapped, line)
            if peer is not None:
                self._add(peer, self._wrapped, line)
                self._wrapped = None
                return
            self._give_up()
        peer = self._row(line)
        is_rest = self._in_row and len(line.split()) == len(self._layout.columns) + 1
        self._in_row = False
        if peer is not None and not is_rest:
            self._add(peer, line)
        elif self.peers and line.strip() in self._layout.states:
            self.tally.unparsed.append(line)  # of a row that was cut; above all rows it is a prompt
        elif _is_noise(line):
            self.tally.ignored()
        elif _may_be_wrapped(line) or (self._lacks_vrf and len(line.split()) == 1):
            self._wrapped = line
        else:
            self.tally.other(line)
            self._in_row = line.startswith(self._layout.plain_codes) and line in self.tally.unparsed

    def end(self) -> None:
        """Count the line that still waits for its row."""
        if self._wrapped is not None:
            self._give_up()

    def _give_up(self) -> None:
        assert self._wrapped is not None
        if self._lacks_vrf and len(self._wrapped.split()) == 1 and not _STARTS_NAME.match(self._wrapped):
            self.tally.understood()
        else:
            self.tally.other(self._wrapped)
        self._wrapped, self._lacks_vrf = None, False

    def _add(self, peer: Peer, *lines: str) -> None:
        fields = (self._layout.split(lines[-1].expandtabs()) or ("", {}))[1]
        self._lacks_vrf = self._layout.has_vrf and "vrf" not in fields
        if self._in_second:
            self.tally.unparsed.extend(lines)
            return
        self.peers.append(peer)
        self.tally.understood(len(lines))
        unit = self._layout.unit
        for title in ("delay", "offset", "jitter", "disp"):
            if _MAY_BE_CUT.fullmatch(fields.get(title, "")):
                self.tally.doubt(f"{peer.name} {title} may be cut off: {fields[title]} {unit}")
        if peer.tally == "":
            self.tally.doubt(f"{peer.name}: tally code not known")

    def _row(self, line: str) -> Peer | None:
        """Read a whole row."""
        layout = self._layout
        line = line.expandtabs()
        line = " " * layout.server + line[layout.server :]
        head, fields = layout.split(line) or ("", {})
        head = _without_between(head, layout)
        if not head.strip():
            return None
        if len(head) - len(head.lstrip()) >= layout.indent + _WRAP_INDENT and len(head.split()) == 1:
            return None  # the second half of a wrapped row, whose name is missing
        parts = read_head(head, layout, is_trimmed=self._is_trimmed)
        return None if parts is None else _peer(parts, fields, layout)

    def _continued(self, wrapped: str, line: str) -> Peer | None:
        """Read a row whose name stands on the line before."""
        layout = self._layout
        line = line.expandtabs()
        head, fields = layout.split(line) or ("", {})
        head = _without_between(head, layout)
        is_indented = not line[: layout.indent + _WRAP_INDENT].strip() and len(head.split()) < 2
        # a terminal or a mail wrapped the row without indentation
        is_rest = len(head.split()) == 1 and not line.startswith((" ", *layout.plain_codes))
        if not fields or not (is_indented or is_rest):
            return None
        code, name = split_tally(wrapped, layout)
        code, name = known_tally(code, name, wrapped, layout, is_trimmed=self._is_trimmed)
        name = name.partition(" ")[0]  # without a second name, or the name of Cisco's routing table
        return _peer(Head(code, name, head.strip()), fields, layout) if is_name(name) else None


def _may_hide_the_followed(unparsed: Sequence[str], lines: Sequence[str], text: str) -> bool:
    """Return whether a line that was not understood may be the row of the followed source, or its loss."""
    last = next(line for line in reversed(lines) if line.strip())
    is_cut = last in unparsed and (_may_be_wrapped(last) or not text.endswith("\n"))
    return is_cut or any("*" in line or line.lstrip().startswith("o") for line in unparsed)


def _status(peers: tuple[Peer, ...], tally: LineTally, *, is_complete: bool) -> SyncStatus:
    # With a pulse per second ntpd marks two: the clock that numbers the seconds, and the pulse it follows.
    marked = sorted((peer for peer in peers if peer.state in {"pps", "system"}), key=lambda peer: peer.state)
    followed = marked[0] if marked else None
    if followed is None or not _is_synchronized(followed):
        if followed is not None:
            tally.doubt(f"{followed.name} is marked as followed at stratum {followed.stratum}")
        is_open = not is_complete or any(not peer.tally and _is_synchronized(peer) for peer in peers)
        is_known = followed is not None or (bool(peers) and not is_open)
        return SyncStatus("unknown", synchronized=False if is_known else None, peers=peers)
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


def _is_synchronized(peer: Peer) -> bool:
    return peer.stratum is None or peer.stratum < UNSYNCHRONIZED_STRATUM


def _upstream(followed: Peer) -> str | None:
    """Return the refid of a clock that follows this source: its address, or a reference clock's word."""
    if followed.kind == "l":
        return followed.refid
    if ":" in followed.name and len(followed.name) == NAME_WIDTH:
        return None  # half an IPv6 address is another address
    return refids.of_address(followed.name)


def _layout(line: str, layout: Layout) -> Layout:
    """Return the layout after this line; a table's rule begins in the column of its rows."""
    if _RULE.fullmatch(line) and line.strip() and not layout.server and not layout.ruled:
        return replace(layout, indent=len(line) - len(line.lstrip()), ruled=True)
    return of_header(line) or layout


def _is_noise(line: str) -> bool:
    known = (_RULE, _BANNER, _LEGEND)
    return any(pattern.fullmatch(line) for pattern in known) or of_header(line) is not None


def _may_be_wrapped(line: str) -> bool:
    """Return whether this is a lone name: the first half of a wrapped row."""
    words = line.split()
    is_lone = len(words) == 1 and (len(words[0]) > NAME_WIDTH or _STARTS_NAME.match(line) is not None)
    has_second = (len(words) == 2 and words[1].startswith("(")) or (len(words) == 3 and words[1] == "vrf")
    return (is_lone or has_second) and not _is_noise(line)


def _refid(text: str, layout: Layout) -> str:
    """Return this column's reference identifier, or nothing if it holds a local address."""
    if layout.local:
        return ""
    if layout.hexadecimal and _HEX.fullmatch(text):  # the 32 bits of an address, without leading zeroes
        return refids.of_hex(text.zfill(8), stratum=2) or text
    return text


def _without_between(head: str, layout: Layout) -> str:
    """Return the tally code, the name and the reference identifier alone."""
    return head.rpartition(" ")[0].rstrip() if layout.between else head


def _peer(head: Head, fields: dict[str, str], layout: Layout) -> Peer:
    jitter = fields.get("jitter", fields.get("disp", ""))
    return Peer(
        name=head.name,
        state=layout.states[head.tally] if head.tally else UNKNOWN,
        refid=refids.word(_refid(head.refid, layout)) or None,
        stratum=whole(fields["st"]),
        kind=fields.get("t"),
        last_heard_s=_interval_s(fields.get("when", "-")),
        poll_s=_interval_s(fields.get("poll", "-")),
        reach=octal(fields["reach"]),
        delay_s=seconds(fields.get("delay", ""), layout.unit),
        offset_s=flipped(seconds(fields.get("offset", ""), layout.unit)),
        jitter_s=seconds(jitter, layout.unit),
        tally=head.tally,
    )


def _interval_s(text: str) -> float | None:
    """Seconds of ntpq's prettyinterval(): bare seconds, or minutes, hours and days by their letter."""
    if text == "-":
        return None
    return seconds(text)
