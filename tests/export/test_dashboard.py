"""The Grafana dashboards keep the rules of dashboard-linter and ask only for metrics that exist."""

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import promql_parser as promql
import pytest
import yaml

from skewmon.export.catalogue import METRICS
from tests.export import dashboard
from tests.export.samples import BY_NAME

if "CI" not in os.environ:  # there a missing package is a defect
    pytest.importorskip("grafana_foundation_sdk", reason="type: make .venv/ready")

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.dashboards import FOLDER, files
from tests.dashboards.queries import FOREIGN

PANELS = [panel for _, panel in dashboard.panels()]
QUERIES = dashboard.queries()
SOURCE = {"type": "prometheus", "uid": "${datasource}"}

#: Every unit of Grafana.
UNITS = {value for name, value in vars(units).items() if name[0].isupper()}

#: Fields of Prometheus's annotations and of variables that the SDK does not describe.
BEYOND_SDK = {"step", "titleFormat", "textFormat", "tagKeys", "definition"}

#: Panels of present values; they must not show an old one.
PRESENT = {"stat", "bargauge", "table"}

#: Counts from which a color begins; a limit in seconds or ppm would be a constant beside the configured one.
COUNTED = {"Nodes not measured", "Age of the last round, in intervals"}

uids = pytest.mark.parametrize("uid", dashboard.UIDS)
each_panel = pytest.mark.parametrize(
    "panel", PANELS, ids=[f"{uid}: {panel['title']}" for uid, panel in dashboard.panels()]
)
each_query = pytest.mark.parametrize(("title", "query"), QUERIES, ids=[title for title, _ in QUERIES])


def variables(uid: str) -> dict[str, dict[str, Any]]:
    """Return the variables of a dashboard by name."""
    return {variable["name"]: variable for variable in dashboard.load(uid)["templating"]["list"]}


# --- one source ---


def test_the_shipped_dashboards_are_what_the_generator_writes() -> None:
    """`python -m tests.dashboards` writes them; none is edited by hand, none is left over."""
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")} == files()


@uids
def test_grafana_s_own_types_describe_each_dashboard(uid: str) -> None:
    """Read and written by the SDK of Grafana 11.6, no field is lost: none is misspelled."""
    register_default_plugins()  # else the options of panels are taken as they are
    document = dashboard.load(uid)
    understood = json.loads(json.dumps(Dashboard.from_json(document), cls=JSONEncoder))
    assert list(lost(document, understood)) == []


