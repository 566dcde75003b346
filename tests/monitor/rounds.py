"""Rounds without a sweep: a test supplies each node's outcome."""

from collections.abc import Mapping

from skewmon.model import Cluster, Endpoint, Interval, Outcome
from skewmon.monitor.evaluate import evaluate
from skewmon.monitor.round import NodeMovements, Round
from skewmon.monitor.state import MonitorState
from skewmon.probe.sweep import Sweep


def take_in(state: MonitorState, endpoint: Endpoint, outcome: Outcome, wall_ns: int) -> Outcome:
    """Update and commit one node; return its outcome with the bounds that history tightens."""
    node = state.node(endpoint)
    update = node.update(outcome)
    node.commit(update, wall_ns)
    return update.outcome


def round_of(
    state: MonitorState, cluster: Cluster, found: Mapping[str, Outcome], at_ns: int, wall_ns: int
) -> Round:
    """Return a round of one cluster with these outcomes by node name, on a base that never stood still."""
    updates = {node.endpoint: state.node(node.endpoint).update(found[node.name]) for node in cluster.nodes}
    state.commit(updates, (cluster,), at_ns, wall_ns, admin_sleep_ns=0)
    outcomes = {endpoint: update.outcome for endpoint, update in updates.items()}
    sweep = Sweep(at_ns, Interval(0, 1_000), 0.1, outcomes)
    movements = {
        endpoint: NodeMovements(
            one.clock_update.movements, state.clusters_of(endpoint), one.unwatched_since_wall_ns
        )
        for endpoint, one in updates.items()
        if one.clock_update.movements
    }
    return Round(at_ns, wall_ns, (evaluate(cluster, sweep, state, wall_ns),), movements)
