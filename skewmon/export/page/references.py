"""The references of UTC as a section of their own, below the clusters."""

from skewmon.export.document import ReferenceStatus, Status, interval, ns
from skewmon.export.encode import foreign
from skewmon.export.page.markup import Markup, tag
from skewmon.export.page.parts import Drawing
from skewmon.export.references import utc_sentence
from skewmon.text import bound, offset

COLUMNS = ("Reference", "State", "Offset to agreed UTC", "Round trip", "Stratum", "Upstream")


def references(drawing: Drawing, document: Status) -> Markup | None:
    """Return the sentence on UTC and a table of all references; None if none is configured."""
    if not document["references"]:
        return None
    head = tag("tr", *(tag("th", name, scope="col") for name in COLUMNS))
    table = tag(
        "table",
        tag("caption", "References of UTC", class_="hidden"),
        tag("thead", head),
        drawing.part("utc-rows", "tbody", *(_row(one) for one in document["references"])),
        class_="plain",
    )
    return tag(
        "section",
        tag("h2", "UTC"),
        drawing.part("utc", "p", utc_sentence(document)),
        tag("div", table, class_="table"),
        class_="references",
    )


def _row(one: ReferenceStatus) -> Markup:
    state, level = ("provably wrong", "critical") if one["falseticker"] else ("used", "ok")
    if not one["success"]:
        state, level = (one["reason"] or "no answer").replace("-", " "), "unknown"
    found = interval(one["offset"]) if one["offset"] else None
    trip = one["round_trip_seconds"]
    texts = (
        offset(found.estimate_ns, found.bound_ns) if found else "",
        "" if trip is None else bound(ns(trip)),
        "" if one["stratum"] is None else str(one["stratum"]),
        foreign(one["upstream"] or ""),
    )
    cells = (tag("td", text, data_label=label) for label, text in zip(COLUMNS[2:], texts, strict=True))
    badge = tag("span", state, class_=f"badge {level}")
    return tag("tr", tag("th", one["name"], scope="row"), tag("td", badge), *cells, data_name=one["name"])
