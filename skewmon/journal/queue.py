"""Events on their way to disk: in order, bounded; dropped ones are counted and reported in their place."""

import json
import time
from dataclasses import dataclass, field
from typing import NamedTuple, Self, overload
from uuid import uuid4

from skewmon.model import Event, EventKind
from skewmon.text import rfc3339

#: Events that wait in memory while the disk refuses or hangs; beyond that the oldest are dropped.
MAX_WAITING = 10_000


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
            storable(event.cluster),
            storable(event.node),
            storable(_cut(event.message)),
            detail if len(detail) <= MAX_DETAIL else '{"left_out":"too long"}',
        )


@dataclass(slots=True)
class Gap:
    """Consecutive dropped events: one event of the journal in their place."""

    since_ns: int
    until_ns: int
    events: int = 0
    id: str = field(default_factory=lambda: uuid4().hex)  # the same at every attempt to write it

    def grow(self, until_ns: int, events: int) -> None:
        """Add later dropped events."""
        self.until_ns = until_ns
        self.events += events

    def row(self) -> Row:
        """Return the row that reports them."""
        since, until = rfc3339(self.since_ns), rfc3339(self.until_ns)
        message = (
            f"{self.events} event{' is' if self.events == 1 else 's are'} lost, from {since} to {until}: "
            f"the journal could not be written, and no more than {MAX_WAITING} wait."
        )
        detail = {"events": self.events, "since": since, "until": until}
        return Row.of(Event(time.time_ns(), EventKind.EVENTS_LOST, message, detail=detail))._replace(
            id=self.id
        )


class EventQueue:
    """Events that wait, and those that the journal's thread has taken, which may yet be written."""

    def __init__(self) -> None:
        self.given_up = 0  # since the start
        self._waiting: list[Row] = []
        self._taken: list[Row] = []
        self._gap: Gap | None = None
        self._gap_taken: Gap | None = None

    def __len__(self) -> int:
        return len(self._waiting) + len(self._taken)

    def add(self, row: Row) -> bool:
        """Queue an event; return True if this dropped the oldest, the first one since the last write."""
        whole = self._gap is self._gap_taken is None
        self._waiting.append(row)
        self._bound()
        return whole and self._gap is not None

    def take(self) -> list[Row]:
        """Return everything to write; rows that were taken and not settled come first, again."""
        self._waiting[:0] = self._taken
        self._bound()
        self._taken, self._waiting = self._waiting, []
        if self._gap_taken and self._gap:
            self._gap_taken.grow(self._gap.until_ns, self._gap.events)
        self._gap_taken, self._gap = self._gap_taken or self._gap, None
        return [*([self._gap_taken.row()] if self._gap_taken else ()), *self._taken]

    def settle(self) -> int:
        """Drop taken rows, because they are on disk; return the number of dropped events they reported."""
        reported = self._gap_taken.events if self._gap_taken else 0
        self._taken, self._gap_taken = [], None
        return reported

    def _bound(self) -> None:
        excess = len(self._waiting) - MAX_WAITING
        if excess <= 0:
            return
        lost = self._waiting[:excess]
        del self._waiting[:excess]
        self._gap = self._gap or Gap(lost[0].wall_ns, lost[0].wall_ns)
        self._gap.grow(lost[-1].wall_ns, excess)
        self.given_up += excess


def _cut(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"


@overload
def storable(text: str) -> str: ...


@overload
def storable(text: None) -> None: ...


def storable(text: str | None) -> str | None:
    """Return a text that SQLite takes; a name from an inventory may have bytes that are not UTF-8."""
    return None if text is None else text.encode(errors="backslashreplace").decode()
