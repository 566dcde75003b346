"""Runs the rounds of all clusters on schedule, and the status polling beside them."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from itertools import groupby

import structlog

from skewmon.daemon.report import DaemonStatus, Reporter
from skewmon.model import Cluster
from skewmon.monitor.monitor import Monitor
from skewmon.monitor.schedule import every
from skewmon.probe.pool import Pool
from skewmon.runtime.containment import Where, contained

#: The first round waits this long for the first connections, so that it does not report every node as
#: unreachable.
FIRST_ROUND_PATIENCE_S = 10.0

#: A schedule this many intervals late, and half a minute, is stuck; the watchdog then ends the daemon.
STUCK_INTERVALS = 3
STUCK_S = 30.0

log = structlog.get_logger()


class Scheduler:
    """The tasks that measure one set of clusters, until ``stop``."""

    def __init__(
        self,
        monitor: Monitor,
        pool: Pool,
        reporter: Reporter,
        status: DaemonStatus,
        spawn: Callable[[Coroutine[None, None, None]], "asyncio.Task[None]"],
    ) -> None:
        self._monitor = monitor
        self._pool = pool
        self._reporter = reporter
        self._status = status
        self._spawn = spawn
        self._clusters: dict[str, Cluster] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._due: dict[float, float] = {}  # by interval: when the next round must have begun

    @property
    def on_time(self) -> bool:
        """Whether every schedule still comes round."""
        return all(time.monotonic() < due for due in self._due.values())

    def start(self, clusters: Sequence[Cluster]) -> None:
        """Measure these clusters; clusters of one interval share their rounds."""
        self._due.clear()
        self.renew(clusters)
        by_interval = sorted(clusters, key=lambda cluster: cluster.interval_s)
        self._tasks = [
            self._spawn(self._rounds(interval_s, list(members)))
            for interval_s, members in groupby(by_interval, key=lambda cluster: cluster.interval_s)
        ]
        self._tasks += map(self._spawn, self._monitor.polling(clusters))

    def renew(self, clusters: Sequence[Cluster]) -> None:
        """Report these values of the same clusters from the next round on; their nodes are the same."""
        self._clusters = {cluster.name: cluster for cluster in clusters}

    async def stop(self) -> None:
        """End all tasks and wait for them."""
        self.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cancel(self) -> None:
        """End all tasks, without waiting."""
        for task in self._tasks:
            task.cancel()

    async def _rounds(self, interval_s: float, clusters: Sequence[Cluster]) -> None:
        """Measure clusters of one interval again and again; a node that several share is measured once."""
        await self._pool.first_attempts(min(FIRST_ROUND_PATIENCE_S, interval_s))
        await self._monitor.first_answers(clusters)
        async for tick in every(interval_s):
            self._due[interval_s] = time.monotonic() + max(STUCK_INTERVALS * interval_s, STUCK_S)
            self._status.loop_lag_s = tick.late_s
            if tick.missed:
                log.warning("rounds missed: the last one took longer than the interval", missed=tick.missed)
            with contained(Where.ROUND) as measuring:
                renewed = [self._clusters[cluster.name] for cluster in clusters]
                self._reporter.report(await self._monitor.round(renewed))
            if measuring.error:  # publish the error counter now, not with the next round that succeeds
                with contained(Where.ROUND):
                    self._reporter.publish()
