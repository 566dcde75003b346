"""One round, from nodes to what the world sees of their clusters.

exchanges → estimates → what history adds → offsets to the reference → skew and worst pairs → who is wrong →
findings → verdict. The first three here, the rest in ``evaluation.py``.
"""

import time
from collections.abc import Mapping, Sequence

from skewmon.clock.history import STEADY_CLOCKSOURCES, base_pause
from skewmon.clock.selfcheck import contradictions
from skewmon.evaluation import evaluate
from skewmon.ledger import Ledger, Place, place_of
from skewmon.model import Cluster, ClusterView, Measured
from skewmon.probe.base import own_boot_id, own_clocksource, own_sleep_ns
from skewmon.probe.link import Link
from skewmon.probe.sweep import Sweeper


async def cycle(
    clusters: Sequence[Cluster], links: Mapping[Place, Link], sweeper: Sweeper, ledger: Ledger
) -> list[ClusterView]:
    """Measure every node of these clusters once, at one common instant, and evaluate each cluster."""
    places = list(dict.fromkeys(place_of(node) for cluster in clusters for node in cluster.nodes))
    samples = max(cluster.samples for cluster in clusters)
    interval_s = min(cluster.interval_s for cluster in clusters)
    sweep = await sweeper.sweep([links[place] for place in places], samples, interval_s)
    wall_ns = time.time_ns()
    slept = ledger.base_slept(own_sleep_ns())
    followed = sum(map(ledger.follows, places))
    outcomes = {
        place: ledger.note_outcome(place, outcome, wall_ns)
        for place, outcome in zip(places, sweep.outcomes, strict=True)
    }
    if paused := slept is not None or base_pause(ledger.contradicted(places), followed) is not None:
        # The admin box itself stood still: its past, and every bound that it tightened, is wrong.
        ledger.forget_oscillators(slept)
    if paused or own_clocksource() not in STEADY_CLOCKSOURCES:
        # A base that may stand still for less than the nodes can see proves nothing of the past either.
        outcomes = dict(zip(places, sweep.outcomes, strict=True))
    measured = [outcome for outcome in outcomes.values() if isinstance(outcome, Measured)]
    ledger.contradictions.update(contradictions(measured, own_boot_id()))
    return [
        evaluate(
            cluster, {node.name: outcomes[place_of(node)] for node in cluster.nodes}, sweep, ledger, wall_ns
        )
        for cluster in clusters
    ]
