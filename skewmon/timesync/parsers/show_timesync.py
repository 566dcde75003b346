"""``timedatectl show-timesync``: systemd-timesyncd's properties, among them the whole last packet.

The packet's four timestamps give its offset, (receive - origin + transmit - destination) / 2, server minus
node; printed in whole seconds, so that only a gross offset shows.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from skewmon.model import SyncStatus
from skewmon.timesync import refid as refids
from skewmon.timesync.parsers.report import LineTally, ToolReport
from skewmon.timesync.parsers.sanity import is_unsynchronized
from skewmon.timesync.parsers.values import below, distance_s, flipped, number, span_s, whole

TOOL = "show-timesync"

LEAPS = {"0": "none", "1": "insert", "2": "delete", "3": "unsynchronized"}

#: A property of the kernel's frequency: ppm in 16.16 fixed point (adjtimex(2)).
PPM_SCALE = 65_536

#: Properties of systemd-timesyncd.
KNOWN = frozenset(
    {
        "LinkNTPServers",
        "SystemNTPServers",
        "RuntimeNTPServers",
        "FallbackNTPServers",
        "ServerName",
        "ServerAddress",
        "RootDistanceMaxUSec",
        "PollIntervalMinUSec",
        "PollIntervalMaxUSec",
        "PollIntervalUSec",
        "NTPMessage",
        "Frequency",
    }
)

#: Properties of ``timedatectl show``, often printed below.
_OF_TIMEDATECTL = frozenset(
    {"Timezone", "LocalRTC", "CanNTP", "NTP", "NTPSynchronized", "TimeUSec", "RTCTimeUSec"}
)

#: Printed by systemd for a limit that is not set.
_UNLIMITED = "infinity"

_LINE = re.compile(r"\s*([A-Za-z][A-Za-z0-9]*)=(.*?)\s*")
_MESSAGE = re.compile(r"\{ (.*) \}")
_PAIR = re.compile(r"([A-Z][A-Za-z]*)=(.*?)(?:,? (?=[A-Z][A-Za-z]*=)|$)")
#: The name of the weekday is in the language of the locale.
_DATE = re.compile(
    r"(?:\S{1,12} )?([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)? (\S{1,8})"
)
_ADDRESS_WITH_NAME = re.compile(r"\(?(?P<address>[^\s()]+)\)?.*")


def parse(text: str, stderr: str = "", status: int = 0) -> ToolReport:
    """Read ``Property=value`` lines."""
    tally = LineTally(TOOL)
    fields: dict[str, str] = {}
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if found and found[1] in _OF_TIMEDATECTL:
            tally.ignored()
        elif (
            found and found[1] in KNOWN and _fits(found[1], found[2]) and not tally.in_second(found[1], line)
        ):
            fields[found[1]] = found[2]
            tally.understood()
        else:
            tally.other(line)
    tally.others(stderr.splitlines())
    is_message_cut = "NTPMessage" not in fields and any("NTPMessage" in line for line in tally.unparsed)
    message = _message(fields.get("NTPMessage", ""))
    ignored_s = _offset_s(message) if message.get("Ignored") == "yes" else None
    if ignored_s is not None:
        tally.doubt(f"offset {-ignored_s:g} s of a sample that timesyncd ignored")
    said = _status(fields)
    said = replace(said, synchronized=None) if is_message_cut else said
    return tally.report(said, found=bool(fields), exit_status=status)


def _fits(name: str, value: str) -> bool:
    if name == "NTPMessage":
        return value == "" or _MESSAGE.fullmatch(value) is not None
    if name == "Frequency":
        return number(value) is not None
    if name.endswith("USec"):
        return value == _UNLIMITED or span_s(value) is not None
    return True


def _message(value: str) -> dict[str, str]:
    """Split ``{ Leap=0, Version=4, … }``; older versions forgot a comma: ``Ignored=no PacketCount=25``."""
    found = _MESSAGE.fullmatch(value)
    return {} if found is None else dict(_PAIR.findall(found[1]))


def _status(fields: Mapping[str, str]) -> SyncStatus:
    message = _message(fields.get("NTPMessage", ""))
    packets = whole(message.get("PacketCount", ""))
    heard = bool(packets)
    if not heard:
        message = {}  # --all shows the zeroes of a packet that never came
    address = _address(fields.get("ServerAddress", ""))
    stratum = whole(message.get("Stratum", ""))
    frequency = number(fields.get("Frequency", ""))
    leap = LEAPS.get(message.get("Leap", ""))
    # A sample that timesyncd takes for a spike corrects nothing, and is not its opinion of the time.
    ignored = message.get("Ignored") == "yes"
    offset_s = None if ignored else flipped(_offset_s(message))
    arrived_s = _wall_s(message.get("DestinationTimestamp", ""))
    return SyncStatus(
        "timesyncd" if fields else "unknown",
        synchronized=False if is_unsynchronized(stratum) else _synchronized(fields, leap, packets),
        stratum=below(stratum),
        source=address,
        refid=None if address is None else refids.of_address(address),
        offset_s=offset_s,
        root_distance_s=distance_s(
            span_s(message.get("RootDelay", "")), span_s(message.get("RootDispersion", ""))
        ),
        poll_s=span_s(fields.get("PollIntervalUSec", "")) or None,  # zero: it does not poll yet
        leap=leap,
        frequency_ppm=None if frequency is None else flipped(frequency / PPM_SCALE),
        # timesyncd steps so large an offset at once: the clock has moved since this stamp was taken.
        updated_wall_s=None if arrived_s is None or not heard else arrived_s - (offset_s or 0.0),
    )


def _synchronized(fields: Mapping[str, str], leap: str | None, packets: int | None) -> bool | None:
    """Return whether a packet was accepted; unknown if the text ends before the packet."""
    if packets is None and not fields.keys() & {"NTPMessage", "Frequency"}:
        return None
    return bool(packets) and leap != "unsynchronized"


def _address(value: str) -> str | None:
    found = _ADDRESS_WITH_NAME.fullmatch(value)
    return None if found is None or found["address"] == "null" else found["address"]


def _offset_s(message: Mapping[str, str]) -> float | None:
    names = ("OriginateTimestamp", "ReceiveTimestamp", "TransmitTimestamp", "DestinationTimestamp")
    stamps = [_stamp(message.get(name, "")) for name in names]
    if None in stamps or len({zone for _, zone in filter(None, stamps)}) != 1:
        return None  # across a change of the zone's offset the differences mean nothing
    origin, receive, transmit, destination = (wall_s for wall_s, _ in filter(None, stamps))
    offset_s = (receive - origin + transmit - destination) / 2
    # Four instants cut to whole seconds cannot show an offset below one.
    return offset_s if abs(offset_s) > 1 else None


def _wall_s(text: str) -> float | None:
    """Return the Unix time of a date in UTC; other zones' names cannot be resolved here."""
    stamp = _stamp(text)
    return stamp[0] if stamp is not None and stamp[1] == "UTC" else None


def _stamp(text: str) -> tuple[float, str] | None:
    """Return a date as if it were in UTC, and the name of the zone that it is in."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp(), found[2]
    except ValueError:
        return None
