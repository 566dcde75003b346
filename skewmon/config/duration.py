"""Durations as people write them: ``250us``, ``50ms``, ``1s``, ``1m30s``, ``2h``; exact both ways."""

import re

from skewmon.errors import echoed

_UNITS_NS = {
    "d": 86_400_000_000_000,
    "h": 3_600_000_000_000,
    "m": 60_000_000_000,
    "s": 1_000_000_000,
    "ms": 1_000_000,
    "us": 1_000,
    "ns": 1,
}
_ORDER = tuple(_UNITS_NS)
_EXPECTED = "expected a duration such as 250us, 50ms, 1s, 1m30s or 2h"

#: Longer texts are mistakes, and long digit strings are slow to convert.
MAX_TEXT_LENGTH = 40

#: Ten years: longer than any schedule or threshold that makes sense, and far below 2^63 ns.
MAX_DURATION_NS = 3_650 * _UNITS_NS["d"]

_PART = re.compile(r"([0-9]+)(?:\.([0-9]+))?(ns|us|µs|μs|ms|s|m|h|d)", re.ASCII)


def parse_duration_ns(text: str) -> int:
    """Return the nanoseconds that ``text`` means, exactly; raise ValueError with the expectation."""
    if len(text) > MAX_TEXT_LENGTH:
        raise ValueError(f"{_EXPECTED}, found {len(text)} characters")
    total, position, last = 0, 0, -1
    for part in _PART.finditer(text):
        rank = _ORDER.index(_ascii_unit(part[3]))
        if part.start() != position or rank <= last:
            break
        total += _part_ns(part[1], part[2] or "", _ORDER[rank], text)
        position, last = part.end(), rank
    if position != len(text) or not text:
        raise ValueError(f"{_EXPECTED}, found {echoed(text)}{_advice(text)}")
    if total > MAX_DURATION_NS:
        raise ValueError(f"expected at most ten years, found {echoed(text)}")
    return total


def format_duration(duration_ns: int) -> str:
    """Return the shortest usual spelling; ``parse_duration_ns`` of it gives the same value back."""
    if duration_ns < 0:
        return "-" + format_duration(-duration_ns)
    if duration_ns < _UNITS_NS["s"]:
        unit = next((unit for unit in ("ms", "us", "ns") if duration_ns >= _UNITS_NS[unit]), "s")
        return _decimal(duration_ns, unit)
    hours, rest_ns = divmod(duration_ns, _UNITS_NS["h"])
    minutes, rest_ns = divmod(rest_ns, _UNITS_NS["m"])
    seconds = _decimal(rest_ns, "s") if rest_ns else ""
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if minutes else "") + seconds


def _ascii_unit(unit: str) -> str:
    """Return the unit with either of Unicode's two micro signs as ``u``."""
    return "us" if unit in {"µs", "μs"} else unit


def _part_ns(whole: str, fraction: str, unit: str, text: str) -> int:
    """Return one number with its unit in nanoseconds; refuse a finer value than a nanosecond."""
    scale: int = 10 ** len(fraction)
    value_ns, rest = divmod(int(whole + fraction) * _UNITS_NS[unit], scale)
    if rest:
        raise ValueError(f"expected whole nanoseconds, found {echoed(text)}")
    return value_ns


def _decimal(value_ns: int, unit: str) -> str:
    """Return ``value_ns`` as a decimal number of one unit, without trailing zeros."""
    whole, rest = divmod(value_ns, _UNITS_NS[unit])
    digits = len(str(_UNITS_NS[unit])) - 1
    fraction = str(rest).rjust(digits, "0").rstrip("0") if rest else ""
    return f"{whole}.{fraction}{unit}" if fraction else f"{whole}{unit}"


def _advice(text: str) -> str:
    """Return the likeliest mistake, or nothing."""
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text, re.ASCII):
        return f"; add a unit: {text}s or {text}ms"
    if text.startswith("-"):
        return "; durations are not negative"
    if re.search(r"\s", text):
        return "; write it without spaces"
    return ""
