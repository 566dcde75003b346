"""How values leave the program: seconds as floats, instants as RFC 3339, foreign text made safe to encode."""

import math
from datetime import UTC, datetime, timedelta

from skewmon.model import NS_PER_S

NS_PER_US = 1_000

#: Text of a node that becomes a label; a real source name is a host name, at most 253 characters.
FOREIGN_TEXT_MAX = 256

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def seconds(value_ns: int) -> float:
    """Return nanoseconds as seconds."""
    return value_ns / NS_PER_S


def optional_seconds(value_ns: int | None) -> float | None:
    """Return nanoseconds as seconds where there are any."""
    return None if value_ns is None else value_ns / NS_PER_S


def finite(value: float | None) -> float | None:
    """Return the number, or None for what JSON cannot say."""
    return value if value is not None and math.isfinite(value) else None


def rfc3339(wall_ns: int) -> str:
    """Return a wall-clock instant in UTC, to the microsecond, without a detour over floats."""
    instant = _EPOCH + timedelta(microseconds=wall_ns // NS_PER_US)
    return f"{instant:%Y-%m-%dT%H:%M:%S.%f}Z"


def encodable(text: str) -> str:
    """Return the text without lone surrogates, which stand for bytes that are no UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def foreign(text: str) -> str:
    """Return text of a node bounded in length and encodable, whatever bytes the node sent."""
    return encodable(text[:FOREIGN_TEXT_MAX])
