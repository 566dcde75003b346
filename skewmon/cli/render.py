"""A round in the terminal: a table, worst first, then the verdict, findings and commands to type next."""

import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple

from rich.console import Console, Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from skewmon.cli.render_references import references
from skewmon.export.claims import ClaimStatus
from skewmon.export.document import (
    ClusterStatus,
    FindingStatus,
    NodeStatus,
    Status,
    interval,
    ns,
    worst_first,
)
from skewmon.export.vantages import vantage_itself
from skewmon.model import Verdict
from skewmon.text import bound, estimate, harmless, names
from skewmon.text import offset as written

STYLES = {
    Verdict.OK: "bold green",
    Verdict.WARNING: "bold yellow",
    Verdict.CRITICAL: "bold red",
    Verdict.UNKNOWN: "bold magenta",
    Verdict.AMBIGUOUS: "bold cyan",
}

FINDING_STYLES = {"info": "cyan", "warning": "yellow", "critical": "red"}


#: Narrower terminals do without the columns that explain.
WIDE = 100

#: A line that a drift may pass within a day is worth a sentence; the page and the JSON look further.
FORESEEN_WITHIN_S = 86_400

#: A pipe has no width, so nothing is cut.
PIPE_WIDTH = 250


def console() -> Console:
    """Return the console for standard output."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def document(status: Status, to: Console) -> None:
    """Print every cluster of a document."""
    for number, one in enumerate(status["clusters"]):
        if number:
            to.print()
        to.print(cluster(one, wide=to.width >= WIDE))
    if status["references"]:
        to.print()
        to.print(references(status))


class Trends(NamedTuple):
    """What a screen adds to a table: the course of each node, and which one is selected."""

    heading: str
    of: Callable[[str], Text]
    selected: str


def cluster(
    one: ClusterStatus,
    *,
    wide: bool,
    rows: int | None = None,
    notes: int | None = None,
    start: int = 0,
    trends: Trends | None = None,
) -> RenderableType:
    """Return one cluster: table, sentence, advice; with ``rows`` and ``notes`` only so many, worst first.

    The rows begin with the one numbered ``start``.
    """
    shown = worst_first(one)[start:][:rows]
    table = [_table(one, shown, wide=wide, trends=trends)] if shown else []
    advice = list(_advice(one))
    return Group(
        *table,
        *_hidden(len(one["nodes"]) - len(shown), "node"),
        verdict(one),
        *advice[:notes],
        *_hidden(len(advice) - len(advice[:notes]), "line of advice", "lines of advice"),
    )


def verdict(one: ClusterStatus) -> Text:
    """Return the verdict on a cluster in a sentence."""
    head = Text.assemble(
        (f"{one['verdict'].upper()} ", STYLES[one["verdict"]]), (harmless(one["name"]), "bold")
    )
    return head + Text(f"  {harmless(one['message'])}")


def count_notes(one: ClusterStatus) -> int:
    """Return how many pieces of advice a cluster has."""
    return sum(1 for _ in _advice(one))


def _hidden(count: int, single: str, several: str = "nodes") -> Iterable[Text]:
    if count:
        yield Text(f"… and {count} more {single if count == 1 else several}", "dim")


def _table(one: ClusterStatus, shown: Iterable[NodeStatus], *, wide: bool, trends: Trends | None) -> Table:
    to_utc, from_vantage = wide and _shows_utc(one), wide and _shows_vantages(one)
    columns = [
        Column("node", overflow="fold"),
        *([Column(trends.heading, no_wrap=True)] if trends else ()),
        Column("offset", justify="right", no_wrap=True),
        Column("bound", no_wrap=True),
        *([Column("to admin box", justify="right", no_wrap=True)] if wide else ()),
        *([Column("to UTC", justify="right", no_wrap=True)] if to_utc else ()),
        *([Column("measured from", no_wrap=True)] if from_vantage else ()),
        *([Column("round trip", justify="right", no_wrap=True), Column("by", no_wrap=True)] if wide else ()),
        Column("time daemon"),
        Column(""),
    ]
    table = Table(*columns, box=None, pad_edge=False, header_style="dim")
    for node in shown:
        optional = _optional(node, to_utc=to_utc, from_vantage=from_vantage)
        name, *row = _row(node, optional, wrong=node["name"] in one["culprits"], wide=wide)
        trend = [trends.of(node["name"])] if trends else []
        selected = trends is not None and node["name"] == trends.selected
        table.add_row(name, *trend, *row, style="reverse" if selected else "")
    return table


def _shows_vantages(one: ClusterStatus) -> bool:
    return any(node["axis"] for node in one["nodes"])


def _optional(node: NodeStatus, *, to_utc: bool, from_vantage: bool) -> tuple[Text, ...]:
    """Return the cells of the columns that few clusters have."""
    utc = node["utc_offset"] and interval(node["utc_offset"])
    there = node["axis_offset"] and interval(node["axis_offset"])
    seen_from = f"{node['axis']} ± {bound(there.bound_ns)}" if node["axis"] and there else ""
    return (
        *([Text(written(utc.estimate_ns, utc.bound_ns) if utc else "", "dim")] if to_utc else ()),
        *([Text(harmless(seen_from), "dim")] if from_vantage else ()),
    )


def _shows_utc(one: ClusterStatus) -> bool:
    return any(node["utc_offset"] for node in one["nodes"])


def _row(
    node: NodeStatus, optional: tuple[Text, ...], *, wrong: bool, wide: bool
) -> Iterable[RenderableType]:
    name = Text(harmless(node["name"]), "bold red" if wrong else "bold")
    claim = _claim(node["timesync"])
    if node["offset"] is None:
        blank = ("",) * (wide * 3 + len(optional))
        return (
            name,
            Text("not measured", "magenta"),
            "",
            *blank,
            claim,
            Text(harmless(node["reason"] or "")),
        )
    offset, admin = interval(node["offset"]), node["admin_offset"] and interval(node["admin_offset"])
    explained = (
        Text(estimate(admin.estimate_ns, admin.bound_ns) if admin else "", "dim"),
        *optional,
        Text(bound(ns(node["round_trip_seconds"] or 0.0)), "dim"),
        Text(harmless(node["probe"] or ""), "dim"),
    )
    value = Text(estimate(offset.estimate_ns, offset.bound_ns))
    note = Text("WRONG" if wrong else "", "bold red")
    return (name, value, Text(f"± {bound(offset.bound_ns)}"), *(explained if wide else ()), claim, note)


def _claim(claim: ClaimStatus | None) -> Text:
    if claim is None:
        return Text("")
    if claim["daemon"] == "none":
        return Text("none runs", "yellow")
    if claim["synchronized"] is None:
        return Text(harmless(claim["daemon"]), "dim")
    word = "synchronized" if claim["synchronized"] else "unsynchronized"
    return Text(f"{harmless(claim['daemon'])} {word}", "" if claim["synchronized"] else "yellow")


def _advice(one: ClusterStatus) -> Iterable[RenderableType]:
    """Yield the failures, findings and forecasts of the nodes, the worst nodes first, then the cluster's."""
    nodes = worst_first(one)
    failures, findings = _failures(nodes), _findings(nodes)
    for node in nodes:
        if node["name"] in failures:
            alike, detail = failures[node["name"]]
            yield Text.assemble("  ", (harmless(alike), "bold"), harmless(f"  {detail}"))
        for alike, finding in findings.get(node["name"], ()):
            yield _finding(alike, finding)
        if foreseen := _foreseen(node):
            yield Text.assemble("  ", (harmless(node["name"]), "bold"), harmless(f"  {foreseen}"))
    for finding in one["findings"]:
        yield _finding(one["name"], finding)
    for seen in one["vantages"]:
        if seen["success"]:
            yield Text(f"  Vantage {harmless(vantage_itself(seen))}", "dim")


