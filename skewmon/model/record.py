"""The record: the past of clusters and nodes in minutes and hours, as extremes, counts and times.

Every value folds with its like, and folding minutes gives the same hour as folding rounds would.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self, TypeVar

from skewmon.model.interval import NS_PER_S, Interval
from skewmon.model.views import Skew, Verdict

MINUTE_S = 60
HOUR_S = 3_600
NS_PER_MINUTE = MINUTE_S * NS_PER_S
NS_PER_HOUR = HOUR_S * NS_PER_S

#: The verdicts in the order in which the record keeps their times.
VERDICTS = (Verdict.OK, Verdict.WARNING, Verdict.CRITICAL, Verdict.UNKNOWN, Verdict.AMBIGUOUS)

#: Texts of one kind that a row keeps: a node changes its source a few times an hour.
VALUES_MAX = 16


class EndRange(NamedTuple):
    """The extremes of the ends of an interval over some rounds."""

    lower_min_ns: int
    lower_max_ns: int
    upper_min_ns: int
    upper_max_ns: int

    @classmethod
    def of(cls, interval: Interval | Skew) -> Self:
        """Return the extremes of one round."""
        return cls(interval.lower_ns, interval.lower_ns, interval.upper_ns, interval.upper_ns)

    @property
    def proven_ns(self) -> int:
        """The greatest distance from zero that was proven in any round."""
        return max(0, self.lower_max_ns, -self.upper_min_ns)

    @property
    def furthest_ns(self) -> int:
        """The greatest distance from zero that any round could not exclude."""
        return max(self.upper_max_ns, -self.lower_min_ns)

    @property
    def hull(self) -> Interval:
        """The interval that contains the truth of every round."""
        return Interval(self.lower_min_ns, self.upper_max_ns)

    def folded(self, other: "EndRange") -> "EndRange":
        """Return the extremes over the rounds of both."""
        return EndRange(
            min(self.lower_min_ns, other.lower_min_ns),
            max(self.lower_max_ns, other.lower_max_ns),
            min(self.upper_min_ns, other.upper_min_ns),
            max(self.upper_max_ns, other.upper_max_ns),
        )


class Line(NamedTuple):
    """A threshold with a limit, as the record identifies it."""

    kind: str
    severity: str
    limit_ns: int


class LineTime(NamedTuple):
    """How long a line was proven to be passed, and how long neither that nor the opposite was proven.

    The rest of the time that the subject was measured, it was proven not to be passed.
    """

    beyond_ms: int = 0
    open_ms: int = 0

    def folded(self, other: "LineTime") -> "LineTime":
        """Return the sums."""
        return LineTime(self.beyond_ms + other.beyond_ms, self.open_ms + other.open_ms)


Lines = Mapping[Line, LineTime]


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One node of a cluster over some rounds.

    ``offset`` is to the cluster's reference, ``utc`` to confirmed UTC; None if there was none in any round.
    Times are those between two rounds: ``measured_ms`` if both measured the node, else ``missed_ms``.
    ``named`` is the number of rounds that named it as a culprit. ``lines`` has only those that were not
    proven to hold.
    """

    offset: EndRange | None = None
    utc: EndRange | None = None
    measured: int = 0
    missed: int = 0
    named: int = 0
    measured_ms: int = 0
    missed_ms: int = 0
    sources: tuple[str, ...] = ()
    lines: Lines = field(default_factory=dict)

    def folded(self, other: "NodeRow") -> "NodeRow":
        """Return the row of both."""
        return NodeRow(
            folded_ends(self.offset, other.offset),
            folded_ends(self.utc, other.utc),
            self.measured + other.measured,
            self.missed + other.missed,
            self.named + other.named,
            self.measured_ms + other.measured_ms,
            self.missed_ms + other.missed_ms,
            folded_values(self.sources, other.sources),
            folded_lines(self.lines, other.lines),
        )


#: Ends the name of a time server in a round in which it contradicted the majority; no name has a space.
FALSETICKER = " (falseticker)"


