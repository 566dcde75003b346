"""The catalogue is complete, well named, and agrees with the documentation and the collector."""

import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

from skewmon.export import catalogue, collector, metrics_page, references, vantages
from skewmon.export.catalogue import METRICS, Metric
from skewmon.export.collector import AgeCollector, SnapshotCollector
from tests.export import samples
from tests.export.samples import BY_NAME


def test_documentation_is_generated_from_the_catalogue() -> None:
    """docs/metrics.md is the output of the module."""
    page = Path(__file__).parents[2] / "docs" / "metrics.md"
    assert page.read_text(encoding="utf-8") == metrics_page.to_markdown()


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_follow_the_conventions(metric: Metric) -> None:
    """A name has the prefix, its type's suffix and its unit, and no label that belongs to Prometheus."""
    assert re.fullmatch(r"skewmon_[a-z]+(_[a-z]+)*", metric.name)
    assert metric.name.endswith("_total") == (metric.type == "counter")
    assert metric.name.endswith("_info") == (metric.type == "info")
    assert metric.family.endswith(metric.unit)
    assert metric.help.endswith(".")
    assert not {"cluster", "job", "instance", "type"} & set(metric.labels)


def test_names_are_unique() -> None:
    """No two families share a name."""
    assert len(BY_NAME) == len(METRICS)


def test_the_collector_exports_the_whole_catalogue_with_its_labels() -> None:
    """Every metric of the catalogue occurs in some round, with exactly the labels it documents."""
    seen = {}
    everything = samples.everything()
    at_scrape = AgeCollector(everything, samples.STATS, samples.AT_NS)
    for family in (*SnapshotCollector(everything, samples.STATS).collect(), *at_scrape.collect()):
        for sample in family.samples:
            seen.setdefault(sample.name, set()).add(frozenset(sample.labels))
    assert seen == {metric.name: {frozenset(metric.labels)} for metric in METRICS}


@pytest.mark.parametrize(
    "modules", [(catalogue,), (collector, references, vantages)], ids=["catalogue", "collector"]
)
def test_a_metric_is_found_by_its_whole_name(modules: tuple[ModuleType, ...]) -> None:
    """A search for the name from a dashboard leads to its help and to its value."""
    source = "".join(map(inspect.getsource, modules))
    assert [metric.name for metric in METRICS if f'"{metric.name}"' not in source] == []
