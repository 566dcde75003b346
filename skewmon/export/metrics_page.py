"""docs/metrics.md, written from the catalogue: ``python -m skewmon.export.metrics_page >docs/metrics.md``."""

import sys

from skewmon.export.catalogue import SECTIONS, Metric

_INTRODUCTION = """\
# Metrics

`GET /metrics` answers in the Prometheus text formats and in OpenMetrics, compressed if the client accepts it.

- Results are those of the **last round**. skewmon measures on its own schedule and not when it is scraped,
  because the clocks of all nodes must be compared at one instant, and because two Prometheus servers must
  not measure twice. `skewmon_round_age_seconds` is the age of a result. It is measured at each scrape on a
  monotonic clock, so a wrong clock of the admin box does not change it;
  `skewmon_round_interval_seconds` is the age that the next round ends.
- All results of a cluster change together.
- A node that was not measured in the last round loses its offset, round trip, culprit and pair series at
  once. `skewmon_node_success` is 0 then, `skewmon_node_failures_total` has the reason, and
  `skewmon_node_last_success_timestamp_seconds` the time of the last success.
- An offset has three series: the best estimate, and the lower and upper end of the interval that contains
  the truth. Alert on the proven part, `skewmon_skew_lower_seconds`.
- The label `cluster_name` names the cluster, `node` and `peer` name nodes. The labels `cluster`, `job` and
  `instance` are left to Prometheus.
- Pair series follow `export.pairs`. `auto` exports every pair of a cluster up to 2,000 series (37 nodes),
  else the 100 worst pairs. `worst` always exports the 100 worst. `all` exports every pair up to 150,000
  series (316 nodes), else the 100 worst. `none` exports none. The worst pairs change from round to round,
  and so do their series. `/api/v1/clusters/NAME/pairs` answers any, up to 1,000 at a time.
- Counters start at 0 for every value of `reason`, `check` and `where`, so that `increase` sees the first
  event. `skewmon_node_failures_total` does so in clusters of up to 32 nodes; in larger ones a series begins
  with the first failure of its reason. To alert on a step, use `skewmon_node_step_seconds` and
  `skewmon_node_step_age_seconds`: they also show a step that is found in the first round after a restart.
- The usual `process_*` and `python_info` metrics describe the process.
"""


def _table(metrics: tuple[Metric, ...]) -> str:
    rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        rows.append(f"| `{metric.name}` | {metric.type} | {labels} | {metric.help} |")
    return "\n".join(rows)


def to_markdown() -> str:
    """Return docs/metrics.md."""
    sections = (f"\n## {title}\n\n{_table(metrics)}\n" for title, metrics in SECTIONS)
    return _INTRODUCTION + "".join(sections)


if __name__ == "__main__":
    sys.stdout.write(to_markdown())
