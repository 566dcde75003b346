"""One round: measure every node once, decide about the base, commit, evaluate each cluster."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from skewmon.clock.history import STEADY_CLOCKSOURCES
from skewmon.clock.sampling import WHOLE_BURST
from skewmon.clock.selfcheck import contradictions
from skewmon.clock.steps import Movement
from skewmon.errors import NodeError, SkewmonError
from skewmon.model import Cluster, ClusterView, Endpoint, Interval, Measured, Outcome
from skewmon.monitor.axes import Survey, survey
from skewmon.monitor.evaluate import evaluate
from skewmon.monitor.node_state import NodeUpdate
from skewmon.monitor.pauses import settled
from skewmon.monitor.references import ReferenceAsker
from skewmon.monitor.sampling import goals_after, shared_goals
from skewmon.monitor.state import MonitorState
from skewmon.probe.clocks import own_boot_id, own_clocksource, own_sleep_ns
from skewmon.probe.link import Link
from skewmon.probe.relay import Relay
from skewmon.probe.sweep import Sweep, Sweeper
from skewmon.runtime.containment import Where, contained, node_error, translated


@dataclass(frozen=True, slots=True)
class NodeMovements:
    """The movements of one node's clocks in a round, and the clusters that it belongs to.

    ``unwatched_since_wall_ns`` is set if they may be older than this daemon: the time of the saved readings.
    """

    movements: tuple[Movement, ...]
    clusters: tuple[str, ...]
    unwatched_since_wall_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """Everything one round found; a value.

    ``base_pause`` is how long the admin box stood still, ``base_jump`` by how much its oscillator left its
    course, ``failed_clusters`` the internal errors that cost clusters their views.
    """

    at_ns: int
    at_wall_ns: int
    views: tuple[ClusterView, ...]
    movements: Mapping[Endpoint, NodeMovements]
    base_pause: Interval | None = None
    failed_checks: tuple[str, ...] = ()
    failed_clusters: tuple[str, ...] = ()
    base_jump: Interval | None = None

    def complete_views(self) -> tuple[ClusterView, ...]:
        """Return the views of all clusters; raise SkewmonError if one is missing."""
        if self.failed_clusters:
            raise SkewmonError("\n".join(self.failed_clusters))
        return self.views


async def run_round(
    clusters: Sequence[Cluster],
    links: Mapping[Endpoint, Link],
    sweeper: Sweeper,
    state: MonitorState,
    references: ReferenceAsker | None = None,
) -> Round:
    """Measure every node of these clusters once, at one common instant, and evaluate each cluster.

    References that are due are queried meanwhile.
    """
    endpoints = list(dict.fromkeys(node.endpoint for cluster in clusters for node in cluster.nodes))
    samples = max(cluster.samples or WHOLE_BURST for cluster in clusters)
    interval_s = min(cluster.interval_s for cluster in clusters)
    if references:
        references.begin(_relays(links[endpoint] for endpoint in endpoints))
    goals = shared_goals(clusters, state.goals)
    sweep = await sweeper.sweep(
        {endpoint: links[endpoint] for endpoint in endpoints}, samples, interval_s, goals
    )
    if references:
        await references.settle()
    for endpoint, claims in sweep.claims.items():
        if isinstance(sweep.outcomes[endpoint], Measured):
            state.note_status(endpoint, claims)
    wall_ns, slept_ns = time.time_ns(), own_sleep_ns()
    # If the base may stand still unnoticed, earlier offsets prove nothing.
    steady = own_clocksource() in STEADY_CLOCKSOURCES
    seen = survey(sweep, state.vantages, steady_base=steady)
    updates = {
        endpoint: _updated(
            state,
            endpoint,
            seen.outcome(endpoint, outcome),
            steady_base=steady,
            is_far=endpoint in goals,
        )
        for endpoint, outcome in sweep.outcomes.items()
    }
    found = settled(updates, seen, state, state.admin_slept(slept_ns))
    state.forget_axes(found.moved, but=endpoints)
    if found.jumped is not None:
        state.references.forget_rates()
    outcomes = {endpoint: one.outcome for endpoint, one in found.updates.items()}
    measured = [outcome for outcome in outcomes.values() if isinstance(outcome, Measured)]
    failed_checks = tuple(contradictions(measured, own_boot_id()))
    state.commit(found.updates, clusters, sweep.at_ns, wall_ns, slept_ns, failed_checks, found.vantages)
    views, failed = _evaluated(clusters, replace(sweep, outcomes=outcomes), seen, state, wall_ns)
    state.goals.update({view.name: goals_after(view, state.nodes) for view in views})
    return Round(
        sweep.at_ns,
        wall_ns,
        views,
        _movements(found.updates, state),
        found.paused,
        failed_checks,
        failed,
        found.jumped,
    )


def _relays(links: Iterable[Link]) -> dict[str, Relay]:
    """Return the relays on vantages that can query time servers, by label."""
    vantages = {link.vantage for link in links if link.vantage is not None}
    relays = {one.label: one.relay for one in vantages}
    return {label: relay for label, relay in relays.items() if relay and relay.datagrams.are_sent}


def _evaluated(
    clusters: Sequence[Cluster], sweep: Sweep, seen: Survey, state: MonitorState, wall_ns: int
) -> tuple[tuple[ClusterView, ...], tuple[str, ...]]:
    """Return the views, and the errors of clusters without a view: an error costs one cluster alone."""
    views, failed = list[ClusterView](), list[str]()
    for cluster in clusters:
        with contained(Where.ROUND, cluster=cluster.name) as evaluating:
            views.append(evaluate(cluster, sweep, state, wall_ns, seen))
        if evaluating.error:
            failed.append(f"Cluster {cluster.name} could not be evaluated. {evaluating.error}")
    return tuple(views), tuple(failed)


def _movements(updates: Mapping[Endpoint, NodeUpdate], state: MonitorState) -> dict[Endpoint, NodeMovements]:
    return {
        endpoint: NodeMovements(
            update.clock_update.movements, state.clusters_of(endpoint), update.unwatched_since_wall_ns
        )
        for endpoint, update in updates.items()
        if update.clock_update.movements
    }


def _updated(
    state: MonitorState, endpoint: Endpoint, outcome: Outcome, *, steady_base: bool, is_far: bool
) -> NodeUpdate:
    """Return a node's update by a round; an error in its history costs that node alone."""
    local = outcome.local if isinstance(outcome, Measured) else None
    steady = local.axis.clocksource in STEADY_CLOCKSOURCES if local else steady_base
    try:
        with translated(Where.NODE, node_error, node=endpoint[0]):
            return state.node(endpoint).update(outcome, steady_base=steady, is_far=is_far)
    except NodeError as error:
        return state.node(endpoint).update(error.failed)
