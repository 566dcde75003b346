"""Prometheus rules for the thresholds of the built-in alerts.

Use either these rules or skewmon's own Alertmanager configuration; with both, every alert is sent twice. A
rule behaves as the built-in alert: it fires when the breach is proven, and goes on until the contrary is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skewmon.alert.alerts import NAMES
from skewmon.alert.thresholds import in_force
from skewmon.export.rule_parts import (
    CLUSTER,
    CLUSTER_OF_BOX,
    NODE,
    WINDOW_S,
    Rule,
    alert_rule,
    bridged,
    duration,
    held,
    latest,
    limit_of,
    over_boxes,
    quoted,
    until_clear,
)
from skewmon.export.rules_fleet import (
    FLEET_LOWER,
    FLEET_UPPER,
    JOINED_LOWER,
    JOINED_UPPER,
    fleet_records,
    torn,
    unreported,
)
from skewmon.export.rules_itself import rules_itself
from skewmon.export.rules_utc import utc_rule
from skewmon.model import Cluster, Threshold, ThresholdKind


@dataclass(frozen=True, slots=True)
class _Quantity:
    """A measured quantity: the summary of its alert, and the metrics of its two ends."""

    summary: str
    lower: str
    upper: str


_QUANTITIES: Mapping[str, _Quantity] = {
    ThresholdKind.SKEW: _Quantity(
        "Clocks of a cluster are proven to disagree.",
        "skewmon_skew_lower_seconds",
        "skewmon_skew_upper_seconds",
    ),
    ThresholdKind.AHEAD: _Quantity(
        "A clock is proven to be ahead.",
        "skewmon_node_offset_lower_seconds",
        "skewmon_node_offset_upper_seconds",
    ),
    ThresholdKind.BEHIND: _Quantity(
        "A clock is proven to be behind.",
        "skewmon_node_offset_lower_seconds",
        "skewmon_node_offset_upper_seconds",
    ),
    ThresholdKind.DRIFT: _Quantity(
        "A clock is proven to run at a wrong rate.",
        "skewmon_node_drift_lower_ratio",
        "skewmon_node_drift_upper_ratio",
    ),
}


def build_rules(clusters: Sequence[Cluster] | None = None) -> dict[str, Any]:
    """Return a rule file for these clusters, or one with the default thresholds for every cluster."""
    if clusters is None:
        thresholds = [_threshold_rule(line, None) for line in in_force(None, ())]
    else:
        thresholds = [_threshold_rule(line, one.name) for one in clusters for line in one.thresholds]
    return {
        "groups": [
            {"name": "skewmon-records", "rules": _records()},
            {"name": "skewmon-clocks", "rules": thresholds},
            {"name": "skewmon-itself", "rules": list(rules_itself())},
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
            "expr": "avg without (node) (skewmon_node_success)",
        },
        *fleet_records(),
    ]


def _threshold_rule(line: Threshold, cluster: str | None) -> Rule:
    """Return the rule of one threshold, for one cluster or for all."""
    matcher = "" if cluster is None else f"{{cluster_name={quoted(cluster)}}}"
    rule = _STATES.get(line.kind, _measured)(line, matcher)
    if cluster is not None:
        # The series have the label already; promtool distinguishes rules of one name by the labels they set.
        rule["labels"]["cluster_name"] = cluster
    return rule


def _measured(line: Threshold, matcher: str) -> Rule:
    """Return the rule of a measured quantity: it begins with the near end and ends with the far one."""
    name, limit, quantity = NAMES[line.kind], limit_of(line), _QUANTITIES[line.kind]
    on = CLUSTER if line.kind == ThresholdKind.SKEW else NODE
    lower, upper = (bridged(end + matcher, line) for end in (quantity.lower, quantity.upper))
    begins = {
        ThresholdKind.SKEW: (
            # Rounds of two boxes are apart in time: clocks that are corrected together differ for a moment.
            f"{over_boxes(lower)} > {limit}\n"
            f"or\nmin_over_time({JOINED_LOWER}{matcher}[{duration(WINDOW_S)}]) > {limit}"
        ),
        ThresholdKind.BEHIND: f"{over_boxes(f'-{upper}')} > {limit}",
        ThresholdKind.DRIFT: f"({over_boxes(lower)} > {limit} or {over_boxes(f'-{upper}')} > {limit})",
    }.get(line.kind, f"{over_boxes(lower)} > {limit}")
    lower, upper = quantity.lower + matcher, quantity.upper + matcher
    clear = {
        ThresholdKind.SKEW: _skew_clear(upper, limit, matcher),
        ThresholdKind.BEHIND: f"{over_boxes(f'-{lower}')} < {limit}",
        ThresholdKind.DRIFT: f"{over_boxes(upper)} < {limit} and {over_boxes(lower, 'min')} > -{limit}",
    }.get(line.kind, f"{over_boxes(upper)} < {limit}")
    expr = until_clear(begins, on, held(name, line, on, clear, matcher=matcher, kind=line.kind))
    return alert_rule(name, expr, line, quantity.summary, _described(line, limit), kind=line.kind.value)


def _skew_clear(upper: str, limit: str, matcher: str) -> str:
    """Return the condition that ends an alert on skew: every node of every shard is known, and they agree.

    Shards of one node each have no skew of their own, only the joined one.
    """
    few = f"count without (node) ({over_boxes(f'skewmon_node_success{matcher}')}) < 2"
    of_boxes, joined = over_boxes(upper), f"{JOINED_UPPER}{matcher}"
    contrary = (f"{of_boxes} >= {limit}", f"{joined} >= {limit}", unreported(matcher), torn(matcher))
    return " ".join(
        (
            f"({of_boxes} < {limit} or {joined} < {limit} or {few})",
            *(f"unless on ({CLUSTER}) ({one})" for one in contrary),
        )
    )


def _described(line: Threshold, limit: str) -> str:
    """Return a description that queries its numbers, because the value of a held alert is not the skew."""
    if line.kind == ThresholdKind.SKEW:
        selector, label = "{cluster_name=%q}", "$labels.cluster_name"
        lower, upper = (
            f'{{{{ with printf "max({name}{selector})" {label} | query }}}}'
            "{{ . | first | value | humanizeDuration }}{{ else }}unknown now{{ end }}"
            for name in (FLEET_LOWER, FLEET_UPPER)
        )
        culprits = (
            f'{{{{ range printf "max by (node) (skewmon_node_culprit{selector} == 1)" {label} | query }}}}'
            " {{ .Labels.node }}{{ else }} unknown{{ end }}"
        )
        return (
            f"The skew of {{{{ $labels.cluster_name }}}} is at least {lower} and at most {upper} "
            f"(line: {limit} s). Wrong clock:{culprits}."
        )
    unit = "s/s" if line.kind == ThresholdKind.DRIFT else "s"
    return f"{{{{ $labels.node }}}} of {{{{ $labels.cluster_name }}}} is beyond the line of {limit} {unit}."


def _step(line: Threshold, matcher: str) -> Rule:
    """Return the rule of steps: by size and age, or by the counter if no size is known.

    A step that is found in the first round after a restart is in the gauges, and in no increase.
    """
    size, age = f"abs(skewmon_node_step_seconds{matcher})", f"skewmon_node_step_age_seconds{matcher}"
    count, window, limit = f"skewmon_node_steps_total{matcher}", duration(WINDOW_S), limit_of(line)
    expr = over_boxes(
        f"\n  ({size} > {limit} and {age} < {WINDOW_S:g})\n"
        f"  or\n  (increase({count}[{window}]) > 0 unless {size})\n"
        f"  or\n  ({count} > 0 unless {count} offset {window} unless {size})\n"
    )
    return alert_rule(
        NAMES[ThresholdKind.STEP],
        expr,
        line,
        "A clock was stepped.",
        "The clock of {{ $labels.node }} in {{ $labels.cluster_name }} was set, not steered, by more than "
        f"{limit} s.",
    )


def _unsynchronized(line: Threshold, matcher: str) -> Rule:
    no_daemon = 'daemon="none"}' if not matcher else f'{matcher[1:-1]}, daemon="none"}}'
    synchronized = f"skewmon_timesync_synchronized{matcher}"
    begins = (
        f"{over_boxes(latest(synchronized), 'min')} == 0\n"
        # A node without a daemon claims nothing; the info is 1.
        f"or\nmax without (instance, daemon, source) ({latest(f'skewmon_timesync_info{{{no_daemon}')}) == 1"
    )
    return _state(
        line,
        NODE,
        begins,
        f"{over_boxes(synchronized, 'min')} == 1",
        matcher,
        (
            "A clock is not synchronized.",
            "The time daemon of {{ $labels.node }} in {{ $labels.cluster_name }} claims so, or none runs.",
        ),
    )


def _unreachable(line: Threshold, matcher: str) -> Rule:
    """Return the rule of nodes that no box measures; a box that measures none of several is at fault."""
    success = f"skewmon_node_success{matcher}"
    recent = latest(success)
    measuring = f"max without (node) ({recent}) == 1 or count without (node) ({recent}) == 1"
    return _state(
        line,
        NODE,
        f"{over_boxes(f'{recent} and on ({CLUSTER_OF_BOX}) ({measuring})')} == 0",
        f"{over_boxes(success)} == 1",
        matcher,
        (
            "A node cannot be measured.",
            "{{ $labels.node }} of {{ $labels.cluster_name }} was not measured; other nodes were.",
        ),
    )


def _unknown(line: Threshold, matcher: str) -> Rule:
    success = f"skewmon_node_success{matcher}"
    recent, now = over_boxes(latest(success)), over_boxes(success)
    return _state(
        line,
        CLUSTER,
        f"sum without (node) ({recent}) < 2\nand count without (node) ({recent}) > 1",
        f"(sum without (node) ({now}) >= 2 or count without (node) ({now}) < 2) "
        f"unless on ({CLUSTER}) ({unreported(matcher)})",
        matcher,
        (
            "The skew of a cluster is unknown.",
            "Fewer than two nodes of {{ $labels.cluster_name }} were measured, so nothing can be proven.",
        ),
    )


def _state(line: Threshold, on: str, begins: str, clear: str, matcher: str, words: tuple[str, str]) -> Rule:
    """Return the rule of a state; ``words`` are its summary and its description."""
    name = NAMES[line.kind]
    expr = until_clear(begins, on, held(name, line, on, clear, matcher=matcher))
    return alert_rule(name, expr, line, *words)


_STATES = {
    ThresholdKind.STEP: _step,
    ThresholdKind.UTC: utc_rule,
    ThresholdKind.UNSYNCHRONIZED: _unsynchronized,
    ThresholdKind.UNREACHABLE: _unreachable,
    ThresholdKind.UNKNOWN: _unknown,
}
