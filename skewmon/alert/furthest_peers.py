"""The peer that a node is provably furthest from, without comparing every pair."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from skewmon.clock.axes import Line, lines_of
from skewmon.model import Interval, Skew


@dataclass(frozen=True, slots=True)
class FurthestPeer:
    """The peer from which a node is provably furthest, and the bounds of its distance from all peers."""

    skew: Skew
    peer: str


def furthest_peers(offsets: Mapping[str, Interval], culprits: Collection[str]) -> dict[str, FurthestPeer]:
    """Return the furthest peer of each node, without comparing every pair: n log n for n nodes on one axis.

    Peers are the nodes that are not culprits, or all nodes if all are culprits. A node without a peer is left
    out. Each axis has a furthest peer, on its own line for its own nodes; the furthest of these counts.
    """
    peers = {name: clock for name, clock in offsets.items() if name not in culprits} or offsets
    lines, peer_lines = lines_of(offsets), lines_of(peers)
    own_orders = {axis: _Orders.of(line) for axis, line in peer_lines.own.items()}
    common_orders = {axis: _Orders.of(line) for axis, line in peer_lines.common.items()}
    found: dict[str, FurthestPeer] = {}
    for axis, line in lines.own.items():
        elsewhere = [orders for its_axis, orders in common_orders.items() if its_axis != axis]
        for name, clock in line.items():
            nearby = own_orders[axis].furthest(name, clock) if axis in own_orders else None
            common = lines.common[axis][name]
            distances = [nearby, *(orders.furthest(name, common) for orders in elsewhere)]
            furthest = _furthest(one for one in distances if one is not None)
            if furthest is not None:
                found[name] = furthest
    return {name: found[name] for name in offsets if name in found}


def _furthest(distances: Iterable[FurthestPeer]) -> FurthestPeer | None:
    """Return the peer that is provably furthest, with the most that no peer can exclude."""
    found = list(distances)
    if len(found) < 2:
        return found[0] if found else None
    worst = max(found, key=lambda one: (one.skew.lower_ns, one.skew.estimate_ns))
    return replace(worst, skew=replace(worst.skew, upper_ns=max(one.skew.upper_ns for one in found)))


class _Orders(NamedTuple):
    """Peers on one line, by their lower and by their upper ends, lowest first."""

    line: Line
    by_lower: Sequence[str]
    by_upper: Sequence[str]

    @classmethod
    def of(cls, line: Line) -> "_Orders":
        """Return some peers in both orders."""
        by_lower = sorted(line, key=lambda name: line[name].lower_ns)
        return cls(line, by_lower, sorted(line, key=lambda name: line[name].upper_ns))

    def furthest(self, name: str, own: Interval) -> FurthestPeer | None:
        """Return the furthest of these peers from a clock on their line; None if it is their only one."""
        line, by_lower, by_upper = self
        if name in line and len(line) == 1:
            return None
        # If the node itself is at an end of an order, its neighbor there is the furthest peer.
        lowest, earliest = (_other(order[0], order[1:2], name) for order in (by_lower, by_upper))
        highest, latest = (_other(order[-1], order[-2:-1], name) for order in (by_upper, by_lower))
        ahead_ns = own.lower_ns - line[earliest].upper_ns
        behind_ns = line[latest].lower_ns - own.upper_ns
        peer = earliest if ahead_ns >= behind_ns else latest
        distance = Skew(
            abs(own.estimate_ns - line[peer].estimate_ns),
            max(0, ahead_ns, behind_ns),
            max(own.upper_ns - line[lowest].lower_ns, line[highest].upper_ns - own.lower_ns),
        )
        return FurthestPeer(distance, peer)


def _other(first: str, second: Sequence[str], name: str) -> str:
    """Return the first of an order, or the next one if the first is the node itself."""
    return second[0] if first == name else first
