"""Query parameters, each with its limits; a value that is not understood is refused."""

from collections.abc import Sequence

from aiohttp import web

from skewmon.config.duration import parse_duration_ns
from skewmon.errors import echoed
from skewmon.model import NS_PER_S

#: More seconds than any two clocks are apart: three hundred years.
SECONDS_MAX = 1e10

#: The longest host name.
WORD_MAX = 253


class ParameterError(ValueError):
    """A query parameter cannot be understood; the text is for the client."""


def count(request: web.Request, name: str, default: int, highest: int) -> int:
    """Return a whole number from 1 to ``highest``."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= highest):
        raise ParameterError(f"{name}: expected a number from 1 to {highest}, found {echoed(text)}")
    return int(text)


def word(request: web.Request, name: str) -> str | None:
    """Return a name to look for, or None if there is none."""
    text = request.query.get(name)
    if text is not None and not (0 < len(text) <= WORD_MAX and text.isprintable()):
        raise ParameterError(f"{name}: expected a name of 1 to {WORD_MAX} characters, found {echoed(text)}")
    return text


def known(request: web.Request, names: Sequence[str]) -> None:
    """Refuse an unknown parameter: a misspelled filter would select everything."""
    for name in request.query:
        if name not in names:
            raise ParameterError(f"{echoed(name)}: unknown parameter; there are {', '.join(names)}")


def span_ns(request: web.Request, name: str) -> int:
    """Return a span of time, written as seconds or as a duration; 0 if it is missing."""
    text = request.query.get(name, "0")
    try:
        seconds = float(text)
    except ValueError:
        return _duration_ns(name, text)
    if not 0 <= seconds <= SECONDS_MAX:  # NaN too fails this
        raise ParameterError(f"{name}: expected seconds from 0 on, found {echoed(text)}")
    return round(seconds * NS_PER_S)


def _duration_ns(name: str, text: str) -> int:
    try:
        return parse_duration_ns(text)
    except ValueError as error:
        raise ParameterError(f"{name}: {error}") from None
