"""Rounds for as long as somebody watches: what ``watch`` runs."""

import asyncio
import time
from collections.abc import AsyncGenerator, Coroutine, Sequence

from skewmon.model import Cluster, Snapshot
from skewmon.monitor.round import run_round
from skewmon.monitor.schedule import every
from skewmon.monitor.state import MonitorState
from skewmon.monitor.status_poller import Inquiry, first_answers
from skewmon.probe.pool import Fleet
from skewmon.probe.sweep import Sweeper

#: The first table waits this long for slow logins, and as long again for time tools; later ones show them
#: when they have succeeded.
FIRST_ROUND_PATIENCE_S = 5.0

#: Time daemons are asked this often; what they say changes slowly, and each time costs the node a few forks.
STATUS_INTERVAL_S = 30.0


async def rounds(clusters: Sequence[Cluster], interval_s: float) -> AsyncGenerator[Snapshot, None]:
    """Measure the clusters again and again, over links that are kept open, and yield every snapshot.

    Close the iterator to let go of the links.
    """
    tasks: list[asyncio.Task[None]] = []

    def spawn(coroutine: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        tasks.append(asyncio.create_task(coroutine))
        return tasks[-1]

    fleet = Fleet(spawn)
    state = MonitorState()
    sweeper = Sweeper()
    try:
        fleet.adjust(clusters)
        await fleet.first_attempts(FIRST_ROUND_PATIENCE_S)
        spawn(Inquiry(state).keep_asking(fleet.links, STATUS_INTERVAL_S))
        spawn(Inquiry(state).keep_asking_here(STATUS_INTERVAL_S))
        await first_answers(state, fleet.links)
        async for _missed in every(interval_s):
            yield Snapshot(time.time_ns(), (await run_round(clusters, fleet.links, sweeper, state)).views)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await fleet.close()
