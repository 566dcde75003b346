"""The composition root: configuration in, rounds on schedule, everything told; signals, reload, watchdog."""

import asyncio
import gc
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from skewmon.config.effective import shown
from skewmon.config.loader import load
from skewmon.config.schema import Config
from skewmon.daemon.lock import owned
from skewmon.daemon.report import Reporter
from skewmon.daemon.systemd import Supervisor
from skewmon.errors import SkewmonError
from skewmon.export.hooks import Hooks
from skewmon.export.server import Exporter
from skewmon.inventory.changes import cluster_changes
from skewmon.inventory.resolve import resolve
from skewmon.journal import Journal
from skewmon.model import Cluster, Endpoint, EventQuery
from skewmon.monitor.round import run_round
from skewmon.monitor.schedule import every
from skewmon.monitor.state import MonitorState
from skewmon.monitor.status_poller import Inquiry, first_answers
from skewmon.notify.alerting import Alerting
from skewmon.notify.receiver import Origin, targets_of
from skewmon.probe.link import Link
from skewmon.probe.pool import Fleet
from skewmon.probe.sweep import Sweeper
from skewmon.runtime.containment import Where, contained, translated

#: The first round waits this long for the first connections, so that it does not call every node unreachable,
#: and as long again for the time daemons' first answers, so that it does not call the wrong ones wrong.
FIRST_ROUND_PATIENCE_S = 10.0

#: Live inventories are read again this often; a machine that is added is measured within a minute or two.
INVENTORY_REFRESH_S = 60.0

#: A cadence that is this many intervals late, and half a minute, is stuck; the watchdog then ends the daemon.
STUCK_INTERVALS = 3
STUCK_S = 30.0

