"""A round in the terminal: a table, worst first, then what it means and what to type next."""

import sys
from collections.abc import Iterable

from rich.console import Console, Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from skewmon.cli.words import verdict_sentence
from skewmon.clock import forecast
from skewmon.model import ClusterView, Failed, Finding, NodeView, Snapshot, SyncStatus, Verdict
from skewmon.text import bound, estimate, harmless, names

STYLES = {
    Verdict.OK: "bold green",
    Verdict.WARNING: "bold yellow",
    Verdict.CRITICAL: "bold red",
    Verdict.UNKNOWN: "bold magenta",
    Verdict.AMBIGUOUS: "bold cyan",
}

FINDING_STYLES = {"info": "cyan", "warning": "yellow", "critical": "red"}


#: Narrower terminals do without the columns that explain rather than tell.
WIDE = 100

#: A line that a drift may pass within a day is worth a sentence; the page and the JSON look further.
FORESEEN_WITHIN_S = 86_400

#: Where nobody looks, nothing is cut: a pipe has no width.
PIPE_WIDTH = 250


def console() -> Console:
    """Return the console for standard output."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def snapshot(view: Snapshot, to: Console) -> None:
    """Print every cluster of a snapshot."""
    for number, cluster_view in enumerate(view.clusters):
        if number:
            to.print()
        to.print(cluster(cluster_view, wide=to.width >= WIDE))


def cluster(view: ClusterView, *, wide: bool, rows: int | None = None) -> RenderableType:
    """Return one cluster: table, sentence, findings; only of the ``rows`` worst nodes where that is given."""
    shown = worst_first(view)[:rows]
    head = Text.assemble(
        (f"{view.verdict.upper()} ", STYLES[view.verdict]), (harmless(view.name), "bold"), "  "
    )
    hidden = len(view.nodes) - len(shown)
    rest = [Text(f"… and {hidden} more nodes", "dim")] if hidden else []
    sentence = head + Text(harmless(verdict_sentence(view)))
    return Group(_table(view, shown, wide=wide), *rest, sentence, *_advice(view, shown))


def _table(view: ClusterView, shown: Iterable[NodeView], *, wide: bool) -> Table:
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
        table.add_row(*_row(node, view, wide=wide))
    return table


def worst_first(view: ClusterView) -> list[NodeView]:
    """Return the nodes: culprits, then unmeasured ones, then by proven distance from the reference."""

    def rank(node: NodeView) -> tuple[int, int, int]:
        if node.offset is None:
            return (1, 0, 0)
        culprit = node.name in view.vote.culprits
        return (0 if culprit else 2, -node.offset.proven_ns, -abs(node.offset.estimate_ns))

    return sorted(view.nodes, key=rank)


def _row(node: NodeView, view: ClusterView, *, wide: bool) -> Iterable[RenderableType]:
    wrong = node.name in view.vote.culprits
    name = Text(harmless(node.name), "bold red" if wrong else "bold")
    claim = _claim(node.timesync)
    if isinstance(node.outcome, Failed):
        blank = ("", "", "") if wide else ()
        return (name, Text("not measured", "magenta"), "", *blank, claim, Text(node.outcome.reason))
    assert node.offset is not None
    admin, round_trip_ns = node.admin_offset, node.outcome.estimate.round_trip_ns
    explained = (
        Text(estimate(admin.estimate_ns, admin.bound_ns) if admin else "", "dim"),
        Text(bound(round_trip_ns), "dim"),
        Text(harmless(node.outcome.burst.program.probe), "dim"),
    )
    value = estimate(node.offset.estimate_ns, node.offset.bound_ns)
    note = Text("WRONG" if wrong else "", "bold red")
    return (
        name,
        Text(value),
        Text(f"± {bound(node.offset.bound_ns)}"),
        *(explained if wide else ()),
        claim,
        note,
    )


def _claim(status: SyncStatus | None) -> Text:
    if status is None:
        return Text("")
    if status.daemon == "none":
        return Text("none runs", "yellow")
    if status.synchronized is None:
        return Text(harmless(status.daemon), "dim")
    word = "synchronized" if status.synchronized else "unsynchronized"
    return Text(f"{harmless(status.daemon)} {word}", "" if status.synchronized else "yellow")


def _advice(view: ClusterView, shown: Iterable[NodeView]) -> Iterable[RenderableType]:
    failures = _failures(shown)
    for node in shown:
        if node.name in failures:
            who, told = failures[node.name]
            yield Text.assemble("  ", (harmless(who), "bold"), harmless(f"  {told}"))
        for finding in node.findings:
            yield _finding(node.name, finding)
        if foreseen := _foreseen(node):
            yield Text.assemble("  ", (harmless(node.name), "bold"), f"  {foreseen}")
    for finding in view.findings:
        yield _finding(view.name, finding)


def _foreseen(node: NodeView) -> str:
    """Return where a clock's drift leads, if that may come to pass soon."""
    upcoming = node.forecast.upcoming if node.forecast else ()
    if node.forecast is None or not upcoming or upcoming[0].earliest_s > FORESEEN_WITHIN_S:
        return ""
    return forecast.sentence(node.forecast)


def _failures(shown: Iterable[NodeView]) -> dict[str, tuple[str, str]]:
    """Return why nodes were not measured, by the first node of which it is true, with the names of them all.

    A key that cannot be used, or a bastion that is down, is one fault however many nodes it keeps away.
    """
    alike: dict[str, list[str]] = {}
    for node in shown:
        if isinstance(node.outcome, Failed):
            alike.setdefault(f"{node.outcome.detail} {node.outcome.advice}", []).append(node.name)
    return {who[0]: (names(who), told) for told, who in alike.items()}


def _finding(where: str, finding: Finding) -> Text:
    kind = (harmless(finding.kind), FINDING_STYLES[finding.severity])
    text = Text.assemble("  ", (harmless(where), "bold"), "  ", kind, f"  {harmless(finding.message)}")
    return text + Text(f"\n      {harmless(finding.next)}", "dim") if finding.next else text
