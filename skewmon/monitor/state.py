"""State between rounds: of every node, by how it is reached, and of every cluster."""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from skewmon.clock.checkpoint import Checkpoint
from skewmon.clock.selfcheck import CHECKS
from skewmon.model import BASE, NS_PER_S, Cluster, Endpoint, Interval, Measured, SyncStatus
from skewmon.monitor.axes import VantageState
from skewmon.monitor.node_state import ROUNDS_OFF_AXIS, LastAnswer, NodeState, NodeUpdate
from skewmon.monitor.reference_state import References
from skewmon.monitor.sampling import Goals

#: No machine falls asleep and wakes within this, and no five reads of its clocks take so long.
LEAST_SLEEP_NS = 100_000_000


NO_VANTAGES: Mapping[str, VantageState] = {}


def _name_of(endpoint: Endpoint) -> str:
    """Return the name of an endpoint across restarts: the host and the way to it, not the user."""
    address, ssh, transport = endpoint
    words = (f"{address}:{ssh.port}", *ssh.jump)
    return " ".join(words if transport == "ssh" else (transport, *words))


def _nodes_on_axes(cluster: Cluster, updates: Mapping[Endpoint, NodeUpdate]) -> Counter[str]:
    """Return how many measured nodes of a cluster are on each axis."""
    outcomes = (updates[node.endpoint].outcome for node in cluster.nodes)
    return Counter(
        one.local.axis.label if one.local else BASE for one in outcomes if isinstance(one, Measured)
    )


class ClusterRounds(NamedTuple):
    """The rounds of one cluster: how many, the common instant of the last one, and of the one before.

    ``axis`` is that of the cluster's reference in the last round, ``home`` the one to which it returns if no
    node was measured there for ``away`` rounds.
    """

    number: int = 0
    at_ns: int | None = None
    since_ns: int = 0
    axis: str = BASE
    home: str = BASE
    away: int = 0

    def after(self, at_ns: int, interval_s: float, nodes_on: Counter[str]) -> "ClusterRounds":
        """Return this after one more round, with so many measured nodes on each axis.

        The reference stays on its axis until no node is measured there for some rounds: if it changed from
        round to round, every offset would jump.
        """
        before_ns = at_ns - round(interval_s * NS_PER_S) if self.at_ns is None else self.at_ns
        axis, home, away = self.home, self.home, 0
        if nodes_on and (self.at_ns is None or home not in nodes_on):
            axis, away = max(sorted(nodes_on), key=lambda label: nodes_on[label]), self.away + 1
        if self.at_ns is None or away > ROUNDS_OFF_AXIS:
            home, away = axis, 0
        return ClusterRounds(self.number + 1, at_ns, before_ns, axis, home, away)


