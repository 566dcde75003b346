"""The page of one node: its clock in each cluster, the past day, claims, sources, findings and pairs."""

from collections.abc import Iterator, Mapping

from skewmon.export.claims import PeerStatus
from skewmon.export.document import (
    ClusterStatus,
    NodeStatus,
    Status,
    elapsed_s,
    interval,
    ns,
    skew_thresholds,
)
from skewmon.export.encode import foreign
from skewmon.export.page.bar import bar
from skewmon.export.page.events import event_table
from skewmon.export.page.findings import finding_list
from skewmon.export.page.history import NodeHistory, chart
from skewmon.export.page.links import UP, events_path
from skewmon.export.page.markup import Markup, join, tag
from skewmon.export.page.nodes import changes, claim
from skewmon.export.page.parts import Drawing
from skewmon.export.page.past import JournalDay
from skewmon.export.page.peers import peers_table
from skewmon.export.page.scale import Scale, judged
from skewmon.export.page.since import wrong_since
from skewmon.export.page.timeline import timeline
from skewmon.export.pairs import measured_offsets
from skewmon.export.published import Publication
from skewmon.export.vantages import measured_from
from skewmon.model import Interval, Threshold
from skewmon.text import bound, coarse, offset, rate, signed_seconds, span_of_seconds

#: Events of the last day below the timeline; the events page has more.
EVENTS_SHOWN = 20

#: All findings of a node are shown; no node has so many.
FINDINGS_SHOWN = 100

SOURCE_COLUMNS = (
    "Source",
    "State",
    "Reference",
    "Stratum",
    "Reach",
    "Heard",
    "Poll",
    "Delay",
    "Offset",
    "Jitter",
)


def drawn(
    publication: Publication, name: str, journal: JournalDay, pasts: Mapping[str, NodeHistory]
) -> Drawing:
    """Return the page of a node of the newest round."""
    offsets = {view.name: measured_offsets(view) for view in publication.snapshot.clusters}
    return draw(publication.document, name, journal, pasts, offsets)


def draw(
    document: Status,
    name: str,
    journal: JournalDay,
    pasts: Mapping[str, NodeHistory],
    offsets: Mapping[str, Mapping[str, Interval]],
) -> Drawing:
    """Return a section for each cluster that has a node of this name."""
    drawing = Drawing()
    found = [(one, node) for one in document["clusters"] for node in one["nodes"] if node["name"] == name]
    sections = [
        _section(
            drawing,
            document,
            one,
            node,
            journal,
            pasts.get(one["name"]),
            offsets.get(one["name"], {}),
            f"c{number}",
        )
        for number, (one, node) in enumerate(found)
    ]
    state = drawing.part("state", "span", hidden=True, data_verdict=document["verdict"].value)
    drawing.part("node", "div", state, *sections)
    return drawing


def _section(
    drawing: Drawing,
    document: Status,
    one: ClusterStatus,
    node: NodeStatus,
    journal: JournalDay,
    past: NodeHistory | None,
    offsets: Mapping[str, Interval],
    key: str,
) -> Markup:
    lines = skew_thresholds(one["thresholds"])
    level = judged(interval(node["offset"]) if node["offset"] else None, lines).value
    since = wrong_since(journal, one).get(node["name"])
    day = timeline(journal, document["time"], one["name"], node["name"])
    return drawing.part(
        key,
        "section",
        _header(drawing, document, one, node, key, level),
        drawing.part(f"{key}w", "p", _headline(node), class_="verdict"),
        drawing.part(f"{key}a", "p", since, class_="since") if since else None,
        drawing.part(f"{key}b", "div", _drawn_offset(one, node, lines)),
        drawing.part(f"{key}f", "dl", *_figures(one, node)),
        drawing.part(f"{key}d", "div", changes(node), finding_list(node["findings"], FINDINGS_SHOWN)),
        tag("h3", "History"),
        drawing.part(f"{key}y", "div", chart(past, lines) if past else None),
        tag("h3", "Last 24 hours"),
        drawing.part(f"{key}t", "div", day),
        drawing.part(f"{key}e", "div", _events(journal, node["name"])),
        tag("h3", "Time daemon"),
        drawing.part(f"{key}s", "div", _claims(node)),
        tag("h3", "Against the other nodes"),
        drawing.part(f"{key}p", "div", peers_table(node["name"], offsets, lines)),
        class_=f"cluster {level}",
        data_name=one["name"],
        data_verdict=level,
        data_interval=f"{one['interval_seconds']:g}",
    )


def _header(
    drawing: Drawing, document: Status, one: ClusterStatus, node: NodeStatus, key: str, level: str
) -> Markup:
    wrong = tag("span", "wrong clock", class_="badge critical") if node["name"] in one["culprits"] else None
    age_s = max(0.0, elapsed_s(one["round"]["at"], document["time"]))
    return drawing.part(
        f"{key}h",
        "header",
        tag("h2", node["name"]),
        tag("span", level, class_=f"badge {level}"),
        wrong,
        tag("span", "in ", tag("a", one["name"], href=UP), class_="minor"),
        tag("span", "", class_="age"),
        data_age=f"{age_s:.3f}",
    )


