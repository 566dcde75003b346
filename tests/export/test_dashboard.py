"""The Grafana dashboard keeps the rules of its linter and asks only for metrics that exist."""

import re

import pytest
import yaml

from tests.export import dashboard
from tests.export.samples import BY_NAME

PANELS = dashboard.panels()
QUERIES = dashboard.queries()
VARIABLES = {variable["name"]: variable for variable in dashboard.load()["templating"]["list"]}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def named(items):
    """Return test ids for these items."""
    return [item["title"] if isinstance(item, dict) else item[0] for item in items]


def test_the_dashboard_can_be_provisioned_as_it_is() -> None:
    """A fixed readable uid, no id, no version, no inputs to answer, no edits that would be lost."""
    found = dashboard.load()
    assert found["uid"] == "skewmon-overview"
    assert found["id"] is None
    assert found["editable"] is False
    assert not {"__inputs", "__requires", "version"} & set(found)
    assert found["graphTooltip"] == 1


def test_there_is_one_data_source_variable() -> None:
    """It is called as the linter wants it, and everything uses it."""
    sources = [variable for variable in VARIABLES.values() if variable["type"] == "datasource"]
    assert [(source["name"], source["label"]) for source in sources] == [("datasource", "Data source")]
    assert sources[0]["query"] == "prometheus"


@pytest.mark.parametrize(("name", "label"), [("job", "Job"), ("instance", "Instance")])
def test_target_labels_can_be_chosen(name, label) -> None:
    """Job and instance are queries with all values at once, refreshed with the time range."""
    variable = VARIABLES[name]
    assert (variable["type"], variable["label"], variable["datasource"]) == ("query", label, SOURCE)
    assert (variable["multi"], variable["allValue"], variable["refresh"]) == (True, ".+", 2)


@pytest.mark.parametrize("panel", PANELS, ids=named(PANELS))
def test_every_panel_explains_itself(panel) -> None:
    """A title, a sentence of description, a unit, the chosen data source and at least one query."""
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"] == SOURCE
    assert panel["targets"]
    assert all(target["datasource"] == SOURCE for target in panel["targets"])


def test_ids_titles_and_places_do_not_collide() -> None:
    """No two panels share an id, a title or a square of the grid."""
    everything = dashboard.load()["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    assert len({panel["title"] for panel in everything}) == len(everything)
    squares = [
        (x, y)
        for panel in everything
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(squares)) == len(squares)
    assert max(x for x, _ in squares) < 24


@pytest.mark.parametrize(("title", "query"), QUERIES, ids=named(QUERIES))
def test_every_query_asks_for_metrics_and_labels_that_exist(title, query) -> None:
    """The catalogue knows each metric and each label; job and instance are matched everywhere."""
    selectors = dashboard.selectors(query)
    assert selectors, title
    for selector in selectors:
        metric = BY_NAME[selector.name]
        labels = {matcher.name for matcher in selector.matchers.matchers}
        assert {"job", "instance"} <= labels
        assert labels - {"job", "instance"} <= set(metric.labels)


@pytest.mark.parametrize("panel", PANELS, ids=named(PANELS))
def test_legends_and_groups_name_labels_that_exist(panel) -> None:
    """A legend shows only labels that its query groups by."""
    for target in panel["targets"]:
        shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", target["expr"]))))
        assert shown <= grouped


@pytest.mark.parametrize("panel", PANELS, ids=named(PANELS))
def test_counters_are_rated_over_the_right_interval_and_aggregated(panel) -> None:
    """A raw counter is never shown, and no interval is fixed."""
    for target in panel["targets"]:
        counters = re.findall(r"skewmon_\w+_total", target["expr"])
        rated = re.findall(r"sum by \([^)]+\) \((?:rate|increase)\(skewmon_\w+_total", target["expr"])
        assert len(counters) == len(rated)
        assert all(found == "$__rate_interval" for found in re.findall(r"\[([^]]+)\]", target["expr"]))


def test_variables_and_annotations_ask_for_metrics_that_exist() -> None:
    """Their queries are checked like those of panels; only Prometheus's own ALERTS is foreign."""
    text = [variable["definition"] for variable in VARIABLES.values() if variable["type"] == "query"]
    notes = dashboard.load()["annotations"]["list"]
    names = set(re.findall(r"skewmon_\w+", " ".join([*text, *(note["expr"] for note in notes)])))
    assert names
    assert names <= set(BY_NAME)
    assert 'ALERTS{alertname=~"Skewmon.*"' in notes[0]["expr"]
    for note in notes:
        assert dashboard.selectors(dashboard.expanded(note["expr"]))


def test_provisioning_keeps_the_dashboard_read_only() -> None:
    """The provider refuses edits and deletions, and the source has the uid that the dashboard expects."""
    folder = dashboard.FOLDER / "provisioning"
    (provider,) = yaml.safe_load((folder / "dashboards" / "skewmon.yml").read_text())["providers"]
    assert (provider["disableDeletion"], provider["allowUiUpdates"]) == (True, False)
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert source["uid"] == VARIABLES["datasource"]["current"]["value"] == "prometheus"
