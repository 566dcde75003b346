"""How far each node is from those whom nobody blames, without looking at every pair."""

from collections.abc import Collection, Mapping
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
    by_upper = sorted(peers, key=lambda name: offsets[name].upper_ns)
    by_lower = sorted(peers, key=lambda name: offsets[name].lower_ns)
    found: dict[str, Reach] = {}
    for name, own in offsets.items():
        # Only the ends of the orders matter, and the node itself may stand at one: two candidates an end.
        candidates = {*by_upper[:2], *by_upper[-2:], *by_lower[:2], *by_lower[-2:]} - {name}
        if candidates:
            found[name] = _furthest(own, {peer: offsets[peer] for peer in sorted(candidates)})
    return found


def _furthest(own: Interval, peers: Mapping[str, Interval]) -> Reach:
    gaps = {peer: own - other for peer, other in peers.items()}
    peer = max(gaps, key=lambda name: (gaps[name].proven_ns, abs(gaps[name].estimate_ns)))
    return Reach(
        Skew(
            abs(gaps[peer].estimate_ns),
            max(gap.proven_ns for gap in gaps.values()),
            max(gap.furthest_ns for gap in gaps.values()),
        ),
        peer,
    )
