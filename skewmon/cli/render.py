"""A round in the terminal: a table, worst first, then what it means and what to type next."""

import sys
from collections.abc import Iterable

from rich.console import Console, Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from skewmon.export.document import (
    ClaimStatus,
    ClusterStatus,
    FindingStatus,
    NodeStatus,
    Status,
    interval,
    ns,
    worst_first,
)
from skewmon.model import Verdict
from skewmon.text import bound, estimate, harmless, names

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


def cluster(one: ClusterStatus, *, wide: bool, rows: int | None = None) -> RenderableType:
    """Return one cluster: table, sentence, findings; if ``rows`` is given, only of that many worst nodes."""
    shown = worst_first(one)[:rows]
    verdict = one["verdict"]
    head = Text.assemble((f"{verdict.upper()} ", STYLES[verdict]), (harmless(one["name"]), "bold"), "  ")
    hidden = len(one["nodes"]) - len(shown)
    rest = [Text(f"… and {hidden} more nodes", "dim")] if hidden else []
    sentence = head + Text(harmless(one["message"]))
    return Group(_table(one, shown, wide=wide), *rest, sentence, *_advice(one, shown))


def _table(one: ClusterStatus, shown: Iterable[NodeStatus], *, wide: bool) -> Table:
    columns = [
        Column("node", overflow="fold"),
        Column("offset", justify="right", no_wrap=True),
        Column("bound", no_wrap=True),
        *([Column("to admin box", justify="right", no_wrap=True)] if wide else ()),
        *([Column("round trip", justify="right", no_wrap=True), Column("by", no_wrap=True)] if wide else ()),
        Column("time daemon"),
        Column(""),
    ]
    table = Table(*columns, box=None, pad_edge=False, header_style="dim")
    for node in shown:
        table.add_row(*_row(node, wrong=node["name"] in one["culprits"], wide=wide))
    return table


def _row(node: NodeStatus, *, wrong: bool, wide: bool) -> Iterable[RenderableType]:
    name = Text(harmless(node["name"]), "bold red" if wrong else "bold")
    claim = _claim(node["timesync"])
    if node["offset"] is None:
        blank = ("", "", "") if wide else ()
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


def _advice(one: ClusterStatus, shown: Iterable[NodeStatus]) -> Iterable[RenderableType]:
    failures = _failures(shown)
    for node in shown:
        if node["name"] in failures:
            who, told = failures[node["name"]]
            yield Text.assemble("  ", (harmless(who), "bold"), harmless(f"  {told}"))
        for finding in node["findings"]:
            yield _finding(node["name"], finding)
        if foreseen := _foreseen(node):
            yield Text.assemble("  ", (harmless(node["name"]), "bold"), harmless(f"  {foreseen}"))
    for finding in one["findings"]:
        yield _finding(one["name"], finding)


def _foreseen(node: NodeStatus) -> str:
    """Return where a clock's drift leads, if that may come to pass soon."""
    passings = node["forecast"]["thresholds"] if node["forecast"] else []
    upcoming = [one for one in passings if one["latest_seconds"] is None or one["latest_seconds"] > 0]
    if node["forecast"] is None or not upcoming or upcoming[0]["earliest_seconds"] > FORESEEN_WITHIN_S:
        return ""
    return node["forecast"]["message"] or ""


def _failures(shown: Iterable[NodeStatus]) -> dict[str, tuple[str, str]]:
    """Return why nodes were not measured: by the first node of each reason, all its nodes and the reason.

    A key that cannot be used, or a bastion that is down, is one fault however many nodes it keeps away.
    """
    alike: dict[str, list[str]] = {}
    for node in shown:
        if not node["measured"]:
            alike.setdefault(node["detail"] or "", []).append(node["name"])
    return {who[0]: (names(who), told) for told, who in alike.items()}


def _finding(where: str, finding: FindingStatus) -> Text:
    kind = (harmless(finding["kind"]), FINDING_STYLES.get(finding["severity"], ""))
    text = Text.assemble("  ", (harmless(where), "bold"), "  ", kind, f"  {harmless(finding['message'])}")
    return text + Text(f"\n      {harmless(finding['next'])}", "dim") if finding["next"] else text
