"""``timedatectl`` in three generations of wording, and ``timedatectl show``."""

import re
from collections.abc import Mapping

from skewmon.model import KernelClock, SyncStatus
from skewmon.timesync.parsers import show_timesync
from skewmon.timesync.parsers.report import LineTally, ToolReport

TOOL = "timedatectl"

#: Label, in lower case → its one name here. Systemd 219 (CentOS 7), 237 (Ubuntu 18.04), 239 and later,
#: and the properties of ``timedatectl show``.
LABELS: Mapping[str, str] = {
    "ntp synchronized": "synchronized",
    "system clock synchronized": "synchronized",
    "ntpsynchronized": "synchronized",
    "ntp enabled": "enabled",
    "network time on": "enabled",
    "systemd-timesyncd.service active": "enabled",
    "ntp service": "enabled",
    "ntp": "enabled",
    "rtc in local tz": "rtc-local",
    "localrtc": "rtc-local",
    "local time": "ignored",
    "universal time": "ignored",
    "rtc time": "ignored",
    "time zone": "ignored",
    "timezone": "ignored",
    "canntp": "ignored",
    "timeusec": "ignored",
    "rtctimeusec": "ignored",
    "dst active": "ignored",
    "last dst change": "ignored",
    "next dst change": "ignored",
}

YES_OR_NO: Mapping[str, bool] = {"yes": True, "no": False, "active": True, "inactive": False}

#: systemd prints ``n/a`` if no service that could keep the time is installed.
_NOT_SAID = frozenset({"n/a", "n/a)"})

#: Properties of ``timedatectl show-timesync``, often printed below.
_OF_TIMESYNCD = frozenset(name.lower() for name in show_timesync.KNOWN)

_LINE = re.compile(r"\s*([A-Za-z][A-Za-z0-9 .-]*?)\s*(?::|=)\s*(.*?)\s*")

#: Under its "DST change" labels systemd prints the two dates on lines of their own.
_DST_DATE = re.compile(r"\s+\S{1,12} [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{5,8} \S+")

#: It warns of a hardware clock in local time in a paragraph whose wording differs from version to version,
#: below its first line indented, or as pasted.
_WARNING = re.compile(r"\s*Warning: .*")
_MORE_WARNING = re.compile(
    r"\s+.*|.*\b(?:mode|supported|time ?zone|daylight|RTC|external facilities|set-local-rtc)\b.*"
)


def parse(text: str, stderr: str = "", status: int = 0) -> ToolReport:
    """Read ``timedatectl``, ``timedatectl status`` or ``timedatectl show``."""
    tally = LineTally(TOOL)
    facts: dict[str, bool] = {}
    known = warning = False
    for line in text.splitlines():
        label = _label(line)
        understood = label is not None and not tally.in_second(label, line) and _understand(line, facts)
        known = known or understood
        more = warning and not understood and _MORE_WARNING.fullmatch(line) is not None
        warning = more or _WARNING.fullmatch(line) is not None
        if understood:
            tally.understood()
        elif warning or label in _OF_TIMESYNCD or _DST_DATE.fullmatch(line):
            tally.ignored()
        else:
            tally.other(line)
    tally.others(stderr.splitlines())
    return tally.report(_status(facts), found=known, exit_status=status)


def _label(line: str) -> str | None:
    """Return the label of a line, in lower case, if it is known."""
    found = _LINE.fullmatch(line)
    label = "" if found is None else found[1].lower()
    return label if label in LABELS or label in _OF_TIMESYNCD else None


def _understand(line: str, facts: dict[str, bool]) -> bool:
    found = _LINE.fullmatch(line)
    if found is None:
        return False
    name = LABELS.get(found[1].lower())
    if name is None or name == "ignored":
        return name == "ignored"
    value = found[2].lower()
    if value in YES_OR_NO:
        facts[name] = YES_OR_NO[value]
        return True
    return value in _NOT_SAID


def _status(facts: Mapping[str, bool]) -> SyncStatus:
    synchronized = facts.get("synchronized")
    kernel = None if synchronized is None else KernelClock(synchronized=synchronized)
    return SyncStatus("unknown", synchronized=synchronized, rtc_local=facts.get("rtc-local"), kernel=kernel)