def _headline(node: NodeStatus) -> str:
    if node["offset"] is None:
        return f"Not measured: {(node['reason'] or '').replace('-', ' ')}. {foreign(node['detail'] or '')}"
    found = interval(node["offset"])
    return f"{offset(found.estimate_ns, found.bound_ns)} from the reference"


def _drawn_offset(one: ClusterStatus, node: NodeStatus, lines: tuple[Threshold, ...]) -> Markup | None:
    if node["offset"] is None:
        return None
    found = interval(node["offset"])
    label = f"offset {offset(found.estimate_ns, found.bound_ns)}"
    return tag("div", bar(found, lines, Scale.of_cluster(one), label), class_="wide")


def _figures(one: ClusterStatus, node: NodeStatus) -> list[Markup]:
    return [tag("div", tag("dt", name), tag("dd", value)) for name, value in _named_figures(one, node)]


def _named_figures(one: ClusterStatus, node: NodeStatus) -> Iterator[tuple[str, str]]:
    yield "Address", node["address"]
    if node["admin_offset"]:
        admin = interval(node["admin_offset"])
        yield "To the admin box", offset(admin.estimate_ns, admin.bound_ns)
    if node["axis"]:
        yield "Measured from", measured_from(one, node)
    if node["utc_offset"]:
        utc = interval(node["utc_offset"])
        yield "To UTC", offset(utc.estimate_ns, utc.bound_ns)
    if seen_from := measured_from(one, node):
        yield "Measured from", seen_from
    if node["round_trip_seconds"] is not None:
        yield "Round trip", bound(ns(node["round_trip_seconds"]))
        yield "Exchanges", f"{node['samples']}, by {node['probe']}"
    yield (
        "Last measured",
        f"{node['last_success'][:19].replace('T', ' ')} UTC" if node["last_success"] else "never",
    )
    yield "Steps since the start", f"{node['steps']}"
    if node["drift"]:
        yield "Drift", rate(ns(node["drift"]["ratio"]))
    if node["oscillator"]:
        low, high = node["oscillator"]["lower"], node["oscillator"]["upper"]
        yield "Oscillator", f"{rate(ns(low))} to {rate(ns(high))}"


def _events(journal: JournalDay, name: str) -> Markup:
    own = [event for event in journal.events if event["node"] == name][:EVENTS_SHOWN]
    every = tag("p", tag("a", "All events of this node", href=events_path(UP, node=name)))
    return join((tag("div", event_table(own, UP), class_="table") if own else None, every))


def _claims(node: NodeStatus) -> Markup:
    claims = node["timesync"]
    if claims is None or claims["daemon"] == "none":
        return tag("p", claim(claims))
    figures = [("Reach", f"{claims['reach']:o}" if claims["reach"] is not None else None)]
    if claims["root_distance_seconds"] is not None:
        figures.append(("Root distance", span_of_seconds(claims["root_distance_seconds"])))
    listed = [tag("div", tag("dt", name), tag("dd", value)) for name, value in figures if value]
    unread = None
    if claims["unparsed"]:
        lines = tag("pre", "\n".join(map(foreign, claims["unparsed"])))
        unread = tag("details", tag("summary", "Lines that could not be read"), lines)
    return join(
        (tag("p", claim(claims)), tag("dl", *listed) if listed else None, _sources(claims["peers"]), unread)
    )


def _sources(peers: list[PeerStatus]) -> Markup | None:
    if not peers:
        return None
    head = tag("tr", *(tag("th", name, scope="col") for name in SOURCE_COLUMNS))
    rows = (
        tag(
            "tr",
            *(
                tag("td", text, data_label=label)
                for label, text in zip(SOURCE_COLUMNS, _peer(peer), strict=True)
            ),
        )
        for peer in peers
    )
    table = tag(
        "table",
        tag("caption", "Sources", class_="hidden"),
        tag("thead", head),
        tag("tbody", *rows),
        class_="plain",
    )
    return tag("div", table, class_="table")


def _peer(peer: PeerStatus) -> tuple[str, ...]:
    def seconds(value: float | None) -> str:
        return "" if value is None else span_of_seconds(value)

    def text(value: object) -> str:
        return "" if value is None else foreign(str(value))

    return (
        foreign(peer["name"]),
        text(peer["state"]),
        text(peer["refid"]),
        text(peer["stratum"]),
        "" if peer["reach"] is None else f"{peer['reach']:o}",
        "" if peer["last_heard_seconds"] is None else f"{coarse(peer['last_heard_seconds'])} ago",
        "" if peer["poll_seconds"] is None else coarse(peer["poll_seconds"]),
        seconds(peer["delay_seconds"]),
        "" if peer["offset_seconds"] is None else signed_seconds(peer["offset_seconds"]),
        seconds(peer["jitter_seconds"]),
    )
