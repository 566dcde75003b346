"""``chronyc tracking``, as text and as CSV (``-c``).

The text carries the sign in a word: *slow of NTP time* is behind, here negative; *fast* is ahead. In CSV the
same field is positive if the clock is slow. Of several outputs in a row the first is read.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from skewmon.model import SyncStatus
from skewmon.timesync import refid as refids
from skewmon.timesync.parsers.report import LineTally, ToolReport
from skewmon.timesync.parsers.values import distance_s, flipped, number, whole

TOOL = "chronyc-tracking"

LEAPS = {
    "normal": "none",
    "insert second": "insert",
    "delete second": "delete",
    "not synchronised": "unsynchronized",
    "not synchronized": "unsynchronized",
}

#: The fields of ``chronyc -c tracking``, named as the text names them (client.c, process_cmd_tracking).
CSV_FIELDS = (
    "reference id",
    "name",
    "stratum",
    "ref time",
    "system time",
    "last offset",
    "rms offset",
    "frequency",
    "residual freq",
    "skew",
    "root delay",
    "root dispersion",
    "update interval",
    "leap status",
)

#: ``chronyc ntpdata`` begins with this, and goes on with a source's stratum and leap under the same labels.
_OF_A_SOURCE = re.compile(r"\s*Remote address\s*:.*")

_NUMBER = r"([0-9.eE+-]+)"
_LABELLED = re.compile(r"\s*([A-Za-z]+(?: [A-Za-z]+){0,2})\s*(?:\(UTC\)\s*)?:\s*+(.*?)\s*")
_REFERENCE = re.compile(r"([0-9A-Fa-f.]+)(?:\s+\((.*)\))?")
_FAST_OR_SLOW = re.compile(rf"{_NUMBER} (?:seconds|ppm) (fast|slow)(?: of NTP time)?")
_WITH_UNIT = re.compile(rf"{_NUMBER} (?:seconds|ppm)")
_QUANTITY = re.compile(rf"{_NUMBER}(?: (?:seconds|ppm))?")

#: The reference ID of chrony's local mode, before 3.0 as an address: no source but the machine's oscillator.
_LOCAL_IDS = frozenset({"7F7F0101", "127.127.1.1"})

#: The reference ID of a clock that never followed anything.
_NO_IDS = frozenset({"00000000", "0.0.0.0"})  # noqa: S104  # a reference ID, not an address to listen on

#: Any of these alone, as grep leaves it, is an answer.
_FACTS = frozenset({"stratum", "leap status", "system time"})

#: The key of a line of CSV, which holds all fields.
_WHOLE_LINE = "csv"

_DATE = "%a %b %d %H:%M:%S %Y"


def parse(text: str, stderr: str = "", status: int = 0) -> ToolReport:
    """Read thirteen labelled lines, or one line of fourteen comma-separated fields."""
    tally = LineTally(TOOL)
    fields: dict[str, str] = {}
    for line in text.splitlines():
        pair = _labelled(line)
        csv = None if pair is not None else _csv(line)
        if pair is not None and not tally.in_second(pair[0], line):
            fields[pair[0]] = pair[1]
            tally.understood()
        elif csv is not None and not tally.in_second(_WHOLE_LINE, line):
            fields = csv
            tally.understood()
        else:
            tally.other(line)
    is_foreign = tally.is_foreign(_CHECKS)
    tally.others(stderr.splitlines())
    if is_foreign or any(_OF_A_SOURCE.fullmatch(line) for line in tally.unparsed):
        fields = {}  # these values are a source's, not this node's
    return tally.report(_status(fields), found=bool(fields.keys() & _FACTS), exit_status=status)


def _labelled(line: str) -> tuple[str, str] | None:
    """Return the label and value of a line if both are known, or None."""
    found = _LABELLED.fullmatch(line)
    if found is None or found[1].lower() not in _CHECKS:
        return None
    label, value = found[1].lower(), found[2]
    return (label, value) if _CHECKS[label](value) else None


def _csv(line: str) -> dict[str, str] | None:
    values = line.strip().split(",")
    if len(values) != len(CSV_FIELDS):
        return None
    fields = dict(zip(CSV_FIELDS, values, strict=True))
    numeric = CSV_FIELDS[2:-1]
    if not all(number(fields[name]) is not None for name in numeric):
        return None
    is_status = _is_reference(fields["reference id"]) and _is_leap(fields["leap status"])
    return fields if is_status else None


def _is_quantity(value: str) -> bool:
    found = _WITH_UNIT.fullmatch(value)  # a number without its unit is the first half of a wrapped line
    return found is not None and number(found[1]) is not None


def _is_fast_or_slow(value: str) -> bool:
    return _ahead(value) is not None


def _is_reference(value: str) -> bool:
    return _REFERENCE.fullmatch(value) is not None


def _is_date(value: str) -> bool:
    return _wall_s(value) is not None


def _is_leap(value: str) -> bool:
    return value.lower() in LEAPS


def _is_stratum(value: str) -> bool:
    return whole(value) is not None


#: Label → check of its value; a value that fails is not understood.
_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "reference id": _is_reference,
    "stratum": _is_stratum,
    "ref time": _is_date,
    "system time": _is_fast_or_slow,
    "last offset": _is_quantity,
    "rms offset": _is_quantity,
    "frequency": _is_fast_or_slow,
    "residual freq": _is_quantity,
    "skew": _is_quantity,
    "root delay": _is_quantity,
    "root dispersion": _is_quantity,
    "update interval": _is_quantity,
    "leap status": _is_leap,
}


def _ahead(value: str) -> float | None:
    """Return a quantity that is positive if its word is *fast*."""
    found = _FAST_OR_SLOW.fullmatch(value)
    if found is None:
        return None
    amount = number(found[1])
    return flipped(amount) if found[2] == "slow" else amount


def _wall_s(value: str) -> float | None:
    """Return the Unix time of chrony's date, or of the seconds that CSV prints instead."""
    plain = number(value)
    if plain is not None:
        return plain
    try:
        return datetime.strptime(value, _DATE).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _quantity(fields: Mapping[str, str], name: str) -> float | None:
    found = _QUANTITY.fullmatch(fields.get(name, ""))
    return None if found is None else number(found[1])


