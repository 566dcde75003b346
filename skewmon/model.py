"""The nouns that travel from stage to stage; every one a frozen value.

Instants and clock readings are integer nanoseconds. ``at_ns`` and every other instant of the admin box is
CLOCK_MONOTONIC_RAW, the common *base*; wall-clock times are named ``…_wall_ns`` and serve only as labels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Self

from skewmon.errors import Reason

NS_PER_S = 1_000_000_000

Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True, slots=True)
class Interval:
    """``[lower_ns, upper_ns]``, which contains the truth; arithmetic is exact and rounds nothing away."""

    lower_ns: int
    upper_ns: int

    def __post_init__(self) -> None:
        assert self.lower_ns <= self.upper_ns, (self.lower_ns, self.upper_ns)

    @classmethod
    def around(cls, estimate_ns: int, bound_ns: int) -> Self:
        """Return ``estimate ± bound``."""
        return cls(estimate_ns - bound_ns, estimate_ns + bound_ns)

    @property
    def estimate_ns(self) -> int:
        """The middle."""
        return (self.lower_ns + self.upper_ns) // 2

    @property
    def bound_ns(self) -> int:
        """Half the width, rounded up."""
        return -((self.lower_ns - self.upper_ns) // 2)

    @property
    def width_ns(self) -> int:
        """The distance of the ends."""
        return self.upper_ns - self.lower_ns

    @property
    def proven_ns(self) -> int:
        """The least distance from zero that any value inside has: what is certain."""
        return max(0, self.lower_ns, -self.upper_ns)

    @property
    def furthest_ns(self) -> int:
        """The greatest distance from zero that any value inside has: what cannot be excluded."""
        return max(self.upper_ns, -self.lower_ns)

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(self.lower_ns + other.lower_ns, self.upper_ns + other.upper_ns)

    def __sub__(self, other: "Interval") -> "Interval":
        return Interval(self.lower_ns - other.upper_ns, self.upper_ns - other.lower_ns)

    def __neg__(self) -> "Interval":
        return Interval(-self.upper_ns, -self.lower_ns)

    def shifted(self, by_ns: int) -> "Interval":
        """Return the interval moved by an exact amount."""
        return Interval(self.lower_ns + by_ns, self.upper_ns + by_ns)

    def widened(self, by_ns: int) -> "Interval":
        """Return the interval with ``by_ns`` ≥ 0 added at both ends."""
        assert by_ns >= 0, by_ns
        return Interval(self.lower_ns - by_ns, self.upper_ns + by_ns)

    def meet(self, other: "Interval") -> "Interval | None":
        """Return what both allow, or None where they contradict each other."""
        lower, upper = max(self.lower_ns, other.lower_ns), min(self.upper_ns, other.upper_ns)
        return Interval(lower, upper) if lower <= upper else None

    def hull(self, other: "Interval") -> "Interval":
        """Return the smallest interval that contains both."""
        return Interval(min(self.lower_ns, other.lower_ns), max(self.upper_ns, other.upper_ns))

    def __contains__(self, value_ns: int) -> bool:
        return self.lower_ns <= value_ns <= self.upper_ns


# --- who is measured ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SshSettings:
    """How one node is reached; already merged from defaults, cluster and node."""

    user: str | None = None
    port: int = 22
    identities: tuple[str, ...] = ()
    known_hosts: tuple[str, ...] = ()
    jump: tuple[str, ...] = ()  # hops as [user@]host[:port], first hop first
    agent: bool = False
    identities_only: bool = False  # of the agent's keys, only those whose public half is among identities
    connect_timeout_s: float = 10.0
    host_key_alias: str | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One machine: the name it is known by, the address it is reached at."""

    name: str
    address: str
    ssh: SshSettings = SshSettings()


