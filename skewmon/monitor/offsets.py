"""The offsets of a cluster's nodes to its reference, each with the axis that it is measured on.

The reference is the median of the wall clocks on the axis that holds most nodes. If all nodes are on the
admin box's base, all offsets are on that line, and plain intervals.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from skewmon.clock import pairs
from skewmon.model import BASE, AxisOffset, Cluster, Interval, Measured, Outcome
from skewmon.probe.sweep import Sweep

#: The base minus itself.
EXACT = Interval(0, 0)


@dataclass(frozen=True, slots=True)
class ClusterOffsets:
    """Offsets by node's name, and the admin box's wall clock on the same lines.

    ``axis`` is that of the reference. ``own`` are the offsets on each node's own axis, to the median of the
    cluster's nodes on it.
    """

    axis: str
    nodes: Mapping[str, Interval]
    own: Mapping[str, Interval]
    admin: Interval
    to_base: Interval = EXACT  # the reference's axis minus the base
    zero_ns: int = 0  # the reference, on its axis

    def to_reference(self, on_base: Interval) -> Interval:
        """Return a clock that is known on the base against the cluster's reference."""
        return (on_base - self.to_base).shifted(-self.zero_ns)

    @property
    def labels(self) -> frozenset[str]:
        """The axes that nodes are measured on, as far as they are more than one."""
        axes = (one.axis for one in self.nodes.values() if isinstance(one, AxisOffset))
        return frozenset(axis for axis in axes if axis is not None)


def cluster_offsets(cluster: Cluster, sweep: Sweep, axis: str) -> ClusterOffsets:
    """Return the offsets of a cluster's measured nodes, with the reference on this axis if it has nodes."""
    outcomes = {node.name: sweep.outcomes[node.endpoint] for node in cluster.nodes}
    measured = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, Measured)}
    if all(outcome.local is None for outcome in measured.values()):
        walls = {name: outcome.estimate.wall for name, outcome in measured.items()}
        zero_ns = pairs.reference_ns(walls) if walls else 0
        offsets = {name: wall.shifted(-zero_ns) for name, wall in walls.items()}
        return ClusterOffsets(BASE, offsets, offsets, sweep.admin.shifted(-zero_ns), zero_ns=zero_ns)
    return _on_axes(measured, sweep.admin, axis)


def axis_of(outcome: Outcome) -> str:
    """Return the label of the axis that a node is measured on."""
    return outcome.local.axis.label if isinstance(outcome, Measured) and outcome.local else BASE


def _on_axes(measured: Mapping[str, Measured], admin: Interval, axis: str) -> ClusterOffsets:
    by_axis: dict[str, dict[str, Interval]] = {}
    for name, one in measured.items():
        by_axis.setdefault(axis_of(one), {})[name] = (one.local or one).estimate.wall
    zeros_ns = {label: pairs.reference_ns(walls) for label, walls in by_axis.items()}
    if axis not in by_axis:
        axis = next(iter(by_axis))
    to_base = _to_base(measured, axis)
    own = {
        name: wall.shifted(-zeros_ns[label])
        for label, walls in by_axis.items()
        for name, wall in walls.items()
    }
    base_zero_ns = zeros_ns[axis] + to_base.estimate_ns

    def placed(label: str, own: Interval, on_base: Interval) -> AxisOffset:
        common = on_base.shifted(-base_zero_ns)
        shown = own if label == axis else (on_base - to_base).shifted(-zeros_ns[axis])
        return AxisOffset(shown.lower_ns, shown.upper_ns, label, own, common)

    nodes = {name: placed(axis_of(one), own[name], one.estimate.wall) for name, one in measured.items()}
    admin_own = admin.shifted(-zeros_ns.get(BASE, base_zero_ns))
    return ClusterOffsets(axis, nodes, own, placed(BASE, admin_own, admin), to_base, zeros_ns[axis])


def _to_base(measured: Mapping[str, Measured], axis: str) -> Interval:
    """Return an axis minus the base; the base itself is exact."""
    found = (one.local.axis.to_base for one in measured.values() if one.local and axis_of(one) == axis)
    return next(found, EXACT)
