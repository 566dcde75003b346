"""The newest events in the terminal, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from skewmon.text import harmless

#: Events fetched and kept.
EVENTS_MAX = 200

#: Columns of a time, such as 11-28 19:30, and of a kind, such as inventory-recovered.
TIME_WIDTH = 11
KIND_WIDTH = 20

#: Styles of events that a person looks for; all others are plain.
STYLES = {
    "step": "yellow",
    "alert-firing": "bold red",
    "alert-resolved": "green",
    "not-measured": "magenta",
    "measured-again": "green",
    "culprits": "red",
    "self-check-failed": "bold red",
}


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """One event of the journal, or one seen by this command itself."""

    time: str
    kind: str
    place: str
    message: str

    @classmethod
    def of(cls, event: dict[str, Any]) -> Self:
        """Return the event of a JSON object; raise ValueError if it is not one."""
        try:
            datetime.fromisoformat(event["time"])
            place = "/".join(str(part) for part in (event["cluster"], event["node"]) if part)
            return cls(event["time"], str(event["kind"]), place, str(event["message"]))
        except (KeyError, TypeError) as error:
            raise ValueError(str(error)) from None


def events_view(events: Sequence[ShownEvent], now: str, fault: str) -> RenderableType:
    """Return the events; ``fault`` says why there are none, ``now`` is the time of the document."""
    if fault or not events:
        return Group(Text("Events", "bold"), Text(harmless(fault) or "Nothing has happened yet.", "dim"))
    kinds = max(len(harmless(event.kind)) for event in events)
    zone = f"{_local(now):%Z}"
    table = Table(
        Column(f"time {zone}", width=TIME_WIDTH, no_wrap=True),
        Column("kind", width=min(kinds, KIND_WIDTH), overflow="fold"),
        Column("event", overflow="fold"),
        box=None,
        pad_edge=False,
        header_style="dim",
    )
    today = _local(now).date()
    for event in events:
        when = _local(event.time)
        shown = f"{when:%H:%M:%S}" if when.date() == today else f"{when:%m-%d %H:%M}"
        style = STYLES.get(event.kind, "")
        place = Text(f"{harmless(event.place)}  " if event.place else "", "bold")
        table.add_row(shown, Text(harmless(event.kind), style), place + Text(harmless(event.message)))
    return table


def _local(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone()
