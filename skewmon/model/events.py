"""Which of the journal's events somebody wants."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EventQuery:
    """The newest ``limit`` events since an instant of the wall clock; None wants any."""

    limit: int
    since_ns: int = 0
    node: str | None = None
    kind: str | None = None
    cluster: str | None = None
