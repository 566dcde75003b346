"""The notations in which time tools write numbers and durations."""

import math
import re

#: What stands where a value is missing: ntpq's dash, NTPsec's dot and X, an undefined float.
MISSING = frozenset({"-", ".", "X", "nan", "+nan", "-nan", "inf", "+inf", "-inf", "----"})

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_WITH_UNIT = re.compile(rf"({_NUMBER.pattern})\s*([^\d\s.+-]+)?", re.ASCII)

#: One table for every tool: ntpq -u, chronyc, systemd, ntpctl. A month and a year are systemd's averages.
UNIT_S = {
    "ps": 1e-12,
    "ns": 1e-9,
    "us": 1e-6,
    "\u00b5s": 1e-6,  # the micro sign
    "\u03bcs": 1e-6,  # the Greek letter
    "ms": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "ks": 1e3,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86_400.0,
    "w": 604_800.0,
    "month": 2_629_800.0,
    "y": 31_557_600.0,
}

#: A number whose sixteenth digit matters to nobody; longer ones are garbage, and int() refuses 4,300 digits.
MAX_DIGITS = 40


def number(text: str) -> float | None:
    """Return a finite number, or None where the text is none; accepts ``+1.2``, ``449445.`` and ``.5``."""
    if len(text) > MAX_DIGITS or not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def whole(text: str) -> int | None:
    """Return a whole number of at most a machine word, or None."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None


def is_value(text: str) -> bool:
    """Tell a number, with or without a unit, or the sign of a missing one from other text."""
    return text in MISSING or seconds(text, unit_s=1.0) is not None


def seconds(text: str, *, unit_s: float) -> float | None:
    """Return a duration in seconds, a bare number counted in ``unit_s``; None where missing or foreign."""
    if len(text) > MAX_DIGITS:
        return None
    found = _WITH_UNIT.fullmatch(text.strip())
    if found is None:
        return None
    value = number(found[1])
    scale_s = unit_s if found[2] is None else UNIT_S.get(found[2])
    return None if value is None or scale_s is None else scaled(value, scale_s)


def span_s(text: str) -> float | None:
    """Return the seconds of systemd's notation: ``34min 8s``, ``-5.224ms``, ``1h 2min``, ``0``."""
    parts = text.split()
    if not parts or len(parts) > len(UNIT_S):
        return None
    values = [seconds(part, unit_s=1.0) for part in parts]
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def octal(text: str) -> int | None:
    """Return a reachability register, which every tool prints in octal."""
    return int(text, 8) if re.fullmatch(r"[0-7]{1,6}", text, re.ASCII) else None


def flipped(value: float | None) -> float | None:
    """Turn "what must be added to the clock" into "how far the clock is ahead"; zero stays a plain zero."""
    return None if value is None else 0.0 - value


def scaled(value: float | None, factor: float) -> float | None:
    """Multiply where there is something to multiply; a thousandth is divided off, which rounds only once."""
    if value is None:
        return None
    return value * factor if factor >= 1 else value / round(1 / factor)


def distance_s(delay_s: float | None, dispersion_s: float | None) -> float | None:
    """Return root delay / 2 + root dispersion (RFC 5905), where both were said."""
    return None if delay_s is None or dispersion_s is None else delay_s / 2 + dispersion_s
