"""Panels of each kind, with the settings that all of them share."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import common as shared
from grafana_foundation_sdk.models import heatmap as heat
from grafana_foundation_sdk.models import prometheus as prometheus_model
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    MatcherConfig,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

#: Colors of the verdicts; doubt and lack of data look different from health.
VERDICTS = {
    "ok": "green",
    "warning": "orange",
    "critical": "red",
    "ambiguous": "purple",
    "unknown": "#808080",
}

#: Names of series that are neither a verdict nor a measurement: they say that there is none.
MISSING = {"no recent round": "#808080", "not scraped": "dark-red"}

#: States of a node in a round.
MEASURED = {1: ("measured", "green"), 0: ("not measured", "#808080")}

#: Offsets below this are drawn on a linear axis, larger ones on a logarithmic one: one clock that is 70 s
#: ahead would flatten all others.
LINEAR_BELOW_S = 1e-4

#: Hours below which a panel is not readable.
HEIGHT = 8

Target = tuple[str, str]
Transformation = tuple[str, Mapping[str, Any]]

#: The page's path and the other dashboard, with everything that is selected here.
SELECTED = "${__url_time_range}&${datasource:queryparam}&${job:queryparam}&${instance:queryparam}"


def node_links(cluster: str, node: str) -> list[build.DashboardLink]:
    """Return the links of a series or row about a node: its dashboard, and its place on skewmon's page."""
    there = f"/d/skewmon-node?{SELECTED}&var-cluster_name={cluster}&var-node={node}"
    return [
        _link("Dashboard of this node", there),
        _link("This node on skewmon's page", f"${{page:raw}}/node/{node}", new_tab=True),
    ]


def _link(title: str, url: str, *, new_tab: bool = False) -> build.DashboardLink:
    return build.DashboardLink(title).type(DashboardLinkType.LINK).url(url).target_blank(new_tab)


#: Links of a series, by its labels.
NODE_LINKS = node_links(
    "${__field.labels.cluster_name:percentencode}", "${__field.labels.node:percentencode}"
)


