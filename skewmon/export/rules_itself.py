"""Prometheus rules that report when skewmon itself is down, stuck, misconfigured or faulty."""

from collections.abc import Iterable

from skewmon.export.rule_parts import (
    CLUSTER_OF_BOX,
    WINDOW_S,
    Rule,
    alert_rule,
    duration,
    held,
    latest,
    until_clear,
)
from skewmon.export.rules_inventory import INVENTORY_RULES
from skewmon.model import Threshold

#: Two scrapes at the usual interval of one minute fail before skewmon counts as down.
DOWN_FOR_S = 120.0

#: A cluster is stale after this many intervals without a round; one or two late ones are not worth an alert.
STALE_INTERVALS = 4

#: Defects stay visible this long.
DEFECT_WINDOW_S = 3600.0


def rules_itself() -> Iterable[Rule]:
    """Yield the rules."""
    yield from _availability()
    yield from _condition()
    yield from (alert_rule(*rule) for rule in INVENTORY_RULES)
    yield from _defects()
    yield from _measurement()


def _availability() -> Iterable[Rule]:
    yield alert_rule(
        "SkewmonDown",
        'up{job="skewmon"} == 0\nor\nabsent(up{job="skewmon"})',
        Threshold("critical", 0, for_s=DOWN_FOR_S),
        "skewmon is down.",
        "Prometheus cannot scrape skewmon {{ $labels.instance }}: no clock is watched, and alerts that fired "
        "before stay.",
    )
    # The age is monotonic: the admin box's wall clock may be the wrong one.
    yield alert_rule(
        "SkewmonRoundsStale",
        f"{latest('skewmon_round_age_seconds')}\n"
        f"> clamp_min({STALE_INTERVALS} * {latest('skewmon_round_interval_seconds')}, {WINDOW_S:g})",
        Threshold("critical", 0),
        "skewmon has stopped measuring.",
        "The last round of {{ $labels.cluster_name }} ended {{ $value | humanizeDuration }} ago.",
    )


def _condition() -> Iterable[Rule]:
    yield alert_rule(
        "SkewmonConfigReloadFailed",
        f"{latest('skewmon_config_last_reload_successful')} == 0",
        Threshold("warning", 0, for_s=300.0),
        "skewmon could not read its configuration.",
        "The old configuration stays in force on {{ $labels.instance }}; the log has the reason.",
    )
    yield alert_rule(
        "SkewmonJournalFailing",
        f"{latest('skewmon_journal_healthy')} == 0",
        Threshold("warning", 0, for_s=300.0),
        "skewmon cannot write its journal.",
        "Events of {{ $labels.instance }} wait in memory, and a restart would forget its alerts; "
        "the log has the reason.",
    )
    yield alert_rule(
        "SkewmonRecordFailing",
        f"{latest('skewmon_record_healthy')} == 0",
        Threshold("warning", 0, for_s=300.0),
        "skewmon cannot write its record.",
        "Minutes of {{ $labels.instance }} wait in memory, and after an hour the oldest are lost; "
        "the log has the reason.",
    )
    yield alert_rule(
        "SkewmonNotificationsFailing",
        f"sum without (reason) (increase(skewmon_notifications_failed_total[{duration(WINDOW_S)}])) > 0",
        Threshold("warning", 0, for_s=900.0),
        "skewmon cannot reach a receiver of alerts.",
        "Notifications by {{ $labels.notifier }} of {{ $labels.instance }} fail.",
    )


def _defects() -> Iterable[Rule]:
    yield alert_rule(
        "SkewmonSelfCheckFailed",
        _counted("skewmon_self_check_failures_total"),
        Threshold("warning", 0),
        "skewmon contradicts itself.",
        "The check {{ $labels.check }} of {{ $labels.instance }} found an interval that misses the truth.",
    )
    yield alert_rule(
        "SkewmonInternalError",
        _counted("skewmon_internal_errors_total"),
        Threshold("warning", 0),
        "An unexpected error cost skewmon a part of its work.",
        "An internal error of {{ $labels.instance }} ({{ $labels.where }}) was contained; its log has the "
        "traceback.",
    )


def _counted(counter: str) -> str:
    """Return whether a counter grew, or begins above 0: an event before the first scrape has no increase."""
    window = duration(DEFECT_WINDOW_S)
    return f"increase({counter}[{window}]) > 0\nor\n({counter} > 0 unless {counter} offset {window})"


def _measurement() -> Iterable[Rule]:
    name, line = "SkewmonNodesUnreachable", Threshold("critical", 0, for_s=600.0)
    average = "cluster_name:skewmon_node_success:avg"
    yield alert_rule(
        name,
        until_clear(
            f"{latest(average)} < 0.5",
            CLUSTER_OF_BOX,
            held(name, line, CLUSTER_OF_BOX, f"{average} >= 0.5"),
        ),
        line,
        "Most nodes of a cluster cannot be measured.",
        "Fewer than half of the nodes of {{ $labels.cluster_name }} were measured.",
    )
    # A finding that ended has no series: it is held for the window, so the wait must be longer.
    yield alert_rule(
        "SkewmonAdminBoxOff",
        latest('skewmon_finding{kind="admin-box-off"}') + " == 1",
        Threshold("warning", 0, for_s=2 * WINDOW_S),
        "The clock of the admin box disagrees with most nodes.",
        "The admin box {{ $labels.instance }} and most nodes of {{ $labels.cluster_name }} are provably "
        "apart: its clock is wrong, or theirs are.",
    )
    # The references belong to the box: clusters without any have no such finding, and all others share it.
    unconfirmed = latest('skewmon_finding{kind="utc-unconfirmed"}')
    yield alert_rule(
        "SkewmonUtcUnconfirmed",
        f"max without (cluster_name) ({unconfirmed}) == 1",
        Threshold("warning", 0, for_s=900.0),
        "References do not confirm UTC.",
        "For a quarter of an hour {{ $labels.instance }} has judged no clock against UTC: too few references "
        "can be used, or they disagree.",
    )
    yield alert_rule(
        "SkewmonAmbiguousForLong",
        latest('skewmon_verdict{verdict="ambiguous"}') + " == 1",
        Threshold("warning", 0, for_s=3600.0),
        "A threshold lies within the measurement's bounds.",
        "For an hour nothing could be proven about {{ $labels.cluster_name }}: its thresholds are finer than "
        "the network to it allows.",
    )