#: Python searches for cycles of garbage after every 700 new containers, and a round of a thousand nodes makes
#: tens of thousands that go by themselves. Each search would fall in the midst of somebody's burst, and some
#: walk through all that is remembered. What does go in cycles here is a traceback now and then.
COLLECT_AFTER = 50_000

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says beside the configuration file."""

    config_file: str
    listen_addresses: tuple[str, ...] = ()
    web_config_file: str | None = None
    dry_run: bool = False

    @property
    def named_file(self) -> str:
        """The configuration as it is named from anywhere."""
        return str(Path(self.config_file).absolute())


async def run(options: Options, config: Config) -> None:
    """Run the daemon until SIGTERM or SIGINT.

    Raises ConfigError, InventoryError or ListenError where the start is impossible.
    """
    clusters = await _resolved(config, options)
    collect_seldom()
    with ExitStack() as stack:
        directory = config.state_directory
        if options.dry_run:  # leaves no trace: what it would have told must not be remembered as told
            directory = stack.enter_context(TemporaryDirectory(prefix="skewmon-dry-run-"))
        stack.enter_context(owned(directory))
        async with Journal.open(directory) as journal:
            await Daemon(options, config, journal).run(clusters)


def collect_seldom() -> None:
    """Let Python search for cycles of garbage less often, and never through what was there at the start."""
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])


class Daemon:
    """One process: one configuration in force at a time, one snapshot published at a time."""

    def __init__(self, options: Options, config: Config, journal: Journal) -> None:
        self._options = options
        self._config = config
        self._clusters: tuple[Cluster, ...] = ()
        self._journal = journal
        self._state = MonitorState()
        self._sweeper = Sweeper()
        self._supervisor = Supervisor()
        self._alerting = Alerting(journal, dry_run=_say_only if options.dry_run else None)
        self._exporter = Exporter(
            Hooks(events=self._events, reload=self.reload, config_text=lambda: shown(self._config)),
            pairs=config.export.pairs,
            web_config_file=options.web_config_file or config.web.config_file,
        )
        self._reporter = Reporter(self._state, journal, self._alerting, self._exporter, self._supervisor)
        self._group = asyncio.TaskGroup()
        self._fleet = Fleet(self._group.create_task)
        self._generation: list[asyncio.Task[None]] = []
        self._reloads: set[asyncio.Task[None]] = set()
        self._due: dict[float, float] = {}  # by interval: when a cadence must have come round again
        self._page_url = ""
        self._stop = asyncio.Event()
        self._reloading = asyncio.Lock()

    async def run(self, clusters: tuple[Cluster, ...]) -> None:
        """Measure these clusters and whatever a reload makes of them, until a signal says stop."""
        addresses = await self._exporter.start(
            *(self._options.listen_addresses or (self._config.web.listen,))
        )
        self._page_url = f"http://{addresses[0]}/"
        try:
            async with self._group:
                self._listen_to_signals()
                self._put_in_force(self._config, clusters)
                self._supervisor.ready(f"{len(self._places())} nodes, first round under way")
                self._reporter.note("started", "skewmon was started.")
                log.info("started", addresses=", ".join(addresses), nodes=len(self._places()))
                helpers = [
                    self._group.create_task(self._watch_over()),
                    self._group.create_task(self._refresh_inventory()),
                    self._group.create_task(self._alerting.run()),
                ]
                await self._stop.wait()
                self._supervisor.stopping()
                log.info("stopping")
                self._reporter.stop()
                for task in (*helpers, *self._generation, *self._reloads):
                    task.cancel()
                self._fleet.adjust(())
        finally:
            await self._exporter.stop()
            await self._fleet.close()

    async def reload(self) -> None:
        """Read the configuration again and put it in force; where it is unusable, the old one stays."""
        async with self._reloading:
            self._supervisor.reloading()
            try:
                with translated(Where.RELOAD, SkewmonError):
                    config = await asyncio.to_thread(load, self._options.config_file)
                    clusters = await _resolved(config, self._options)
            except SkewmonError as error:
                if self._reporter.reload_successful:  # the same again, from a timer, is not worth an event
                    self._reporter.note(
                        "reload-refused",
                        f"The configuration was not reloaded, and the old one holds: {error}",
                    )
                self._reporter.reload_successful = False
                log.error(  # noqa: TRY400  # the user's fault, told in one line
                    "reload failed; the old configuration stays in force", error=str(error)
                )
                self._supervisor.ready("the last reload failed; the old configuration is in force")
                self._reporter.publish()
                raise
            told = not self._reporter.reload_successful  # that it was refused, so that its end is told, too
            self._reporter.reload_successful = True
            self._reporter.reloaded_wall_ns = time.time_ns()
            changed = cluster_changes(self._clusters, clusters)
            if (config, clusters) != (self._config, self._clusters):  # else no round is disturbed
                told = True
                await self._end_generation()
                self._put_in_force(config, clusters)
            if told:
                self._reporter.note("reloaded", f"The configuration was read again: {changed}.")
            log.info("reloaded", nodes=len(self._places()))
            self._supervisor.ready(f"{len(self._places())} nodes, configuration reloaded")

    # --- what runs ---

    def _put_in_force(self, config: Config, clusters: tuple[Cluster, ...]) -> None:
        """Measure these clusters from now on; what is known of nodes that stay is kept."""
        if self._stop.is_set():  # a reload was under way when the end began
            return
        self._config = config
        self._clusters = clusters
        self._exporter.export_pairs(config.export.pairs)
        longest_s = max((cluster.interval_s for cluster in clusters), default=Origin().interval_s)
        self._alerting.configure(targets_of(config.alerts), Origin(longest_s, self._page_url))
        self._reporter.adopt(clusters)
        self._state.adopt(clusters)
        self._fleet.adjust(clusters)
        self._due.clear()
        by_interval = sorted(clusters, key=lambda cluster: cluster.interval_s)
        self._generation = [
            self._group.create_task(self._rounds(interval_s, list(members)))
            for interval_s, members in groupby(by_interval, key=lambda cluster: cluster.interval_s)
        ]
        by_status_interval = self._links_by_status_interval()
        self._generation += [
            self._group.create_task(Inquiry(self._state).keep_asking(links, interval_s))
            for interval_s, links in by_status_interval.items()
        ]
        if by_status_interval:
            here = Inquiry(self._state).keep_asking_here(min(by_status_interval))
            self._generation.append(self._group.create_task(here))

    async def _end_generation(self) -> None:
        for task in self._generation:
            task.cancel()
        await asyncio.gather(*self._generation, return_exceptions=True)

    async def _rounds(self, interval_s: float, clusters: Sequence[Cluster]) -> None:
        """Measure clusters of one interval for ever; a node that several of them share is measured once."""
        await self._fleet.first_attempts(min(FIRST_ROUND_PATIENCE_S, interval_s))
        endpoints = {node.endpoint for cluster in clusters for node in cluster.nodes}
        await first_answers(self._state, {endpoint: self._fleet.links[endpoint] for endpoint in endpoints})
        async for tick in every(interval_s):
            self._due[interval_s] = time.monotonic() + max(STUCK_INTERVALS * interval_s, STUCK_S)
            self._reporter.loop_lag_s = tick.late_s
            if tick.missed:
                log.warning("rounds missed: the last one took longer than the interval", missed=tick.missed)
            with contained(Where.ROUND) as measuring:
                self._reporter.report(
                    await run_round(clusters, self._fleet.links, self._sweeper, self._state)
                )
            if measuring.error:  # the counter of these must not wait for a round that succeeds
                with contained(Where.ROUND):
                    self._reporter.publish()

    async def _refresh_inventory(self) -> None:
        """Read live inventories again and again; nodes come and go without a reload."""
        failing = ""
        while True:
            await asyncio.sleep(INVENTORY_REFRESH_S)
            if not any(cluster.inventory for cluster in self._config.clusters.values()):
                continue
            async with self._reloading:
                try:
                    clusters = await _resolved(self._config, self._options)
                except SkewmonError as error:
                    if failing != str(error):
                        log.warning("an inventory cannot be read; its last answer counts", error=str(error))
                    failing = str(error)
                    continue
                failing = ""
                if clusters != self._clusters:
                    changed = cluster_changes(self._clusters, clusters)
                    log.info("inventory changed", changes=changed)
                    self._reporter.note("inventory", f"A live inventory changed: {changed}.")
                    await self._end_generation()
                    self._put_in_force(self._config, clusters)

    async def _watch_over(self) -> None:
        """Keep the watchdog quiet while every cadence comes round in time."""
        pause_s = self._supervisor.watchdog_interval_s
        while pause_s is not None:
            if all(time.monotonic() < due for due in self._due.values()):
                self._supervisor.alive()
            await asyncio.sleep(pause_s)

    # --- what is asked ---

    async def _events(self, query: EventQuery) -> list[dict[str, object]]:
        events = await self._journal.events(
            query.since_ns, query.node, query.limit, kind=query.kind, cluster=query.cluster
        )
        return [event.to_json() for event in events]

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._begin_reload)

    def _begin_reload(self) -> None:
        if len(self._reloads) > 1:  # one under way and one that waits, which will read what is there by then
            return
        task = self._group.create_task(self._reload_quietly())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _reload_quietly(self) -> None:
        try:
            await self.reload()
        except SkewmonError:
            return  # logged and exported where it was found

    def _places(self) -> set[Endpoint]:
        return {node.endpoint for cluster in self._clusters for node in cluster.nodes}

    def _links_by_status_interval(self) -> dict[float, dict[Endpoint, Link]]:
        """Return each link once, under the shortest interval that a cluster of it asks for."""
        shortest: dict[Endpoint, float] = {}
        for cluster in self._clusters:
            for endpoint in (node.endpoint for node in cluster.nodes):
                shortest[endpoint] = min(
                    cluster.status_interval_s, shortest.get(endpoint, cluster.status_interval_s)
                )
        links: dict[float, dict[Endpoint, Link]] = {}
        for endpoint, interval_s in shortest.items():
            links.setdefault(interval_s, {})[endpoint] = self._fleet.links[endpoint]
        return links


async def _resolved(config: Config, options: Options) -> tuple[Cluster, ...]:
    """Return the clusters, each with the file that names it: alerts advise commands that read it."""
    return tuple(replace(cluster, config_file=options.named_file) for cluster in await resolve(config))


def _say_only(text: str) -> None:
    log.info("dry run: would send", message=text)
