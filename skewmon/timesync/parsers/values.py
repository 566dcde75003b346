"""The notations in which time tools write numbers and durations."""

import math
import re
from decimal import Decimal

#: Printed for a missing value: ntpq's dash, NTPsec's dot and X, an undefined float.
MISSING = frozenset({"-", ".", "X", "nan", "+nan", "-nan", "inf", "+inf", "-inf", "----"})

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_SIGN = re.compile(r"([+-]?)(.*)", re.DOTALL)
_WITH_UNIT = re.compile(rf"({_NUMBER.pattern})\s*([^\d\s.+-]+)?", re.ASCII)

#: One table for every tool: ntpq -u, chronyc, systemd, ntpctl. A month and a year are systemd's averages.
#: Decimal, because 1.283 ms is 0.001283 s and not the nearest float to it times another.
UNIT_S = {
    name: Decimal(scale)
    for name, scale in (
        ("ps", "1e-12"),
        ("ns", "1e-9"),
        ("us", "1e-6"),
        ("\u00b5s", "1e-6"),  # the micro sign
        ("\u03bcs", "1e-6"),  # the Greek letter
        ("ms", "1e-3"),
        ("s", "1"),
        ("sec", "1"),
        ("ks", "1e3"),
        ("m", "60"),
        ("min", "60"),
        ("h", "3600"),
        ("d", "86400"),
        ("w", "604800"),
        ("month", "2629800"),
        ("y", "31557600"),
    )
}

#: No tool prints more digits than this; longer numbers are garbage, and int() refuses 4,300 digits.
MAX_DIGITS = 40


def number(text: str) -> float | None:
    """Return a finite number, or None if the text is not one; accepts ``+1.2``, ``449445.`` and ``.5``."""
    if len(text) > MAX_DIGITS or not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def whole(text: str) -> int | None:
    """Return a whole number of at most a machine word, or None."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None


def is_value(text: str) -> bool:
    """Return whether the text is a number, with or without a unit, or stands for a missing one."""
    return text in MISSING or seconds(text) is not None


def seconds(text: str, unit: str = "s") -> float | None:
    """Return a duration in seconds, a bare number counted in ``unit``; None if missing or foreign."""
    if len(text) > MAX_DIGITS:
        return None
    found = _WITH_UNIT.fullmatch(text.strip())
    scale = UNIT_S.get(found[2] or unit) if found else None
    if found is None or scale is None or number(found[1]) is None:
        return None
    return float(Decimal(found[1]) * scale)


def span_s(text: str) -> float | None:
    """Return the seconds of systemd's notation: ``34min 8s``, ``-5.224ms``, ``1h 2min``, ``0``.

    The sign stands once, before the first part, and covers the whole span: ``-1min 30s`` is -90 s.
    """
    sign, size = _SIGN.fullmatch(text.strip()).groups()  # type: ignore[union-attr]  # matches any text
    parts = size.split()
    if not parts or len(parts) > len(UNIT_S) or any(part[0] in "+-" for part in parts):
        return None
    values = [seconds(part) for part in parts]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    total_s = math.fsum(known)
    return -total_s if sign == "-" else total_s


def octal(text: str) -> int | None:
    """Return a reachability register, which every tool prints in octal."""
    return int(text, 8) if re.fullmatch(r"[0-7]{1,6}", text, re.ASCII) else None


def flipped(value: float | None) -> float | None:
    """Turn the correction that a clock needs into how far it is ahead; zero stays a plain zero."""
    return None if value is None else 0.0 - value


def below(stratum: int | None) -> int | None:
    """Return the stratum of a follower of this stratum; a server of 0 or 16 is not synchronized itself."""
    return stratum + 1 if stratum is not None and 0 < stratum < 16 else None


def distance_s(delay_s: float | None, dispersion_s: float | None) -> float | None:
    """Return root delay / 2 + root dispersion (RFC 5905) if both were printed."""
    return None if delay_s is None or dispersion_s is None else delay_s / 2 + dispersion_s
