"""Adds periods of the record up to the figures of a report, one at a time, in the order of recording.

What is kept of a node does not grow with the span: sums, extremes, and bands as wide as a picture shows; only
its excesses of lines do, and periods in a row that pass a line are one.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from skewmon.journal.record.figures import (
    MOVEMENTS,
    MS_PER_S,
    ClusterFigures,
    Excess,
    JournalEvents,
    LineFigure,
    NodeFigures,
    is_of,
)
from skewmon.model import Event, Interval, ThresholdKind
from skewmon.model.record import MINUTE_S, ClusterRow, Line, LineTime, NodeRow, Period

#: Bands in the picture of a node, which is some 200 pixels wide: some 20 KB.
BANDS = 250

#: Parts of the picture of a cluster, which is some 1,000 pixels wide.
PARTS = 1_000


class SpanSums:
    """The figures of all clusters, or of one, from ``since_s`` to ``until_s``."""

    def __init__(self, since_s: int, until_s: int, cluster: str | None = None) -> None:
        self.since_s, self.until_s = since_s, until_s
        self.set_back_s = 0
        self.cluster = cluster
        self._clusters: dict[str, _ClusterSums] = {}
        self._wanted = (since_s, until_s)
        self.first_end_s = self._end_s = 0  # of the first and the last period

    def add(self, period: Period) -> None:
        """Add a period; hours without minutes count whole, and widen the span."""
        rows = period.clusters
        if self.cluster is not None:
            rows = {name: row for name, row in rows.items() if name == self.cluster}
        if not rows:
            return
        self.since_s = min(self.since_s, period.start_s)
        self.until_s = max(self.until_s, period.end_s)
        self.set_back_s += max(0, self._end_s - period.start_s)  # the same time passes once more
        self._end_s = period.end_s
        self.first_end_s = self.first_end_s or self._end_s
        for name, row in rows.items():
            if name not in self._clusters:
                self._clusters[name] = _ClusterSums(*self._wanted, period, row)
            self._clusters[name].add(period, row)

    def figures(self, found: JournalEvents, profiles: Mapping[str, str]) -> tuple[ClusterFigures, ...]:
        """Return the figures of each cluster."""
        span_ms = (self.until_s - self.since_s + self.set_back_s) * MS_PER_S
        return tuple(
            sums.figures(name, [event for event in found.events if is_of(event, name)], span_ms, profiles)
            for name, sums in sorted(self._clusters.items())
        )


class _ClusterSums:
    """One cluster.

    The time between two rounds is in the period of the later one. So that of the first period may be from
    before the span, and proves nothing in it.
    """

    def __init__(self, since_s: int, until_s: int, first: Period, row: ClusterRow) -> None:
        leads = first.start_s * MS_PER_S - row.observed_ms < since_s * MS_PER_S
        self._open = row if leads else ClusterRow()
        self._since_s, self._length_s = since_s, max(1, until_s - since_s)
        self._whole = ClusterRow()
        self._nodes: dict[str, _NodeSums] = {}
        self._parts: dict[int, Period] = {}
        self._worst: tuple[int, Period] | None = None

    def add(self, period: Period, row: ClusterRow) -> None:
        """Add one period."""
        own = replace(row, nodes={})
        self._whole = self._whole.folded(own)
        if own.skew and (self._worst is None or own.skew.lower_max_ns > self._worst[0]):
            self._worst = own.skew.lower_max_ns, Period(period.start_s, period.length_s, {})
        number = self._part(period, PARTS)
        before = self._parts.get(number, Period(period.start_s, 0, {}))
        begin_s, end_s = min(before.start_s, period.start_s), max(before.end_s, period.end_s)
        self._parts[number] = Period(begin_s, end_s - begin_s, before.clusters).folded(
            Period(begin_s, 0, {"": own})
        )
        band = self._part(period, BANDS)
        for name, node in row.nodes.items():
            if name not in self._nodes:
                self._nodes[name] = _NodeSums()
            self._nodes[name].add(period, node, band)

    def _part(self, period: Period, parts: int) -> int:
        """Return the number of the part of a picture that a period begins in."""
        return (period.start_s - self._since_s) // max(1, self._length_s // parts)

    def figures(
        self, name: str, events: Sequence[Event], span_ms: int, profiles: Mapping[str, str]
    ) -> ClusterFigures:
        """Return the figures of the cluster."""
        movements: dict[str | None, list[Event]] = {}
        for event in events:
            if event.kind in MOVEMENTS:
                movements.setdefault(event.node, []).append(event)
        whole, opened = self._whole, self._open
        known_ms = whole.observed_ms - opened.observed_ms
        return ClusterFigures(
            name,
            profiles.get(name),
            whole,
            span_ms,
            opened.observed_ms,
            self._worst[1] if self._worst else None,
            _lines(whole.judged, whole.lines, opened.lines, span_ms - known_ms),
            tuple(
                self._nodes[node].figures(
                    node, whole.judged, opened.nodes.get(node, NodeRow()), movements.get(node, ()), span_ms
                )
                for node in sorted(self._nodes)
            ),
            tuple(events),
            [(part, part.clusters[""]) for _, part in sorted(self._parts.items())],
        )


class _NodeSums:
    """One node of a cluster."""

    def __init__(self) -> None:
        self._whole = NodeRow()
        self._excesses: list[Excess] = []
        self._last: dict[Line, int] = {}  # the number of each line's last excess
        self._bands = array("q")
        self._band: int | None = None

    def add(self, period: Period, row: NodeRow, band: int) -> None:
        """Add one period, which is in this band of the picture."""
        self._whole = self._whole.folded(row)
        for line, time in row.lines.items():
            if time.beyond_ms:
                self._exceed(period, row, line, time)
        if row.offset is not None:
            self._draw(period, row.offset.hull, band)

    def _draw(self, period: Period, ends: Interval, band: int) -> None:
        start_s, end_s, lower_ns, upper_ns = period.start_s, period.end_s, ends.lower_ns, ends.upper_ns
        if band == self._band:
            before = self._bands[-4:]
            del self._bands[-4:]
            start_s, end_s = min(start_s, before[0]), max(end_s, before[1])
            lower_ns, upper_ns = min(lower_ns, before[2]), max(upper_ns, before[3])
        self._bands.extend((start_s, end_s, lower_ns, upper_ns))
        self._band = band

    def _exceed(self, period: Period, row: NodeRow, line: Line, time: LineTime) -> None:
        """Add a time beyond a line: minutes or hours in a row are one excess."""
        distance = row.utc if line.kind == ThresholdKind.UTC else row.offset
        worst_ns = distance.proven_ns if distance else 0
        one = Excess(line, _since_s(period, time), period.end_s, time.beyond_ms, worst_ns)
        number = self._last.get(line)
        if number is not None and self._excesses[number].until_s >= one.since_s:
            last = self._excesses[number]
            self._excesses[number] = Excess(
                line,
                min(last.since_s, one.since_s),
                max(last.until_s, one.until_s),
                last.at_least_ms + one.at_least_ms,
                max(last.worst_ns, one.worst_ns),
            )
        else:
            self._last[line] = len(self._excesses)
            self._excesses.append(one)

    def figures(
        self, name: str, judged: Iterable[Line], opened: NodeRow, movements: Sequence[Event], span_ms: int
    ) -> NodeFigures:
        """Return the figures of the node; what is opened proves nothing."""
        row = self._whole
        return NodeFigures(
            name,
            row,
            _lines(judged, row.lines, opened.lines, span_ms - row.measured_ms + opened.measured_ms),
            tuple(movements),
            self._excesses,
            self._bands,
        )


def _lines(
    judged: Iterable[Line],
    times: Mapping[Line, LineTime],
    opened: Mapping[Line, LineTime],
    unknown_ms: int,
) -> tuple[LineFigure, ...]:
    """Return each line with its time, without what is opened; nothing is known about the unknown time."""
    figures = list[LineFigure]()
    for line in sorted(judged):
        time, without = times.get(line, LineTime()), opened.get(line, LineTime())
        least_ms = time.beyond_ms - without.beyond_ms
        most_ms = least_ms + time.open_ms - without.open_ms + max(0, unknown_ms)
        figures.append(LineFigure(line, least_ms, most_ms))
    return tuple(figures)


def _since_s(period: Period, time: LineTime) -> int:
    """Return the earliest begin of a period's time: that between two rounds is in the period of the later."""
    excess_ms = time.beyond_ms - period.length_s * MS_PER_S
    if excess_ms <= 0:
        return period.start_s
    # A minute may have a single round, at its begin.
    earlier_ms = time.beyond_ms if period.length_s == MINUTE_S else excess_ms
    return period.start_s + -earlier_ms // MS_PER_S
