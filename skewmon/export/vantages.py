"""The vantages in the exports; one that several clusters share is shown as the newest round found it."""

from collections.abc import Callable

from skewmon.export.document import ClusterStatus, NodeStatus, interval, ns
from skewmon.export.encode import encodable, seconds
from skewmon.export.vantage_status import VantageStatus
from skewmon.model import ClusterView, Snapshot, VantageView
from skewmon.text import bound

#: Adds one sample of a metric with its labels; None adds nothing.
Add = Callable[[str, dict[str, str], float | None], None]


def vantages_status(view: ClusterView) -> list[VantageStatus]:
    """Return the vantages of a cluster's nodes."""
    return [_vantage(one) for one in view.vantages]


def _vantage(one: VantageView) -> VantageStatus:
    failed = one.failed
    return {
        "name": one.label,
        "success": one.to_base is not None,
        "reason": failed.reason.value if failed else None,
        "detail": f"{failed.detail} {failed.advice}".strip() if failed else None,
        "bound_seconds": seconds(one.to_base.bound_ns) if one.to_base else None,
        "streams": one.streams,
        "contradicting": list(one.contradicting),
    }


def measured_from(cluster: ClusterStatus, node: NodeStatus) -> str:
    """Return how well a node is known from its vantage, and the vantage itself; empty without one."""
    label, there = node["axis"], node["axis_offset"]
    if label is None or there is None:
        return ""
    known = [vantage_itself(one) for one in cluster["vantages"] if one["name"] == label and one["success"]]
    return ", ".join((f"{label} (± {bound(interval(there).bound_ns)})", *known))


def vantage_itself(one: VantageStatus) -> str:
    """Return how well the clock of a vantage is known, which bounds pairs with nodes elsewhere."""
    return f"{one['name']} itself ± {bound(ns(one['bound_seconds'] or 0.0))}"


def add_vantages(add: Add, snapshot: Snapshot) -> None:
    """Add every vantage once."""
    newest = sorted(snapshot.clusters, key=lambda view: view.at_ns)
    for one in {one.label: one for view in newest for one in view.vantages}.values():
        labels = {"vantage": encodable(one.label)}
        add("skewmon_vantage_success", labels, float(one.to_base is not None))
        add("skewmon_vantage_streams", labels, one.streams)
        if one.to_base is not None:
            add("skewmon_vantage_bound_seconds", labels, seconds(one.to_base.bound_ns))
