"""The result of a check in the form that the caller asked for, and its exit code."""

import sys
from collections.abc import Callable

from skewmon.model import NS_PER_S, ClusterView, Snapshot, Verdict

#: Nagios's codes; worst first is critical, warning, unknown, ok.
EXIT_CODES = {
    Verdict.OK: 0,
    Verdict.WARNING: 1,
    Verdict.CRITICAL: 2,
    Verdict.UNKNOWN: 3,
    Verdict.AMBIGUOUS: 3,
}

#: Older monitoring systems cut the line here.
NAGIOS_LINE = 80


def exit_code(snapshot: Snapshot) -> int:
    """Return the exit code of the worst verdict."""
    from skewmon.export.status import overall_verdict

    return EXIT_CODES[overall_verdict(snapshot)]


def table(snapshot: Snapshot) -> None:
    """Print for a person."""
    from skewmon.cli import render

    render.snapshot(snapshot, render.console())


def as_json(snapshot: Snapshot) -> None:
    """Print the JSON contract."""
    from skewmon.export.status import encode, status

    sys.stdout.write(encode(status(snapshot)).decode() + "\n")


def nagios(snapshot: Snapshot) -> None:
    """Print one line with performance data, as monitoring plugins do."""
    from skewmon.export.status import overall_verdict

    verdict = overall_verdict(snapshot)
    word = "UNKNOWN" if verdict is Verdict.AMBIGUOUS else verdict.upper()
    worst = min(snapshot.clusters, key=lambda view: -EXIT_CODES[view.verdict] % 4)
    line = f"SKEW {word}: {_nagios_words(worst)}"[:NAGIOS_LINE]
    sys.stdout.write(f"{line} | {' '.join(_perfdata(view) for view in snapshot.clusters)}\n")


def prometheus(snapshot: Snapshot) -> None:
    """Print the metrics that the daemon would export."""
    from prometheus_client import CollectorRegistry, generate_latest

    from skewmon.export.collector import SnapshotCollector
    from skewmon.export.facts import DaemonFacts

    registry = CollectorRegistry()
    registry.register(SnapshotCollector(snapshot, DaemonFacts(), "auto"))
    sys.stdout.write(generate_latest(registry).decode())


OUTPUT_OF: dict[str, Callable[[Snapshot], None]] = {
    "table": table,
    "json": as_json,
    "nagios": nagios,
    "prometheus": prometheus,
}


def _nagios_words(view: ClusterView) -> str:
    from skewmon.text import at_least, at_most

    measured = f"{view.measured}/{len(view.nodes)} nodes"
    if view.skew is None:
        return f"{view.name}, {measured}, no skew known"
    wrong = f", wrong: {','.join(view.vote.culprits)}" if view.vote.culprits else ""
    return f"{view.name} {at_least(view.skew.lower_ns)}..{at_most(view.skew.upper_ns)}, {measured}{wrong}"


def _perfdata(view: ClusterView) -> str:
    lines = {
        line.severity: line.limit_ns / NS_PER_S for line in view.cluster.thresholds if line.kind == "skew"
    }
    limits = f"{lines.get('warning', '')};{lines.get('critical', '')};0"
    name = view.name.replace("'", "").replace("=", "")
    if view.skew is None:
        return f"'{name}_skew_proven'=U;{limits}"
    values = {"proven": view.skew.lower_ns, "upper": view.skew.upper_ns}
    return " ".join(f"'{name}_skew_{end}'={ns / NS_PER_S:.9f}s;{limits}" for end, ns in values.items())
