"""The links of the daemon: one per endpoint, kept open by a task of its own, changed by a reload."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable

import structlog

from skewmon.errors import Reason
from skewmon.model import Cluster, Endpoint, Failed
from skewmon.probe.clocks import ArrivalClock
from skewmon.probe.connect import Dialer
from skewmon.probe.link import Link
from skewmon.probe.ntp_link import link_to

log = structlog.get_logger()


class Pool:
    """Opens a link to every endpoint that the clusters name and drops those that they no longer name."""

    def __init__(self, spawn: Callable[[Coroutine[None, None, None]], "asyncio.Task[None]"]) -> None:
        self.links: dict[Endpoint, Link] = {}
        self._spawn = spawn
        self._keepers: dict[Endpoint, asyncio.Task[None]] = {}
        self._reported: dict[Endpoint, str] = {}
        self._arrivals = ArrivalClock()
        self._dialer = Dialer(self._arrivals)

    def adjust(self, clusters: Iterable[Cluster]) -> None:
        """Make the links those of these clusters; links that stay are not touched."""
        wanted = {node.endpoint: node for cluster in clusters for node in cluster.nodes}
        for endpoint in set(self.links) - set(wanted):
            self._keepers.pop(endpoint).cancel()
            self.links.pop(endpoint).close()
            self._reported.pop(endpoint, None)
        self._dialer.retain(wanted.values())
        for endpoint, node in wanted.items():
            if endpoint not in self.links:
                self.links[endpoint] = link_to(node, self._dialer, self._arrivals)
                self._keepers[endpoint] = self._spawn(self.links[endpoint].keep(self._report))

    async def first_attempts(self, timeout_s: float) -> None:
        """Wait until every link has been opened or has failed once, at most ``timeout_s``."""
        waiting = [asyncio.ensure_future(link.attempted.wait()) for link in self.links.values()]
        if not waiting:
            return
        _, late = await asyncio.wait(waiting, timeout=timeout_s)
        for one in late:
            one.cancel()

    async def close(self) -> None:
        """Close every link and every bastion."""
        for link in self.links.values():
            link.close()
        await self._dialer.close()

    def _report(self, link: Link) -> None:
        """Log a change: a node that answers, or fails for another reason than before."""
        endpoint, failure = link.node.endpoint, link.failure or link.late
        state = failure.reason if failure else "connected"
        before = self._reported.get(endpoint)
        if before == state:
            return
        self._reported[endpoint] = state
        if failure:
            _log_failure(link.node.name, failure)
        elif before == Reason.LATE:
            log.info("answers in time again", node=link.node.name)
        else:
            log.info("connected", node=link.node.name, probe=link.probe)


def _log_failure(node: str, failure: Failed) -> None:
    log.warning(
        "not measured", node=node, reason=str(failure.reason), detail=failure.detail, advice=failure.advice
    )
