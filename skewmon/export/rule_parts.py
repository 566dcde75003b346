"""Parts of Prometheus rules: labels, windows, annotations, and the expression that keeps an alert firing."""

from textwrap import indent
from typing import Any

from skewmon.alert.alerts import RUNBOOK_URL
from skewmon.model import Threshold

Rule = dict[str, Any]

#: Queries look back this long: a failed scrape or two change nothing. It is also the usual lookback of
#: Prometheus for an instant query.
WINDOW_S = 300.0

#: The labels that identify one skewmon, one cluster as it sees it, and one node. Two may measure one cluster.
TARGET = "instance, job"
CLUSTER = f"cluster_name, {TARGET}"
NODE = f"{CLUSTER}, node"


def alert_rule(
    name: str, expr: str, line: Threshold, summary: str, description: str, *, kind: str | None = None
) -> Rule:
    """Return an alerting rule with the severity and the times of a threshold."""
    rule: Rule = {"alert": name, "expr": expr}
    if line.for_s:
        rule["for"] = duration(line.for_s)
    if line.clear_for_s:
        rule["keep_firing_for"] = duration(line.clear_for_s)
    rule["labels"] = (
        {"severity": line.severity} if kind is None else {"severity": line.severity, "kind": kind}
    )
    rule["annotations"] = {
        "summary": summary,
        "description": description,
        "runbook_url": f"{RUNBOOK_URL}#{name.lower()}",
    }
    return rule


def held(
    name: str, line: Threshold, on: str, clear: str, *, matcher: str = "", kind: str | None = None
) -> str:
    """Return the series for which an alert fires and has to go on: until ``clear`` is measured.

    Without measurements the alert stays, whether nodes, skewmon or its scrapes fail. The exception is a
    cluster or a node that is no longer configured: skewmon was scraped without a failure for the whole window
    and did not mention it. ALERTS itself is the memory, so the labels of the target do not change.
    """
    labels = f'alertname="{name}", alertstate="firing", severity="{line.severity}"'
    if kind is not None:
        labels += f', kind="{kind}"'
    if matcher:
        labels += f", {matcher[1:-1]}"
    firing = f"max without (alertname, alertstate, severity, kind) (ALERTS{{{labels}}})"
    window, up = duration(WINDOW_S), 'up{job="skewmon"}'
    return (
        "(\n"
        f"  {firing}\n"
        f"  unless on ({TARGET}) ({up} == 1 and min_over_time({up}[{window}]) == 1)\n"
        "  or\n"
        f"  {firing}\n"
        f"  and on ({on}) present_over_time(skewmon_node_success{matcher}[{window}])\n"
        ")\n"
        f"unless on ({on}) ({clear})"
    )


def until_clear(begins: str, on: str, holding: str) -> str:
    """Return the expression of an alert that begins by one condition and goes on by another."""
    return f"{begins}\nor on ({on})\n(\n{indent(holding, '  ')}\n)"


def latest(metric: str) -> str:
    """Return the last value of a metric within the window, which a failed scrape does not hide."""
    return f"last_over_time({metric}[{duration(WINDOW_S)}])"


def duration(seconds: float) -> str:
    """Return a duration as Prometheus writes it, whose finest unit is a millisecond."""
    whole_ms = max(1, round(seconds * 1000))
    for unit, size_ms in (("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        if whole_ms % size_ms == 0:
            return f"{whole_ms // size_ms}{unit}"
    return f"{whole_ms}ms"


def quoted(text: str) -> str:
    """Return a PromQL string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
