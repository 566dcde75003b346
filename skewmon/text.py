"""Numbers, spans of time, names, instants and URLs as a person reads them, formatted in one place.

Spans come in nanoseconds. "At least" and "at most" round to the safe side.
"""

import json
import math
import re
import urllib.parse
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

_NS_PER_S = 1_000_000_000

#: The average year of the Julian calendar, as of systemd and chrony.
_NS_PER_YEAR = 31_557_600 * _NS_PER_S

#: Units from the largest down, with their nanoseconds, spelt as the configuration has them: every terminal
#: can show "us", and the text can be typed.
_UNITS = ((_NS_PER_S, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns"))

#: The units of rounded spans: a unit is used from this size on, in nanoseconds, and has so many of them.
_SPAN_UNITS = (
    (2 * _NS_PER_YEAR, _NS_PER_YEAR, "years"),
    (172_800 * _NS_PER_S, 86_400 * _NS_PER_S, "days"),
    (3_600 * _NS_PER_S, 3_600 * _NS_PER_S, "h"),
    (1_000 * _NS_PER_S, 60 * _NS_PER_S, "min"),
    *((size_ns, size_ns, unit) for size_ns, unit in _UNITS[:-1]),
    (0, 1, "ns"),
)

#: The units of a span that a person estimates, with their seconds.
_COARSE_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))

#: Digits of a rounded span that a reader needs; the JSON has them all.
_FIGURES = 4

#: An estimate has at most this many decimals: a microsecond, in seconds, is the most that a network proves.
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


def names(of: Sequence[str], most: int = MAX_NAMES, *, count: int | None = None) -> str:
    """Return the first of these names, and how many more there are; of ``count`` if not all are listed."""
    more = (len(of) if count is None else count) - most
    return ", ".join(of[:most]) + (f" and {more} more" if more > 0 else "")


def rfc3339(wall_ns: int, decimals: int = 3) -> str:
    """Return an instant of the wall clock in UTC as RFC 3339, cut to so many decimals, at most six."""
    text = f"{_instant(wall_ns):%Y-%m-%dT%H:%M:%S.%f}"
    return f"{text[: len(text) - 6 + decimals].rstrip('.')}Z"


def utc(wall_ns: int) -> str:
    """Return an instant of the wall clock in a sentence, to the second."""
    return f"{_instant(wall_ns):%Y-%m-%d %H:%M:%S} UTC"


def date(wall_ns: int) -> str:
    """Return the date in UTC that a clock shows, or that it shows none that a calendar has."""
    try:
        return f"{_instant(wall_ns):%Y-%m-%d}"
    except OverflowError:
        return "no date"


def harmless(text: str, keep: str = "") -> str:
    r"""Return a text of foreign origin such that no terminal, log or reader is misled by it.

    Control characters, escape sequences and marks that reverse the direction of reading become visible, as in
    ``\x1b[2J`` and ``\u202e``; those in ``keep`` stay, such as line ends.
    """
    return text.translate({ord(sign): repr(sign)[1:-1] for sign in _unprintable(text, keep)})


def harmless_json(text: str) -> str:
    """Return JSON text with such characters escaped, which changes no value in it."""
    return text.translate({ord(sign): json.dumps(sign)[1:-1] for sign in _unprintable(text, "\n")})


def _unprintable(text: str, keep: str) -> set[str]:
    return set() if text.isprintable() else {s for s in set(text) if not s.isprintable() and s not in keep}


def _instant(wall_ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=wall_ns // 1_000)


def _unit(value_ns: int) -> tuple[int, str]:
    return next((one for one in _UNITS if abs(value_ns) >= one[0]), _UNITS[-1])


def _spelt(value_ns: int, rounding: str) -> str:
    figures, exactly = Context(prec=_FIGURES, rounding=rounding), Decimal(value_ns)
    shown = figures.plus(exactly)  # chooses the unit: 999.99 ms are 1 s, not 1000 ms
    from_ns, unit_ns, unit = next(one for one in _SPAN_UNITS if abs(shown) >= one[0])
    value = exactly if abs(exactly) >= from_ns else shown  # 3599.6 s are 1 h, not 0.9999 h
    return f"{figures.divide(value, Decimal(unit_ns)).normalize():,f} {unit}"


# --- secrets in URLs ---

#: Replaces secrets; legal in every part of a URL.
MASK = "***"

#: Words in the name of a query parameter that holds a secret. `sig` and `auth` have many endings.
_SECRET_NAME = re.compile(
    r"token|secret|passw|passphrase|pwd|(?:^|[_.-])pass(?:$|[_.-])|key|auth|cred|sig(?:$|[_.-]|nature)|jwt|bearer"
    r"|session|sid$|otp|(?:^|[_.-])(?:pin|code|hash|hmac|cookie|sas|se|sp|sv)$",
    re.IGNORECASE,
)

#: A value that looks random is a secret under any name: 16 letters and digits mixed, without a dot.
_RANDOM = re.compile(r"(?=[^&]*[0-9])(?=[^&]*[A-Za-z])[A-Za-z0-9_+/=~-]{16,}")

#: A URL in a text ends with a space, a quote or a bracket; a final full stop or comma is the text's.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s\"'<>`|\\^{}\x00-\x1f\x7f]+", re.ASCII)

#: A query without the URL before it, such as the path that a server repeats in an error page.
_PARAMETER = re.compile(r"(?<=[?&;])([^\s\"'<>=&;?#]{1,100})=([^\s\"'<>&;#]+)")


def masked_url(url: str, *, path_is_secret: bool = False) -> str:
    """Return a URL without user and password, secret parameters and fragment.

    The path of a webhook often is its password; with ``path_is_secret`` path and query are hidden whole.
    """
    head, query, fragment = _split(url)
    scheme, separator, rest = head.partition("://")
    place, slash, path = rest.partition("/")
    userinfo, at, host = place.rpartition("@")
    head = scheme + separator + (MASK + at if userinfo else "") + host
    if path_is_secret:
        return f"{head}/{MASK}" if path or query or fragment else head + slash
    shown = head + slash + path
    if query is not None:
        shown += "?" + re.sub(r"[^&;]+", lambda part: _masked_parameter(part[0]), query)
    return shown + (f"#{MASK}" if fragment else "")


def masked_text(text: str) -> str:
    """Return a text with every URL and query in it masked."""
    if "://" in text:
        text = _URL.sub(lambda found: masked_url(found[0]), text)
    if "=" in text:
        text = _PARAMETER.sub(lambda found: _masked_parameter(found[0]), text)
    return text


def _split(url: str) -> tuple[str, str | None, str]:
    """Return the part before the query, the query if there is one, and the fragment."""
    rest, _, fragment = url.partition("#")
    head, mark, query = rest.partition("?")
    return head, query if mark else None, fragment


def _masked_parameter(parameter: str) -> str:
    """Return a parameter with its value masked if name or value look like a secret."""
    name, equals, value = parameter.partition("=")
    plain_name, plain_value = urllib.parse.unquote_plus(name), urllib.parse.unquote_plus(value)
    if not equals:
        return MASK if _RANDOM.fullmatch(plain_name) else parameter
    if value.startswith(MASK):
        return parameter
    secret = value and (_SECRET_NAME.search(plain_name) or _RANDOM.fullmatch(plain_value))
    return f"{name}={MASK}" if secret else parameter