@dataclass(frozen=True, slots=True)
class Threshold:
    """One line that a quantity may pass; ``kind`` says which quantity, ``limit_ns`` in its own unit.

    Kinds: skew, ahead, behind, step (ns), drift (ns/s), and the states unsynchronized, unreachable, unknown,
    whose ``limit_ns`` is 0.
    """

    severity: Literal["warning", "critical"]
    limit_ns: int
    kind: str = "skew"
    for_s: float = 0.0
    clear_for_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """Nodes that must agree on the time, how often they are asked and where the lines are."""

    name: str
    nodes: tuple[Node, ...]
    interval_s: float = 15.0
    status_interval_s: float = 60.0
    samples: int = 8
    thresholds: tuple[Threshold, ...] = ()
    profile: str | None = None


# --- what one node answered --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Quantum:
    """How far a reading may lie from the clock it was taken of: clock ∈ [reading − early, reading + late].

    A clock that rounds down has ``early_ns`` 0 and ``late_ns`` its resolution; a float rounded to nearest
    has both.
    """

    early_ns: int = 0
    late_ns: int = 1


@dataclass(frozen=True, slots=True)
class Program:
    """The node-side program that answers: which rung of the ladder, on which kernel, with which clocks."""

    probe: str
    boot_id: str = ""
    clocksource: str = ""
    real: Quantum = Quantum()
    raw: Quantum | None = None
    mono: Quantum | None = None
    boot: Quantum | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its reply.

    ``sent_ns`` is at or before the departure of the request, ``received_ns`` at or after the arrival of
    the reply's last byte, both on the base. On the node REALTIME and MONOTONIC_RAW are read on the way in
    (real_in, raw_in), then MONOTONIC and BOOTTIME, then RAW and REALTIME again on the way out, in that order.
    A program with a single clock repeats its only reading.
    """

    sent_ns: int
    received_ns: int
    real_in_ns: int
    real_out_ns: int
    raw_in_ns: int | None = None
    raw_out_ns: int | None = None
    mono_ns: int | None = None
    boot_ns: int | None = None

    @property
    def round_trip_ns(self) -> int:
        """The time between departure and arrival, the node's own turn included."""
        return self.received_ns - self.sent_ns


@dataclass(frozen=True, slots=True)
class Burst:
    """What one node contributed to a round: exchanges before the common instant and one after it."""

    program: Program
    opening: tuple[Exchange, ...]
    closing: Exchange | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """One node's clocks at the instant ``at_ns`` of the base.

    ``wall`` is REALTIME minus the base. Where RAW can be read it is the sum of ``oscillator`` (RAW minus the
    base: smooth, never stepped) and ``correction`` (REALTIME minus RAW, read on the node itself).
    """

    at_ns: int
    wall: Interval
    round_trip_ns: int
    samples: int
    oscillator: Interval | None = None
    correction: Interval | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """A node that answered in this round."""

    burst: Burst
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Failed:
    """A node that was not measured in this round, and why."""

    reason: Reason
    detail: str
    advice: str = ""


Outcome = Measured | Failed


# --- what the time daemons claim ---------------------------------------------------------------------

Daemon = Literal["ntpd", "ntpsec", "chronyd", "timesyncd", "openntpd", "ntpd-rs", "none", "unknown"]


@dataclass(frozen=True, slots=True)
class Peer:
    """One source as the time daemon sees it; None is missing, never 0.

    ``state`` is the word for the tally code: system, pps, candidate, outlier, falseticker, backup, excess,
    rejected, unreachable, selectable, variable, unknown. ``offset_s`` is positive where the *node's* clock is
    ahead of the source.
    """

    name: str
    state: str
    refid: str | None = None
    stratum: int | None = None
    kind: str | None = None
    last_heard_s: float | None = None
    poll_s: float | None = None
    reach: int | None = None
    delay_s: float | None = None
    offset_s: float | None = None
    jitter_s: float | None = None
    tally: str = ""


