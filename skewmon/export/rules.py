"""Prometheus rules that say what skewmon's own alerts say, from the same lines.

Whoever alerts by rules needs no Alertmanager in skewmon's configuration, and the other way round; both would
tell everything twice. The rules hold an alert as the machine does: it fires on the proven end and goes on
while the other end is not below the line, or while there is no data.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skewmon.alert.alerts import NAMES, RUNBOOK_URL
from skewmon.alert.thresholds import in_force
from skewmon.export.rules_inventory import INVENTORY_RULES
from skewmon.model import NS_PER_S, Cluster, Threshold, ThresholdKind

#: Rules look back at least this long, so that one late scrape is no news …
WINDOW_S = 300.0

#: … and at least this many rounds.
WINDOW_ROUNDS = 4

#: What identifies a cluster of one skewmon; two may measure the same cluster.
_BY = "cluster_name, instance, job"

Rule = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Bounds:
    """The two ends of a quantity as queries: what it is at least, and at most."""

    least: str
    most: str


_QUANTITIES: Mapping[str, _Bounds] = {
    ThresholdKind.SKEW: _Bounds("skewmon_skew_lower_seconds{0}", "skewmon_skew_upper_seconds{0}"),
    ThresholdKind.AHEAD: _Bounds(
        "skewmon_node_offset_lower_seconds{0}", "skewmon_node_offset_upper_seconds{0}"
    ),
    ThresholdKind.BEHIND: _Bounds(
        "-skewmon_node_offset_upper_seconds{0}", "-skewmon_node_offset_lower_seconds{0}"
    ),
    # The interval of a drift is in the JSON; the exported estimate has to stand for both ends.
    ThresholdKind.DRIFT: _Bounds("abs(skewmon_node_drift_ratio{0})", "abs(skewmon_node_drift_ratio{0})"),
}

_SUMMARIES: Mapping[str, str] = {
    ThresholdKind.SKEW: "Clocks of a cluster are proven to disagree.",
    ThresholdKind.AHEAD: "A clock is proven to be ahead.",
    ThresholdKind.BEHIND: "A clock is proven to be behind.",
    ThresholdKind.DRIFT: "A clock runs at a wrong rate.",
}


def build_rules(clusters: Sequence[Cluster] | None = None) -> dict[str, Any]:
    """Return a rule file for these clusters, or one that fits every cluster with the default lines."""
    if clusters is None:
        lines = [_line_rule(line, None) for line in in_force(None, ())]
        interval_s = Cluster("", ()).interval_s
    else:
        lines = [_line_rule(line, one.name) for one in clusters for line in one.thresholds]
        interval_s = max((one.interval_s for one in clusters), default=0.0)
    return {
        "groups": [
            {"name": "skewmon-records", "rules": _records()},
            {"name": "skewmon-clocks", "rules": lines},
            {"name": "skewmon-itself", "rules": list(_meta(interval_s))},
        ]
    }


def _records() -> list[Rule]:
    return [
        {
            "record": "cluster_name:skewmon_skew_lower_seconds:max1h",
            "expr": "max_over_time(skewmon_skew_lower_seconds[1h])",
        },
        {
            "record": "cluster_name:skewmon_node_success:avg",
            "expr": f"avg by ({_BY}) (skewmon_node_success)",
        },
    ]


def _line_rule(line: Threshold, cluster: str | None) -> Rule:
    """Return the rule of one line of one cluster, or of every cluster."""
    matcher = "" if cluster is None else f"{{cluster_name={_quoted(cluster)}}}"
    state = _STATES.get(line.kind)
    rule = _bounded(line, matcher, cluster) if state is None else state(line, matcher)
    if cluster is not None:
        # The series have the label already; promtool tells rules of one name apart by the labels they set.
        rule["labels"]["cluster_name"] = cluster
    return rule


def _bounded(line: Threshold, matcher: str, cluster: str | None) -> Rule:
    """Return the rule of a quantity with two ends: begin on the near one, end on the far one."""
    name, limit = NAMES[line.kind], _seconds(line)
    least, most = (end.format(matcher) for end in (_QUANTITIES[line.kind].least, _QUANTITIES[line.kind].most))
    only = "" if cluster is None else f", cluster_name={_quoted(cluster)}"
    held = (
        f'ALERTS{{alertname="{name}", alertstate="firing", severity="{line.severity}", '
        f'kind="{line.kind}"{only}}}'
    )
    on = _BY if line.kind == ThresholdKind.SKEW else f"{_BY}, node"
    expr = f"{least} > {limit}\nor\n({most} >= {limit} and on ({on}) {held})"
    if line.kind == ThresholdKind.SKEW:
        unknown = f"(sum by ({_BY}) (skewmon_node_success{matcher}) < 2)"
        expr += f"\nor\n({unknown} and on ({on}) {held})"
    return _alert(name, expr, line, _SUMMARIES[line.kind], _described(line, limit), kind=line.kind.value)


def _described(line: Threshold, limit: str) -> str:
    """Return a description whose numbers are asked for, because a held alert's own value is not the skew."""
    if line.kind == ThresholdKind.SKEW:
        where = "cluster_name=%q,instance=%q" + "}"
        labels = "$labels.cluster_name $labels.instance"
        lower, upper = (
            f'{{{{ with printf "{name}{{{where}" {labels} | query }}}}'
            "{{ . | first | value | humanizeDuration }}{{ else }}unknown now{{ end }}"
            for name in ("skewmon_skew_lower_seconds", "skewmon_skew_upper_seconds")
        )
        culprits = (
            f'{{{{ range printf "skewmon_node_culprit{{{where} == 1" {labels} | query }}}}'
            " {{ .Labels.node }}{{ else }} nobody can be named{{ end }}"
        )
        return (
            f"The skew of {{{{ $labels.cluster_name }}}} is at least {lower} and at most {upper} "
            f"(line: {limit} s). Wrong clock:{culprits}."
        )
    unit = "s/s" if line.kind == ThresholdKind.DRIFT else "s"
    return f"{{{{ $labels.node }}}} of {{{{ $labels.cluster_name }}}} is beyond the line of {limit} {unit}."


