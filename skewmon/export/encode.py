"""Values in exports: seconds as floats, text of nodes safe to encode."""

import math

from skewmon.model import NS_PER_S

#: Text of a node that becomes a label; a real source name is a host name, at most 253 characters.
FOREIGN_TEXT_MAX = 256


def seconds(value_ns: int) -> float:
    """Return nanoseconds as seconds."""
    return value_ns / NS_PER_S


def optional_seconds(value_ns: int | None) -> float | None:
    """Return nanoseconds as seconds, None for None."""
    return None if value_ns is None else value_ns / NS_PER_S


def finite(value: float | None) -> float | None:
    """Return the number, or None if JSON has no form for it."""
    return value if value is not None and math.isfinite(value) else None


def encodable(text: str) -> str:
    """Return the text without lone surrogates, which stand for bytes that are not UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def foreign(text: str) -> str:
    """Return text of a node bounded in length and encodable, whatever bytes the node sent."""
    return encodable(text[:FOREIGN_TEXT_MAX])
