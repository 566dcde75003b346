"""Panels about skewmon itself: journal, self-checks, scrapes, reloads, notifications, memory."""

from typing import Any

from tests.dashboards.panels import Panels
from tests.dashboards.queries import Scope

#: States of a condition that should hold.
HOLDS = {1: ("yes", "green"), 0: ("no", "red")}


def panels(make: Panels, scope: Scope) -> list[Any]:
    """Return the panels of the last row of the overview."""
    return [*_condition(make, scope), *_counters(make, scope), *_cost(make, scope)]


def _condition(make: Panels, scope: Scope) -> list[Any]:
    conditions = (
        (f"min by (instance) ({scope.of('up')})", "{{instance}} scraped"),
        (_of_instance(scope, "min", "skewmon_journal_healthy"), "{{instance}} journal written"),
        (_of_instance(scope, "min", "skewmon_record_healthy"), "{{instance}} record written"),
        (_of_instance(scope, "min", "skewmon_config_last_reload_successful"), "{{instance}} reloaded"),
    )
    return [
        make.states(
            "Scrapes, journal, record and reloads",
            "Whether Prometheus reached skewmon, whether its last writes to journal and record succeeded, "
            "and whether it accepted the configuration when it last read it. Time without a bar was not "
            "scraped.",
            conditions,
            HOLDS,
        ).span(8),
        make.lines(
            "Scrape duration",
            "How long Prometheus waited for skewmon's metrics.",
            ((_of_instance(scope, "max", "scrape_duration_seconds"), "{{instance}}"),),
            "s",
        ).span(8),
        make.lines(
            "Series per scrape",
            "Samples in one scrape; pairs are most of them, and export.pairs limits them.",
            ((_of_instance(scope, "max", "scrape_samples_scraped"), "{{instance}}"),),
        ).span(8),
    ]


def _counters(make: Panels, scope: Scope) -> list[Any]:
    return [
        make.lines(
            "Journal and record",
            "Events and minutes that wait to be written, those lost, and new journal files in place of "
            "damaged ones.",
            (
                (_of_instance(scope, "max", "skewmon_journal_waiting_events"), "{{instance}} events waiting"),
                (scope.increase("skewmon_journal_lost_events_total", "instance"), "{{instance}} events lost"),
                (scope.increase("skewmon_journal_restarts_total", "instance"), "{{instance}} new files"),
                (
                    _of_instance(scope, "max", "skewmon_record_waiting_periods"),
                    "{{instance}} minutes waiting",
                ),
                (
                    scope.increase("skewmon_record_lost_periods_total", "instance"),
                    "{{instance}} minutes lost",
                ),
            ),
        ).span(8),
        make.lines(
            "Self-checks and internal errors",
            "Contradictions that skewmon found in its own results, and exceptions that it contained. Any "
            "is a defect of skewmon; its log has the details.",
            (
                (scope.increase("skewmon_self_check_failures_total", "instance", "check"), "{{check}}"),
                (scope.increase("skewmon_internal_errors_total", "instance", "where"), "error: {{where}}"),
            ),
        ).span(8),
        make.lines(
            "Notifications",
            "Notifications to each receiver, and those that could not be delivered, by reason.",
            (
                (scope.rate("skewmon_notifications_total", "notifier"), "{{notifier}}"),
                (
                    scope.rate("skewmon_notifications_failed_total", "notifier", "reason"),
                    "{{notifier}} failed: {{reason}}",
                ),
            ),
            "ops",
        ).span(8),
    ]


def _cost(make: Panels, scope: Scope) -> list[Any]:
    return [
        make.lines(
            "Delay of the event loop",
            "How late skewmon's own loop was for the last round: above a few milliseconds the admin box is "
            "busy.",
            ((_of_instance(scope, "max", "skewmon_loop_lag_seconds"), "{{instance}}"),),
            "s",
        ).span(8),
        make.lines(
            "Discarded histories",
            "Times that skewmon dropped a node's past rounds, by reason: after a reboot, a step or a "
            "contradiction its bounds start wide again.",
            ((scope.increase("skewmon_history_resets_total", "reason"), "{{reason}}"),),
        ).span(8),
        make.lines(
            "Memory",
            "Resident memory of the process.",
            ((_of_instance(scope, "max", "process_resident_memory_bytes"), "{{instance}}"),),
            "bytes",
        ).span(8),
    ]


def _of_instance(scope: Scope, function: str, name: str) -> str:
    return f"{function} by (instance) ({scope.of(name)})"
