"""One snapshot as the JSON contract, schema 1; described for machines in docs/status.schema.json.

Seconds are floats, unknown values are null, instants are RFC 3339 in UTC.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from skewmon import __version__
from skewmon.clock.forecast import sentence as forecast_sentence
from skewmon.export.claims import claim_status
from skewmon.export.document import (
    ClusterHead,
    ClusterStatus,
    DriftStatus,
    FindingStatus,
    ForecastStatus,
    IntervalStatus,
    NodeStatus,
    OscillatorStatus,
    PairStatus,
    Status,
    StatusHead,
    Summary,
    ThresholdStatus,
    WorstPairStatus,
    sentence,
)
from skewmon.export.encode import finite, seconds
from skewmon.export.references import references_status
from skewmon.export.utc_words import utc_words
from skewmon.export.vantages import vantages_status
from skewmon.model import (
    ClusterView,
    Drift,
    Failed,
    Finding,
    Forecast,
    Interval,
    Measured,
    NodeView,
    OscillatorRate,
    Pair,
    Skew,
    Snapshot,
    Verdict,
)
from skewmon.runtime.gil_yield import yielding_gil
from skewmon.text import harmless_json, rfc3339

SCHEMA = 1

#: Decimals of instants in the JSON.
WALL_DECIMALS = 6

#: The verdict on several clusters is the first of these that one of them has; the order of exit codes.
WORST_FIRST = (Verdict.CRITICAL, Verdict.WARNING, Verdict.UNKNOWN, Verdict.AMBIGUOUS, Verdict.OK)

#: How deep the status is taken apart to be encoded: document, clusters, one cluster, its nodes.
STATUS_DEPTH = 4

#: The same of documents whose long list stands at the top.
LIST_DEPTH = 2

#: Nodes or pairs encoded in about a millisecond.
ITEMS_A_TURN = 64


def overall_verdict(snapshot: Snapshot) -> Verdict:
    """Return the worst verdict of all clusters; without clusters it is unknown."""
    verdicts = {view.verdict for view in snapshot.clusters}
    return next((verdict for verdict in WORST_FIRST if verdict in verdicts), Verdict.UNKNOWN)


def status(snapshot: Snapshot) -> Status:
    """Return the whole document."""
    return {
        **_head(snapshot),
        "clusters": [cluster_status(view) for view in snapshot.clusters],
        "references": references_status(snapshot),
    }


def summary(snapshot: Snapshot) -> Summary:
    """Return the document without nodes and pairs, as a stream sends it every round."""
    return {**_head(snapshot), "clusters": [_cluster_head(view) for view in snapshot.clusters]}


def encode(document: Mapping[str, Any], depth: int = STATUS_DEPTH) -> bytes:
    """Return the document as JSON text; refuses NaN, and survives any text that a node sent."""
    return "".join(_pieces(document, depth)).encode("utf-8", "replace")


def _pieces(value: Any, depth: int) -> Iterator[str]:
    """Yield the text in pieces: the encoder is one long call that would let no other thread run."""
    if depth == 0 or not isinstance(value, dict | list):
        yield _dumps(value)
    elif isinstance(value, dict):
        for number, (key, below) in enumerate(value.items()):
            yield f"{',' if number else '{'}{_dumps(key)}:"
            yield from _pieces(below, depth - 1)
        yield "}" if value else "{}"
    else:
        for number, below in enumerate(yielding_gil(value, ITEMS_A_TURN)):
            yield "," if number else "["
            yield from _pieces(below, depth - 1)
        yield "]" if value else "[]"


def _dumps(value: Any) -> str:
    return harmless_json(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def cluster_status(view: ClusterView) -> ClusterStatus:
    """Return one cluster."""
    return {
        **_cluster_head(view),
        "interval_seconds": view.cluster.interval_s,
        "thresholds": _thresholds(view),
        "axis": view.axis or None,
        "vantages": vantages_status(view),
        "nodes": [_node(node) for node in yielding_gil(view.nodes, ITEMS_A_TURN)],
        "pairs": [pair_status(pair) for pair in view.pairs],
        "findings": _findings(view.findings),
    }


def pair_status(pair: Pair) -> PairStatus:
    """Return one pair."""
    return {"node": pair.node, "peer": pair.peer, **_ends(pair.offset), "verdict": pair.verdict.value}


def _head(snapshot: Snapshot) -> StatusHead:
    return {
        "schema": SCHEMA,
        "time": rfc3339(snapshot.wall_ns, WALL_DECIMALS),
        "version": __version__,
        "verdict": overall_verdict(snapshot),
    }


def _cluster_head(view: ClusterView) -> ClusterHead:
    head: ClusterHead = {
        "name": view.name,
        "verdict": view.verdict,
        "message": "",
        "skew": _skew(view.skew),
        "worst_pair": _worst_pair(view.worst),
        "culprits": list(view.vote.culprits),
        "culprit_verdict": view.vote.verdict,
        "culprit_evidence": view.vote.evidence or None,
        "utc": {"state": view.utc.state, "reason": view.utc.reason or None},
        "round": {
            "at": rfc3339(view.at_wall_ns, WALL_DECIMALS),
            "duration_seconds": view.duration_s,
            "nodes": len(view.nodes),
            "measured": view.measured,
        },
    }
    missing = [node.name for node in view.nodes if isinstance(node.outcome, Failed)]
    head["message"] = sentence(head, _thresholds(view), missing, utc_words(view))
    return head


def _worst_pair(pair: Pair | None) -> WorstPairStatus | None:
    return {"node": pair.node, "peer": pair.peer, **_ends(pair.offset)} if pair else None


def _thresholds(view: ClusterView) -> list[ThresholdStatus]:
    return [
        {
            "kind": line.kind,
            "severity": line.severity,
            "limit": seconds(line.limit_ns),
            "for_seconds": line.for_s,
            "clear_for_seconds": line.clear_for_s,
        }
        for line in view.cluster.thresholds
    ]


def _node(node: NodeView) -> NodeStatus:
    outcome, last_ns = node.outcome, node.last_success_wall_ns
    measured = outcome if isinstance(outcome, Measured) else None  # earlier results are not shown
    failed = outcome if isinstance(outcome, Failed) else None
    return {
        "name": node.name,
        "address": node.address,
        "measured": measured is not None,
        "reason": failed.reason.value if failed else None,
        "detail": f"{failed.detail} {failed.advice}".strip() if failed else None,
        "probe": measured.burst.program.probe if measured else None,
        "offset": _interval(node.offset) if measured else None,
        "admin_offset": _interval(node.admin_offset) if measured else None,
        "axis": node.axis or None,
        "axis_offset": _interval(node.axis_offset) if measured else None,
        "utc_offset": _interval(node.utc_offset) if measured else None,
        "round_trip_seconds": seconds(measured.estimate.round_trip_ns) if measured else None,
        "samples": measured.estimate.samples if measured else 0,
        "last_success": None if last_ns is None else rfc3339(last_ns, WALL_DECIMALS),
        "drift": _drift(node.drift),
        "oscillator": _oscillator(node.oscillator),
        "forecast": _forecast(node.forecast),
        "steps": node.steps,
        "timesync": claim_status(node.timesync),
        "findings": _findings(node.findings),
    }


def _ends(interval: Interval) -> IntervalStatus:
    return {
        "seconds": seconds(interval.estimate_ns),
        "lower": seconds(interval.lower_ns),
        "upper": seconds(interval.upper_ns),
    }


def _interval(interval: Interval | None) -> IntervalStatus | None:
    return _ends(interval) if interval else None


def _skew(skew: Skew | None) -> IntervalStatus | None:
    if skew is None:
        return None
    return {
        "seconds": seconds(skew.estimate_ns),
        "lower": seconds(skew.lower_ns),
        "upper": seconds(skew.upper_ns),
    }


def _drift(drift: Drift | None) -> DriftStatus | None:
    return {"ratio": drift.ratio, "lower": drift.lower, "upper": drift.upper} if drift else None


def _oscillator(rate: OscillatorRate | None) -> OscillatorStatus | None:
    if rate is None:
        return None
    ageing = None if rate.ageing_ns is None else seconds(rate.ageing_ns)
    return {"lower": rate.lower, "upper": rate.upper, "ageing_seconds": ageing}


def _forecast(coming: Forecast | None) -> ForecastStatus | None:
    if coming is None:
        return None
    return {
        "direction": "ahead" if coming.ahead else "behind",
        "discipline": coming.discipline.value,
        "thresholds": [
            {
                "seconds": seconds(one.limit_ns),
                "earliest_seconds": one.earliest_s,
                "latest_seconds": finite(one.latest_s),
            }
            for one in coming.passings
        ],
        "message": forecast_sentence(coming) or None,
    }


def _findings(findings: Iterable[Finding]) -> list[FindingStatus]:
    return [
        {
            "kind": finding.kind,
            "severity": finding.severity,
            "message": finding.message,
            "next": finding.next,
        }
        for finding in findings
    ]
