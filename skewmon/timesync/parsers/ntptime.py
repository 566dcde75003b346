"""``ntptime``, and the ``adjtimex`` of Debian and of busybox: the kernel's clock discipline.

The kernel's offset is the correction to come, and its frequency the correction being applied: both signs are
turned, so that positive means that the clock is ahead, and that it would run fast.
"""

import re
from collections.abc import Iterator, Mapping

from skewmon.model import KernelClock, SyncStatus
from skewmon.timesync.parsers.report import LineTally, ToolReport
from skewmon.timesync.parsers.values import flipped, number

TOOL = "ntptime"

#: Result of the call if the clock is not synchronized to a reliable source (adjtimex(2)): besides
#: STA_UNSYNC also for a clock that failed, and for an enabled pulse input without a pulse.
TIME_ERROR = 5

#: Bits of timex.status (linux/timex.h).
STA_INS, STA_DEL, STA_UNSYNC, STA_NANO = 0x0010, 0x0020, 0x0040, 0x2000

US_PER_S, NS_PER_S = 10**6, 10**9

#: The kernel's frequency unit: ppm in 16.16 fixed point (adjtimex(2)).
PPM_SCALE = 65_536

#: Labels of adjtimex, one number a line, → name; not all values are used.
_ADJTIMEX = {
    "offset": "offset",
    "frequency": "freq",
    "freq.adjust": "freq",
    "maxerror": "maxerror",
    "esterror": "esterror",
    "status": "status",
    "mode": "mode",
    "time_constant": "constant",
    "timeconstant": "constant",
    "precision": "precision",
    "tolerance": "tolerance",
    "tick": "tick",
    "raw time": "time",
    "time.tv_sec": "time",
    "time.tv_usec": "time",
    "return value": "code",
}

_ADJTIMEX_LINE = re.compile(
    r"\s*+(?:-[a-z]\s++)?([a-z_.][a-z_. ]*?)\s*[:=]\s*(-?[0-9]+)(?:s [0-9]+us = .*| us| \(.*\))?\s*"
)
_CALL = re.compile(r"\s*ntp_(?:gettime|adjtime)\(\) returns code ([0-9]) \([A-Z]+\)")
_TIME = re.compile(r"\s*time [0-9a-f]{8}\.[0-9a-f]+ .*\(\.[0-9]+\),?")
_RAW_TIME = re.compile(r"\s*ntptime=[0-9a-f]+\.[0-9a-f]+ unixtime=[0-9a-f]+\.[0-9]+ .*")  # ntptime -r
_STATUS = re.compile(r"\s*status 0x([0-9a-f]{1,8}) \([A-Z,0-9]*\),?", re.IGNORECASE)
_MODES = re.compile(r"\s*modes 0x[0-9a-f]+ \([A-Z,]*\),?", re.IGNORECASE)
_UP_TO_VALUE = re.compile(r"[^0-9:=]*")
_ITEM = re.compile(r"\s*([A-Za-z][A-Za-z ]*?) (-?[0-9.]+)(?: (us|ppm|s|ns))?\s*")
#: Item → its unit. Other tools print some of the same words in seconds.
_UNITS: Mapping[str, str | None] = {
    "offset": "us",
    "frequency": "ppm",
    "interval": "s",
    "maximum error": "us",
    "estimated error": "us",
    "tai offset": None,
    "time constant": None,
    "precision": "us",
    "tolerance": "ppm",
    "pps frequency": "ppm",
    "stability": "ppm",
    "jitter": "us",
    "intervals": None,
    "jitter exceeded": None,
    "stability exceeded": None,
    "errors": None,
}


def parse(text: str, stderr: str = "", status: int = 0) -> ToolReport:
    """Read ntptime's two paragraphs, or adjtimex's list."""
    tally = LineTally(TOOL)
    facts: dict[str, float] = {}
    call = ""
    for line in text.splitlines():
        kept = dict(facts)
        call = line.split("(")[0].strip() if _CALL.fullmatch(line) else call
        if not (_ntptime(line, facts) or _adjtimex(line, facts)):
            tally.other(line)
        elif tally.in_second(f"{call} {_label(line)}", line):
            facts = kept
            tally.other(line)
        else:
            tally.understood()
    tally.others(stderr.splitlines())
    kernel = _kernel(facts)
    return tally.report(
        SyncStatus("unknown", synchronized=kernel.synchronized, leap=kernel.leap, kernel=kernel),
        found="status" in facts,
        exit_status=status,
    )


def _label(line: str) -> str:
    """Return the text up to the first value, which differs from the other lines of the paragraph."""
    return _UP_TO_VALUE.match(line)[0]  # type: ignore[index]  # matches any text


def _ntptime(line: str, facts: dict[str, float]) -> bool:
    call = _CALL.fullmatch(line)
    if call is not None:
        facts["code"] = float(call[1])
        return True
    if any(pattern.fullmatch(line) for pattern in (_TIME, _RAW_TIME, _MODES)):
        return True
    flags = _STATUS.fullmatch(line)
    if flags is not None:
        facts["status"] = int(flags[1], 16)
        return True
    items = list(_items(line))
    if not items or None in items:
        return False
    facts.update(filter(None, items))
    return True


def _items(line: str) -> Iterator[tuple[str, float] | None]:
    """Yield the items of a line such as ``offset 0.000 us, frequency 0.000 ppm, interval 1 s,``."""
    for part in line.strip().rstrip(",.").split(","):
        found = _ITEM.fullmatch(part)
        value = None if found is None else number(found[2])
        name = "" if found is None else found[1].lower()
        known = name in _UNITS and found is not None and found[3] == _UNITS[name]
        yield (name, value) if value is not None and known else None


def _adjtimex(line: str, facts: dict[str, float]) -> bool:
    found = _ADJTIMEX_LINE.fullmatch(line)
    name = None if found is None else _ADJTIMEX.get(found[1])
    if found is None or name is None or len(found[2]) > 20:
        return False
    facts[name] = float(found[2])
    return True


def _kernel(facts: Mapping[str, float]) -> KernelClock:
    flags = int(facts["status"]) if "status" in facts else None
    # ntptime converts to microseconds itself; adjtimex prints the kernel's value.
    per_s = NS_PER_S if flags is not None and flags & STA_NANO and "freq" in facts else US_PER_S
    raw = facts.get("freq")
    return KernelClock(
        synchronized=None if flags is None else not (flags & STA_UNSYNC or facts.get("code") == TIME_ERROR),
        max_error_s=_over(facts.get("maximum error", facts.get("maxerror")), US_PER_S),
        offset_s=flipped(_over(facts.get("offset"), per_s)),
        frequency_ppm=flipped(facts.get("frequency") if raw is None else raw / PPM_SCALE),
        leap=None if flags is None else _leap(flags),
        tai_s=int(facts["tai offset"]) if facts.get("tai offset") else None,
    )


def _over(value: float | None, per_s: int) -> float | None:
    return None if value is None else value / per_s


def _leap(flags: int) -> str:
    if flags & STA_UNSYNC:
        return "unsynchronized"
    if flags & STA_INS:
        return "insert"
    return "delete" if flags & STA_DEL else "none"
