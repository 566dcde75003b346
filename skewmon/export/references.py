"""The references of UTC in the exports; they belong to the process, so the newest round speaks for all."""

from collections.abc import Callable

from skewmon.export.document import IntervalStatus, ReferenceStatus, Status
from skewmon.export.encode import encodable, optional_seconds, seconds
from skewmon.model import (
    NO_UTC,
    ClusterView,
    Interval,
    ReferenceFault,
    ReferenceView,
    Snapshot,
    Utc,
    UtcReason,
    UtcState,
)
from skewmon.text import names

#: Adds one sample of a metric with its labels; None adds nothing.
Add = Callable[[str, dict[str, str], float | None], None]


def newest_utc(snapshot: Snapshot) -> Utc:
    """Return UTC and its references as the newest round of any cluster found them."""
    newest = max(snapshot.clusters, key=lambda view: view.at_ns, default=None)
    return newest.utc if newest else NO_UTC


def references_status(snapshot: Snapshot) -> list[ReferenceStatus]:
    """Return the references in the order of the configuration."""
    return [_reference(one) for one in newest_utc(snapshot).references]


def utc_sentence(document: Status) -> str:
    """Return whether the references agree, in one sentence."""
    used = [one for one in document["references"] if one["offset"]]
    utc = next((one["utc"] for one in document["clusters"]), None)
    if utc is None or utc["state"] is UtcState.NONE:
        return "UTC is not known: no reference gives the time now."
    if utc["state"] is UtcState.CONFIRMED:
        wrong = [one["name"] for one in used if one["falseticker"]]
        text = f"UTC is confirmed by {len(used) - len(wrong)} of {len(document['references'])} references."
        return f"{text} Provably wrong, if most are right: {names(wrong)}." if wrong else text
    return f"UTC is {utc['state']} and decides nothing: {_BECAUSE[UtcReason(utc['reason'] or '')]}."


#: Why UTC is not confirmed.
_BECAUSE = {
    UtcReason.NO_ANSWER: "no reference gives the time now",
    UtcReason.FEW_REFERENCES: "a majority needs three references that are independent of each other",
    UtcReason.NO_MAJORITY: "no majority of the references agrees",
    UtcReason.LEAP: "the references apply a leap second differently",
}


def _reference(one: ReferenceView) -> ReferenceStatus:
    return {
        "name": one.name,
        "address": one.address,
        "success": one.success,
        "reason": one.reason or None,
        "offset": _ends(one.offset) if one.offset else None,
        "round_trip_seconds": None if one.round_trip_ns is None else seconds(one.round_trip_ns),
        "stratum": one.stratum,
        "upstream": one.upstream or None,
        "falseticker": one.falseticker,
        "rejected": dict(one.rejected),
    }


def _ends(interval: Interval) -> IntervalStatus:
    return {
        "seconds": seconds(interval.estimate_ns),
        "lower": seconds(interval.lower_ns),
        "upper": seconds(interval.upper_ns),
    }


def add_utc_of_cluster(add: Add, view: ClusterView) -> None:
    """Add the state of UTC and the offsets of a cluster's nodes to it."""
    labels = {"cluster_name": encodable(view.name)}
    for state in UtcState:
        add("skewmon_utc_state", {**labels, "state": state.value}, float(state is view.utc.state))
    if view.utc.state is not UtcState.CONFIRMED:
        return
    for node in view.nodes:
        if node.utc_offset is not None:
            of_node, offset = {**labels, "node": encodable(node.name)}, node.utc_offset
            add("skewmon_node_utc_offset_seconds", of_node, seconds(offset.estimate_ns))
            add("skewmon_node_utc_offset_lower_seconds", of_node, seconds(offset.lower_ns))
            add("skewmon_node_utc_offset_upper_seconds", of_node, seconds(offset.upper_ns))


def add_references(add: Add, snapshot: Snapshot) -> None:
    """Add the references."""
    for one in newest_utc(snapshot).references:
        labels = {"reference": encodable(one.name)}
        add("skewmon_reference_success", labels, float(one.success))
        add("skewmon_reference_falseticker", labels, float(one.falseticker))
        add("skewmon_reference_stratum", labels, one.stratum)
        add("skewmon_reference_round_trip_seconds", labels, optional_seconds(one.round_trip_ns))
        if one.offset is not None:
            add("skewmon_reference_offset_seconds", labels, seconds(one.offset.estimate_ns))
            add("skewmon_reference_offset_lower_seconds", labels, seconds(one.offset.lower_ns))
            add("skewmon_reference_offset_upper_seconds", labels, seconds(one.offset.upper_ns))
        for fault in ReferenceFault:  # a counter that begins at 0 shows its first event
            rejected = one.rejected.get(fault, 0)
            add("skewmon_reference_rejected_total", {**labels, "reason": fault.value}, rejected)
