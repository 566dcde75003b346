"""``ntpctl -s all``: OpenNTPD; offsets in milliseconds, peer minus local."""

import re
from statistics import median

from skewmon.model import Peer, SyncStatus
from skewmon.timesync import refid as refids
from skewmon.timesync.parsers.report import LineTally, ToolOutcome, ToolReport
from skewmon.timesync.parsers.values import flipped, number, seconds, whole

TOOL = "ntpctl"

_SUMMARY = re.compile(
    r"(?:[0-9]+/(?P<peers>[0-9]+) peers valid, )?(?:[0-9]+/(?P<sensors>[0-9]+) sensors valid, )?"
    r"(?:constraint offset -?[0-9]+s(?: \([0-9]+ errors\))?, |constraints configured but none available, )?"
    r"(?:clock synced, stratum (?P<stratum>[0-9]+)|clock unsynced(?:, clock offset is (?P<ms>-?[0-9.]+)ms)?)"
)
_NOISE = re.compile(
    r"\s*(?:peer|sensor|wt +tl +st +next +poll +offset +delay +jitter"
    r"|wt +gd +st +next +poll +offset +correction)\s*"
)
_NO_SOURCES = re.compile(
    r"\s*(?:no peers and no sensors configured|no peers configured|no sensors configured)\s*"
)
_NUMBERS = re.compile(
    r"\s*(?P<star>\*?)\s*(?P<weight>[0-9]+)\s+(?P<trust>[0-9]+)\s+(?P<stratum>-|[0-9]+)"
    r"\s+(?P<next>-?[0-9]+)s\s+(?P<poll>-?[0-9]+)s\s+(?P<rest>.*?)\s*",
    re.ASCII,
)
_VALUES = re.compile(
    r"(?P<offset>-?[0-9.]+)ms\s+(?P<delay>-?[0-9.]+)ms(?:\s+(?P<jitter>-?[0-9.]+)ms)?", re.ASCII
)
_NOT_VALID = re.compile(r"-+ (?:peer|sensor) not valid -+")


def parse(text: str, stderr: str = "", status: int = 0) -> ToolReport:
    """Read the summary and the two-line entries of peers and sensors."""
    tally = LineTally(TOOL)
    summary: re.Match[str] | None = None
    peers: list[Peer] = []
    sensors = none_configured = is_second = False
    lines = text.splitlines()
    position = 0
    while position < len(lines):
        line = lines[position]
        entry = _entry(line, lines[position + 1], sensor=sensors) if position + 1 < len(lines) else None
        is_second = is_second or (summary is not None and _SUMMARY.fullmatch(line.strip()) is not None)
        if entry is not None and not is_second:
            peers.append(entry)
            tally.understood(2)
            position += 2
            continue
        if (found := _SUMMARY.fullmatch(line.strip())) and not is_second:
            summary = found
            tally.understood()
        elif _NOISE.fullmatch(line):
            sensors = sensors or line.strip() == "sensor"
            tally.ignored()
        elif _NO_SOURCES.fullmatch(line):
            none_configured = True
            tally.understood()
        else:
            tally.other(line)
        position += 1
    tally.doubt_sources(peers, is_complete=summary is None or len(peers) >= _announced(summary))
    tally.others(stderr.splitlines())
    # Without sources the daemon reports its clock as unsynced, too: that is the same answer.
    answered = bool(peers) or (summary is not None and not none_configured)
    empty = ToolOutcome.NO_SOURCES if none_configured else ToolOutcome.UNPARSED
    return tally.report(_status(summary, tuple(peers)), found=answered, exit_status=status, empty=empty)


def _announced(summary: re.Match[str]) -> int:
    """Return the number of sources in the summary."""
    return (whole(summary["peers"] or "") or 0) + (whole(summary["sensors"] or "") or 0)


def _entry(name: str, numbers: str, *, sensor: bool) -> Peer | None:
    """Read one entry: its description, and below it its numbers or that it is not valid."""
    found = _NUMBERS.fullmatch(numbers)
    description = name.split()
    if (
        found is None
        or not description
        or _NOISE.fullmatch(name)
        or _NO_SOURCES.fullmatch(name)
        or _NUMBERS.fullmatch(name)
    ):
        return None
    values = _VALUES.fullmatch(found["rest"])
    if values is None and not _NOT_VALID.fullmatch(found["rest"]):
        return None
    if sensor:
        return _sensor(description, found, values)
    resolved = description[:2] != ["not", "resolved"]
    address = description[0] if resolved else description[-1]
    return Peer(
        name=address,
        state=_state(found, valid=values is not None),
        refid=refids.of_address(address),
        stratum=whole(found["stratum"]),
        kind="server" if resolved else "unresolved",
        poll_s=_seconds(found["poll"]),
        # OpenNTPD has no register; a peer is valid while it answers.
        reach=None,
        delay_s=_ms(values, "delay"),
        offset_s=flipped(_ms(values, "offset")),
        jitter_s=_ms(values, "jitter"),
        tally=found["star"],
    )


def _sensor(description: list[str], found: re.Match[str], values: re.Match[str] | None) -> Peer:
    """Read a timedelta sensor: a device and the identifier of its clock."""
    return Peer(
        name=description[0],
        state=_state(found, valid=values is not None),
        refid=description[1] if len(description) > 1 else None,
        stratum=whole(found["stratum"]),
        kind="refclock",
        poll_s=_seconds(found["poll"]),
        offset_s=flipped(_ms(values, "offset")),
        tally=found["star"],
    )


def _state(found: re.Match[str], *, valid: bool) -> str:
    if not valid:
        return "unreachable"
    return "system" if found["star"] else "candidate"


def _seconds(text: str) -> float | None:
    value = number(text)
    return value if value is None or value >= 0 else None


def _ms(values: re.Match[str] | None, name: str) -> float | None:
    return None if values is None or values[name] is None else seconds(values[name], "ms")


def _status(summary: re.Match[str] | None, peers: tuple[Peer, ...]) -> SyncStatus:
    followed = next((peer for peer in peers if peer.state == "system"), None)
    if summary is None and not peers:
        return SyncStatus("unknown")
    offset_s = None if followed is None else followed.offset_s
    if offset_s is None and summary is not None:
        offset_s = flipped(seconds(summary["ms"] or "", "ms"))
    return SyncStatus(
        "openntpd",
        synchronized=_synchronized(summary, followed),
        stratum=None if summary is None else whole(summary["stratum"] or ""),
        source=None if followed is None else followed.name,
        refid=None if followed is None else followed.refid,
        offset_s=_median_s(peers) if offset_s is None else offset_s,
        poll_s=None if followed is None else followed.poll_s,
        peers=peers,
    )


def _synchronized(summary: re.Match[str] | None, followed: Peer | None) -> bool | None:
    """Return the summary's claim; without it, a source is marked if the clock is synced (ntpctl(8))."""
    if summary is not None:
        return summary["stratum"] is not None
    return None if followed is None else True


def _median_s(peers: tuple[Peer, ...]) -> float | None:
    """Return the median of the peers, by which OpenNTPD corrects the clock if it prints no offset."""
    offsets = [peer.offset_s for peer in peers if peer.offset_s is not None and peer.kind == "server"]
    return median(offsets) if offsets else None