def _step(line: Threshold, matcher: str) -> Rule:
    return _alert(
        NAMES[ThresholdKind.STEP],
        f"increase(skewmon_node_steps_total{matcher}[{_duration(WINDOW_S)}]) > 0",
        line,
        "A clock was stepped.",
        "The clock of {{ $labels.node }} in {{ $labels.cluster_name }} was set, not steered. Metrics do not "
        "tell the size of a step, so that every step counts here; skewmon events does.",
    )


def _unsynchronized(line: Threshold, matcher: str) -> Rule:
    nobody = 'daemon="none"}' if not matcher else f'{matcher[1:-1]}, daemon="none"}}'
    return _alert(
        NAMES[ThresholdKind.UNSYNCHRONIZED],
        f"skewmon_timesync_synchronized{matcher} == 0\n"
        # Where no daemon runs, nobody claims anything; the info is 1.
        f"or\nmin by ({_BY}, node) (skewmon_timesync_info{{{nobody}) == 1",
        line,
        "A clock is not synchronised.",
        "The time daemon of {{ $labels.node }} in {{ $labels.cluster_name }} says so itself, or none runs.",
    )


def _unreachable(line: Threshold, matcher: str) -> Rule:
    nobody = f"(max by ({_BY}) (skewmon_node_success{matcher}) == 0)"
    return _alert(
        NAMES[ThresholdKind.UNREACHABLE],
        f"skewmon_node_success{matcher} == 0\nunless on ({_BY}) {nobody}",
        line,
        "A node cannot be measured.",
        "{{ $labels.node }} of {{ $labels.cluster_name }} was not measured; other nodes were.",
    )


def _unknown(line: Threshold, matcher: str) -> Rule:
    return _alert(
        NAMES[ThresholdKind.UNKNOWN],
        f"sum by ({_BY}) (skewmon_node_success{matcher}) < 2\n"
        f"and count by ({_BY}) (skewmon_node_success{matcher}) > 1",
        line,
        "The skew of a cluster is unknown.",
        "Fewer than two nodes of {{ $labels.cluster_name }} were measured, so that nothing can be proven.",
    )


_STATES = {
    ThresholdKind.STEP: _step,
    ThresholdKind.UNSYNCHRONIZED: _unsynchronized,
    ThresholdKind.UNREACHABLE: _unreachable,
    ThresholdKind.UNKNOWN: _unknown,
}