@dataclass
class MonitorState:
    """State of all nodes and clusters; a round changes it by ``commit`` alone, once."""

    nodes: dict[Endpoint, NodeState] = field(default_factory=dict)
    admin_answer: LastAnswer = field(default_factory=LastAnswer)  # of the admin box's own time daemon
    references: References = field(default_factory=References)
    axis_references: dict[str, References] = field(default_factory=dict)  # queried from vantages, by label
    vantages: dict[str, VantageState] = field(default_factory=dict)
    self_check_failures: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(CHECKS, 0)))
    goals: dict[str, Goals] = field(default_factory=dict)  # of the next bursts, by cluster
    _rounds: dict[str, ClusterRounds] = field(default_factory=dict)
    _checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    _clusters: dict[Endpoint, tuple[str, ...]] = field(default_factory=dict)
    _admin_sleep_ns: int | None = None  # since the admin box's boot

    def node(self, endpoint: Endpoint) -> NodeState:
        """Return the state of a node, a new one if it was never seen."""
        known = self.nodes.get(endpoint)
        if known is None:
            checkpoint = self._checkpoints.pop(_name_of(endpoint), None)
            known = self.nodes[endpoint] = NodeState(checkpoint=checkpoint)
        return known

    def rounds(self, cluster: str) -> ClusterRounds:
        """Return the rounds of a cluster."""
        return self._rounds.get(cluster, ClusterRounds())

    def clusters_of(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Return the names of the clusters that a node belongs to."""
        return self._clusters.get(endpoint, ())

    def axis_rate_ppb(self, label: str) -> Interval | None:
        """Return the mean rate of an axis against the base over the last minutes; None if it is unknown."""
        if label == BASE:
            return Interval(0, 0)
        known = self.vantages[label].history if label in self.vantages else None
        return Interval(*known.learned.mean) if known is not None and known.learned.mean else None

    def admin_slept(self, sleep_ns: int) -> Interval | None:
        """Return how long the admin box slept since the last round, by its own clocks, or None.

        Its connections may have dropped too, leaving too few nodes to detect the pause by majority.
        """
        before_ns = self._admin_sleep_ns
        if before_ns is None or sleep_ns - before_ns < LEAST_SLEEP_NS:
            return None
        return Interval.around(sleep_ns - before_ns, LEAST_SLEEP_NS)

    def commit(
        self,
        updates: Mapping[Endpoint, NodeUpdate],
        clusters: Iterable[Cluster],
        at_ns: int,
        wall_ns: int,
        admin_sleep_ns: int,
        failed_checks: Iterable[str] = (),
        vantages: Mapping[str, VantageState] = NO_VANTAGES,
    ) -> None:
        """Take in one round of these clusters, at the common instant ``at_ns``."""
        self._admin_sleep_ns = admin_sleep_ns
        for label, one in vantages.items():
            if label in self.axis_references and one.epoch != self.vantages.get(label, one).epoch:
                self.axis_references[label].forget_base()  # the vantage slept since they were queried
        self.vantages |= vantages
        for endpoint, update in updates.items():
            self.node(endpoint).commit(update, wall_ns)
        for cluster in clusters:
            self._rounds[cluster.name] = self.rounds(cluster.name).after(
                at_ns, cluster.interval_s, _nodes_on_axes(cluster, updates)
            )
        self.self_check_failures.update(failed_checks)

    def forget_axes(self, moved: Collection[Hashable], but: Iterable[Endpoint] = ()) -> None:
        """Drop every history against an axis that stood still, except of the nodes of this round."""
        if None in moved:
            self.references.forget_base()
            self.vantages = {label: replace(one, history=None) for label, one in self.vantages.items()}
        for there in self.axis_references.values() if moved else ():
            there.forget_base()
        for endpoint in self.nodes.keys() - set(but) if moved else ():
            if self.nodes[endpoint].axis in moved:
                self.nodes[endpoint].forget_axis()

    def note_status(self, endpoint: Endpoint, status: SyncStatus) -> None:
        """Take in the claims of a node's time daemon."""
        self.node(endpoint).note_status(status)

    def adopt(self, clusters: Iterable[Cluster], vantages: Collection[str] = ()) -> None:
        """Keep the state of these clusters' nodes and of these vantages alone."""
        for label in self.vantages.keys() - set(vantages):
            del self.vantages[label]
        for label in self.axis_references.keys() - set(vantages):
            del self.axis_references[label]
        shared: dict[Endpoint, list[str]] = {}
        for cluster in clusters:
            for endpoint in dict.fromkeys(node.endpoint for node in cluster.nodes):
                shared.setdefault(endpoint, []).append(cluster.name)
        self._clusters = {endpoint: tuple(names) for endpoint, names in shared.items()}
        kept = {name for names in shared.values() for name in names}
        self.goals = {name: goals for name, goals in self.goals.items() if name in kept}
        for name in self._rounds.keys() - kept:  # counts go on, as counters should; the instant is stale
            self._rounds[name] = ClusterRounds(self._rounds[name].number)
        for endpoint in set(self.nodes) - set(shared):
            del self.nodes[endpoint]
        for name in set(self._checkpoints) - set(map(_name_of, shared)):
            del self._checkpoints[name]

    def restore(self, checkpoints: Mapping[str, Checkpoint]) -> None:
        """Take over the readings that an earlier daemon saved, for each node's first measurement."""
        self._checkpoints = dict(checkpoints)

    def checkpoints(self) -> dict[str, Checkpoint]:
        """Return the readings to save for the next daemon, of every node that was ever seen."""
        kept = dict(self._checkpoints)
        for endpoint, state in self.nodes.items():
            checkpoint = state.current_checkpoint()
            if checkpoint is not None:
                kept[_name_of(endpoint)] = checkpoint
        return kept
