"""The JSON of a daemon, checked, so that its rounds are drawn like one's own.

Fields that an older daemon leaves out are filled in.
"""

import json
import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from skewmon.errors import SkewmonError, echoed
from skewmon.export.document import IntervalStatus, Status, sentence
from skewmon.export.status import SCHEMA

#: Fields of a cluster and of a node that were added to schema 1, with what stands for their absence.
ADDED_TO_CLUSTERS: dict[str, Any] = {"culprit_evidence": None, "thresholds": [], "interval_seconds": 0.0}
ADDED_TO_NODES: dict[str, Any] = {"last_success": None}


class UnreadableStatusError(SkewmonError):
    """What was answered is not the JSON of a skewmon that this one understands."""


def parsed(text: bytes) -> Status:
    """Return the document of a daemon; raise UnreadableStatusError if it is not one."""
    try:
        document = json.loads(text, parse_constant=_finite, parse_float=_finite)
        if document["schema"] != SCHEMA:
            raise UnreadableStatusError(
                f"The daemon speaks schema {echoed(document['schema'])}, not {SCHEMA}."
            )
        for cluster in document["clusters"]:
            _complete(cluster)
        status = TypeAdapter(Status).validate_python(document)
        _check(status)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        raise UnreadableStatusError("The answer is not the status of a skewmon daemon.") from None
    return status


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _complete(cluster: dict[str, Any]) -> None:
    """Fill in what a daemon of an earlier version leaves out."""
    for key, value in ADDED_TO_CLUSTERS.items():
        cluster.setdefault(key, value)
    for node in cluster["nodes"]:
        for key, value in ADDED_TO_NODES.items():
            node.setdefault(key, value)
    offsets = {node["name"]: node["offset"] for node in cluster["nodes"]}
    pair = cluster["worst_pair"]
    if pair and "seconds" not in pair:
        one, other = offsets[pair["node"]], offsets[pair["peer"]]
        pair["seconds"] = one["seconds"] - other["seconds"]
        pair["lower"], pair["upper"] = one["lower"] - other["upper"], one["upper"] - other["lower"]
    missing = [node["name"] for node in cluster["nodes"] if not node["measured"]]
    if "message" not in cluster:
        cluster["message"] = sentence(cluster, cluster["thresholds"], missing)  # type: ignore[arg-type] # checked next


def _check(status: Status) -> None:
    """Raise ValueError if an instant or an interval is none."""
    datetime.fromisoformat(status["time"])
    for cluster in status["clusters"]:
        datetime.fromisoformat(cluster["round"]["at"])
    if any(ends["lower"] > ends["upper"] for ends in _intervals(status)):
        raise ValueError("an interval whose ends are exchanged")


def _intervals(status: Status) -> Iterator[IntervalStatus]:
    for cluster in status["clusters"]:
        for node in cluster["nodes"]:
            if node["offset"]:
                yield node["offset"]
            if node["admin_offset"]:
                yield node["admin_offset"]
