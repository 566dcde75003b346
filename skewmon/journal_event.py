"""One event of the journal: as it is told, and as it is stored."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self, overload
from uuid import uuid4

from skewmon.model import NS_PER_S

#: Characters of an event's sentence; skewmon's own have some 300, but may quote names of any length.
MAX_MESSAGE = 2_000

#: Characters of an event's JSON values: a hundred culprits of ordinary names.
MAX_DETAIL = 8_000

#: What SQLite takes as an integer.
_INT64 = (-(2**63), 2**63 - 1)


def instant(wall_ns: int) -> str:
    """Return an instant of the wall clock in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(wall_ns // NS_PER_S, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{wall_ns % NS_PER_S // 1_000_000:03d}Z"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: a step, an alert's transition, an outage, a restart.

    ``kind`` is kebab-case, ``message`` one sentence for a person, ``detail`` JSON values for a program.
    """

    wall_ns: int
    kind: str
    message: str
    cluster: str | None = None
    node: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the event as the HTTP interface and ``skewmon events -o json`` show it."""
        return {
            "time": instant(self.wall_ns),
            "kind": self.kind,
            "cluster": self.cluster,
            "node": self.node,
            "message": self.message,
            "detail": dict(self.detail),
        }


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
