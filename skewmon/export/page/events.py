"""The table of events, with links that narrow it down; they work without a script."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Self

from skewmon.export.document import Status
from skewmon.export.encode import foreign
from skewmon.export.event_query import EVENTS_DEFAULT, EVENTS_MAX
from skewmon.export.page.links import events_path, node_link
from skewmon.export.page.markup import Markup, join, tag
from skewmon.export.page.parts import Drawing
from skewmon.export.page.past import EventRow
from skewmon.model import EventKind, EventQuery

COLUMNS = ("Time (UTC)", "Event", "Cluster", "Node", "Message")

#: Spans to choose from, as the API takes them.
SPANS = (("1h", "last hour"), ("24h", "last day"), ("7d", "last week"), ("", "any time"))

#: The look of kinds of events; the others are neutral.
LEVELS: Mapping[str, str] = {
    EventKind.ALERT_FIRING: "critical",
    EventKind.ALERT_RESOLVED: "ok",
    EventKind.CULPRITS: "critical",
    EventKind.STEP: "warning",
    EventKind.OSCILLATOR_JUMP: "warning",
    EventKind.MEASURED_AGAIN: "ok",
    EventKind.RELOAD_REFUSED: "warning",
    EventKind.INVENTORY_FAULT: "warning",
    EventKind.EVENTS_LOST: "warning",
}


@dataclass(frozen=True, slots=True)
class EventFilters:
    """The filters of the table, as they stand in its address."""

    cluster: str
    node: str
    kind: str
    since: str
    limit: int

    @classmethod
    def of(cls, query: EventQuery, since: str) -> Self:
        """Return the filters of a query; ``since`` as it was written."""
        return cls(query.cluster or "", query.node or "", query.kind or "", since, query.limit)

    def path(self, **changed: str) -> str:
        """Return the address of the table with these filters changed."""
        filters = {name: str(value) for name, value in asdict(self).items()}
        if self.limit == EVENTS_DEFAULT:
            filters["limit"] = ""
        return events_path(**(filters | changed))


def drawn(document: Status, chosen: EventFilters, events: Sequence[EventRow], trouble: str) -> Drawing:
    """Return the page: filters, then events, newest first."""
    drawing = Drawing()
    verdict = document["verdict"].value if document["clusters"] else "waiting"
    drawing.part(
        "events",
        "div",
        drawing.part("state", "span", hidden=True, data_verdict=verdict),
        tag("h2", "Events"),
        _filters(document, chosen),
        tag("p", trouble, class_="fault", role="alert") if trouble else None,
        drawing.part("count", "p", _count(events, chosen), class_="minor") if not trouble else None,
        drawing.part("table", "div", event_table(events), class_="table") if events else None,
    )
    return drawing


def event_table(events: Iterable[EventRow], root: str = "") -> Markup:
    """Return the table of events."""
    rows = (
        tag(
            "tr",
            tag("td", tag("time", _instant(event["time"]), datetime=event["time"]), data_label=COLUMNS[0]),
            tag("td", tag("span", event["kind"], class_=f"badge {LEVELS.get(event['kind'], '')}".strip())),
            tag("td", event["cluster"] or "", data_label=COLUMNS[2] if event["cluster"] else None),
            tag("td", node_link(event["node"], root) if event["node"] else None),
            tag("td", foreign(event["message"])),
        )
        for event in events
    )
    return tag(
        "table",
        tag("caption", "Events, newest first", class_="hidden"),
        tag("thead", tag("tr", *(tag("th", name, scope="col") for name in COLUMNS))),
        tag("tbody", *rows),
        class_="events",
    )


def _instant(time: str) -> str:
    return time.replace("T", " ")[:19]


def _count(events: Sequence[EventRow], chosen: EventFilters) -> Markup | str:
    if not events:
        return "No events match."
    if len(events) < chosen.limit:
        return f"{len(events):,} events."
    if chosen.limit >= EVENTS_MAX:
        return f"The newest {len(events):,} events; there may be more."
    more = tag("a", f"Show {EVENTS_MAX:,}", href=chosen.path(limit=str(EVENTS_MAX)))
    return join((f"The newest {len(events):,} events. ", more))


def _filters(document: Status, chosen: EventFilters) -> Markup:
    clusters = [("", "all")] + [(one["name"], one["name"]) for one in document["clusters"]]
    kinds = [("", "all")] + [(kind.value, kind.value) for kind in EventKind]
    lists = [_choices("Time", "since", list(SPANS), chosen), _choices("Event", "kind", kinds, chosen)]
    if len(clusters) > 2 or chosen.cluster:
        lists.append(_choices("Cluster", "cluster", clusters, chosen))
    if chosen.node:
        lists.append(_choices("Node", "node", [("", "all"), (chosen.node, chosen.node)], chosen))
    as_json = tag("a", "the same as JSON", href=f"api/v1/{chosen.path()}")
    return tag(
        "nav", *lists, tag("p", as_json, class_="minor"), class_="filters", aria_label="Filters of events"
    )


def _choices(label: str, name: str, values: Sequence[tuple[str, str]], chosen: EventFilters) -> Markup:
    current = getattr(chosen, name)
    return tag("p", tag("span", f"{label}: ", class_="minor"), join(_links(name, values, current, chosen)))


def _links(
    name: str, values: Sequence[tuple[str, str]], current: str, chosen: EventFilters
) -> Iterator[Markup]:
    for value, text in values:
        here = "true" if value == current else None
        yield join((tag("a", text, href=chosen.path(**{name: value}), aria_current=here), " "))
