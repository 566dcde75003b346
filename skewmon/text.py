"""Numbers, spans of time, names and instants as a person reads them, formatted in one place.

Spans come in nanoseconds. Rounding is to the safe side wherever a text says "at least" or "at most".
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

_NS_PER_S = 1_000_000_000

#: Units from the largest down, with their nanoseconds, spelt as the configuration has them: every terminal
#: can show "us", and the text can be typed.
_UNITS = ((_NS_PER_S, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns"))

#: The units of rounded spans: a unit is used from this size on, in nanoseconds, and has so many of them.
_SPAN_UNITS = (
    (172_800 * _NS_PER_S, 86_400 * _NS_PER_S, "days"),
    (7_200 * _NS_PER_S, 3_600 * _NS_PER_S, "h"),
    (1_000 * _NS_PER_S, 60 * _NS_PER_S, "min"),
    *((size_ns, size_ns, unit) for size_ns, unit in _UNITS[:-1]),
    (0, 1, "ns"),
)

#: The units of a span that a person estimates, with their seconds.
_COARSE_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))

#: Digits of a rounded span that a reader needs; the JSON has them all.
_FIGURES = 4

#: An estimate has at most this many decimals: of seconds, microseconds are what a network can prove.
_DECIMALS_MAX = 6

#: Names in a sentence; a table has them all.
MAX_NAMES = 5

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def exact(value_ns: int) -> str:
    """Return a span that was configured, unrounded, in the largest unit that fits: ``1.5 s``, ``300 ms``."""
    unit_ns, unit = _unit(value_ns)
    return f"{value_ns / unit_ns:.12g} {unit}"


def span(value_ns: int) -> str:
    """Return a measured span in few digits: ``70 s``, ``3.2 h``, ``312.4 ms``."""
    return _spelt(value_ns, ROUND_HALF_EVEN)


def at_least(value_ns: int) -> str:
    """Return a lower bound in few digits, never more than it is."""
    return _spelt(value_ns, ROUND_FLOOR)


def at_most(value_ns: int) -> str:
    """Return an upper bound in few digits, never less than it is."""
    return _spelt(value_ns, ROUND_CEILING)


def span_of_seconds(seconds: float) -> str:
    """Return the size of a span that a node claims, in seconds; it may be any number."""
    return span(round(abs(seconds) * _NS_PER_S)) if math.isfinite(seconds) else "no number"


def signed_seconds(seconds: float) -> str:
    """Return an offset that a node claims, in seconds, with its sign."""
    sign = "-" if seconds < 0 else "+" if seconds > 0 else ""
    return (sign if math.isfinite(seconds) else "") + span_of_seconds(seconds)


def estimate(value_ns: int, bound_ns: int) -> str:
    """Return a signed estimate with as many digits as its bound supports: ``+70.000012 s``."""
    unit_ns, unit = _unit(value_ns)
    digits = max(0, len(str(unit_ns)) - len(str(max(1, bound_ns // 10))))
    return f"{value_ns / unit_ns:+.{min(digits, _DECIMALS_MAX)}f} {unit}"


def bound(value_ns: int) -> str:
    """Return the bound of an estimate in two or three digits, never smaller than it is: ``32 us``."""
    if value_ns >= 1_000 * _NS_PER_S:
        return at_most(value_ns)
    unit_ns, unit = _unit(value_ns)
    scaled = -(-value_ns // unit_ns) if value_ns >= 10 * unit_ns else -(-value_ns * 10 // unit_ns) / 10
    return f"{scaled:g} {unit}"


def offset(value_ns: int, bound_ns: int) -> str:
    """Return an estimate with its bound: ``+70.000012 s ± 32 us``."""
    return f"{estimate(value_ns, bound_ns)} ± {bound(bound_ns)}"


def coarse(seconds: float, *, up: bool = False) -> str:
    """Return a span that only its order of magnitude matters of, whole: ``3 h``; rounded down, or ``up``."""
    size, unit = next((one for one in _COARSE_UNITS if seconds >= 2 * one[0]), (1, "s"))
    return f"{math.ceil(seconds / size) if up else math.floor(seconds / size)} {unit}"


def rate(value_ppb: int) -> str:
    """Return a rate: nanoseconds a second read as parts per million."""
    return f"{value_ppb / 1000:.4g} ppm"


def names(of: Sequence[str], most: int = MAX_NAMES) -> str:
    """Return the first of these names, and how many more there are."""
    more = len(of) - most
    return ", ".join(of[:most]) + (f" and {more} more" if more > 0 else "")


def rfc3339(wall_ns: int, decimals: int = 3) -> str:
    """Return an instant of the wall clock in UTC as RFC 3339, cut to so many decimals, at most six."""
    text = f"{_instant(wall_ns):%Y-%m-%dT%H:%M:%S.%f}"
    return f"{text[: len(text) - 6 + decimals].rstrip('.')}Z"


def utc(wall_ns: int) -> str:
    """Return an instant of the wall clock in a sentence, to the second."""
    return f"{_instant(wall_ns):%Y-%m-%d %H:%M:%S} UTC"


def harmless(text: str) -> str:
    """Return a text of foreign origin such that no terminal takes it for a command."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def _instant(wall_ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=wall_ns // 1_000)


def _unit(value_ns: int) -> tuple[int, str]:
    return next((one for one in _UNITS if abs(value_ns) >= one[0]), _UNITS[-1])


def _spelt(value_ns: int, rounding: str) -> str:
    figures, exactly = Context(prec=_FIGURES, rounding=rounding), Decimal(value_ns)
    shown_ns = abs(figures.plus(exactly))  # chooses the unit: 999.99 ms are 1 s, not 1000 ms
    unit_ns, unit = next((unit_ns, unit) for from_ns, unit_ns, unit in _SPAN_UNITS if shown_ns >= from_ns)
    return f"{figures.divide(exactly, Decimal(unit_ns)).normalize():,f} {unit}"
