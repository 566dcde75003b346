"""The last three hours of every node in a few steps, kept so that a round reads only the newest of them."""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from skewmon.errors import SkewmonError
from skewmon.export.published import HistorySteps
from skewmon.model.record import HOUR_S, EndRange, HistoryQuery, Period
from skewmon.runtime.containment import Where, contained
from skewmon.runtime.tasks import retrieved

#: The span of a sparkline.
SPAN_S = 3 * HOUR_S

#: One step is about two pixels; sixty of a thousand nodes take some 15 MB.
STEP_S = 180

#: A page waits this long for the record of a cluster that was never read: three hours of a thousand nodes
#: take seconds, and the next round brings the sparklines all the same.
PATIENCE_S = 0.3

#: It waits longer for the newest steps, which take some 100 ms: without them a sparkline is a round late.
FOLLOWING_S = 3.0


@dataclass(frozen=True, slots=True)
class RecentStep:
    """The extremes of a node's offset in one step; None if it was never measured in it."""

    offset: EndRange | None
    missed: int


@dataclass(frozen=True, slots=True)
class Recent:
    """The steps of one cluster by their starts, and by the names of its nodes."""

    until_s: int = 0
    steps: Mapping[int, Mapping[str, RecentStep]] = field(default_factory=dict)

    @property
    def begin_s(self) -> int:
        """The start of the first step that a sparkline shows."""
        return self.until_s - self.until_s % STEP_S + STEP_S - SPAN_S

    def of(self, name: str) -> list[RecentStep | None]:
        """Return the steps of a node, oldest first; None for those without a round."""
        starts = range(self.begin_s, self.begin_s + SPAN_S, STEP_S)
        return [self.steps[start_s].get(name) if start_s in self.steps else None for start_s in starts]

    def followed_by(self, periods: Iterable[Period], cluster: str, now_s: int) -> "Recent":
        """Return the steps with newer ones in the place of those that have the same start."""
        steps = dict(self.steps)
        for period in periods:
            row = period.clusters.get(cluster)
            nodes = row.nodes if row else {}
            steps[period.start_s] = {
                name: RecentStep(node.offset, node.missed) for name, node in nodes.items()
            }
        kept = Recent(now_s)
        return Recent(now_s, {start_s: step for start_s, step in steps.items() if start_s >= kept.begin_s})


class RecentReader:
    """Reads the record for sparklines, one request at a time, and keeps the result."""

    def __init__(self, history: HistorySteps) -> None:
        self._history = history
        self._kept: dict[str, Recent] = {}
        self._reading: asyncio.Task[None] | None = None

    async def newest(self, clusters: Iterable[str]) -> Mapping[str, Recent]:
        """Return the steps of the clusters, without those that take too long to read now."""
        names = tuple(clusters)
        patience_s = FOLLOWING_S if self._kept.keys() >= set(names) else PATIENCE_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                if self._reading is not None:  # of an earlier round, which lacks the newest steps
                    await asyncio.wait({self._reading})
                self._reading = asyncio.create_task(self._read(names))
                self._reading.add_done_callback(retrieved)
                await asyncio.wait({self._reading})
        return dict(self._kept)

    async def _read(self, clusters: tuple[str, ...]) -> None:
        self._kept = {name: kept for name, kept in self._kept.items() if name in clusters}
        for cluster in clusters:
            with contained(Where.HTTP, cluster=cluster):
                await self._read_cluster(cluster)

    async def _read_cluster(self, cluster: str) -> None:
        now_s = int(time.time())
        kept = self._kept.get(cluster, Recent())
        since_s = max(Recent(now_s).begin_s, max(kept.steps, default=0))
        try:
            periods = await self._history(HistoryQuery(cluster, since_s, now_s + 1, STEP_S, node=None))
        except SkewmonError:
            return  # the daemon logs it; the page goes on without new steps
        self._kept[cluster] = kept.followed_by(periods, cluster, now_s)
