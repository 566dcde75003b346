"""The journal's events, and a query for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from skewmon.text import rfc3339


class EventKind(StrEnum):
    """Everything that the journal records."""

    STARTED = "started"
    STOPPED = "stopped"
    RELOADED = "reloaded"
    RELOAD_REFUSED = "reload-refused"
    INVENTORY = "inventory"
    INVENTORY_FAULT = "inventory-fault"
    INVENTORY_RECOVERED = "inventory-recovered"
    STEP = "step"
    LEAP_SECOND = "leap-second"
    OSCILLATOR_JUMP = "oscillator-jump"
    SUSPEND = "suspend"
    REBOOT = "reboot"
    ADMIN_BOX_PAUSED = "admin-box-paused"
    NOT_MEASURED = "not-measured"
    MEASURED_AGAIN = "measured-again"
    CULPRITS = "culprits"
    ALERT_FIRING = "alert-firing"
    ALERT_RESOLVED = "alert-resolved"
    EVENTS_LOST = "events-lost"
    JOURNAL_RESTARTED = "journal-restarted"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: a step, an alert's transition, an outage, a restart.

    ``kind`` is an EventKind, or a text that another version of skewmon wrote; ``message`` is one sentence for
    a person, ``detail`` has JSON values for a program.
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
            "time": rfc3339(self.wall_ns),
            "kind": self.kind,
            "cluster": self.cluster,
            "node": self.node,
            "message": self.message,
            "detail": dict(self.detail),
        }


@dataclass(frozen=True, slots=True)
class EventQuery:
    """The newest ``limit`` events since an instant of the wall clock; None matches any."""

    limit: int
    since_ns: int = 0
    node: str | None = None
    kind: str | None = None
    cluster: str | None = None
