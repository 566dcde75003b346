"""What is told of a round: to the log, the journal, the receivers of alerts, and readers of the exports."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import structlog

from skewmon.daemon.systemd import Supervisor
from skewmon.export.facts import DaemonFacts
from skewmon.export.server import Exporter
from skewmon.journal import Journal
from skewmon.journal.detect import CLOCK_EVENTS, alert_events, clock_events, cluster_events
from skewmon.journal.readings import Bookmark
from skewmon.journal.reported import KEY, ReportedState
from skewmon.model import NS_PER_S, Cluster, ClusterView, Event, EventKind, Snapshot, Verdict
from skewmon.monitor.round import Round
from skewmon.monitor.state import MonitorState
from skewmon.notify.alerting import Alerting
from skewmon.probe.clocks import base_ns
from skewmon.runtime.containment import internal_errors
from skewmon.text import at_least

log = structlog.get_logger()


class Reporter:
    """Keeps the newest view of every cluster and tells what changes."""

    def __init__(
        self,
        state: MonitorState,
        journal: Journal,
        alerting: Alerting,
        exporter: Exporter,
        supervisor: Supervisor,
    ) -> None:
        self.reload_successful = True
        self.reloaded_wall_ns = time.time_ns()
        self.loop_lag_s = 0.0
        self._views: dict[str, ClusterView] = {}
        self._clusters: tuple[Cluster, ...] = ()
        self._state = state
        self._journal = journal
        self._alerting = alerting
        self._exporter = exporter
        self._supervisor = supervisor
        self._failed_checks: set[str] = set()
        self._pasts = _pasts(journal.load(KEY))
        self._bookmark = Bookmark(state, journal)
        self._bookmark.open(time.time_ns())

    def adopt(self, clusters: tuple[Cluster, ...]) -> None:
        """Tell of these clusters from now on; alerts of the others end."""
        names = {cluster.name for cluster in clusters}
        self._clusters = clusters
        self._views = {name: view for name, view in self._views.items() if name in names}
        self._pasts = {name: past for name, past in self._pasts.items() if name in names}
        withdrawn = self._alerting.retain(names, time.time_ns())
        self._write(alert_events(withdrawn))

    def report(self, round_: Round) -> None:
        """Report one round.

        Nothing is awaited, so the events and the saved readings that they rest on reach the disk together.
        """
        self._log_failed_checks(round_)
        events = [*clock_events(round_)]
        moved = any(event.kind in CLOCK_EVENTS.values() for event in events)
        for view in round_.views:
            self._log_verdict(view, self._views.get(view.name))
            self._views[view.name] = view
            reported = self._pasts.get(view.name, ReportedState())
            events += cluster_events(view, reported)
            self._pasts[view.name] = ReportedState.of(view, reported)
            transitions = self._alerting.take(view, round_.at_ns)
            events += alert_events(transitions)
        self._write(events)
        self._journal.save(KEY, {name: one.to_json() for name, one in self._pasts.items()})
        self._bookmark.keep(round_.at_ns / NS_PER_S, at_once=moved)
        self.publish()

    def stop(self) -> None:
        """Tell of the end."""
        self.note(EventKind.STOPPED, "skewmon was stopped.")
        self._bookmark.keep(base_ns() / NS_PER_S, at_once=True)

    def note(self, kind: EventKind, message: str) -> None:
        """Write down something that happened to the daemon itself."""
        self._write((Event(time.time_ns(), kind, message),))

    def publish(self) -> None:
        """Publish the newest views as one snapshot."""
        views = tuple(self._views[cluster.name] for cluster in self._clusters if cluster.name in self._views)
        self._exporter.publish(Snapshot(time.time_ns(), views), self._facts())
        self._supervisor.status(_status_line(views))

    def _facts(self) -> DaemonFacts:
        resets: Counter[str] = Counter()
        for node in self._state.nodes.values():
            resets.update(node.resets)
        counts = self._alerting.counts
        return DaemonFacts(
            reload_successful=self.reload_successful,
            reload_success_wall_ns=self.reloaded_wall_ns,
            notifications=dict(counts.total),
            notification_failures=dict(counts.failed),
            firing=tuple(alert.key for alert in self._alerting.firing),
            history_resets=dict(resets),
            loop_lag_s=self.loop_lag_s,
            journal_healthy=not self._journal.trouble,
            journal_held_up=self._journal.held_up,
            journal_given_up=self._journal.given_up,
            journal_restarted=self._journal.restarted,
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
        tell = log.info if view.verdict is Verdict.OK else log.warning
        tell(
            "verdict",
            cluster=view.name,
            verdict=str(view.verdict),
            culprits=",".join(view.vote.culprits) or None,
            skew_proven_s=view.skew.lower_ns / NS_PER_S if view.skew else None,
            skew_upper_s=view.skew.upper_ns / NS_PER_S if view.skew else None,
            measured=f"{view.measured}/{len(view.nodes)}",
        )


def _pasts(kept: Any) -> dict[str, ReportedState]:
    """Return what the daemon before this one told, without what is damaged."""
    pasts = (
        {str(name): ReportedState.from_json(one) for name, one in kept.items()}
        if isinstance(kept, dict)
        else {}
    )
    return {name: past for name, past in pasts.items() if past is not None}


def _status_line(views: Sequence[ClusterView]) -> str:
    """Return what ``systemctl status`` shows."""
    nodes = sum(len(view.nodes) for view in views)
    missing = nodes - sum(view.measured for view in views)
    proven = [view.skew.lower_ns for view in views if view.skew]
    widest = f", proven skew {at_least(max(proven))}" if proven else ""
    return f"{nodes} nodes, {missing} not measured{widest}"
