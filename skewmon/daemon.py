"""The composition root: configuration in, rounds on schedule, everything published; signals and reload."""

import asyncio
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import structlog

from skewmon.cadence import every
from skewmon.claims import Claims
from skewmon.config.effective import shown
from skewmon.config.loader import load
from skewmon.config.schema import Config
from skewmon.cycle import cycle
from skewmon.errors import ConfigError, InventoryError, SkewmonError
from skewmon.export.facts import DaemonFacts
from skewmon.export.hooks import Hooks
from skewmon.export.server import Exporter
from skewmon.fleet import Fleet
from skewmon.inventory.resolve import resolve
from skewmon.ledger import Ledger, Place, place_of
from skewmon.model import Cluster, ClusterView, Snapshot, Verdict
from skewmon.probe.link import Link
from skewmon.probe.sweep import Sweeper
from skewmon.supervisor import Supervisor

#: The first round waits this long for the first connections, so that it does not call every node unreachable.
FIRST_ROUND_PATIENCE_S = 10.0

#: Live inventories are read again this often; a machine that is added is measured within a minute or two.
INVENTORY_REFRESH_S = 60.0

#: A cadence that is this many intervals late, and half a minute, is stuck; the watchdog then ends the daemon.
STUCK_INTERVALS = 3
STUCK_S = 30.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says beside the configuration file."""

    config_file: str
    listen_addresses: tuple[str, ...] = ()
    web_config_file: str | None = None
    dry_run: bool = False


class Daemon:
    """One process: one configuration in force at a time, one snapshot published at a time."""

    def __init__(self, options: Options, config: Config) -> None:
        self._options = options
        self._config = config
        self._clusters: tuple[Cluster, ...] = ()
        self._views: dict[str, ClusterView] = {}
        self._ledger = Ledger()
        self._sweeper = Sweeper()
        self._supervisor = Supervisor()
        self._generation: list[asyncio.Task[None]] = []
        self._due: dict[float, float] = {}  # by interval: when a cadence must have come round again
        self._reload_successful = True
        self._reloaded_wall_ns = time.time_ns()
        self._stop = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._group = asyncio.TaskGroup()
        self._fleet = Fleet(self._group.create_task)
        self._export = Exporter(
            Hooks(reload=self.reload, config_text=lambda: shown(self._config)),
            pairs=config.export.pairs,
            web_config_file=options.web_config_file or config.web.config_file,
        )

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT.

        Raises ConfigError or InventoryError where the start is impossible.
        """
        self._clusters = await resolve(self._config)
        addresses = await self._export.start(*(self._options.listen_addresses or (self._config.web.listen,)))
        try:
            async with self._group:
                self._listen_to_signals()
                self._begin_generation()
                self._supervisor.ready(f"{self._node_count()} nodes, first round under way")
                log.info("started", addresses=", ".join(addresses), nodes=self._node_count())
                helpers = [
                    self._group.create_task(self._watch_over()),
                    self._group.create_task(self._refresh_inventory()),
                ]
                await self._stop.wait()
                self._supervisor.stopping()
                log.info("stopping")
                for task in (*helpers, *self._generation):
                    task.cancel()
                self._fleet.adjust(())
        finally:
            await self._export.stop()
            await self._fleet.close()

    async def reload(self) -> None:
        """Read the configuration again and put it in force; where it is unusable, the old one stays."""
        async with self._reloading:
            self._supervisor.reloading()
            try:
                config = await asyncio.to_thread(load, self._options.config_file)
                clusters = await resolve(config)
            except (ConfigError, InventoryError) as error:
                self._reload_successful = False
                log.error(  # noqa: TRY400  # the user's fault, told in one line
                    "reload failed; the old configuration stays in force", error=str(error)
                )
                self._supervisor.ready("the last reload failed; the old configuration is in force")
                self._publish()
                raise
            self._config = config
            self._reload_successful = True
            self._reloaded_wall_ns = time.time_ns()
            await self._adopt(clusters)
            self._export.export_pairs(config.export.pairs)
            log.info("reloaded", nodes=self._node_count())
            self._supervisor.ready(f"{self._node_count()} nodes, configuration reloaded")

    # --- what runs ---

    async def _adopt(self, clusters: tuple[Cluster, ...]) -> None:
        """Measure these clusters from now on; what is known of nodes that stay is kept."""
        for task in self._generation:
            task.cancel()
        await asyncio.gather(*self._generation, return_exceptions=True)
        self._clusters = clusters
        names = {cluster.name for cluster in clusters}
        self._views = {name: view for name, view in self._views.items() if name in names}
        self._begin_generation()

    def _begin_generation(self) -> None:
        self._fleet.adjust(self._clusters)
        self._ledger.keep_only({place_of(node) for cluster in self._clusters for node in cluster.nodes})
        self._due.clear()
        by_interval = sorted(self._clusters, key=lambda cluster: cluster.interval_s)
        self._generation = [
            self._group.create_task(self._rounds(interval_s, list(clusters)))
            for interval_s, clusters in groupby(by_interval, key=lambda cluster: cluster.interval_s)
        ]
        self._generation += [
            self._group.create_task(Claims(self._ledger).keep_asking(links, interval_s))
            for interval_s, links in self._links_by_status_interval().items()
        ]

    def _links_by_status_interval(self) -> dict[float, dict[Place, Link]]:
        """Return each link once, under the shortest interval that a cluster of it asks for."""
        shortest: dict[Place, float] = {}
        for cluster in self._clusters:
            for place in map(place_of, cluster.nodes):
                interval_s = min(cluster.status_interval_s, shortest.get(place, cluster.status_interval_s))
                shortest[place] = interval_s
        links: dict[float, dict[Place, Link]] = {}
        for place, interval_s in shortest.items():
            links.setdefault(interval_s, {})[place] = self._fleet.links[place]
        return links

    async def _rounds(self, interval_s: float, clusters: Sequence[Cluster]) -> None:
        """Measure clusters of one interval for ever; a node that several of them share is measured once."""
        await self._fleet.first_attempts(min(FIRST_ROUND_PATIENCE_S, interval_s))
        async for missed in every(interval_s):
            self._due[interval_s] = time.monotonic() + max(STUCK_INTERVALS * interval_s, STUCK_S)
            if missed:
                log.warning("rounds missed: the last one took longer than the interval", missed=missed)
            try:
                views = await cycle(clusters, self._fleet.links, self._sweeper, self._ledger)
            except Exception:  # the cycle's edge: a bug costs a round, not the daemon
                log.exception("a round failed; please report this as a bug")
                continue
            for view in views:
                self._note(view)
                self._views[view.name] = view
            self._publish()

    async def _refresh_inventory(self) -> None:
        """Read live inventories again and again; nodes come and go without a reload."""
        failing = ""
        while True:
            await asyncio.sleep(INVENTORY_REFRESH_S)
            if not any(cluster.inventory for cluster in self._config.clusters.values()):
                continue
            try:
                clusters = await resolve(self._config)
            except SkewmonError as error:
                if failing != str(error):
                    log.warning(
                        "an inventory cannot be read; its last answer stays in force", error=str(error)
                    )
                failing = str(error)
                continue
            failing = ""
            if clusters != self._clusters:
                log.info("inventory changed")
                async with self._reloading:
                    await self._adopt(clusters)

    async def _watch_over(self) -> None:
        """Keep the watchdog quiet while every cadence comes round in time."""
        pause_s = self._supervisor.watchdog_interval_s
        while pause_s is not None:
            if all(time.monotonic() < due for due in self._due.values()):
                self._supervisor.alive()
            await asyncio.sleep(pause_s)

    # --- what is told ---

    def _note(self, view: ClusterView) -> None:
        """Log a change of a cluster's verdict or culprits."""
        before = self._views.get(view.name)
        if before and (before.verdict, before.vote.culprits) == (view.verdict, view.vote.culprits):
            return
        tell = log.info if view.verdict is Verdict.OK else log.warning
        tell(
            "verdict",
            cluster=view.name,
            verdict=str(view.verdict),
            culprits=",".join(view.vote.culprits) or None,
            skew_proven_s=view.skew.lower_ns / 1e9 if view.skew else None,
            skew_upper_s=view.skew.upper_ns / 1e9 if view.skew else None,
            measured=f"{view.measured}/{len(view.nodes)}",
        )

    def _publish(self) -> None:
        views = tuple(self._views[cluster.name] for cluster in self._clusters if cluster.name in self._views)
        self._export.publish(
            Snapshot(time.time_ns(), views),
            DaemonFacts(
                reload_successful=self._reload_successful, reload_success_wall_ns=self._reloaded_wall_ns
            ),
        )
        self._supervisor.status(_status_line(views))

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._group.create_task(self._reload_quietly()))

    async def _reload_quietly(self) -> None:
        try:
            await self.reload()
        except SkewmonError:
            return  # logged and exported where it was found

    def _node_count(self) -> int:
        return len({place_of(node) for cluster in self._clusters for node in cluster.nodes})


def _status_line(views: Sequence[ClusterView]) -> str:
    """Return what ``systemctl status`` shows."""
    nodes = sum(len(view.nodes) for view in views)
    missing = nodes - sum(view.measured for view in views)
    skews = [view.skew.estimate_ns for view in views if view.skew]
    widest = f", largest skew {max(skews) / 1e6:.3f} ms" if skews else ""
    return f"{nodes} nodes, {missing} not measured{widest}"