class Panels:
    """Builds panels, each with an id of its own."""

    def __init__(self) -> None:
        self._ids: Iterator[int] = count(1)

    def row(self, title: str) -> build.Row:
        """Return the heading of the panels that follow."""
        return build.Row(title).id(next(self._ids))

    def stat(
        self, title: str, description: str, targets: Sequence[Target], unit: str = "short"
    ) -> stat.Panel:
        """Return the present values as large colored fields; without data it says so and is not green."""
        panel = (
            self._common(stat.Panel(), title, description, targets, unit, instant=True)
            .color_mode(shared.BigValueColorMode.BACKGROUND)
            .graph_mode(shared.BigValueGraphMode.NONE)
            .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
            .color_scheme(build.FieldColor().mode(FieldColorModeId.THRESHOLDS))
            .thresholds(steps(("text", None)))
            .no_value("no data")
        )
        for name, color in (VERDICTS | MISSING).items():
            panel.override_by_regexp(f"/: {name}$/", [fixed(color)])
        return panel

    def bars(self, title: str, description: str, targets: Sequence[Target], unit: str) -> bargauge.Panel:
        """Return present values as bars, the first the longest."""
        return (
            self._common(bargauge.Panel(), title, description, targets, unit, instant=True)
            .orientation(shared.VizOrientation.HORIZONTAL)
            .display_mode(shared.BarGaugeDisplayMode.BASIC)
            .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
            .color_scheme(build.FieldColor().mode(FieldColorModeId.CONTINUOUS_BLUES))
            .thresholds(steps(("text", None)))
            .no_value("no data")
            .min(0)
        )

    def lines(
        self, title: str, description: str, targets: Sequence[Target], unit: str = "short"
    ) -> timeseries.Panel:
        """Return lines over time; a gap stays a gap."""
        return (
            self._common(timeseries.Panel(), title, description, targets, unit)
            .line_width(1)
            .fill_opacity(0)
            .span_nulls(False)
            .show_points(shared.VisibilityMode.AUTO)
            .legend(
                common.VizLegendOptions()
                .display_mode(shared.LegendDisplayMode.LIST)
                .placement(shared.LegendPlacement.BOTTOM)
                .show_legend(True)
            )
            .tooltip(
                common.VizTooltipOptions()
                .mode(shared.TooltipDisplayMode.MULTI)
                .sort(shared.SortOrder.DESCENDING)
            )
        )

    def offsets(self, title: str, description: str, targets: Sequence[Target]) -> timeseries.Panel:
        """Return offsets in seconds over time: bounds thin, lines of thresholds dashed."""
        panel = self.lines(title, description, targets, "s").scale_distribution(
            common.ScaleDistributionConfig()
            .type(shared.ScaleDistribution.SYMLOG)
            .log(10)
            .linear_threshold(LINEAR_BELOW_S)
        )
        for pattern, style in (("/ (at least|at most|lower|upper)$/", "dot"), ("/ line$/", "dash")):
            gap = {"fill": style, "dash": [10, 10] if style == "dash" else [1, 5]}
            panel.override_by_regexp(pattern, [DynamicConfigValue("custom.lineStyle", gap)])
        panel.override_by_regexp("/warning line$/", [fixed("orange")])
        return panel.override_by_regexp("/critical line$/", [fixed("red")])

    def states(
        self, title: str, description: str, targets: Sequence[Target], meanings: Mapping[int, tuple[str, str]]
    ) -> statetimeline.Panel:
        """Return states over time as colored bars; time without data is empty."""
        return (
            self._common(statetimeline.Panel(), title, description, targets, "short")
            .mappings([mapping(meanings)])
            .color_scheme(build.FieldColor().mode(FieldColorModeId.THRESHOLDS))
            .thresholds(steps(("text", None)))
            .show_value(shared.VisibilityMode.NEVER)
            .merge_values(True)
            .fill_opacity(80)
            .no_value("none")
        )

    def heat(self, title: str, description: str, targets: Sequence[Target]) -> heatmap.Panel:
        """Return shares of a line over time, a row for each series; the last color means the line or more."""
        return (
            self._common(heatmap.Panel(), title, description, targets, "percentunit")
            .calculate(False)
            .color(
                heatmap.HeatmapColorOptions()
                .mode(heat.HeatmapColorMode.SCHEME)
                .scheme("YlOrRd")
                .reverse(False)
                .steps(64)
                .min(0)
                .max(1)
            )
            .cell_values(heatmap.CellValues().unit("percentunit"))
            .y_axis(heatmap.YAxisConfig().unit("short"))
            .mode(shared.TooltipDisplayMode.SINGLE)
            .show_color_scale(True)
            .no_value("no data")
        )

    def table(
        self, title: str, description: str, query: str, names: Mapping[str, str], *after: Transformation
    ) -> table.Panel:
        """Return the labels of present series as a table, each column under its name here."""
        hidden = {"Time": True} if "Value" in names else {"Time": True, "Value": True}
        shown = {"excludeByName": hidden, "renameByName": dict(names)}
        panel = self._common(table.Panel(), title, description, ((query, "__auto"),), "short", as_table=True)
        for name, options in (*after, *(() if after else (("organize", shown),))):
            panel.with_transformation(DataTransformerConfig(id_val=name, options=options))
        return panel.show_header(True).no_value("none")

    def _common(
        self,
        panel: Any,
        title: str,
        description: str,
        targets: Sequence[Target],
        unit: str,
        *,
        instant: bool = False,
        as_table: bool = False,
    ) -> Any:
        for place, (query, legend) in enumerate(targets):
            panel.with_target(_target(chr(ord("A") + place), query, legend, instant or as_table, as_table))
        return (
            panel.id(next(self._ids))
            .title(title)
            .description(description)
            .datasource(SOURCE)
            .unit(unit)
            .height(HEIGHT)
        )


def _target(ref_id: str, query: str, legend: str, instant: bool, as_table: bool) -> prometheus.Dataquery:
    target = prometheus.Dataquery().ref_id(ref_id).expr(query).legend_format(legend).datasource(SOURCE)
    target.editor_mode(prometheus_model.QueryEditorMode.CODE)
    target = target.instant() if instant else target.range()
    return target.format(prometheus_model.PromQueryFormat.TABLE) if as_table else target


def steps(*colors: tuple[str, float | None]) -> build.ThresholdsConfig:
    """Return colors, each from a value on."""
    found = [Threshold(value=value, color=color) for color, value in colors]
    return build.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(found)


def fixed(color: str) -> DynamicConfigValue:
    """Return the setting of one color."""
    return DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})


def mapping(meanings: Mapping[int, tuple[str, str]]) -> ValueMap:
    """Return the words and colors of values."""
    return ValueMap(
        options={
            str(value): ValueMappingResult(text=text, color=color, index=place)
            for place, (value, (text, color)) in enumerate(meanings.items())
        }
    )


def linked_column(panel: table.Panel, column: str, links: Sequence[build.DashboardLink]) -> table.Panel:
    """Return the table with links in one column."""
    return panel.override_by_name(column, [DynamicConfigValue("links", [one.build() for one in links])])


def runbook_column(panel: table.Panel) -> table.Panel:
    """Return a table of findings with links to the runbook that the running skewmon serves."""
    section = _link("Section of the runbook", "${page:raw}/runbook#${__value.text}", new_tab=True)
    return linked_column(panel, "Finding", [section])


def colored_cells(panel: table.Panel, meanings: Mapping[int, tuple[str, str]]) -> table.Panel:
    """Return the table with states as colored cells."""
    numbers = MatcherConfig("byType", "number")
    colored = {"type": "color-background", "mode": "basic"}
    return panel.mappings([mapping(meanings)]).with_override(
        numbers, [DynamicConfigValue("custom.cellOptions", colored)]
    )
