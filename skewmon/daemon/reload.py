"""Reads the configuration and live inventories again, and puts changes in force."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from skewmon.config.loader import load
from skewmon.config.schema import Config
from skewmon.daemon.report import DaemonStatus, Reporter
from skewmon.daemon.systemd import Systemd
from skewmon.errors import SkewmonError
from skewmon.inventory.changes import cluster_changes, without_inventories
from skewmon.inventory.faults import inventory_events
from skewmon.inventory.resolve import resolve
from skewmon.model import Cluster, EventKind
from skewmon.runtime.containment import Where, translated

#: Live inventories are read again this often; an added machine is measured within a minute or two.
INVENTORY_REFRESH_S = 60.0

log = structlog.get_logger()

#: Puts a configuration and its clusters in force.
Apply = Callable[[Config, tuple[Cluster, ...]], Awaitable[None]]


async def resolved(config: Config, config_file: str, before: tuple[Cluster, ...] = ()) -> tuple[Cluster, ...]:
    """Return the clusters, each with the file that defines it: alerts advise commands that read it.

    Raises InventoryError if a source of nodes cannot be read, unless ``before`` has its last answer.
    """
    return tuple(replace(cluster, config_file=config_file) for cluster in await resolve(config, before))


class Reloader:
    """Holds the configuration in force; one reload or refresh at a time."""

    def __init__(
        self,
        config: Config,
        clusters: tuple[Cluster, ...],
        config_file: str,
        apply: Apply,
        renew: Callable[[tuple[Cluster, ...]], None],
        reporter: Reporter,
        status: DaemonStatus,
        systemd: Systemd,
    ) -> None:
        self.config = config
        self.clusters = clusters
        self._config_file = config_file
        self._apply = apply
        self._renew = renew
        self._reporter = reporter
        self._status = status
        self._systemd = systemd
        self._one_at_a_time = asyncio.Lock()

    @property
    def nodes(self) -> int:
        """How many machines the clusters have."""
        return len({node.endpoint for cluster in self.clusters for node in cluster.nodes})

    async def reload(self) -> None:
        """Read the configuration again and put it in force; if it is unusable, the old one stays.

        Raises SkewmonError if it is unusable; logged, exported and journaled by then.
        """
        async with self._one_at_a_time:
            self._systemd.reloading()
            try:
                with translated(Where.RELOAD, SkewmonError):
                    config = await asyncio.to_thread(load, self._config_file)
                    clusters = await resolved(config, self._config_file, self.clusters)
            except SkewmonError as error:
                self._refused(error)
                raise
            await self._accepted(config, clusters)

    async def keep_refreshing(self) -> None:
        """Read live inventories every minute, until cancelled; nodes come and go without a reload.

        A source that cannot be read keeps its nodes.
        """
        failing = ""
        while True:
            await asyncio.sleep(INVENTORY_REFRESH_S)
            if not any(cluster.inventory for cluster in self.config.clusters.values()):
                continue
            async with self._one_at_a_time:
                try:
                    clusters = await resolved(self.config, self._config_file, self.clusters)
                except SkewmonError as error:  # such as a credential that was taken away
                    if failing != str(error):
                        log.warning("no inventory can be read; the last answers count", error=str(error))
                    failing = str(error)
                    continue
                failing = ""
                await self._refreshed(clusters)

    def report_inventories(self, before: tuple[Cluster, ...] = ()) -> None:
        """Log and journal the faults of live inventories that changed since ``before``."""
        for event in inventory_events(before, self.clusters):
            write = log.warning if event.kind is EventKind.INVENTORY_FAULT else log.info
            write(event.message, cluster=event.cluster)
            self._reporter.note(event.kind, event.message, event.cluster, event.detail)

    def _refused(self, error: SkewmonError) -> None:
        if self._status.reload_successful:  # repeated refusals, as from a timer, are one event
            self._reporter.note(
                EventKind.RELOAD_REFUSED,
                f"The configuration was not reloaded, and the old one holds: {error}",
            )
        self._status.reload_successful = False
        log.error("reload failed; the old configuration stays in force", error=str(error))
        self._systemd.ready("the last reload failed; the old configuration is in force")
        self._reporter.publish()

    async def _accepted(self, config: Config, clusters: tuple[Cluster, ...]) -> None:
        was_refused = not self._status.reload_successful
        self._status.reload_successful = True
        self._status.reloaded_wall_ns = time.time_ns()
        before = self.clusters
        changed = config != self.config or _measured(clusters) != _measured(before)
        changes = cluster_changes(before, clusters)
        if changed:  # otherwise no round is disturbed
            await self._put_in_force(config, clusters)
        else:
            self._update(clusters)
        if changed or was_refused:
            self._reporter.note(EventKind.RELOADED, f"The configuration was read again: {changes}.")
        self.report_inventories(before)
        log.info("reloaded", nodes=self.nodes)
        self._systemd.ready(f"{self.nodes} nodes, configuration reloaded")

    async def _refreshed(self, clusters: tuple[Cluster, ...]) -> None:
        before = self.clusters
        if _measured(clusters) == _measured(before):
            self._update(clusters)
        else:
            changes = cluster_changes(before, clusters)
            log.info("inventory changed", changes=changes)
            self._reporter.note(EventKind.INVENTORY, f"A live inventory changed: {changes}.")
            await self._put_in_force(self.config, clusters)
        self.report_inventories(before)

    def _update(self, clusters: tuple[Cluster, ...]) -> None:
        """Take over the state of the inventories of clusters whose nodes are the same."""
        self.clusters = clusters
        self._renew(clusters)

    async def _put_in_force(self, config: Config, clusters: tuple[Cluster, ...]) -> None:
        self.config, self.clusters = config, clusters
        await self._apply(config, clusters)


def _measured(clusters: tuple[Cluster, ...]) -> list[Cluster]:
    """Return the clusters as they are measured: a round need not begin again for other changes."""
    return [without_inventories(cluster) for cluster in clusters]