@dataclass(frozen=True, slots=True)
class ClusterRow:
    """One cluster over some rounds.

    ``skew`` is None if no round had one. ``verdict_ms`` has the time in each of VERDICTS, ``confirmed_ms``
    the time between two rounds in which UTC was confirmed. ``configs`` are the digests of the configurations
    in force, ``judged`` the lines that were judged, ``references`` the time servers that answered, with
    ``FALSETICKER`` if they contradicted the majority. ``lines`` has only those lines that were not proven to
    hold.
    """

    skew: EndRange | None = None
    rounds: int = 0
    verdict_ms: tuple[int, ...] = (0,) * len(VERDICTS)
    confirmed_ms: int = 0
    configs: tuple[str, ...] = ()
    judged: tuple[Line, ...] = ()
    references: tuple[str, ...] = ()
    lines: Lines = field(default_factory=dict)
    nodes: Mapping[str, NodeRow] = field(default_factory=dict)

    @property
    def answered(self) -> list[str]:
        """The time servers that answered, whether they were right or not."""
        return list(dict.fromkeys(one.removesuffix(FALSETICKER) for one in self.references))

    @property
    def falsetickers(self) -> list[str]:
        """Those of them that contradicted the majority in some round."""
        return [one.removesuffix(FALSETICKER) for one in self.references if one.endswith(FALSETICKER)]

    @property
    def observed_ms(self) -> int:
        """The time between rounds that belong together."""
        return sum(self.verdict_ms)

    def folded(self, other: "ClusterRow") -> "ClusterRow":
        """Return the row of both."""
        return ClusterRow(
            folded_ends(self.skew, other.skew),
            self.rounds + other.rounds,
            tuple(map(sum, zip(self.verdict_ms, other.verdict_ms, strict=True))),
            self.confirmed_ms + other.confirmed_ms,
            folded_values(self.configs, other.configs),
            folded_values(self.judged, other.judged),
            folded_values(self.references, other.references),
            folded_lines(self.lines, other.lines),
            _folded(self.nodes, other.nodes),
        )


@dataclass(frozen=True, slots=True)
class Period:
    """A minute, an hour, or a longer step of the record, from ``start_s`` of the wall clock on."""

    start_s: int
    length_s: int
    clusters: Mapping[str, ClusterRow]

    @property
    def end_s(self) -> int:
        """The first second after it."""
        return self.start_s + self.length_s

    def folded(self, other: "Period") -> "Period":
        """Return this period with the rows of another one inside it, or of its own."""
        return Period(self.start_s, self.length_s, _folded(self.clusters, other.clusters))


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Periods of one cluster within a span of the wall clock, in steps of ``step_s`` seconds.

    ``node`` is the only node wanted: None for all nodes, an empty text for none.
    """

    cluster: str
    since_s: int
    until_s: int
    step_s: int = MINUTE_S
    node: str | None = ""

    def covers(self, period: Period) -> bool:
        """Return whether a period begins within the span."""
        return self.since_s <= period.start_s < self.until_s

    def narrowed(self, period: Period) -> Period:
        """Return a period with nothing but the cluster and the nodes that are asked for."""
        row = period.clusters.get(self.cluster)
        if row is None:
            return replace(period, clusters={})
        if self.node is not None:
            row = replace(row, nodes={self.node: row.nodes[self.node]} if self.node in row.nodes else {})
        return replace(period, clusters={self.cluster: row})


V = TypeVar("V")
R = TypeVar("R", NodeRow, ClusterRow)


def stepped(periods: Iterable[Period], step_s: int) -> list[Period]:
    """Return the periods folded into steps, oldest first; a step without any is missing."""
    steps = dict[int, Period]()
    for period in periods:
        start_s = period.start_s - period.start_s % step_s
        step = steps.get(start_s, Period(start_s, step_s, {}))
        steps[start_s] = step.folded(period)
    return [steps[start_s] for start_s in sorted(steps)]


def folded_ends(one: EndRange | None, other: EndRange | None) -> EndRange | None:
    """Return the extremes over both, of which either may be missing."""
    return one.folded(other) if one and other else one or other


def folded_values(one: tuple[V, ...], other: tuple[V, ...]) -> tuple[V, ...]:
    """Return the different values in the order of their first appearance, the first ones of very many."""
    return one if one == other else tuple(dict.fromkeys((*one, *other)))[:VALUES_MAX]


def folded_lines(one: Lines, other: Lines) -> Lines:
    """Return the sums for each line."""
    if not one or not other:
        return one or other
    return {line: one.get(line, LineTime()).folded(other.get(line, LineTime())) for line in {**one, **other}}


def _folded(one: Mapping[str, R], other: Mapping[str, R]) -> Mapping[str, R]:
    if not one or not other:
        return one or other
    both = {name: row.folded(other[name]) if name in other else row for name, row in one.items()}
    return {**other, **both}
