"""The references of UTC in the terminal: what each says, and whether they agree."""

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from skewmon.export.document import ReferenceStatus, Status, interval, ns
from skewmon.export.references import utc_sentence
from skewmon.text import bound, harmless, offset


def references(status: Status) -> RenderableType:
    """Return a table of the references and the sentence on UTC."""
    table = Table(
        Column("reference", overflow="fold"),
        Column("to UTC", justify="right", no_wrap=True),
        Column("round trip", justify="right", no_wrap=True),
        Column("stratum", justify="right"),
        Column("from"),
        Column(""),
        box=None,
        pad_edge=False,
        header_style="dim",
    )
    for one in status["references"]:
        table.add_row(*_row(one))
    return Group(table, Text(harmless(utc_sentence(status))))


def _row(one: ReferenceStatus) -> tuple[Text, ...]:
    ends = one["offset"] and interval(one["offset"])
    trip = one["round_trip_seconds"]
    note, style = (one["reason"] or "").replace("-", " "), "magenta"
    if one["falseticker"]:
        note, style = "FALSETICKER", "bold red"
    return (
        Text(harmless(one["name"]), "bold"),
        Text(offset(ends.estimate_ns, ends.bound_ns) if ends else ""),
        Text("" if trip is None else bound(ns(trip)), "dim"),
        Text("" if one["stratum"] is None else str(one["stratum"]), "dim"),
        Text(harmless(one["upstream"] or ""), "dim"),
        Text(harmless(note), style),
    )
