"""The input of the rules: one node's claims, measurement and history."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

from skewmon.errors import Failed
from skewmon.model import Interval, Node, Peer, SyncStatus
from skewmon.model.commands import Access, by_configuration
from skewmon.text import at_least, span_of_seconds

#: A daemon that holds its clock but states no bound, nor the kernel one for it: ntpd's step threshold, which
#: no synchronised daemon's clock exceeds for long (ntpd: 128 ms; OpenNTPD calls itself unsynchronised well
#: before).
UNSAID_BOUND_S = 0.128


@dataclass(frozen=True, slots=True)
class ClockChanges:
    """Changes of the node's own clocks since the last round; None: not known."""

    step_s: float | None = None  # positive: the wall clock jumped forward
    suspended_s: float | None = None
    rebooted: bool | None = None
    slew_ppm: float | None = None  # positive: the clock is being sped up


#: Nearly every node, nearly every round.
NOTHING_MOVED = ClockChanges()


@dataclass(frozen=True, slots=True)
class VantageEvidence:
    """Why a node is not measured from its vantage: its stamps contradict others, or there are none."""

    label: str
    contradicts: bool = False
    failed: Failed | None = None


@dataclass(frozen=True, slots=True)
class NodeEvidence:
    """One node; ``offset`` is measured, to the cluster's reference; ``access`` is how a person gets there.

    ``address`` is the one by which other nodes would reach it, should they follow it. ``boot_id`` is a claim
    of the node, like its status. ``rate_ppb`` is the proven mean rate of its oscillator against the admin
    box's over the last minutes, ``wall_rate_ppb`` that of its wall clock. ``wall_ns`` is the time that the
    clock shows. ``utc_offset`` is to UTC as the configured time servers give it.
    """

    name: str
    status: SyncStatus | None = None
    offset: Interval | None = None
    history: ClockChanges = NOTHING_MOVED
    access: Access | None = None
    address: str = ""
    boot_id: str = ""
    rate_ppb: Interval | None = None
    wall_rate_ppb: Interval | None = None
    wall_ns: int | None = None
    utc_offset: Interval | None = None
    vantage: VantageEvidence | None = None

    @property
    def is_mute(self) -> bool:
        """Whether no daemon answered, so that at most the kernel reports synchronization."""
        said = self.status
        return said is None or not (said.stratum is not None or said.leap or said.source or said.peers)

    def on_node(self, command: str, *, terminal: bool = False) -> str:
        """Return the line to type on the admin box that runs a command on this node.

        With a ``terminal`` the command may ask for a password, as sudo does.
        """
        return self._reached.run(command, terminal=terminal)

    @property
    def probe(self) -> str:
        """The command that prints the node's transcript."""
        return self._reached.probe

    @property
    def check(self) -> str | None:
        """The command that measures the whole configuration once, references included; None without one."""
        access = self.access
        if access is None or not access.config_file:
            return None
        return by_configuration(access.config_file, access.node.ssh.identities, "check")

    @property
    def _reached(self) -> Access:
        return self.access or Access(Node(self.name, self.name))


#: All nodes of one cluster by name, the one that is judged included.
ClusterEvidence = Mapping[str, NodeEvidence]


@dataclass(frozen=True, slots=True)
class Reference:
    """The clock that findings compare a node with: the median of the nodes that are not culprits.

    ``clock`` is the interval of that median, None if no node can be compared. ``claims_s`` are the error
    bounds that the synchronized nodes claim, sorted.
    """

    clock: Interval | None
    name: str = "the cluster's median"
    culprits: frozenset[str] = frozenset()
    claims_s: tuple[float, ...] = ()

    def distance(self, node: NodeEvidence) -> Interval | None:
        """Return a node's offset to the reference; None if it cannot be compared."""
        return None if self.clock is None or node.offset is None else node.offset - self.clock

    def typical_claim_s(self, own_s: float) -> float | None:
        """Return the median of the claims except a node's own; None if no other node claims a bound."""
        at, count = bisect_left(self.claims_s, own_s), len(self.claims_s) - 1
        if count < 1:
            return None
        middle = (count - 1) // 2, count // 2
        return sum(self.claims_s[place + (place >= at)] for place in middle) / 2


NO_REFERENCE = Reference(None)


def followed(status: SyncStatus) -> Peer | None:
    """Return the source that the daemon follows, if it names one."""
    return next((peer for peer in status.peers if peer.state in {"system", "pps"}), None)


def claimed_bound_s(status: SyncStatus) -> float:
    """Return the daemon's own bound of its error: |offset| + root delay / 2 + root dispersion."""
    distance_s = status.root_distance_s
    if distance_s is None:
        kernel = status.kernel
        told_s = kernel.max_error_s if kernel is not None and kernel.synchronized else None
        distance_s = max(UNSAID_BOUND_S, told_s or 0.0)
    return abs(status.offset_s or 0.0) + distance_s


def own_offset(status: SyncStatus) -> str | None:
    """Return the offset that a daemon reports of its own clock: ``reports its clock 7.81 s slow``.

    None below the offset that a synchronized daemon may have for a while.
    """
    offset_s = status.offset_s
    if offset_s is None or abs(offset_s) <= UNSAID_BOUND_S:
        return None
    return f"reports its clock {span_of_seconds(offset_s)} {'fast' if offset_s > 0 else 'slow'}"


def speaker(node: NodeEvidence, status: SyncStatus) -> str:
    """Return the name of the program whose claim of synchronization a status holds."""
    by_kernel = status.kernel is not None and status.kernel.synchronized == status.synchronized
    if by_kernel and (node.is_mute or status.daemon == "unknown"):
        return "The kernel"
    return "The time daemon" if status.daemon == "unknown" else status.daemon


def proven(offset: Interval, whom: str = "the cluster's median") -> str:
    """Describe the proven part of an offset: ``at least 69.9 s ahead of the cluster's median``."""
    side = "ahead of" if offset.lower_ns > 0 else "behind"
    return f"at least {at_least(offset.proven_ns)} {side} {whom}"
