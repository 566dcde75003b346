"""The published result of a round."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from skewmon.errors import Reason
from skewmon.model.axes import BASE, VantageView
from skewmon.model.exchange import Measured, Outcome
from skewmon.model.interval import Interval
from skewmon.model.nodes import Cluster
from skewmon.model.references import NO_UTC, Utc, UtcState
from skewmon.model.timesync import Finding, SyncStatus


class Verdict(StrEnum):
    """The state of a cluster against its thresholds, or against one line."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"
    AMBIGUOUS = "ambiguous"


class PairVerdict(StrEnum):
    """The position of a pair's interval against the lowest threshold."""

    OK = "ok"
    BREACH = "breach"
    AMBIGUOUS = "ambiguous"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Skew:
    """The largest |pair offset|: estimate, proven part, and upper bound; all ≥ 0."""

    estimate_ns: int
    lower_ns: int
    upper_ns: int


@dataclass(frozen=True, slots=True)
class Pair:
    """Two nodes and the offset of the first against the second."""

    node: str
    peer: str
    offset: Interval
    verdict: PairVerdict = PairVerdict.UNKNOWN


class CulpritVerdict(StrEnum):
    """Whether a round names the wrong clocks of a cluster."""

    NONE = "none"
    NAMED = "named"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True)
class Vote:
    """The culprits of a cluster, or that none can be named, with the evidence in words.

    ``disputed`` are outliers whose names are withheld: their camp has a source of its own.
    """

    verdict: CulpritVerdict
    culprits: tuple[str, ...] = ()
    evidence: str = ""
    disputed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Drift:
    """The net rate of a node's offset, s/s, with the interval that contains it."""

    ratio: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class OscillatorRate:
    """The bounds of a free oscillator's rate against the admin box's, s/s, by which this round was aged.

    ``ageing_ns`` is the part of the bound that an unknown rate cost in this round; None once it is known.
    """

    lower: float
    upper: float
    ageing_ns: int | None


class Discipline(StrEnum):
    """Whether a clock runs free or is steered."""

    FREE = "free"  # it keeps its rate
    STEERED = "steered"  # its time daemon claims synchronization
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Passing:
    """When |offset| reaches ``limit_ns``, in seconds from now; 0 is already."""

    limit_ns: int
    earliest_s: float
    latest_s: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """The direction of a drift, and when it passes each skew line there: at least one, lowest first."""

    ahead: bool
    discipline: Discipline
    passings: tuple[Passing, ...]

    @property
    def upcoming(self) -> tuple[Passing, ...]:
        """The lines that are not surely passed already."""
        return tuple(one for one in self.passings if one.latest_s > 0)


@dataclass(frozen=True, slots=True)
class NodeView:
    """The published view of one node of a cluster after a round.

    ``offset`` is to the cluster's reference, ``admin_offset`` to the admin box's wall clock, ``utc_offset``
    to UTC as the configured time servers give it; positive = ahead.
    ``stepped`` is the size of the step that this round found, forward positive; None without a step.
    """

    name: str
    address: str
    outcome: Outcome
    offset: Interval | None = None
    admin_offset: Interval | None = None
    drift: Drift | None = None
    oscillator: OscillatorRate | None = None
    forecast: Forecast | None = None
    steps: int = 0
    stepped: Interval | None = None
    last_step: Interval | None = None  # its size
    last_step_at_ns: int = 0  # the common instant of the round that found it
    last_success_wall_ns: int | None = None
    timesync: SyncStatus | None = None
    findings: tuple[Finding, ...] = ()
    failures: Mapping[Reason, int] = field(default_factory=dict)
    unparsed_lines: int = 0  # since the start, unlike timesync.unparsed
    axis: str = BASE  # the label of the vantage that it is measured from
    axis_offset: Interval | None = None  # on that axis, to the median of the cluster's nodes there
    utc_offset: Interval | None = None


@dataclass(frozen=True, slots=True)
class ClusterView:
    """One cluster after a round; ``skew`` is None if fewer than two nodes were measured."""

    cluster: Cluster
    verdict: Verdict
    at_wall_ns: int
    duration_s: float
    nodes: tuple[NodeView, ...]
    skew: Skew | None
    worst: Pair | None
    vote: Vote
    pairs: tuple[Pair, ...] = ()
    findings: tuple[Finding, ...] = ()
    rounds: int = 0
    at_ns: int = 0  # the common instant, on the base
    utc: Utc = NO_UTC
    axis: str = BASE  # that of the reference
    vantages: tuple[VantageView, ...] = ()

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.cluster.name

    @property
    def measured(self) -> int:
        """How many nodes answered."""
        return sum(isinstance(view.outcome, Measured) for view in self.nodes)

    @property
    def utc_offsets(self) -> dict[str, Interval]:
        """The offsets of the measured nodes to UTC while it is confirmed; none otherwise."""
        if self.utc.state is not UtcState.CONFIRMED:
            return {}
        return {node.name: node.utc_offset for node in self.nodes if node.utc_offset is not None}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is published, of one instant; replaced whole, never changed in place."""

    wall_ns: int
    clusters: tuple[ClusterView, ...] = ()