def _meta(interval_s: float) -> Iterable[Rule]:
    """Yield the rules on skewmon itself: a watchman who sleeps must be noticed."""
    window = _duration(max(WINDOW_S, WINDOW_ROUNDS * interval_s))
    yield _alert(
        "SkewmonDown",
        'up{job="skewmon"} == 0\nor\nabsent(up{job="skewmon"})',
        Threshold("critical", 0, for_s=300.0),
        "skewmon is down.",
        "Prometheus cannot scrape skewmon, so that no clock is watched.",
    )
    # Counted, not compared with time(): the admin box's own clock may be the wrong one.
    yield _alert(
        "SkewmonRoundsStale",
        f"increase(skewmon_rounds_total[{window}]) == 0",
        Threshold("critical", 0),
        "skewmon has stopped measuring.",
        f"No round of {{{{ $labels.cluster_name }}}} has ended for {window}.",
    )
    yield _alert(
        "SkewmonConfigReloadFailed",
        "skewmon_config_last_reload_successful == 0",
        Threshold("warning", 0, for_s=300.0),
        "skewmon could not read its configuration.",
        "The old configuration stays in force on {{ $labels.instance }}; the log says why.",
    )
    yield _alert(
        "SkewmonJournalFailing",
        "skewmon_journal_healthy == 0",
        Threshold("warning", 0, for_s=300.0),
        "skewmon cannot write its journal.",
        "Events of {{ $labels.instance }} wait in memory, and a restart would forget its alerts; "
        "the log says why.",
    )
    yield from (_alert(*rule) for rule in INVENTORY_RULES)
    yield _alert(
        "SkewmonSelfCheckFailed",
        "increase(skewmon_self_check_failures_total[1h]) > 0",
        Threshold("warning", 0),
        "skewmon contradicts itself.",
        "The check {{ $labels.check }} of {{ $labels.instance }} found an interval that misses the truth.",
    )
    yield _alert(
        "SkewmonInternalError",
        "increase(skewmon_internal_errors_total[1h]) > 0\n"
        # A series that begins above 0 has no increase: an error before the first scrape counts, too.
        "or\n(skewmon_internal_errors_total > 0 unless skewmon_internal_errors_total offset 1h)",
        Threshold("warning", 0),
        "An unexpected error cost skewmon a part of its work.",
        "An internal error of {{ $labels.instance }} ({{ $labels.where }}) was contained; its log has the "
        "traceback.",
    )
    yield _alert(
        "SkewmonNodesUnreachable",
        "cluster_name:skewmon_node_success:avg < 0.5",
        Threshold("critical", 0, for_s=600.0),
        "Most nodes of a cluster cannot be measured.",
        "Only {{ $value | humanizePercentage }} of the nodes of {{ $labels.cluster_name }} were measured.",
    )
    yield _alert(
        "SkewmonAmbiguousForLong",
        'skewmon_verdict{verdict="ambiguous"} == 1',
        Threshold("warning", 0, for_s=3600.0),
        "A line lies within the measurement's bounds.",
        "For an hour nothing could be proven about {{ $labels.cluster_name }}: its lines are finer than the "
        "network to it allows.",
    )
    yield _alert(
        "SkewmonNotificationsFailing",
        f"sum by (instance, job, notifier) (increase(skewmon_notifications_failed_total[{window}])) > 0",
        Threshold("warning", 0, for_s=900.0),
        "skewmon cannot reach a receiver of alerts.",
        "Notifications by {{ $labels.notifier }} of {{ $labels.instance }} fail.",
    )


def _alert(
    name: str, expr: str, line: Threshold, summary: str, description: str, *, kind: str | None = None
) -> Rule:
    rule: Rule = {"alert": name, "expr": expr}
    if line.for_s:
        rule["for"] = _duration(line.for_s)
    if line.clear_for_s:
        rule["keep_firing_for"] = _duration(line.clear_for_s)
    rule["labels"] = {"severity": line.severity} | ({} if kind is None else {"kind": kind})
    rule["annotations"] = {
        "summary": summary,
        "description": description,
        "runbook_url": f"{RUNBOOK_URL}#{name.lower()}",
    }
    return rule


def _seconds(line: Threshold) -> str:
    """Return a limit in the metric's unit, without exponent and without rounding."""
    whole, rest_ns = divmod(line.limit_ns, NS_PER_S)
    return f"{whole}.{rest_ns:09d}".rstrip("0").rstrip(".")


def _duration(seconds: float) -> str:
    """Return a duration as Prometheus writes it; it knows nothing finer than milliseconds."""
    whole_ms = max(1, round(seconds * 1000))
    for unit, size_ms in (("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        if whole_ms % size_ms == 0:
            return f"{whole_ms // size_ms}{unit}"
    return f"{whole_ms}ms"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