@dataclass(frozen=True, slots=True)
class KernelClock:
    """What the kernel of the node says of its own discipline (adjtimex); None is "not said".

    ``offset_s`` and ``frequency_ppm`` keep the signs of SyncStatus.
    """

    synchronized: bool | None = None
    max_error_s: float | None = None
    offset_s: float | None = None
    frequency_ppm: float | None = None
    leap: str | None = None
    tai_s: int | None = None


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """What the time daemon of one node says of itself; None is "not said".

    ``offset_s`` is positive where the node's clock is *ahead* of what the daemon believes to be true time.
    ``root_distance_s`` is the daemon's own bound of its error: root delay / 2 + root dispersion.
    ``frequency_ppm`` is positive where the clock would run *fast* if nobody corrected it.
    ``leap`` is the word for the leap indicator: none, insert, delete, unsynchronized.
    ``reach`` is the reachability register (0 to 255) of the source that is followed.
    """

    daemon: Daemon
    synchronized: bool | None = None
    stratum: int | None = None
    source: str | None = None
    refid: str | None = None
    offset_s: float | None = None
    root_distance_s: float | None = None
    reach: int | None = None
    last_update_s: float | None = None
    poll_s: float | None = None
    leap: str | None = None
    frequency_ppm: float | None = None
    updated_wall_s: float | None = None  # the last update by the node's own clock, Unix seconds
    smear_s: float | None = None  # a leap smear that the daemon applies on purpose
    rtc_local: bool | None = None  # the hardware clock is kept in local time
    version: str | None = None
    kernel: KernelClock | None = None
    peers: tuple[Peer, ...] = ()
    unparsed: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()  # values kept although outside a sane range, named
    failures: tuple[str, ...] = ()  # tools that timed out, flooded or refused, named
    daemons: tuple[str, ...] = ()  # every daemon that runs (busybox's too), not only the one that disciplines


@dataclass(frozen=True, slots=True)
class Finding:
    """A named diagnosis with its evidence in one sentence and the next command to type."""

    kind: str
    severity: Severity
    message: str
    next: str | None = None


# --- what a round amounts to -------------------------------------------------------------------------


class Verdict(StrEnum):
    """What may be said of a cluster, or of one line."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"
    AMBIGUOUS = "ambiguous"


class PairVerdict(StrEnum):
    """Where a pair's interval lies against the lowest threshold."""

    OK = "ok"
    BREACH = "breach"
    AMBIGUOUS = "ambiguous"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Skew:
    """The largest |pair offset|: estimate, proven part and what cannot be excluded; all ≥ 0."""

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


@dataclass(frozen=True, slots=True)
class Vote:
    """Who is wrong: named culprits, or that nobody can be named, with the evidence in words."""

    verdict: Literal["none", "named", "undetermined"]
    culprits: tuple[str, ...] = ()
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Drift:
    """The net rate of a node's offset, s/s, with the interval that contains it."""

    ratio: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node of one cluster as the world sees it after a round.

    ``offset`` is to the reference, ``admin_offset`` to the admin box's wall clock; positive = ahead.
    ``stepped`` is the size of the step that this round found, forward positive; None where it found none.
    """

    name: str
    address: str
    outcome: Outcome
    offset: Interval | None = None
    admin_offset: Interval | None = None
    drift: Drift | None = None
    time_to_breach_s: float | None = None
    steps: int = 0
    stepped: Interval | None = None
    last_success_wall_ns: int | None = None
    timesync: SyncStatus | None = None
    findings: tuple[Finding, ...] = ()
    failures: Mapping[Reason, int] = field(default_factory=dict)
    unparsed_lines: int = 0  # since the start, unlike timesync.unparsed


@dataclass(frozen=True, slots=True)
class ClusterView:
    """One cluster after a round; ``skew`` is None where fewer than two nodes were measured."""

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

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.cluster.name

    @property
    def measured(self) -> int:
        """How many nodes answered."""
        return sum(isinstance(view.outcome, Measured) for view in self.nodes)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is published, of one instant; replaced whole, never changed in place."""

    wall_ns: int
    clusters: tuple[ClusterView, ...] = ()
