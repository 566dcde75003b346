"""The result of a check in the form of ``--output``, and its exit code."""

import sys
from collections.abc import Callable

from skewmon.export.document import ClusterStatus, Status, interval, ns
from skewmon.export.status import WORST_FIRST, encode, status
from skewmon.model import NS_PER_S, Interval, Snapshot, ThresholdKind, UtcState, Verdict
from skewmon.text import at_least, at_most, harmless

#: Nagios's codes.
EXIT_CODES = {
    Verdict.OK: 0,
    Verdict.WARNING: 1,
    Verdict.CRITICAL: 2,
    Verdict.UNKNOWN: 3,
    Verdict.AMBIGUOUS: 3,
}

#: Older monitoring systems cut the line here.
NAGIOS_LINE = 80


def show(snapshot: Snapshot, output: str) -> int:
    """Print a snapshot in one of the forms; return the exit code of its worst verdict."""
    document = status(snapshot)
    if output == "prometheus":
        prometheus(snapshot)
    else:
        DRAWN[output](document)
    return exit_code(document)


def exit_code(document: Status) -> int:
    """Return the exit code of the worst verdict."""
    return EXIT_CODES[document["verdict"]]


def table(document: Status) -> None:
    """Print for a person."""
    from skewmon.cli import render

    render.document(document, render.console())


def as_json(document: Status) -> None:
    """Print the JSON contract."""
    sys.stdout.write(encode(document).decode() + "\n")


def nagios(document: Status) -> None:
    """Print one line with performance data, as monitoring plugins do."""
    clusters = sorted(document["clusters"], key=lambda one: WORST_FIRST.index(one["verdict"]))
    verdict = document["verdict"]
    word = "UNKNOWN" if verdict is Verdict.AMBIGUOUS else verdict.upper()
    line = _fitting(f"SKEW {word}: {_nagios_words(clusters[0])}", clusters[0]["culprits"])
    sys.stdout.write(f"{_plain(line)} | {_plain(' '.join(_perfdata(one) for one in clusters))}\n")


def prometheus(snapshot: Snapshot) -> None:
    """Print the metrics that the daemon would export."""
    from prometheus_client import CollectorRegistry, generate_latest

    from skewmon.export.collector import SnapshotCollector
    from skewmon.export.published import DaemonStats

    registry = CollectorRegistry()
    registry.register(SnapshotCollector(snapshot, DaemonStats(), "auto"))
    sys.stdout.write(generate_latest(registry).decode())


DRAWN: dict[str, Callable[[Status], None]] = {"table": table, "json": as_json, "nagios": nagios}


def _nagios_words(one: ClusterStatus) -> str:
    measured = f"{one['round']['measured']}/{one['round']['nodes']} nodes"
    if one["skew"] is None:
        return f"{one['name']}, {measured}, no skew known{_utc_words(one)}"
    least, most = at_least(ns(one["skew"]["lower"])), at_most(ns(one["skew"]["upper"]))
    return f"{one['name']} {least}..{most}, {measured}{_utc_words(one)}"


def _utc_words(one: ClusterStatus) -> str:
    """Return how far the furthest clock is proven to be from UTC, or why UTC judges no line."""
    if one["utc"]["reason"] and any(line["kind"] == ThresholdKind.UTC for line in one["thresholds"]):
        return f", UTC not confirmed ({one['utc']['reason']})"
    far_ns = max((offset.proven_ns for offset in _utc_offsets(one)), default=0)
    return f", {at_least(far_ns)} off UTC" if far_ns else ""


def _utc_offsets(one: ClusterStatus) -> list[Interval]:
    if one["utc"]["state"] is not UtcState.CONFIRMED:
        return []
    return [interval(node["utc_offset"]) for node in one["nodes"] if node["utc_offset"]]


def _fitting(line: str, culprits: list[str]) -> str:
    """Return the line with as many culprits as fit; the rest is counted, and no name is cut."""
    for count in range(len(culprits), -1, -1):
        shown = ",".join(culprits[:count])
        more = len(culprits) - count
        rest = f"{' and ' if count else ''}{more} more" if more and count else f"{more} nodes" if more else ""
        whole = f"{line}, wrong: {shown}{rest}" if culprits else line
        if len(whole) <= NAGIOS_LINE:
            return whole
    return line


def _plain(text: str) -> str:
    """Return a text in which nothing ends the line or begins performance data before its time."""
    return harmless(text).replace("|", "/")  # Nagios has no way to quote it


def _perfdata(one: ClusterStatus) -> str:
    name = one["name"].replace("'", "").replace("=", "")
    if one["skew"] is None:
        skew = f"'{name}_skew_proven'=U;{_limits(one, ThresholdKind.SKEW)}"
    else:
        skew = _values(f"{name}_skew", one["skew"]["lower"], one["skew"]["upper"], one, ThresholdKind.SKEW)
    offsets = _utc_offsets(one)
    if not offsets:
        return skew
    proven_s, upper_s = (
        max(ends) / NS_PER_S
        for ends in zip(*((offset.proven_ns, offset.furthest_ns) for offset in offsets), strict=True)
    )
    return f"{skew} {_values(f'{name}_utc', proven_s, upper_s, one, ThresholdKind.UTC)}"


def _values(name: str, proven_s: float, upper_s: float, one: ClusterStatus, kind: ThresholdKind) -> str:
    limits, values = _limits(one, kind), {"proven": proven_s, "upper": upper_s}
    return " ".join(f"'{name}_{end}'={value:.9f}s;{limits}" for end, value in values.items())


def _limits(one: ClusterStatus, kind: ThresholdKind) -> str:
    lines = {line["severity"]: line["limit"] for line in one["thresholds"] if line["kind"] == kind}
    return f"{lines.get('warning', '')};{lines.get('critical', '')};0"