def lost(document: Any, understood: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of fields that are absent or different once a document was read by its types."""
    if isinstance(document, dict) and isinstance(understood, dict):
        for key in document.keys() - BEYOND_SDK:
            yield from lost(document[key], understood.get(key), f"{path}.{key}")
    elif isinstance(document, list) and isinstance(understood, list) and len(document) == len(understood):
        for place, (one, other) in enumerate(zip(document, understood, strict=True)):
            yield from lost(one, other, f"{path}[{place}]")
    elif document != understood:
        yield path


# --- the rules of dashboard-linter ---


@uids
def test_template_datasource_rule(uid: str) -> None:
    """One data source variable, called as the linter wants it."""
    sources = [variable for variable in variables(uid).values() if variable["type"] == "datasource"]
    assert [(one["name"], one["label"], one["query"]) for one in sources] == [
        ("datasource", "Data source", "prometheus")
    ]


@uids
@pytest.mark.parametrize(("name", "label"), [("job", "Job"), ("instance", "Instance")])
def test_template_job_and_instance_rules(uid: str, name: str, label: str) -> None:
    """Job and instance are queries with all values at once."""
    variable = variables(uid)[name]
    assert (variable["type"], variable["label"], variable["datasource"]) == ("query", label, SOURCE)
    assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, ".+")


@uids
def test_template_label_promql_and_on_time_change_reload_rules(uid: str) -> None:
    """Each query variable takes label values of a selector that parses, again for each time range."""
    asked = [variable for variable in variables(uid).values() if variable["type"] == "query"]
    assert len(asked) == 5
    for variable in asked:
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        assert found
        (selector,) = dashboard.selectors(dashboard.expanded(found[1]))
        assert found[2] in {*BY_NAME[selector.name].labels, "job", "instance"}
        assert variable["refresh"] == 2


@each_panel
def test_panel_rules(panel: dict[str, Any]) -> None:
    """A title, a description, a unit that exists, the chosen data source and at least one query."""
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["datasource"] == SOURCE
    assert panel["targets"]
    assert all(target["datasource"] == SOURCE for target in panel["targets"])


@each_query
def test_target_promql_job_and_instance_rules(title: str, query: str) -> None:
    """Each query parses, and matches job and instance in each selector."""
    selectors = dashboard.selectors(query)
    assert selectors
    for selector in selectors:
        assert {"job", "instance"} <= {matcher.name for matcher in selector.matchers.matchers}, title


@each_panel
def test_target_rate_interval_and_counter_agg_rules(panel: dict[str, Any]) -> None:
    """A counter is shown as its rate or increase over $__rate_interval, and no interval is fixed."""
    for target in panel["targets"]:
        ranges = re.findall(r"\[([^]]+)\]", target["expr"])
        assert set(ranges) <= {"$__rate_interval", "$__range"}
        for node, above in dashboard.walk(promql.parse(dashboard.expanded(target["expr"]))):
            if isinstance(node, promql.VectorSelector) and node.name.endswith("_total"):
                assert isinstance(above[-1], promql.MatrixSelector)
                assert above[-2].func.name in ("rate", "increase")
            if isinstance(node, promql.Call) and node.func.name in ("rate", "increase"):
                assert ranges == ["$__rate_interval"]


@uids
def test_uneditable_dashboard_rule(uid: str) -> None:
    """It can be provisioned as it is: no edits that would be lost, no id, version or inputs to answer."""
    found = dashboard.load(uid)
    assert found["editable"] is False
    assert found["uid"] == uid
    assert not {"id", "__inputs", "__requires", "version"} & set(found)


# --- metrics, labels, places ---


@each_query
def test_every_query_asks_for_metrics_and_labels_that_exist(title: str, query: str) -> None:
    """The catalogue knows each metric and each label; Prometheus's own of each scrape are few."""
    for selector in dashboard.selectors(query):
        labels = {matcher.name for matcher in selector.matchers.matchers} - {"job", "instance"}
        assert labels <= set(() if selector.name in FOREIGN else BY_NAME[selector.name].labels), title


def test_almost_every_metric_has_a_panel() -> None:
    """A metric that no panel shows is one that a person with a question does not find."""
    shown = {selector.name for _, query in QUERIES for selector in dashboard.selectors(query)}
    assert {metric.name for metric in METRICS} - shown == {
        "skewmon_config_last_reload_success_timestamp_seconds",
        "skewmon_inventory_last_read_successful",
        "skewmon_inventory_last_success_timestamp_seconds",
        "skewmon_inventory_rejected_entry",
        "skewmon_node_step_age_seconds",
        "skewmon_round_timestamp_seconds",
        "skewmon_rounds_total",
        "skewmon_web_info",  # the variable of the page
    }


@each_panel
def test_legends_and_groups_name_labels_that_exist(panel: dict[str, Any]) -> None:
    """A legend shows only labels that its query groups by."""
    for target in panel["targets"]:
        shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", target["expr"]))))
        assert shown <= grouped


@uids
def test_ids_titles_and_places_do_not_collide(uid: str) -> None:
    """No two panels share an id, a title or a square of the grid."""
    everything = dashboard.load(uid)["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    assert len({panel["title"] for panel in everything}) == len(everything)
    squares = [
        (x, y)
        for place in (panel["gridPos"] for panel in everything)
        for x in range(place.get("x", 0), place.get("x", 0) + place["w"])
        for y in range(place.get("y", 0), place.get("y", 0) + place["h"])
    ]
    assert len(set(squares)) == len(squares)
    assert max(x for x, _ in squares) < 24


@uids
def test_annotations_mark_steps_and_alerts(uid: str) -> None:
    """Their queries are checked like those of panels; only Prometheus's own ALERTS is foreign."""
    notes = {note["name"]: note for note in dashboard.load(uid)["annotations"]["list"]}
    asked = {
        name: [selector.name for selector in dashboard.selectors(dashboard.expanded(note["expr"]))]
        for name, note in notes.items()
    }
    assert asked == {
        "Alerts of Prometheus": ["ALERTS"],
        "Alerts of skewmon": ["skewmon_alert_firing"],
        "Steps": ["skewmon_node_steps_total"],
    }
    assert all(note["datasource"] == SOURCE for note in notes.values())


# --- honesty ---


@each_panel
def test_present_values_are_of_the_present(panel: dict[str, Any]) -> None:
    """A field or a table asks for this instant alone; a line is not drawn through a gap."""
    if panel["type"] in PRESENT:
        assert all(target["instant"] and not target.get("range") for target in panel["targets"])
    if panel["type"] == "timeseries":
        assert panel["fieldConfig"]["defaults"]["custom"]["spanNulls"] is False


@each_panel
def test_limits_are_exported_and_not_constants(panel: dict[str, Any]) -> None:
    """A color changes with a count, a state or a verdict; lines in seconds and ppm are series."""
    found = panel["fieldConfig"]["defaults"].get("thresholds", {"steps": []})["steps"]
    assert panel["title"] in COUNTED or [step.get("value") for step in found] in ([], [None])


@each_panel
def test_drift_has_a_unit_and_a_far_clock_flattens_no_other(panel: dict[str, Any]) -> None:
    """Parts per million, and a logarithmic scale for offsets: 70 s and 70 us are on one panel."""
    defaults = panel["fieldConfig"]["defaults"]
    if panel["type"] == "timeseries" and panel["title"].startswith("Drift"):
        assert defaults["unit"] == "ppm"
    queries = " ".join(target["expr"] for target in panel["targets"])
    if panel["type"] == "timeseries" and re.search(r"skewmon_node_(admin_|utc_)?offset_seconds", queries):
        assert defaults["custom"]["scaleDistribution"]["type"] == "symlog"


# --- links ---


@uids
def test_links_lead_to_the_other_dashboard_and_to_the_page(uid: str) -> None:
    """Each variable in a link exists there; a node leads to its dashboard and to its place on the page."""
    document = dashboard.load(uid)
    text = str(document["links"]) + str([panel["fieldConfig"] for panel in PANELS])
    assert set(re.findall(r"/d/([\w-]+)", text)) <= set(dashboard.UIDS)
    assert "${page:raw}/" in str(document["links"])
    assert {one["type"] for one in document["links"]} == {"dashboards", "link"}
    for name in re.findall(r"\$\{(\w+)[:}]", text):
        assert name in variables(uid) or name in ("__url_time_range", "__value"), name


def test_a_node_leads_to_its_dashboard_and_to_the_page() -> None:
    """Lines, states and rows of the overview that are about a node have both links."""
    linked = [
        panel["title"]
        for uid, panel in dashboard.panels()
        if uid == "skewmon-overview" and "/d/skewmon-node?" in str(panel["fieldConfig"])
    ]
    assert {"Offsets by node, with their bounds", "Findings", "Drift"} <= set(linked)
    (url,) = {
        link["url"]
        for panel in PANELS
        if panel["title"] == "Drift"
        for link in panel["fieldConfig"]["defaults"]["links"]
        if "node/" in link["url"]
    }
    assert url == "${page:raw}/node/${__field.labels.node:percentencode}"


def test_provisioning_keeps_the_dashboards_read_only() -> None:
    """The provider refuses edits and deletions, and the source has the uid that the dashboards expect."""
    folder = dashboard.FOLDER / "provisioning"
    (provider,) = yaml.safe_load((folder / "dashboards" / "skewmon.yml").read_text())["providers"]
    assert (provider["disableDeletion"], provider["allowUiUpdates"]) == (True, False)
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert {variables(uid)["datasource"]["current"]["value"] for uid in dashboard.UIDS} == {source["uid"]}
