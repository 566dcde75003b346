"""Parts of Prometheus rules: labels, windows, annotations, and the expression that keeps an alert firing."""

from textwrap import indent
from typing import Any

from skewmon.alert.alerts import RUNBOOK_URL
from skewmon.model import NS_PER_S, Threshold

Rule = dict[str, Any]

#: Queries look back this long: a failed scrape or two change nothing. It is also the usual lookback of
#: Prometheus for an instant query.
WINDOW_S = 300.0

#: The labels that identify one admin box, and one cluster as it sees it.
TARGET = "instance, job"
CLUSTER_OF_BOX = f"cluster_name, {TARGET}"

#: The labels that identify a cluster and a node, whichever admin box measures them: of a pair both do, and of
#: shards each measures its own nodes.
CLUSTER = "cluster_name, job"
NODE = f"{CLUSTER}, node"

#: Admin boxes that Prometheus scraped within a day and that do not answer now: a recording rule.
SILENT_BOXES = "instance:skewmon_up:silent"


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


def firing(name: str, line: Threshold, *, matcher: str = "", kind: str | None = None, only: str = "") -> str:
    """Return the series for which an alert fires; ``only`` are further matchers."""
    labels = [f'alertname="{name}"', 'alertstate="firing"', f'severity="{line.severity}"']
    labels += [f'kind="{kind}"'] if kind is not None else []
    labels += [matcher[1:-1]] if matcher else []
    labels += [only] if only else []
    return f"max without (alertname, alertstate, severity, kind) (ALERTS{{{', '.join(labels)}}})"


def held(
    name: str,
    line: Threshold,
    on: str,
    clear: str,
    *,
    matcher: str = "",
    kind: str | None = None,
    only: str = "",
) -> str:
    """Return the series for which an alert fires and has to go on: until ``clear`` is measured.

    Without measurements the alert stays, whether nodes, an admin box or its scrapes fail. The exception is a
    cluster or a node that is no longer configured: every box was scraped without a failure for the whole
    window, and none mentioned it. ALERTS itself is the memory, so the labels of the target do not change.
    ``only`` are further matchers of the alerts.
    """
    fires = firing(name, line, matcher=matcher, kind=kind, only=only)
    box = TARGET if "instance" in on else "job"
    return (
        "(\n"
        f"  {fires}\n"
        f"  and on ({box}) {SILENT_BOXES}\n"
        "  or\n"
        f"  {fires}\n"
        f"  and on ({on}) present_over_time(skewmon_node_success{matcher}[{duration(WINDOW_S)}])\n"
        ")\n"
        f"unless on ({on}) ({clear})"
    )


def until_clear(begins: str, on: str, holding: str) -> str:
    """Return the expression of an alert that begins by one condition and goes on by another."""
    return f"{begins}\nor on ({on})\n(\n{indent(holding, '  ')}\n)"


def bridged(metric: str, line: Threshold) -> str:
    """Return a metric that a failed scrape does not interrupt while the alert is pending.

    Up to half of ``for`` may be bridged, so an alert cannot fire on old values alone. A node that is not
    measured has no value, as the scrape succeeds.
    """
    if not line.for_s:
        return metric
    last = f"last_over_time({metric}[{duration(line.for_s / 2)}])"
    return f'({metric} or ({last} and on ({TARGET}) up{{job="skewmon"}} == 0))'


def over_boxes(expr: str, how: str = "max") -> str:
    """Return a quantity of all admin boxes together, so that a pair raises one alert and not two."""
    return f"{how} without (instance) ({expr})"


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


def limit_of(line: Threshold) -> str:
    """Return a limit in the metric's unit, without exponent and without rounding."""
    whole, rest_ns = divmod(line.limit_ns, NS_PER_S)
    return f"{whole}.{rest_ns:09d}".rstrip("0").rstrip(".")
