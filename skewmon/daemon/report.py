"""The report of a round: to the log, the journal, the receivers of alerts, and readers of the exports."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from skewmon.clock.history import ResetReason
from skewmon.daemon.finding_log import FindingLog
from skewmon.daemon.systemd import Systemd
from skewmon.export.published import DaemonStats
from skewmon.export.server import Exporter
from skewmon.journal import Journal
from skewmon.journal.detect import CLOCK_EVENTS, alert_events, clock_events, cluster_events
from skewmon.journal.readings import SavedReadings
from skewmon.journal.record import Record
from skewmon.journal.reported import KEY, ReportedState, reported_from
from skewmon.model import NS_PER_S, Cluster, ClusterView, Event, EventKind, Measured, Snapshot, Verdict
from skewmon.monitor.round import Round
from skewmon.monitor.state import MonitorState
from skewmon.notify.alerting import Alerting
from skewmon.probe.clocks import base_ns
from skewmon.runtime.containment import Where, contained, internal_errors
from skewmon.text import at_least, masked_url

log = structlog.get_logger()


@dataclass
class DaemonStatus:
    """The daemon's own condition, as the reloader and the scheduler leave it; each round publishes it."""

    reload_successful: bool = True
    reloaded_wall_ns: int = field(default_factory=time.time_ns)
    loop_lag_s: float = 0.0
    page_url: str = ""


