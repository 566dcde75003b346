"""The Prometheus rule of a line against UTC: an alert for each node, or one for all of them together."""

from skewmon.alert.alerts import NAMES
from skewmon.export.rule_parts import (
    CLUSTER,
    NODE,
    SILENT_BOXES,
    WINDOW_S,
    Rule,
    alert_rule,
    bridged,
    duration,
    firing,
    held,
    limit_of,
    over_boxes,
    until_clear,
)
from skewmon.export.rules_fleet import unreported
from skewmon.model import Threshold

LOWER = "skewmon_node_utc_offset_lower_seconds"
UPPER = "skewmon_node_utc_offset_upper_seconds"


def utc_rule(line: Threshold, matcher: str) -> Rule:
    """Return the rule. While UTC is not confirmed the metrics are absent, and alerts stay as they are.

    Without references there is no UTC to wait for, so the alerts end.
    """
    name, limit, kind = NAMES[line.kind], limit_of(line), line.kind.value
    lower, upper = (bridged(end + matcher, line) for end in (LOWER, UPPER))
    ahead, behind = over_boxes(lower), over_boxes(f"-{upper}")
    every = (
        f"(min without (node) ({ahead}) > {limit} or min without (node) ({behind}) > {limit})\n"
        f"and on ({CLUSTER}) count without (node) ({ahead}) > 1"
    )
    # A box that is down may have measured the nodes that are right, or more of those that are off.
    together = f"({every})\nunless on ({CLUSTER}) ({unreported(matcher)})"
    reported = firing(name, line, matcher=matcher, kind=kind, only='node=""')
    beyond = f"({ahead} > {limit} or {behind} > {limit})"
    of_node = (
        f"{beyond}\n"
        f"unless on ({CLUSTER}) ({together})\n"
        f"unless on ({CLUSTER}) (({every})\nand on ({CLUSTER}) {reported})"
    )
    within = f"{over_boxes(UPPER + matcher)} < {limit} and {over_boxes(LOWER + matcher, 'min')} > -{limit}"
    named = firing(name, line, matcher=matcher, kind=kind, only='node!=""')
    # One of several that is right ends nothing: the alerts of the others may have to wait for their time.
    few = f"clamp_max({over_boxes(f'skewmon_cluster_nodes{matcher}')}, 2)"
    right, judged = (f"count without (node) ({those})" for those in (within, over_boxes(UPPER + matcher)))
    over = (
        f"(({right} >= {few}) == {judged})\n"
        f"unless on ({CLUSTER}) ({unreported(matcher)})\n"
        f"or on ({CLUSTER}) count without (node) ({named} and on ({NODE}) {beyond})"
    )
    parts = (
        _until(
            together, CLUSTER, held(name, line, CLUSTER, over, matcher=matcher, kind=kind, only='node=""')
        ),
        _until(of_node, NODE, held(name, line, NODE, within, matcher=matcher, kind=kind, only='node!=""')),
    )
    return alert_rule(
        name,
        "\nor\n".join(f"(\n{part}\n)" for part in parts),
        line,
        "A clock is proven to be off UTC.",
        "{{ if $labels.node }}{{ $labels.node }}{{ else }}All measured nodes{{ end }} of "
        f"{{{{ $labels.cluster_name }}}}: proven to be off UTC by more than {limit} s.",
        kind=kind,
    )


def _until(begins: str, on: str, holding: str) -> str:
    """Return the expression of an alert that goes on while a box has references, or is down."""
    seen = f"present_over_time(skewmon_reference_success[{duration(WINDOW_S)}])"
    return until_clear(begins, on, f"{holding}\nand on (job) ({seen} or {SILENT_BOXES})")
