"""``timedatectl timesync-status``: systemd-timesyncd; its offset is server minus node."""

import re
from collections.abc import Mapping

from skewmon.model import Peer, SyncStatus
from skewmon.timesync import refid as refids
from skewmon.timesync.parsers.report import LineTally, ToolReport
from skewmon.timesync.parsers.sanity import is_unsynchronized
from skewmon.timesync.parsers.values import below, flipped, number, span_s, whole

TOOL = "timesync-status"

LEAPS = {
    "normal": "none",
    "last minute of the day has 61 seconds": "insert",
    "last minute of the day has 59 seconds": "delete",
    "not synchronized": "unsynchronized",
}

_LABELS = frozenset(
    {
        "server",
        "poll interval",
        "leap",
        "version",
        "stratum",
        "reference",
        "precision",
        "root distance",
        "offset",
        "delay",
        "jitter",
        "packet count",
        "frequency",
    }
)

#: Printed by systemd instead of a missing text.
_NOT_SAID = frozenset({"", "n/a", "(null)"})

_LINE = re.compile(r"\s*([A-Za-z][A-Za-z ]*?)\s*:\s*(.*?)\s*")
_SERVER = re.compile(r"(?P<address>\S+)(?: \((?P<name>.*)\))?")
_WITH_LIMITS = re.compile(r"(?P<value>[^(]*?)(?: \((?:min|max)[^)]*\))?")


def parse(text: str, stderr: str = "", status: int = 0) -> ToolReport:
    """Read the labelled lines; a daemon that never had a packet prints only three."""
    tally = LineTally(TOOL)
    fields: dict[str, str] = {}
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        label = found[1].lower() if found else ""
        if found and label in _LABELS and _fits(label, found[2]) and not tally.in_second(label, line):
            fields[label] = found[2]
            tally.understood()
        else:
            tally.other(line)
    if tally.is_foreign(_LABELS):
        fields = {}
    tally.others(stderr.splitlines())
    return tally.report(_status(fields), found=bool(fields), exit_status=status)


def _fits(label: str, value: str) -> bool:
    """Return whether the label may have this value; n/a is "not printed"."""
    if value.lower() == "n/a":
        return True
    if label in {"poll interval", "root distance", "offset", "delay", "jitter"}:
        return _span(value) is not None
    if label == "frequency":
        return _ppm(value) is not None
    if label in {"stratum", "packet count", "version"}:
        return whole(value) is not None
    return label != "leap" or value.lower() in LEAPS


def _span(value: str) -> float | None:
    found = _WITH_LIMITS.fullmatch(value)
    if found is None:
        return None
    return span_s(found["value"].replace(",", "."))  # a locale's comma, if LC_ALL was not set


def _ppm(value: str) -> float | None:
    return number(value.removesuffix("ppm").strip().replace(",", "."))


def _status(fields: Mapping[str, str]) -> SyncStatus:
    leap = LEAPS.get(fields.get("leap", "").lower())
    server = _SERVER.fullmatch(fields.get("server", ""))
    address = None if server is None or server["address"].lower() in _NOT_SAID else server["address"]
    stratum = whole(fields.get("stratum", ""))
    offset_s = flipped(_span(fields.get("offset", "")))
    poll_s = _span(fields.get("poll interval", "")) or None  # zero: it does not poll yet
    packets = whole(fields.get("packet count", ""))
    return SyncStatus(
        "timesyncd" if fields else "unknown",
        synchronized=_synchronized(leap, stratum, packets),
        # The line holds the server's stratum; the node that follows it is one further away.
        stratum=below(stratum),
        source=address,
        refid=None if address is None else refids.of_address(address),
        offset_s=offset_s,
        root_distance_s=_span(fields.get("root distance", "")),
        poll_s=poll_s,
        leap=leap,
        frequency_ppm=flipped(_ppm(fields.get("frequency", ""))),
        peers=() if address is None else (_peer(fields, address, offset_s, poll_s, stratum),),
    )


def _synchronized(leap: str | None, stratum: int | None, packets: int | None) -> bool | None:
    """Return whether the daemon accepted a packet; without their number, the last line, nothing is known."""
    if leap == "unsynchronized" or is_unsynchronized(stratum):
        return False
    return None if packets is None else packets > 0


def _refid(reference: str, stratum: int | None) -> str | None:
    """Return the server's reference: above stratum 1 an address in hexadecimal, else a word."""
    if reference.lower() in _NOT_SAID:
        return None
    address = None if stratum is None or stratum <= 1 else refids.of_unpadded_hex(reference, stratum)
    return address or reference


def _peer(
    fields: Mapping[str, str], address: str, offset_s: float | None, poll_s: float | None, stratum: int | None
) -> Peer:
    return Peer(
        name=address,
        state="system",
        refid=_refid(fields.get("reference", ""), stratum),
        stratum=stratum,
        kind="server",
        poll_s=poll_s,
        delay_s=_span(fields.get("delay", "")),
        offset_s=offset_s,
        jitter_s=_span(fields.get("jitter", "")),
    )
