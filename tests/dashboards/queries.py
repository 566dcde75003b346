"""PromQL for the dashboards: selectors from the catalogue of metrics, and the conditions that they share."""

from collections.abc import Mapping
from dataclasses import dataclass

from skewmon.export.catalogue import METRICS

#: The labels of every metric that skewmon exports.
LABELS: Mapping[str, tuple[str, ...]] = {metric.name: metric.labels for metric in METRICS}

#: Metrics that Prometheus itself makes of each scrape, and those of the Python client.
FOREIGN = ("up", "scrape_duration_seconds", "scrape_samples_scraped", "process_resident_memory_bytes")

#: Matchers of the labels that Prometheus adds to each series.
TARGET = ('job=~"$job"', 'instance=~"$instance"')

#: Grafana replaces it by four scrape intervals or the width of a pixel, whichever is longer.
WINDOW = "$__rate_interval"

#: Rounds are overdue after so many intervals, as in the rule SkewmonRoundsStale.
OVERDUE_INTERVALS = 4


@dataclass(frozen=True, slots=True)
class Scope:
    """The values that a dashboard's variables select, as matchers of labels."""

    matchers: Mapping[str, str]

    def of(self, name: str, *, without: tuple[str, ...] = (), **extra: str) -> str:
        """Return the selector of a metric with every matcher that applies to it; ``~`` begins a pattern.

        Raises KeyError if the catalogue lacks the metric, and ValueError if the metric lacks a label.
        """
        labels = () if name in FOREIGN else LABELS[name]
        if extra.keys() - set(labels):
            raise ValueError(f"{name} has no label {', '.join(extra.keys() - set(labels))}")
        own = [text for label, text in self.matchers.items() if label in labels and label not in without]
        more = [
            f'{label}={"~" * value.startswith("~")}"{value.lstrip("~")}"' for label, value in extra.items()
        ]
        return f"{name}{{{', '.join([*TARGET, *own, *more])}}}"

    def worst(self, name: str, *labels: str, **extra: str) -> str:
        """Return the largest value of all skewmons that measure the same; by all labels unless named."""
        return f"max by ({', '.join(labels or LABELS[name])}) ({self.of(name, **extra)})"

    def least(self, name: str, *labels: str, **extra: str) -> str:
        """Return the smallest value of all skewmons that measure the same."""
        return f"min by ({', '.join(labels or LABELS[name])}) ({self.of(name, **extra)})"

    def rate(self, name: str, *labels: str) -> str:
        """Return the rate of a counter."""
        return f"sum by ({', '.join(labels)}) (rate({self.of(name)}[{WINDOW}]))"

    def increase(self, name: str, *labels: str) -> str:
        """Return the increase of a counter."""
        return f"sum by ({', '.join(labels)}) (increase({self.of(name)}[{WINDOW}]))"

    def intervals_old(self) -> str:
        """Return the age of the last round of each skewmon and cluster, in intervals."""
        return f"{self.of('skewmon_round_age_seconds')} / {self.of('skewmon_round_interval_seconds')}"

    def fresh(self, expression: str) -> str:
        """Return the series with a recent round: a daemon whose rounds stopped still answers scrapes."""
        recent = f"({self.intervals_old()} < {OVERDUE_INTERVALS})"
        return f"{expression} and on (job, instance, cluster_name) {recent}"

    def overdue(self) -> str:
        """Return the clusters whose last round is too old to speak for the present."""
        return f"max by (cluster_name) ({self.intervals_old()}) >= {OVERDUE_INTERVALS}"

    def vanished(self) -> str:
        """Return the skewmons that were scraped in the time range of the dashboard, and now are not."""
        info = self.of("skewmon_build_info")
        return f"max by (instance) (last_over_time({info}[$__range])) unless max by (instance) ({info})"

    def proven_pairs(self) -> str:
        """Return how far apart the clocks of each pair are at least."""
        lower = self.of("skewmon_pair_offset_lower_seconds")
        upper = self.of("skewmon_pair_offset_upper_seconds")
        return f"(clamp_min({lower}, 0) + clamp_min(-{upper}, 0))"

    def furthest_pairs(self) -> str:
        """Return how far apart the clocks of each pair are at most."""
        lower = self.of("skewmon_pair_offset_lower_seconds")
        upper = self.of("skewmon_pair_offset_upper_seconds")
        return f"({upper} >= -{lower} or -{lower})"

    def pair_states(self) -> str:
        """Return 0 for each pair within the lowest line, 2 for one proven beyond it, 1 for one in doubt."""
        line = f"on (cluster_name) group_left () {self.lowest_line()}"
        return f"(({self.proven_pairs()} >= bool {line}) + ({self.furthest_pairs()} >= bool {line}))"

    def worst_pairs_of_range(self, count: int) -> str:
        """Return the pairs that were provably furthest apart within the time range of the dashboard."""
        lower = self.of("skewmon_pair_offset_lower_seconds")
        upper = self.of("skewmon_pair_offset_upper_seconds")
        highest = f"clamp_min(max_over_time({lower}[$__range] @ end()), 0)"
        lowest = f"clamp_min(-min_over_time({upper}[$__range] @ end()), 0)"
        return f"topk({count}, {highest} + {lowest})"

    def lowest_line(self, *, severity: str | None = None) -> str:
        """Return the lowest line for the skew of each cluster."""
        extra = {"severity": severity} if severity else {}
        line = self.of("skewmon_threshold_seconds", kind="skew", **extra)
        return f"min by (cluster_name) ({line})"


CLUSTERS = 'cluster_name=~"$cluster_name"'

#: The choices on the overview.
SCOPE = Scope({"cluster_name": CLUSTERS, "node": 'node=~"$node"'})

#: For pairs, and for what concerns a whole cluster: its node is empty, and no choice matches that.
AROUND = Scope({"cluster_name": CLUSTERS})

ONE_CLUSTER = 'cluster_name="$cluster_name"'

#: The choices on the dashboard of a node; its pairs in which it comes second; its whole cluster.
OF_NODE = Scope({"cluster_name": ONE_CLUSTER, "node": 'node="$node"'})
AS_PEER = Scope({"cluster_name": ONE_CLUSTER, "peer": 'peer="$node"'})
OF_CLUSTER = Scope({"cluster_name": ONE_CLUSTER})
