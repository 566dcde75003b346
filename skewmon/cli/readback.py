"""The JSON contract read back into a snapshot, so that a daemon's rounds are drawn like one's own.

The JSON says less than a snapshot: the thresholds are not in it, and their place stays empty. An older daemon
leaves out the evidence of a vote as well.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from skewmon.errors import Reason, SkewmonError, echoed
from skewmon.model import (
    NS_PER_S,
    Burst,
    Cluster,
    ClusterView,
    Estimate,
    Failed,
    Finding,
    Interval,
    Measured,
    NodeView,
    Outcome,
    Pair,
    Program,
    Skew,
    Snapshot,
    SyncStatus,
    Verdict,
    Vote,
)

SCHEMA = 1

Json = dict[str, Any]


class UnreadableStatusError(SkewmonError):
    """What was answered is not the JSON of a skewmon that this one understands."""


def snapshot(text: bytes) -> Snapshot:
    """Return the snapshot that a document tells of; raise UnreadableStatusError where it tells of none."""
    try:
        document = json.loads(text)
        if document["schema"] != SCHEMA:
            raise UnreadableStatusError(
                f"The daemon speaks schema {echoed(document['schema'])}, not {SCHEMA}."
            )
        return Snapshot(_wall_ns(document["time"]), tuple(_cluster(one) for one in document["clusters"]))
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError):
        raise UnreadableStatusError("The answer is not the status of a skewmon daemon.") from None


def _cluster(one: Json) -> ClusterView:
    nodes = tuple(_node(node) for node in one["nodes"])
    return ClusterView(
        cluster=Cluster(one["name"], ()),
        verdict=Verdict(one["verdict"]),
        at_wall_ns=_wall_ns(one["round"]["at"]),
        duration_s=one["round"]["duration_seconds"],
        nodes=nodes,
        skew=_skew(one["skew"]),
        worst=_worst(one["worst_pair"], {node.name: node.offset for node in nodes}),
        vote=Vote(one["culprit_verdict"], tuple(one["culprits"]), one.get("culprit_evidence") or ""),
        pairs=tuple(_pair(pair) for pair in one["pairs"]),
        findings=_findings(one["findings"]),
    )


def _worst(one: Json | None, offsets: Mapping[str, Interval | None]) -> Pair | None:
    """Return the worst pair, in the direction in which it was named."""
    ahead, behind = (offsets[one["node"]], offsets[one["peer"]]) if one else (None, None)
    return Pair(one["node"], one["peer"], ahead - behind) if one and ahead and behind else None


def _node(one: Json) -> NodeView:
    return NodeView(
        name=one["name"],
        address=one["address"],
        outcome=_outcome(one),
        offset=_interval(one["offset"]),
        admin_offset=_interval(one["admin_offset"]),
        steps=one["steps"],
        timesync=_claim(one["timesync"]),
        findings=_findings(one["findings"]),
    )


def _outcome(one: Json) -> Outcome:
    if not one["measured"]:
        known = {reason.value: reason for reason in Reason}  # a newer daemon may have more of them
        return Failed(known.get(one["reason"], Reason.INTERNAL_ERROR), one["detail"] or "")
    # Who reads a daemon's table needs no clock readings: the estimate's own interval is not in the JSON.
    round_trip_ns = _ns(one["round_trip_seconds"])
    estimate = Estimate(0, Interval(0, 0), round_trip_ns, one["samples"])
    return Measured(Burst(Program(probe=one["probe"]), ()), estimate)


def _claim(one: Json | None) -> SyncStatus | None:
    return SyncStatus(one["daemon"], one["synchronized"], one["stratum"]) if one else None


def _findings(many: Iterable[Json]) -> tuple[Finding, ...]:
    return tuple(Finding(one["kind"], one["severity"], one["message"], one["next"]) for one in many)


def _pair(one: Json) -> Pair:
    return Pair(one["node"], one["peer"], Interval(_ns(one["lower"]), _ns(one["upper"])))


def _skew(one: Json | None) -> Skew | None:
    return Skew(_ns(one["seconds"]), _ns(one["lower"]), _ns(one["upper"])) if one else None


def _interval(one: Json | None) -> Interval | None:
    return Interval(_ns(one["lower"]), _ns(one["upper"])) if one else None


def _ns(value_s: float) -> int:
    return round(value_s * NS_PER_S)


def _wall_ns(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * NS_PER_S)