class Reporter:
    """Keeps the newest view of every cluster and reports changes."""

    def __init__(
        self,
        state: MonitorState,
        status: DaemonStatus,
        journal: Journal,
        record: Record,
        alerting: Alerting,
        exporter: Exporter,
        systemd: Systemd,
    ) -> None:
        self._views: dict[str, ClusterView] = {}
        self._clusters: tuple[Cluster, ...] = ()
        self._adopted_ns: dict[str, int] = {}
        self._state = state
        self._status = status
        self._journal = journal
        self._record = record
        self._alerting = alerting
        self._exporter = exporter
        self._systemd = systemd
        self._failed_checks: set[str] = set()
        self._finding_log = FindingLog()
        self._reported = reported_from(journal.load(KEY))
        self._readings = SavedReadings(state, journal)
        self._readings.restore(time.time_ns())

    def adopt(self, clusters: tuple[Cluster, ...]) -> None:
        """Report these clusters from now on; alerts of the others end."""
        names = {cluster.name for cluster in clusters}
        self._clusters = clusters
        self._adopted_ns = {name: self._adopted_ns.get(name, base_ns()) for name in names}
        self._views = {name: view for name, view in self._views.items() if name in names}
        self._reported = {name: state for name, state in self._reported.items() if name in names}
        self._save_reported()
        self._finding_log.retain(names)
        withdrawn = self._alerting.retain(names, time.time_ns())
        self._write(alert_events(withdrawn))
        self.publish()

    def report(self, round_: Round) -> None:
        """Report one round.

        Nothing is awaited, so the events and the saved readings that they rest on reach the disk together.
        """
        self._log_failed_checks(round_)
        events, reported = [*clock_events(round_)], dict(self._reported)
        moved = any(event.kind in CLOCK_EVENTS.values() for event in events)
        for view in round_.views:
            with contained(Where.ROUND, cluster=view.name):
                events += self._report_cluster(view)
        transitions = self._alerting.take(round_.views, round_.at_ns)
        self._write((*events, *alert_events(transitions)))
        if self._reported != reported:
            self._save_reported()
        self._readings.save(round_.at_ns / NS_PER_S, round_.at_wall_ns, at_once=moved)
        self._record.add(round_.views)
        self.publish(round_.at_wall_ns)

    def start(self) -> None:
        """Report the start, and since when no clock was watched: a daemon that was killed reported no end."""
        message, detail = self._readings.unwatched(time.time_ns())
        self.note(EventKind.STARTED, f"skewmon was started.{message}", detail=detail)

    def stop(self) -> None:
        """Report the end."""
        self.note(EventKind.STOPPED, "skewmon was stopped.")
        self._readings.save(base_ns() / NS_PER_S, time.time_ns(), at_once=True, ended=True)

    def note(
        self,
        kind: EventKind,
        message: str,
        cluster: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Write an event of the daemon itself, or of an inventory, to the journal."""
        self._write((Event(time.time_ns(), kind, message, cluster, detail=detail or {}),))

    def publish(self, wall_ns: int | None = None) -> None:
        """Publish the newest views as one snapshot, of now if ``wall_ns`` is None."""
        views = tuple(self._views[cluster.name] for cluster in self._clusters if cluster.name in self._views)
        self._exporter.publish(Snapshot(wall_ns or time.time_ns(), views), self._stats())
        self._systemd.status(status_line(views))

    def _save_reported(self) -> None:
        self._journal.save(KEY, {name: one.to_json() for name, one in self._reported.items()})

    def _report_cluster(self, view: ClusterView) -> list[Event]:
        """Adopt a cluster's newest view and return its events."""
        self._log_verdict(view, self._views.get(view.name))
        self._finding_log.take(view)
        self._views[view.name] = view
        reported = self._reported.get(view.name, ReportedState())
        events = [*cluster_events(view, reported)]
        self._reported[view.name] = ReportedState.of(view, reported)
        return events

    def _stats(self) -> DaemonStats:
        resets: Counter[str] = Counter(dict.fromkeys(ResetReason, 0))  # increase() needs a series at 0
        for node in self._state.nodes.values():
            if node.resets:
                resets.update(node.resets)
        counts = self._alerting.counts
        return DaemonStats(
            reload_successful=self._status.reload_successful,
            reload_success_wall_ns=self._status.reloaded_wall_ns,
            notifications=dict(counts.total),
            notification_failures=dict(counts.failed),
            firing=tuple(self._alerting.firing),
            page_url=masked_url(self._status.page_url.rstrip("/")),
            history_resets=dict(resets),
            loop_lag_s=self._status.loop_lag_s,
            awaited=tuple(
                (cluster, self._adopted_ns[cluster.name])
                for cluster in self._clusters
                if cluster.name not in self._views
            ),
            journal_healthy=not self._journal.trouble,
            journal_held_up=self._journal.held_up,
            journal_given_up=self._journal.given_up,
            journal_restarted=self._journal.restarted,
            record_healthy=not self._record.trouble,
            record_held_up=self._record.held_up,
            record_given_up=self._record.given_up,
            self_check_failures=dict(self._state.self_check_failures),
            internal_errors={str(where): count for where, count in internal_errors.counts.items()},
        )

    def _write(self, events: Iterable[Event]) -> None:
        for event in events:
            self._journal.note(event)

    def _log_failed_checks(self, round_: Round) -> None:
        """Log the first failure of each self-check; later ones only count."""
        for check in dict.fromkeys(round_.failed_checks):
            if check not in self._failed_checks:
                self._failed_checks.add(check)
                log.error("a self-check failed: an interval misses the truth", check=check)

    @staticmethod
    def _log_verdict(view: ClusterView, before: ClusterView | None) -> None:
        """Log a change of a cluster's verdict or culprits; the same again is not worth a line."""
        if before and (before.verdict, before.vote.culprits) == (view.verdict, view.vote.culprits):
            return
        write = log.info if view.verdict is Verdict.OK else log.warning
        write(
            "verdict",
            cluster=view.name,
            verdict=str(view.verdict),
            culprits=",".join(view.vote.culprits) or None,
            skew_proven_s=view.skew.lower_ns / NS_PER_S if view.skew else None,
            skew_upper_s=view.skew.upper_ns / NS_PER_S if view.skew else None,
            measured=f"{view.measured}/{len(view.nodes)}",
        )


def status_line(views: Sequence[ClusterView]) -> str:
    """Return the status line of ``systemctl status``; a node of several clusters counts once."""
    measured = {
        (node.name, node.address): isinstance(node.outcome, Measured) for view in views for node in view.nodes
    }
    nodes, missing = len(measured), len(measured) - sum(measured.values())
    proven = [view.skew.lower_ns for view in views if view.skew]
    widest = f", proven skew {at_least(max(proven))}" if proven else ""
    return f"{nodes} nodes, {missing} not measured{widest}"
