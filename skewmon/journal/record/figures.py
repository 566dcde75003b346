"""The figures of a report, from periods of the record and events of the journal; nothing is read here.

Times are intervals: at least what is proven, at most what nothing excludes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from skewmon.journal.record.seal import Verification
from skewmon.model import NS_PER_S, Event, EventKind, Interval, Verdict
from skewmon.model.record import VERDICTS, ClusterRow, Line, NodeRow, Period

MS_PER_S = 1_000

#: Movements of clocks: the events that a report lists for each node.
MOVEMENTS = frozenset({
    EventKind.STEP, EventKind.LEAP_SECOND, EventKind.OSCILLATOR_JUMP, EventKind.SUSPEND, EventKind.REBOOT,
})  # fmt: skip

#: Verdicts by which something about the skew was proven.
PROVEN = (Verdict.OK, Verdict.WARNING, Verdict.CRITICAL)


@dataclass(frozen=True, slots=True)
class LineFigure:
    """How long a line was passed, while it was in force."""

    line: Line
    at_least_ms: int
    at_most_ms: int


class Excess(NamedTuple):
    """A time within which a node was proven beyond a line, for at least so long, and how far at least."""

    line: Line
    since_s: int
    until_s: int
    at_least_ms: int
    worst_ns: int


class Band(NamedTuple):
    """What contained an offset for some time."""

    start_s: int
    end_s: int
    ends: Interval


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """One node over the span; its time is measured, missed, or neither if the daemon did not run."""

    name: str
    row: NodeRow
    lines: tuple[LineFigure, ...]
    movements: tuple[Event, ...]
    excesses: Sequence[Excess]
    numbers: Sequence[int]  # start, end, lower and upper end of each band: a tenth of the size of values

    @property
    def bands(self) -> list[Band]:
        """The bands of a picture."""
        four = [iter(self.numbers)] * 4
        return [Band(start_s, end_s, Interval(*ends)) for start_s, end_s, *ends in zip(*four, strict=True)]


@dataclass(frozen=True, slots=True)
class ClusterFigures:
    """One cluster over the span; ``row`` has no nodes.

    ``lead_ms`` is the most that a time which is not an interval may contain from before the span.
    """

    name: str
    profile: str | None
    row: ClusterRow
    span_ms: int
    lead_ms: int
    worst_at: Period | None  # the period of the largest proven skew
    lines: tuple[LineFigure, ...]
    nodes: tuple[NodeFigures, ...]
    events: tuple[Event, ...]
    parts: Sequence[tuple[Period, ClusterRow]]  # for a picture

    @property
    def shares_ms(self) -> dict[str, int]:
        """The time in which the skew was proven, ambiguous, unknown, and not observed at all."""
        times = dict(zip(VERDICTS, self.row.verdict_ms, strict=True))
        return {
            "proven": sum(times[verdict] for verdict in PROVEN),
            "ambiguous": times[Verdict.AMBIGUOUS],
            "unknown": times[Verdict.UNKNOWN],
            "not observed": max(0, self.span_ms - self.row.observed_ms),
        }


@dataclass(frozen=True, slots=True)
class JournalEvents:
    """The events of a span, oldest first, and the instant since which none are missing, if there is one."""

    events: Sequence[Event] = ()
    from_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a report says, of the span from ``since_s`` to ``until_s``.

    ``set_back_s`` is the most by which the wall clock of the admin box went back in it.
    """

    since_s: int
    until_s: int
    set_back_s: int
    made_wall_ns: int
    version: str
    clusters: tuple[ClusterFigures, ...]
    events: tuple[Event, ...]  # of the daemon itself
    events_from_ns: int | None
    verification: Verification

    @property
    def events_cut(self) -> bool:
        """Whether events of the span are missing."""
        return self.events_from_ns is not None


def is_of(event: Event, cluster: str) -> bool:
    """Return whether an event is of a cluster; a node of several has one event for all of them."""
    shared = event.detail.get("clusters")
    return event.cluster == cluster or (isinstance(shared, list) and cluster in shared)


def steps(movements: Iterable[Event]) -> list[Event]:
    """Return the steps of the wall clock among movements."""
    return [event for event in movements if event.kind in (EventKind.STEP, EventKind.LEAP_SECOND)]


def instant_ns(period: Period) -> int:
    """Return the begin of a period on the wall clock."""
    return period.start_s * NS_PER_S
