"""One node in the terminal: its clock, its path, the claims of its time daemon, findings."""

from collections.abc import Iterator
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from skewmon.cli.render import FINDING_STYLES
from skewmon.cli.screen.course import Course, heading, sparkline
from skewmon.export.claims import ClaimStatus
from skewmon.export.document import (
    ClusterStatus,
    IntervalStatus,
    NodeStatus,
    interval,
    ns,
    skew_thresholds,
)
from skewmon.text import at_least, at_most, bound, estimate, harmless, offset, rate, signed_seconds

#: Columns of the labels.
LABEL = 16

#: Peers of the node that are named: those that are provably furthest from it.
PEERS_SHOWN = 5

NS_PER_PPB = 1_000_000_000


def node_view(
    one: ClusterStatus, node: NodeStatus, course: Course, width: int, *, plain: bool
) -> RenderableType:
    """Return everything that is known about a node."""
    wrong = node["name"] in one["culprits"]
    head = Text.assemble((harmless(node["name"]), "bold red" if wrong else "bold"), "  ")
    head.append(
        "WRONG" if wrong else "" if node["measured"] else "not measured", "bold red" if wrong else "magenta"
    )
    facts = Table(Column(width=LABEL, style="dim"), Column(), box=None, show_header=False, pad_edge=False)
    for label, value in _facts(one, node, course, width, plain=plain):
        facts.add_row(label, value)
    return Group(head, facts, *_findings(node), *_sources(node["timesync"]))


def _facts(
    one: ClusterStatus, node: NodeStatus, course: Course, width: int, *, plain: bool
) -> Iterator[tuple[str, Text]]:
    yield "address", Text(harmless(node["address"]))
    if node["axis"]:
        yield "measured from", Text(harmless(node["axis"]))
    if not node["measured"]:
        yield "reason", Text(harmless(f"{node['reason']}: {node['detail']}"))
        yield "last measured", Text(_instant(node["last_success"]) if node["last_success"] else "never")
    yield from _offsets(node)
    line = next(iter(skew_thresholds(one["thresholds"])), None)
    drawn = sparkline(
        course, node["name"], max(10, width - LABEL - 4), line.limit_ns if line else None, plain=plain
    )
    yield heading(course), drawn
    yield from _peers(one, node)
    yield from _rates(node)
    if node["measured"]:
        path = (
            f"{bound(ns(node['round_trip_seconds'] or 0.0))}, {node['samples']} exchanges by {node['probe']}"
        )
        yield "round trip", Text(harmless(path))
    yield "time daemon", _claim(node["timesync"])


def _offsets(node: NodeStatus) -> Iterator[tuple[str, Text]]:
    named = {
        "to the cluster": node["offset"],
        "to the admin box": node["admin_offset"],
        "to UTC": node["utc_offset"],
    }
    for label, ends in named.items():
        if ends is not None:
            yield label, _between(ends)


def _between(ends: IntervalStatus) -> Text:
    of = interval(ends)
    lower, upper = (estimate(end_ns, of.bound_ns) for end_ns in (of.lower_ns, of.upper_ns))
    return Text.assemble(offset(of.estimate_ns, of.bound_ns), (f"  between {lower} and {upper}", "dim"))


def _peers(one: ClusterStatus, node: NodeStatus) -> Iterator[tuple[str, Text]]:
    """Yield the peers that are provably furthest away."""
    if node["offset"] is None:
        return
    own = interval(node["offset"])
    others = [
        (own - interval(peer["offset"]), peer["name"])
        for peer in one["nodes"]
        if peer["offset"] and peer["name"] != node["name"]
    ]
    apart = sorted((pair for pair in others if pair[0].proven_ns), key=lambda pair: -pair[0].proven_ns)
    shown = [f"{at_least(pair.proven_ns)} from {harmless(name)}" for pair, name in apart[:PEERS_SHOWN]]
    more = f" and {len(apart) - PEERS_SHOWN} more" if len(apart) > PEERS_SHOWN else ""
    if others:
        yield "proven apart", Text(", ".join(shown) + more if shown else "from no other node")


def _rates(node: NodeStatus) -> Iterator[tuple[str, Text]]:
    drift = node["drift"]
    if drift is not None:
        ends = (round(drift[end] * NS_PER_PPB) for end in ("ratio", "lower", "upper"))
        value, lower, upper = (rate(one) for one in ends)
        yield "drift", Text.assemble(value, (f"  between {lower} and {upper}", "dim"))
    if node["forecast"] and node["forecast"]["message"]:
        yield "forecast", Text(harmless(node["forecast"]["message"]))
    if node["steps"]:
        yield "steps", Text(f"{node['steps']} since the start")


def _claim(claim: ClaimStatus | None) -> Text:
    if claim is None:
        return Text("not queried yet", "dim")
    if claim["daemon"] == "none":
        return Text("none runs", "yellow")
    words = [harmless(claim["daemon"])]
    if claim["synchronized"] is not None:
        words.append("synchronized" if claim["synchronized"] else "unsynchronized")
    if claim["source"]:
        words.append(f"to {harmless(claim['source'])}")
    if claim["stratum"] is not None:
        words.append(f"stratum {claim['stratum']}")
    if claim["offset_seconds"] is not None:
        words.append(f"claims {signed_seconds(claim['offset_seconds'])}")
    if claim["root_distance_seconds"] is not None:
        words.append(f"within {at_most(ns(claim['root_distance_seconds']))}")
    return Text(", ".join(words), "yellow" if claim["synchronized"] is False else "")


def _findings(node: NodeStatus) -> Iterator[Text]:
    for finding in node["findings"]:
        style = FINDING_STYLES.get(finding["severity"], "")
        yield Text.assemble((harmless(finding["kind"]), style), f"  {harmless(finding['message'])}")
        if finding["next"]:
            yield Text(f"    {harmless(finding['next'])}", "dim")


def _sources(claim: ClaimStatus | None) -> Iterator[RenderableType]:
    if claim is None or not claim["peers"]:
        return
    table = Table(
        Column("source", overflow="fold"),
        Column("state"),
        Column("stratum", justify="right"),
        Column("reach", justify="right"),
        Column("claimed offset", justify="right"),
        box=None,
        pad_edge=False,
        header_style="dim",
    )
    for peer in claim["peers"]:
        claimed = "" if peer["offset_seconds"] is None else signed_seconds(peer["offset_seconds"])
        table.add_row(
            Text(harmless(peer["name"])),
            Text(harmless(peer["state"] or "")),
            "" if peer["stratum"] is None else str(peer["stratum"]),
            "" if peer["reach"] is None else f"{peer['reach']:o}",
            claimed,
        )
    yield Text("")
    yield table


def _instant(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M:%S}"