def _findings(nodes: Iterable[NodeStatus]) -> dict[str, list[tuple[str, FindingStatus]]]:
    """Return the findings by the first node of each, with the names of all nodes that have the same one."""
    alike: dict[tuple[str, str], list[str]] = {}
    first: dict[tuple[str, str], FindingStatus] = {}
    for node in nodes:
        for finding in node["findings"]:
            key = finding["kind"], finding["message"]
            alike.setdefault(key, []).append(node["name"])
            first.setdefault(key, finding)
    found: dict[str, list[tuple[str, FindingStatus]]] = {}
    for key, names_alike in alike.items():
        found.setdefault(names_alike[0], []).append((names(names_alike), first[key]))
    return found


def _foreseen(node: NodeStatus) -> str:
    """Return the forecast of a clock's drift, if it may pass a line soon."""
    passings = node["forecast"]["thresholds"] if node["forecast"] else []
    upcoming = [one for one in passings if one["latest_seconds"] is None or one["latest_seconds"] > 0]
    if node["forecast"] is None or not upcoming or upcoming[0]["earliest_seconds"] > FORESEEN_WITHIN_S:
        return ""
    return node["forecast"]["message"] or ""


def _failures(shown: Iterable[NodeStatus]) -> dict[str, tuple[str, str]]:
    """Return the reasons of nodes that were not measured: by the first node of each, all its nodes and it.

    A key that cannot be used, or a bastion that is down, is one fault for all the nodes behind it.
    """
    alike: dict[str, list[str]] = {}
    for node in shown:
        if not node["measured"]:
            alike.setdefault(node["detail"] or "", []).append(node["name"])
    return {names_alike[0]: (names(names_alike), detail) for detail, names_alike in alike.items()}


def _finding(name: str, finding: FindingStatus) -> Text:
    kind = (harmless(finding["kind"]), FINDING_STYLES.get(finding["severity"], ""))
    text = Text.assemble("  ", (harmless(name), "bold"), "  ", kind, f"  {harmless(finding['message'])}")
    return text + Text(f"\n      {harmless(finding['next'])}", "dim") if finding["next"] else text
