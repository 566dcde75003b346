"""Rounds on their way into the record: folded into minutes, without clock or file.

A round says how things stand at one instant. The time between two rounds counts as proven only if both prove
the same; it belongs to the minute of the later one. What was published holds until the next round: the
verdict's time is that of the earlier one.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from skewmon.alert.thresholds import Judgement
from skewmon.journal.record.standing import Judgements, Standing
from skewmon.model import (
    ClusterView,
    Interval,
    Measured,
    NodeView,
    Skew,
    SyncStatus,
)
from skewmon.model.record import (
    FALSETICKER,
    HOUR_S,
    MINUTE_S,
    NS_PER_MINUTE,
    VALUES_MAX,
    VERDICTS,
    ClusterRow,
    EndRange,
    Line,
    LineTime,
    NodeRow,
    Period,
    folded_values,
)

#: Two rounds further apart than so many intervals say nothing about the time between them.
GAP_INTERVALS = 3

#: Rounds end some seconds after their instant, so that those of a slow cluster are back by so much at most.
#: An instant further back is that of a clock that was set back.
LATE_S = 120

#: Characters of a source; a host name or an address has fewer, but a node may claim anything.
SOURCE_CHARACTERS = 80

NS_PER_MS = 1_000_000


@dataclass(slots=True)
class NodeTally:
    """One node in the running minute; the fields are those of NodeRow, and change with every round."""

    offset: list[int] | None = None
    utc: list[int] | None = None
    measured: int = 0
    missed: int = 0
    named: int = 0
    measured_ms: int = 0
    missed_ms: int = 0
    sources: list[str] = field(default_factory=list)
    lines: dict[Line, LineTime] = field(default_factory=dict)

    def add(self, view: NodeView, utc: Interval | None, named: frozenset[str]) -> None:
        """Add one round, with the offset to UTC if UTC is confirmed."""
        if isinstance(view.outcome, Measured):
            self.measured += 1
        else:
            self.missed += 1
        if view.offset is not None:
            self.offset = _extended(self.offset, view.offset)
        if utc is not None:
            self.utc = _extended(self.utc, utc)
        if view.name in named:
            self.named += 1
        if view.timesync is not None:
            source = _source(view.timesync)
            if source not in self.sources and len(self.sources) < VALUES_MAX:
                self.sources.append(source)

    def row(self) -> NodeRow:
        """Return it as a value."""
        return NodeRow(
            EndRange(*self.offset) if self.offset else None,
            EndRange(*self.utc) if self.utc else None,
            self.measured,
            self.missed,
            self.named,
            self.measured_ms,
            self.missed_ms,
            tuple(self.sources),
            dict(self.lines),
        )


@dataclass(slots=True)
class ClusterTally:
    """One cluster in the running minute."""

    skew: list[int] | None = None
    rounds: int = 0
    verdict_ms: list[int] = field(default_factory=lambda: [0] * len(VERDICTS))
    confirmed_ms: int = 0
    configs: tuple[str, ...] = ()
    judged: tuple[Line, ...] = ()
    references: tuple[str, ...] = ()
    lines: dict[Line, LineTime] = field(default_factory=dict)
    nodes: dict[str, NodeTally] = field(default_factory=dict)

    def add(self, view: ClusterView, now: Standing, config: str) -> None:
        """Add one round."""
        self.rounds += 1
        if view.skew is not None:
            self.skew = _extended(self.skew, view.skew)
        self.configs = folded_values(self.configs, (config,))
        self.judged = folded_values(self.judged, now.lines)
        answered = (one for one in view.utc.references if one.success)
        references = tuple(one.name + FALSETICKER * one.falseticker for one in answered)
        self.references = folded_values(self.references, references)
        named = frozenset(view.vote.culprits)
        for node in view.nodes:
            if node.name not in self.nodes:
                self.nodes[node.name] = NodeTally()
            self.nodes[node.name].add(node, node.utc_offset if now.is_confirmed else None, named)

    def pass_time(self, before: Standing, now: Standing, elapsed_ms: int) -> None:
        """Add the time between two rounds."""
        self.verdict_ms[before.verdict] += elapsed_ms
        if before.is_confirmed and now.is_confirmed:
            self.confirmed_ms += elapsed_ms
        comparable = before.lines == now.lines
        _add_lines(self.lines, now.lines, before.cluster if comparable else None, now.cluster, elapsed_ms)
        for name, judgements in now.nodes.items():
            if name not in before.nodes:
                continue
            node, earlier = self.nodes[name], before.nodes[name]
            if judgements is None or earlier is None:
                node.missed_ms += elapsed_ms
                continue
            node.measured_ms += elapsed_ms
            if judgements or earlier or not comparable:
                _add_lines(node.lines, now.lines, earlier if comparable else None, judgements, elapsed_ms)

    def row(self) -> ClusterRow:
        """Return it as a value."""
        return ClusterRow(
            EndRange(*self.skew) if self.skew else None,
            self.rounds,
            tuple(self.verdict_ms),
            self.confirmed_ms,
            self.configs,
            self.judged,
            self.references,
            dict(self.lines),
            {name: node.row() for name, node in self.nodes.items()},
        )


#: The clusters of one minute.
Minute = dict[str, ClusterTally]


class Tally:
    """The minutes that are not on their way to disk yet."""

    def __init__(self) -> None:
        self._minutes: dict[int, dict[str, ClusterTally]] = {}
        self._last: dict[str, Standing] = {}
        self._newest_s = 0

    def add(self, view: ClusterView, config: str) -> None:
        """Add one round of a cluster, and the digest of the configuration in force."""
        start_s = view.at_wall_ns // NS_PER_MINUTE * MINUTE_S
        if 0 < self._newest_s - start_s <= LATE_S:
            start_s = max(start_s, self._newest_s - self._newest_s % HOUR_S)  # the hour before may be sealed
        else:
            self._newest_s = start_s
        minute = self._minutes.setdefault(start_s, {})
        tally = minute.setdefault(view.name, ClusterTally())
        before, now = self._last.get(view.name), Standing.of(view)
        self._last[view.name] = now
        tally.add(view, now, config)
        if before is not None:
            elapsed_ms = now.at_ms - before.at_ms
            if 0 < elapsed_ms <= GAP_INTERVALS * view.cluster.interval_s * 1_000:
                tally.pass_time(before, now, elapsed_ms)

    def retain(self, clusters: Collection[str]) -> None:
        """Forget the last rounds of other clusters; minutes that were counted stay."""
        self._last = {name: last for name, last in self._last.items() if name in clusters}

    def take(self, running_s: int | None) -> list[tuple[int, Minute]]:
        """Remove and return all minutes, in the order in which they began, but for the one that runs."""
        taken = [start_s for start_s in self._minutes if start_s != running_s]
        return [(start_s, self._minutes.pop(start_s)) for start_s in taken]

    def periods(self, cluster: str) -> list[Period]:
        """Return the minutes of one cluster as values."""
        return [
            period(start_s, {cluster: minute[cluster]})
            for start_s, minute in sorted(self._minutes.items())
            if cluster in minute
        ]


def period(start_s: int, minute: Minute) -> Period:
    """Return a minute as a value."""
    return Period(start_s, MINUTE_S, {name: tally.row() for name, tally in minute.items()})


def _extended(ends: list[int] | None, interval: Interval | Skew) -> list[int]:
    """Return the extremes with one more interval; in place, as this runs for every node and round."""
    lower, upper = interval.lower_ns, interval.upper_ns
    if ends is None:
        return [lower, lower, upper, upper]
    ends[0] = min(ends[0], lower)
    ends[1] = max(ends[1], lower)
    ends[2] = min(ends[2], upper)
    ends[3] = max(ends[3], upper)
    return ends


def _source(status: SyncStatus) -> str:
    """Return a node's time daemon and its source, as the node claims them."""
    text = f"{status.daemon}: {status.source}" if status.source else status.daemon
    return text[:SOURCE_CHARACTERS]


def _add_lines(
    times: dict[Line, LineTime],
    lines: Sequence[Line],
    before: Judgements | None,
    now: Judgements,
    elapsed_ms: int,
) -> None:
    """Add the time between two rounds to each line; without an earlier judgement nothing is proven."""
    for number, line in enumerate(lines):
        earlier = Judgement.AMBIGUOUS if before is None else before[number] if before else Judgement.OK
        later = now[number] if now else Judgement.OK
        if earlier is later is Judgement.OK:
            continue
        passed = earlier is later is Judgement.BREACH
        time = LineTime(elapsed_ms, 0) if passed else LineTime(0, elapsed_ms)
        times[line] = times.get(line, LineTime()).folded(time)
