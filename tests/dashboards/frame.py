"""The frame that both dashboards share: their variables, annotations, links and settings."""

from typing import Any

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models.dashboard import (
    AnnotationQuery,
    DashboardCursorSync,
    DashboardLinkType,
    VariableHide,
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from tests.dashboards.panels import SOURCE
from tests.dashboards.queries import Scope

DOCUMENTATION = "https://github.com/skewmon/skewmon/tree/main/docs"

#: The uid of the data source that config/grafana/provisioning makes.
DATA_SOURCE = "prometheus"


class Variable(build.QueryVariable):
    """A variable whose values are those of a label, as Grafana 11 stores it."""

    def __init__(self, name: str, label: str, query: str, *, several: bool) -> None:
        super().__init__(name)
        self.label(label).datasource(SOURCE).refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        self.query({"query": query, "refId": name, "qryType": 1}).sort(VariableSort.NATURAL_ASC)
        self.multi(several).include_all(several)
        self._definition = query
        if several:
            self.all_value(".+").current(VariableOption(selected=True, text=["All"], value=["$__all"]))

    def build(self) -> VariableModel:
        """Return the variable with the plain text of its query, which Grafana shows in lists."""
        return Defined(super().build(), self._definition)


class Defined(VariableModel):
    """A variable with the field ``definition``, which the SDK lacks."""

    def __init__(self, model: VariableModel, definition: str) -> None:
        vars(self).update(vars(model))
        self._definition = definition

    def to_json(self) -> dict[str, Any]:
        """Return the JSON of the variable."""
        return {**super().to_json(), "definition": self._definition}


class Note(AnnotationQuery):
    """An annotation by a Prometheus query, with the fields of that data source, which the SDK lacks."""

    def __init__(self, name: str, color: str, expr: str, title: str, text: str, tags: str = "") -> None:
        super().__init__(name=name, datasource=SOURCE, icon_color=color, expr=expr)
        self._more = {"step": "60s", "titleFormat": title, "textFormat": text, "tagKeys": tags}

    def to_json(self) -> dict[str, Any]:
        """Return the JSON of the annotation."""
        return {**super().to_json(), **self._more}


def variables(scope: Scope, *, one_node: bool) -> list[Any]:
    """Return the variables, each offering values that fit those before it."""
    source = build.DatasourceVariable("datasource").label("Data source").type("prometheus")
    source.current(VariableOption(selected=False, text="Prometheus", value=DATA_SOURCE))
    job = "label_values(skewmon_build_info, job)"
    instance = 'label_values(skewmon_build_info{job=~"$job"}, instance)'
    cluster = f"label_values({scope.of('skewmon_verdict', without=('cluster_name',))}, cluster_name)"
    node = f"label_values({scope.of('skewmon_node_success', without=('node',))}, node)"
    page = f"label_values({scope.of('skewmon_web_info')}, external_url)"
    return [
        source,
        Variable("job", "Job", job, several=True),
        Variable("instance", "Instance", instance, several=True),
        Variable("cluster_name", "Cluster", cluster, several=not one_node),
        Variable("node", "Node", node, several=not one_node),
        Variable("page", "Page", page, several=False).hide(VariableHide.HIDE_VARIABLE),
    ]


def annotations(scope: Scope, alerts: Scope) -> list[Note]:
    """Return the marks on every graph: alerts of Prometheus and of skewmon itself, and steps."""
    firing = ", ".join(('alertname=~"Skewmon.*"', 'alertstate="firing"', *alerts.matchers.values()))
    of_prometheus = f"ALERTS{{{firing}}}"
    labels = ("cluster_name", "node", "severity", "alert")
    of_skewmon = alerts.worst("skewmon_alert_firing", *labels)
    steps = f"{scope.increase('skewmon_node_steps_total', 'cluster_name', 'node')} > 0"
    place = "{{cluster_name}} {{node}}"
    return [
        Note("Alerts of Prometheus", "red", of_prometheus, "{{alertname}}", place, "severity"),
        Note("Alerts of skewmon", "orange", of_skewmon, "{{alert}}", place, "severity"),
        Note("Steps", "blue", steps, "Clock stepped", place),
    ]


def start(
    uid: str, title: str, description: str, scope: Scope, alerts: Scope, *, one_node: bool
) -> build.Dashboard:
    """Return a dashboard without panels; ``alerts`` selects those that it marks."""
    dashboard = (
        build.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["skewmon", "time", "ntp"])
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .timezone("browser")
        .refresh("30s")
        .time("now-3h", "now")
    )
    for variable in variables(scope, one_node=one_node):
        dashboard.with_variable(variable)
    for note in annotations(scope, alerts):
        dashboard.annotation(Built(note))
    for link in _links():
        dashboard.link(link)
    return dashboard


class Built:
    """A part that is built already, for methods of the SDK that take builders alone."""

    def __init__(self, part: Any) -> None:
        self._part = part

    def build(self) -> Any:
        """Return the part."""
        return self._part


def _links() -> list[build.DashboardLink]:
    others = build.DashboardLink("skewmon").type(DashboardLinkType.DASHBOARDS).tags(["skewmon"])
    page = build.DashboardLink("Page of skewmon").type(DashboardLinkType.LINK).url("${page:raw}/")
    docs = build.DashboardLink("Documentation").type(DashboardLinkType.LINK).url(DOCUMENTATION)
    return [
        others.include_vars(True).keep_time(True),
        page.icon("external link").target_blank(True),
        docs.icon("doc").target_blank(True),
    ]
