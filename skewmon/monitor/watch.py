"""Rounds until the caller stops: the measurement of ``watch``."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from dataclasses import replace

from skewmon.model import Cluster, TimeServer
from skewmon.monitor.monitor import Monitor
from skewmon.monitor.round import Round
from skewmon.monitor.schedule import every
from skewmon.probe.budget import Budget
from skewmon.probe.pool import Pool

#: The first table waits this long for slow logins; later ones show those that have succeeded since.
FIRST_ROUND_PATIENCE_S = 5.0

#: Time daemons are queried this often; answers change slowly, and each query costs the node a few forks.
STATUS_INTERVAL_S = 30.0


async def rounds(
    clusters: Sequence[Cluster], interval_s: float, references: Sequence[TimeServer] = ()
) -> AsyncGenerator[Round, None]:
    """Measure the clusters every ``interval_s`` over links that are kept open, and yield each.

    Close the iterator to close the links.
    """
    tasks: list[asyncio.Task[None]] = []

    def spawn(coroutine: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        tasks.append(asyncio.create_task(coroutine))
        return tasks[-1]

    pool = Pool(spawn)
    monitor = Monitor(pool.links, lambda _interval_s: Budget.patient(Budget.of_interval(interval_s).ask_s))
    clusters = [replace(cluster, status_interval_s=STATUS_INTERVAL_S) for cluster in clusters]
    try:
        pool.adjust(clusters)
        monitor.adopt_references(references)
        await pool.first_attempts(FIRST_ROUND_PATIENCE_S)
        for coroutine in monitor.polling(clusters):
            spawn(coroutine)
        await monitor.first_answers(clusters)
        async for _missed in every(interval_s):
            yield await monitor.round(clusters)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        monitor.close()
        await pool.close()
