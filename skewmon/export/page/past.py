"""The past as the pages need it: events of the last day from the journal, intervals from the record."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skewmon.errors import SkewmonError
from skewmon.export.published import Callbacks
from skewmon.model import NS_PER_S, EventQuery

#: The span of the timeline.
DAY_S = 86_400

#: Events read for a timeline: some 20 ms of a thread. If a day has more, the timeline says so.
EVENTS_MAX = 2_000

EventRow = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JournalDay:
    """The events of the last day, newest first, or the reason why they cannot be read."""

    events: Sequence[EventRow] = ()
    trouble: str = ""

    @property
    def is_cut(self) -> bool:
        """Whether there are older events of the day that were not read."""
        return len(self.events) >= EVENTS_MAX


def listed(event: EventRow, name: str) -> list[str]:
    """Return a list of names in an event's detail; another version of skewmon may have written anything."""
    value = event["detail"].get(name)
    return [str(one) for one in value] if isinstance(value, list) else []


class PastReader:
    """Reads the journal and the record for pages."""

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks

    async def journal(self) -> JournalDay:
        """Return the events of the last day."""
        since_ns = time.time_ns() - DAY_S * NS_PER_S
        try:
            return JournalDay(await self._callbacks.events(EventQuery(EVENTS_MAX, since_ns)))
        except SkewmonError as error:
            return JournalDay(trouble=str(error))
