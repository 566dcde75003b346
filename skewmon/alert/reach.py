"""How far each node is from those whom nobody blames, without looking at every pair."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from skewmon.model import Interval, Skew


@dataclass(frozen=True, slots=True)
class Reach:
    """The largest |offset| of one node against its peers, and the peer that proves the most."""

    skew: Skew
    peer: str


def reaches(offsets: Mapping[str, Interval], blamed: Collection[str]) -> dict[str, Reach]:
    """Return how far each node is from the furthest node that is not blamed.

    All offsets are against one reference, so that their differences are pair offsets. Where everybody is
    blamed, everybody is a peer. A node without a peer is left out. For n nodes the cost is n log n.
    """
    peers = [name for name in offsets if name not in blamed] or list(offsets)
    by_lower = sorted(peers, key=lambda name: offsets[name].lower_ns)
    by_upper = sorted(peers, key=lambda name: offsets[name].upper_ns)
    found: dict[str, Reach] = {}
    for name, own in offsets.items():
        if peers == [name]:
            continue
        # The node itself may stand at an end of an order; then its neighbour there is the furthest peer.
        lowest, earliest = (_other(order[0], order[1:2], name) for order in (by_lower, by_upper))
        highest, latest = (_other(order[-1], order[-2:-1], name) for order in (by_upper, by_lower))
        ahead_ns = own.lower_ns - offsets[earliest].upper_ns
        behind_ns = offsets[latest].lower_ns - own.upper_ns
        peer = earliest if ahead_ns >= behind_ns else latest
        skew = Skew(
            abs(own.estimate_ns - offsets[peer].estimate_ns),
            max(0, ahead_ns, behind_ns),
            max(own.upper_ns - offsets[lowest].lower_ns, offsets[highest].upper_ns - own.lower_ns),
        )
        found[name] = Reach(skew, peer)
    return found


def _other(first: str, second: Sequence[str], name: str) -> str:
    """Return the first of an order, or the one after it where the first is the node itself."""
    return second[0] if first == name else first
