"""Who is wrong in one cluster: what its offsets prove, what its clocks claim, and which of them moved."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import ceil

from skewmon.clock.culprit import vote
from skewmon.clock.mover import Mover, who_moved
from skewmon.clock.steps import Movement
from skewmon.clock.testimony import Witness
from skewmon.model import NS_PER_S, Interval, Pair, SyncStatus, Vote
from skewmon.timesync.claim import claim_of
from skewmon.timesync.evidence import NodeEvidence, span
from skewmon.timesync.roots import accepted, root_of, roots, sources_of

#: What the admin box is called among the witnesses.
ADMIN_BOX = "the admin box"


@dataclass(frozen=True, slots=True)
class Bystander:
    """The admin box's own clock: no node of the cluster, but a witness where its time daemon holds it."""

    offset: Interval  # on the axis of the nodes' offsets
    status: SyncStatus | None


@dataclass(frozen=True, slots=True)
class Hearing:
    """All that is known of the clocks of one cluster at one instant, ``at_ns`` on the base.

    ``jumps`` holds each node's steps, oldest first.
    """

    cluster: Mapping[str, NodeEvidence]
    bystander: Bystander | None
    jumps: Mapping[str, Sequence[Movement]]
    at_ns: int
    at_wall_ns: int

    def verdict(self, limit_ns: int, worst: Pair) -> Vote:
        """Return who is wrong of nodes that are more than ``limit_ns`` apart, the ``worst`` pair most."""
        offsets = {name: node.offset for name, node in self.cluster.items() if node.offset is not None}
        sources = sources_of(self.cluster, limit_ns)
        held = accepted(self.cluster)
        found = vote(offsets, limit_ns, sources, held, list(self._witnesses(held)))
        if found.verdict != "undetermined":
            return found
        moved = who_moved(worst, limit_ns, self.jumps)
        return replace(found, evidence=f"{found.evidence} {self._moved(moved, limit_ns)}") if moved else found

    def _witnesses(self, held: Mapping[str, frozenset[str]]) -> Iterator[Witness]:
        """Yield every clock that claims to be right, each for one source that its daemon holds for right.

        Servers that pass on one time are one source. A clock speaks for the one that it follows, unless
        another did: where all follow the best of four servers that they agree with, four are heard.
        """
        clocks = [(name, node.offset, node.status) for name, node in self.cluster.items()]
        if self.bystander is not None:
            clocks.append((ADMIN_BOX, self.bystander.offset, self.bystander.status))
        known, heard = roots(self.cluster), set[str]()
        for name, offset, status in clocks:
            claim = claim_of(status, name)
            root = None if claim is None else root_of(claim.upstream, known)
            if offset is None or claim is None or root is None:
                continue
            free = sorted(held.get(name, frozenset()) - heard)
            source = free[0] if root in heard and free else root
            heard.add(source)
            yield Witness(name, source, offset.widened(ceil(claim.bound_s * NS_PER_S)))

    def _moved(self, mover: Mover, limit_ns: int) -> str:
        wall_ns = self.at_wall_ns - self.at_ns + mover.before_ns
        at = datetime.fromtimestamp(wall_ns // NS_PER_S, UTC)
        side = "forward" if mover.size.estimate_ns > 0 else "backward"
        return (
            f"It was {mover.name} that moved: it jumped {side} by {span(mover.size.estimate_ns / NS_PER_S)} "
            f"before {at:%Y-%m-%d %H:%M:%S} UTC, and without that the two would agree to within "
            f"{span(limit_ns / NS_PER_S)}. It may have jumped to the right time."
        )
