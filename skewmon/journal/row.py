"""One event on its way to disk."""

import json
from typing import NamedTuple, Self, overload
from uuid import uuid4

from skewmon.model import Event

#: Characters of an event's sentence; skewmon's own have some 300, but may quote names of any length.
MAX_MESSAGE = 2_000

#: Characters of an event's JSON values: a hundred culprits of ordinary names.
MAX_DETAIL = 8_000

#: The range of an integer in SQLite.
_INT64 = (-(2**63), 2**63 - 1)


class Row(NamedTuple):
    """One event on its way to disk; the id makes writing it twice the same as writing it once."""

    id: str
    wall_ns: int
    kind: str
    cluster: str | None
    node: str | None
    message: str
    detail: str

    @classmethod
    def of(cls, event: Event) -> Self:
        """Return the row of a new event."""
        detail = json.dumps(event.detail, separators=(",", ":"))
        return cls(
            uuid4().hex,
            min(max(event.wall_ns, _INT64[0]), _INT64[1]),
            event.kind,
            _storable(event.cluster),
            _storable(event.node),
            _storable(_cut(event.message)),
            detail if len(detail) <= MAX_DETAIL else '{"left_out":"too long"}',
        )


def _cut(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"


@overload
def _storable(text: str) -> str: ...


@overload
def _storable(text: None) -> None: ...


def _storable(text: str | None) -> str | None:
    """Return a text that SQLite takes; a name from an inventory may hold bytes that are no UTF-8."""
    return None if text is None else text.encode(errors="backslashreplace").decode()
