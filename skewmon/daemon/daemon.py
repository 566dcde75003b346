"""The service: configuration in, rounds on schedule, every round reported; signals and the watchdog."""

import asyncio
import signal
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from skewmon.alert.alerts import RUNBOOK_URL
from skewmon.config.effective import digest, shown
from skewmon.config.references import time_servers
from skewmon.config.schema import Config
from skewmon.daemon.lock import owned
from skewmon.daemon.reload import Reloader, resolved
from skewmon.daemon.report import DaemonStatus, Reporter
from skewmon.daemon.scheduler import Scheduler
from skewmon.daemon.systemd import Systemd
from skewmon.errors import SkewmonError
from skewmon.export.published import Callbacks
from skewmon.export.server import Exporter
from skewmon.journal import Journal
from skewmon.journal.record import Record
from skewmon.journal.record.store import Retention
from skewmon.model import Cluster, EventQuery
from skewmon.model.record import NS_PER_HOUR
from skewmon.monitor.monitor import Monitor
from skewmon.notify.alerting import Alerting
from skewmon.notify.receiver import Origin, targets_of
from skewmon.probe.pool import Pool
from skewmon.runtime.memory import collect_by, collect_seldom, give_back

#: Reloads in progress: one that runs, and one that waits and will read the files as they are by then.
RELOADS_MAX = 2

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Options:
    """Command line options beside the configuration."""

    config_file: str
    listen_addresses: tuple[str, ...] = ()
    web_config_file: str | None = None
    dry_run: bool = False

    @property
    def absolute_file(self) -> str:
        """The configuration file, as commands in any directory name it."""
        return str(Path(self.config_file).absolute())


async def run(options: Options, config: Config) -> None:
    """Run the daemon until SIGTERM or SIGINT.

    Raises ConfigError, InventoryError or ListenError if it cannot start.
    """
    clusters = await resolved(config, options.absolute_file)
    collect_seldom()
    give_back()
    with ExitStack() as stack:
        directory = config.state_directory
        if options.dry_run:  # alerts of a dry run must not count as sent
            directory = stack.enter_context(TemporaryDirectory(prefix="skewmon-dry-run-"))
        is_owner = stack.enter_context(owned(directory))
        async with (
            Journal.open(directory) as journal,
            Record.open(directory, journal, is_owner=is_owner) as record,
        ):
            await Daemon(options, config, clusters, journal, record).run()


class Daemon:
    """One process: one configuration in force at a time, one snapshot published at a time."""

    def __init__(
        self,
        options: Options,
        config: Config,
        clusters: tuple[Cluster, ...],
        journal: Journal,
        record: Record,
    ) -> None:
        self._options = options
        self._journal = journal
        self._record = record
        self._group = asyncio.TaskGroup()
        self._pool = Pool(self._group.create_task)
        self._monitor = Monitor(self._pool.links)
        self._systemd = Systemd()
        self._alerting = Alerting(journal, dry_run=_log_only if options.dry_run else None)
        self._exporter = Exporter(
            Callbacks(self._events, self._reload, lambda: shown(self._reloader.config), record.history),
            pairs=config.export.pairs,
            web_config_file=options.web_config_file or config.web.config_file,
        )
        self._status = status = DaemonStatus()
        self._reporter = Reporter(
            self._monitor.state, status, journal, record, self._alerting, self._exporter, self._systemd
        )
        self._scheduler = Scheduler(
            self._monitor, self._pool, self._reporter, status, self._group.create_task
        )
        self._reloader = Reloader(
            config,
            clusters,
            options.absolute_file,
            self._apply,
            self._scheduler.renew,
            self._reporter,
            status,
            self._systemd,
        )
        self._reloads: set[asyncio.Task[None]] = set()
        self._listening_url = ""
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Measure, report and serve until a signal."""
        listen = self._options.listen_addresses or (self._reloader.config.web.listen,)
        addresses = await self._exporter.start(*listen)
        self._listening_url = self._exporter.url(addresses[0])
        try:
            async with self._group:
                self._handle_signals()
                self._pool.adjust(self._reloader.clusters)  # connecting takes longest
                await self._apply(self._reloader.config, self._reloader.clusters)
                self._systemd.ready(f"{self._reloader.nodes} nodes, first round under way")
                self._reporter.start()
                self._reloader.report_inventories()
                log.info("started", addresses=", ".join(addresses), nodes=self._reloader.nodes)
                beside = [
                    self._group.create_task(self._feed_watchdog()),
                    self._group.create_task(self._reloader.keep_refreshing()),
                    self._group.create_task(self._alerting.run()),
                ]
                await self._stop.wait()
                self._systemd.stopping()
                log.info("stopping")
                self._reporter.stop()
                self._scheduler.cancel()
                for task in (*beside, *self._reloads):
                    task.cancel()
                self._pool.adjust(())
        finally:
            self._monitor.close()
            await self._exporter.stop()
            await self._pool.close()

    async def _apply(self, config: Config, clusters: tuple[Cluster, ...]) -> None:
        """Put a configuration in force; the state of nodes that stay is kept."""
        digested = await asyncio.to_thread(digest, config)  # seconds for 10,000 nodes; rounds go on meanwhile
        await self._scheduler.stop()
        if self._stop.is_set():  # the end began while a reload was under way
            return
        self._exporter.export_pairs(config.export.pairs)
        self._status.page_url = config.web.external_url or self._listening_url
        self._alerting.configure(targets_of(config.alerts), self._origin(config))
        self._record.configure(_retention(config), digested, {cluster.name for cluster in clusters})
        self._reporter.adopt(clusters)
        self._pool.adjust(clusters)
        collect_by(sum(len(cluster.nodes) for cluster in clusters))
        self._monitor.adopt(clusters)
        self._monitor.adopt_references(time_servers(config.references))
        self._scheduler.start(clusters)

    def _origin(self, config: Config) -> Origin:
        page_url = self._status.page_url.rstrip("/")
        return Origin(
            self._status.page_url,
            f"{page_url}/runbook" if config.web.external_url else RUNBOOK_URL,
            on_time=self._on_time if config.alerts.watchdog else None,
        )

    def _on_time(self) -> bool:
        return self._scheduler.on_time

    async def _feed_watchdog(self) -> None:
        """Reset the watchdog while every schedule is on time."""
        pause_s = self._systemd.watchdog_interval_s
        while pause_s is not None:
            if self._scheduler.on_time:
                self._systemd.alive()
            await asyncio.sleep(pause_s)

    async def _events(self, query: EventQuery) -> list[dict[str, object]]:
        return [event.to_json() for event in await self._journal.events(query)]

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._begin_reload)

    def _begin_reload(self) -> None:
        if len(self._reloads) < RELOADS_MAX:
            task = self._group.create_task(self._reload_quietly())
            self._reloads.add(task)
            task.add_done_callback(self._reloads.discard)

    async def _reload(self) -> None:
        await self._reloader.reload()

    async def _reload_quietly(self) -> None:
        try:
            await self._reloader.reload()
        except SkewmonError:
            return  # reported by the reloader


def _retention(config: Config) -> Retention:
    return Retention(config.record.minutes_ns // NS_PER_HOUR, config.record.hours_ns // NS_PER_HOUR)


def _log_only(text: str) -> None:
    log.info("dry run: would send", message=text)