def _signed(fields: Mapping[str, str], name: str, *, csv_positive_is_fast: bool) -> float | None:
    value = fields.get(name, "")
    plain = number(value)
    if plain is None:
        return _ahead(value)
    return plain if csv_positive_is_fast else flipped(plain)


def _distance_s(fields: Mapping[str, str]) -> float | None:
    return distance_s(_quantity(fields, "root delay"), _quantity(fields, "root dispersion"))


def _status(fields: Mapping[str, str]) -> SyncStatus:
    leap = LEAPS.get(fields.get("leap status", "").lower())
    stratum = whole(fields.get("stratum", ""))
    digits, name = _reference(fields)
    wall_s = _wall_s(fields.get("ref time", ""))
    local = digits in _LOCAL_IDS
    never = digits in _NO_IDS  # the zeroes and ones that follow were not measured
    return SyncStatus(
        "chronyd" if fields else "unknown",
        synchronized=None if leap is None else leap != "unsynchronized",
        stratum=stratum,
        source="LOCAL" if local else name,
        refid=None if never else _refid(digits, stratum),
        offset_s=None if never else _signed(fields, "system time", csv_positive_is_fast=False),
        root_distance_s=None if never else _distance_s(fields),
        leap=leap,
        frequency_ppm=_signed(fields, "frequency", csv_positive_is_fast=True),
        updated_wall_s=wall_s or None,  # the epoch means "never"
    )


def _refid(digits: str, stratum: int | None) -> str | None:
    return (
        "LOCL"
        if digits in _LOCAL_IDS
        else refids.of_unpadded_hex(digits, stratum) or refids.of_address(digits)
    )


def _reference(fields: Mapping[str, str]) -> tuple[str, str | None]:
    """Split ``C0A87B01 (192.168.123.1)``; versions before 3.0 print ``192.168.123.1 (name)``."""
    found = _REFERENCE.fullmatch(fields.get("reference id", ""))
    if found is None:
        return "", None
    name = found[2] if found[2] is not None else fields.get("name")
    if "." in found[1]:  # the older form names the server by both; its number is the sure one
        return found[1], None if refids.is_none(found[1]) else found[1]
    return found[1].upper(), name or None
