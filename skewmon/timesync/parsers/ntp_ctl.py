"""``ntp-ctl status``: ntpd-rs, plain or as OpenMetrics (``-f prometheus``); offsets are source minus node.

The plain format has two generations: until 1.7 a source is one sentence and its continuation, since 1.8 a
paragraph with a value a line.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from skewmon.model import Peer, SyncStatus
from skewmon.timesync import refid as refids
from skewmon.timesync.parsers.report import LineTally, ToolOutcome, ToolReport
from skewmon.timesync.parsers.sanity import UNSYNCHRONIZED_STRATUM
from skewmon.timesync.parsers.values import distance_s, flipped, number

TOOL = "ntp-ctl"

#: 3 is "unknown", 4 "unsynchronized" of its own; on the wire both are NTP's alarm.
LEAPS = {0.0: "none", 1.0: "insert", 2.0: "delete", 3.0: "unsynchronized", 4.0: "unsynchronized"}

#: Value of a duration not measured yet: the largest of NTP's 32.32 format, printed 2147483648.5.
UNMEASURED_S = float(2**31 - 1)

#: After eight polls without an answer ntpd-rs considers a source unreachable, as NTP's register does.
REACH_POLLS = 8

_SAMPLE = re.compile(r"(ntp_[a-z_]+)(?:\{(.*)\})? ([0-9.eE+-]+|NaN|[+-]?Inf)")
_LABEL = re.compile(r"([a-z_]+)=\"((?:[^\"\\]|\\.)*)\"")
_COMMENT = re.compile(r"# (?:HELP|TYPE|UNIT|EOF).*|# EOF|Warning: Unable to load configuration file: .*")
#: Each version words its headings a little differently: a capitalized line that ends with a colon.
_HEADING = re.compile(r"(?P<title>[A-Z][A-Za-z]+(?: [A-Za-z]+){0,4}):")
_SOURCE = re.compile(r"(?P<name>\S+) (?P<address>\S+?)(?: \[NTS\])? \((?P<id>\S+)\)")
_VALUE = re.compile(
    r"\t+(?P<label>[A-Za-z ]+?):?\t+(?P<value>[+\u00b1-]{0,2}[0-9.]+)s?(?:/[0-9]+ available)?"
)
#: The last line of OpenMetrics.
_END = "# EOF"

_SERVER = re.compile(r"\S+:[0-9]+(?:: received [0-9]+,.*)?")

_SIGNED = r"[+-]?[0-9.]+"
_SENTENCE = re.compile(
    rf"(?P<place>\S+?)(?: \[NTS\])? \((?P<id>\S+?)\): (?P<offset>{_SIGNED})\u00b1(?P<uncertainty>{_SIGNED})"
    rf"\(\u00b1(?P<delay>{_SIGNED})\)s"
)
_ITEM = re.compile(r"(?P<label>[A-Za-z ]+?): ?(?P<value>[0-9.]+)(?:s|/[0-9]+ available)?")
_IN_A_SENTENCE = ("Offset", "Uncertainty", "Delay")
_IN_STARTUP = re.compile(r"[0-9]+ sources? still in startup")

#: The plain format's labels of a source → the metric of the same value, so that one reading serves both.
_SOURCE_METRICS = {
    "Offset": "ntp_source_offset_seconds",
    "Uncertainty": "ntp_source_uncertainty_seconds",
    "Delay": "ntp_source_delay_seconds",
    "Poll interval": "ntp_source_poll_interval_seconds",
    "Missing polls": "ntp_source_unanswered_polls",
    "poll interval": "ntp_source_poll_interval_seconds",
    "pollinterval": "ntp_source_poll_interval_seconds",  # before 1.0
    "missing polls": "ntp_source_unanswered_polls",
}
_SYSTEM_METRICS = {
    "Dispersion": "ntp_system_root_dispersion_seconds",
    "Delay": "ntp_system_root_delay_seconds",
    "Stratum": "ntp_system_stratum",
}
#: Its metrics; other exporters have some that begin with ``ntp_``, too.
_FAMILIES = ("ntp_source_", "ntp_system_", "ntp_server_", "ntp_uptime_")

#: Every label of the plain format, in lower case: other tools have such lines, too.
_LABELS = frozenset(
    {label.lower() for label in (*_SOURCE_METRICS, *_SYSTEM_METRICS)}
    | {"accumulated steps", "desired poll interval", "root dispersion", "root delay", "nts cookies"}
)


@dataclass(slots=True)
class _Said:
    """Metric values of the system, and of each source by its address and number."""

    system: dict[str, float] = field(default_factory=dict)
    sources: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)
    version: str | None = None
    section: str = ""
    source: tuple[str, str] | None = None
    ended: bool = False


def parse(text: str, stderr: str = "", status: int = 0) -> ToolReport:
    """Read either format of ``ntp-ctl status``."""
    tally = LineTally(TOOL)
    said = _Said()
    for line in text.splitlines():
        if said.ended and line.strip():
            tally.other(line)
        elif _COMMENT.fullmatch(line) or not line.strip():
            said.ended = said.ended or line.strip() == _END
            tally.ignored()
        elif _sample(line, said, tally) or _plain(line, said, tally):
            tally.understood()
        else:
            tally.other(line)
    tally.doubt_sources(said.sources, is_complete=said.ended or said.section == "servers")
    tally.others(stderr.splitlines())
    return tally.report(
        _status(said), found=bool(said.system), exit_status=status, empty=ToolOutcome.UNPARSED
    )


def _sample(line: str, said: _Said, tally: LineTally) -> bool:
    found = _SAMPLE.fullmatch(line)
    if found is None or tally.in_second(f"{found[1]} {found[2]}", line):
        return False
    name, value = found[1], number(found[3])
    labels = dict(_LABEL.findall(found[2] or ""))
    said.version = labels.get("version", said.version)
    if value is None:
        return found[3].endswith(("NaN", "Inf"))
    if name.startswith("ntp_source_") and "address" in labels:
        said.sources.setdefault((labels["address"], labels.get("id", "")), {})[name] = value
    elif name.startswith("ntp_system_"):
        said.system[name] = value
    return name.startswith(_FAMILIES)


def _plain(line: str, said: _Said, tally: LineTally) -> bool:
    """Read a line of either generation of the plain format."""
    heading = _HEADING.fullmatch(line)
    if heading is not None and tally.in_second(line, line):
        return False
    if heading is not None:
        said.section, said.source = _section(heading["title"].lower()), None
        return True
    if said.section == "servers":
        return _SERVER.fullmatch(line) is not None or line.startswith(("\t", " "))
    return _IN_STARTUP.fullmatch(line) is not None or _value(line, said) or _source(line, said)


def _section(title: str) -> str:
    if "source" in title or "peer" in title:  # sources were called peers before 1.0
        return "sources"
    return "servers" if "server" in title else "system"


def _value(line: str, said: _Said) -> bool:
    """Read one value of the newer generation, or ``Dispersion: 0.0003s, Delay: 0.0076s`` of the older."""
    found = [_VALUE.fullmatch(line)]
    if found == [None]:
        found = [_ITEM.fullmatch(part) for part in line.strip().split(", ")]
    items = [one for one in found if one is not None]
    return len(items) == len(found) and all(_keep(one["label"], one["value"], said) for one in items)


def _source(line: str, said: _Said) -> bool:
    """Begin a source from ``name address (id)``, or ``name/address (id): offset±uncertainty(±delay)s``."""
    if said.section != "sources":
        return False
    entry, sentence = _SOURCE.fullmatch(line), _SENTENCE.fullmatch(line)
    if sentence is not None:
        said.source = (_address(sentence["place"]), sentence["id"])
        said.sources[said.source] = {}
        return all(_keep(label, sentence[label.lower()], said) for label in _IN_A_SENTENCE)
    if entry is None:
        return False
    said.source = (entry["address"], entry["id"])
    said.sources[said.source] = {}
    return True


def _address(place: str) -> str:
    """Take the address from ``name/address``; both are one path if the source is a device."""
    half = len(place) // 2
    if place[half : half + 1] == "/" and place[:half] == place[half + 1 :]:
        return place[:half]
    return place.rpartition("/")[2] or place


def _keep(label: str, text: str, said: _Said) -> bool:
    value = number(text.removeprefix("\u00b1"))
    if value is None or not said.section or label.lower() not in _LABELS:
        return False
    if said.source is None:
        said.system[_SYSTEM_METRICS.get(label, label)] = value
    else:
        said.sources[said.source][_SOURCE_METRICS.get(label, label)] = value
    return True


def _status(said: _Said) -> SyncStatus:
    system = said.system
    stratum = system.get("ntp_system_stratum")
    leap = LEAPS.get(system["ntp_system_leap_indicator"]) if "ntp_system_leap_indicator" in system else None
    peers = tuple(_peer(address, values) for (address, _), values in said.sources.items())
    # Several sources are combined into one; none of them is "the" source unless it is alone.
    alone = peers[0] if len(peers) == 1 else None
    offsets = [peer.offset_s for peer in peers if peer.offset_s is not None and peer.reach != 0]
    synchronized = _synchronized(stratum, leap)
    return SyncStatus(
        "ntpd-rs" if system else "unknown",
        synchronized=synchronized,
        stratum=None if stratum is None else int(stratum),
        source=None if alone is None else alone.name,
        refid=None if alone is None else alone.refid,
        offset_s=median(offsets) if offsets else None,
        root_distance_s=_distance_s(system) if synchronized else None,  # else zeroes that were not measured
        reach=None if alone is None else alone.reach,
        poll_s=None if alone is None else alone.poll_s,
        leap=leap,
        version=said.version,
        peers=peers,
    )


def _synchronized(stratum: float | None, leap: str | None) -> bool | None:
    if leap == "unsynchronized" or (stratum is not None and stratum >= UNSYNCHRONIZED_STRATUM):
        return False
    return None if stratum is None else True


def _distance_s(system: Mapping[str, float]) -> float | None:
    return distance_s(
        system.get("ntp_system_root_delay_seconds"), system.get("ntp_system_root_dispersion_seconds")
    )


def _peer(address: str, values: Mapping[str, float]) -> Peer:
    host = _host(address)
    missed = values.get("ntp_source_unanswered_polls")
    reach = None if missed is None else _reach(missed)
    uncertainty_s = _measured(values, "ntp_source_uncertainty_seconds")
    unmeasured = uncertainty_s is None and "ntp_source_uncertainty_seconds" in values
    return Peer(
        name=host,
        state="unreachable" if reach == 0 else "candidate",
        refid=refids.of_address(host),
        kind="refclock" if host.startswith("/") else "server",  # a device or socket, by its path
        poll_s=values.get("ntp_source_poll_interval_seconds"),
        reach=reach,
        delay_s=_measured(values, "ntp_source_delay_seconds"),
        # An offset of unknown uncertainty is the zero that a new source begins with.
        offset_s=None if unmeasured else flipped(_measured(values, "ntp_source_offset_seconds")),
        jitter_s=uncertainty_s,
    )


def _measured(values: Mapping[str, float], name: str) -> float | None:
    value = values.get(name)
    return None if value is None or abs(value) >= UNMEASURED_S else value


def _reach(missed: float) -> int:
    """Translate polls missed at the end into NTP's register: as many zeroes on the right, ones before."""
    return (0xFF << min(max(int(missed), 0), REACH_POLLS)) & 0xFF


def _host(address: str) -> str:
    """Strip the port: ``[2001:db8::1]:123`` → ``2001:db8::1``."""
    host, _, port = address.rpartition(":")
    return (
        host.strip("[]") if port.isdigit() and host and (":" not in host or host.startswith("[")) else address
    )
