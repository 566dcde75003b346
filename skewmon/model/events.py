"""The journal's events, and a query for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from skewmon.model.interval import NS_PER_S


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


@dataclass(frozen=True, slots=True)
class EventQuery:
    """The newest ``limit`` events since an instant of the wall clock; None wants any."""

    limit: int
    since_ns: int = 0
    node: str | None = None
    kind: str | None = None
    cluster: str | None = None
