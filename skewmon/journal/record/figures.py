"""The figures of a report, from periods of the record and events of the journal; nothing is read here.

Times are intervals: at least what is proven, at most what nothing excludes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from skewmon.journal.record.seal import Verification
from skewmon.model import NS_PER_S, Event, EventKind, ThresholdKind, Verdict
from skewmon.model.record import MINUTE_S, VERDICTS, ClusterRow, Line, LineTime, NodeRow, Period

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


@dataclass(frozen=True, slots=True)
class Excess:
    """A time within which a node was proven beyond a line, for at least so long, and how far at least."""

    line: Line
    since_s: int
    until_s: int
    at_least_ms: int
    worst_ns: int


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """One node over the span; its time is measured, missed, or neither if the daemon did not run."""

    name: str
    row: NodeRow
    lines: tuple[LineFigure, ...]
    movements: tuple[Event, ...]
    periods: tuple[tuple[Period, NodeRow], ...]


@dataclass(frozen=True, slots=True)
class ClusterFigures:
    """One cluster over the span."""

    name: str
    profile: str | None
    row: ClusterRow
    span_ms: int
    worst_at: Period | None  # the period of the largest proven skew
    lines: tuple[LineFigure, ...]
    nodes: tuple[NodeFigures, ...]
    events: tuple[Event, ...]
    periods: tuple[tuple[Period, ClusterRow], ...]

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
class Report:
    """Everything that a report says, of the span from ``since_s`` to ``until_s``."""

    since_s: int
    until_s: int
    made_wall_ns: int
    version: str
    clusters: tuple[ClusterFigures, ...]
    events: tuple[Event, ...]  # of the daemon itself
    events_cut: bool  # there were too many to be read
    verification: Verification


def cluster_figures(
    name: str, periods: Sequence[Period], events: Sequence[Event], span_ms: int, profile: str | None
) -> ClusterFigures:
    """Return the figures of one cluster."""
    rows = tuple((period, period.clusters[name]) for period in periods if name in period.clusters)
    whole = reduce(ClusterRow.folded, (row for _, row in rows), ClusterRow())
    with_skew = [(row.skew.lower_max_ns, period) for period, row in rows if row.skew is not None]
    open_ms = max(0, span_ms - whole.observed_ms)
    own = tuple(event for event in events if is_of(event, name))
    return ClusterFigures(
        name,
        profile,
        whole,
        span_ms,
        max(with_skew, key=lambda one: one[0], default=(0, None))[1],
        _lines(whole.judged, whole.lines, open_ms),
        tuple(_node(node, whole, rows, own, span_ms) for node in sorted(whole.nodes)),
        own,
        rows,
    )


def is_of(event: Event, cluster: str) -> bool:
    """Return whether an event is of a cluster; a node of several has one event for all of them."""
    shared = event.detail.get("clusters")
    return event.cluster == cluster or (isinstance(shared, list) and cluster in shared)


def steps(movements: Iterable[Event]) -> list[Event]:
    """Return the steps of the wall clock among movements."""
    return [event for event in movements if event.kind in (EventKind.STEP, EventKind.LEAP_SECOND)]


def _node(
    name: str,
    whole: ClusterRow,
    rows: Sequence[tuple[Period, ClusterRow]],
    events: Sequence[Event],
    span_ms: int,
) -> NodeFigures:
    row = whole.nodes[name]
    return NodeFigures(
        name,
        row,
        _lines(whole.judged, row.lines, max(0, span_ms - row.measured_ms)),
        tuple(event for event in events if event.node == name and event.kind in MOVEMENTS),
        tuple((period, cluster.nodes[name]) for period, cluster in rows if name in cluster.nodes),
    )


def _lines(judged: Iterable[Line], times: Mapping[Line, LineTime], open_ms: int) -> tuple[LineFigure, ...]:
    """Return each line with its time; ``open_ms`` is the time about which nothing is known."""
    figures = list[LineFigure]()
    for line in sorted(judged):
        time = times.get(line, LineTime())
        figures.append(LineFigure(line, time.beyond_ms, time.beyond_ms + time.open_ms + open_ms))
    return tuple(figures)


def excesses(node: NodeFigures) -> list[Excess]:
    """Return the times at which a node was proven beyond a line: minutes or hours in a row are one excess."""
    found = list[Excess]()
    open_: dict[Line, Excess] = {}
    for period, row in node.periods:
        for line, time in row.lines.items():
            if time.beyond_ms == 0:
                continue
            distance = row.utc if line.kind == ThresholdKind.UTC else row.offset
            worst_ns = distance.proven_ns if distance else 0
            one = Excess(line, _since_s(period, time), period.end_s, time.beyond_ms, worst_ns)
            last = open_.get(line)
            if last is not None and last.until_s >= one.since_s:
                one = Excess(
                    line,
                    last.since_s,
                    one.until_s,
                    last.at_least_ms + one.at_least_ms,
                    max(last.worst_ns, one.worst_ns),
                )
                found.remove(last)
            open_[line] = one
            found.append(one)
    return found


def _since_s(period: Period, time: LineTime) -> int:
    """Return the earliest begin of a period's time: that between two rounds is in the period of the later."""
    excess_ms = time.beyond_ms - period.length_s * MS_PER_S
    if excess_ms <= 0:
        return period.start_s
    # A minute may have a single round, at its begin.
    earlier_ms = time.beyond_ms if period.length_s == MINUTE_S else excess_ms
    return period.start_s + -earlier_ms // MS_PER_S


def span_of(periods: Sequence[Period], since_s: int, until_s: int) -> tuple[int, int]:
    """Return the span that a report covers: hours without minutes count whole."""
    return (
        min((since_s, *(period.start_s for period in periods))),
        max((until_s, *(period.end_s for period in periods))),
    )


def instant_ns(period: Period) -> int:
    """Return the begin of a period on the wall clock."""
    return period.start_s * NS_PER_S
