"""Who is wrong in one cluster: what its offsets prove, what its clocks claim, and which of them moved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

from skewmon.clock.culprit import vote
from skewmon.clock.mover import Mover, who_moved
from skewmon.clock.steps import Movement
from skewmon.clock.testimony import Witness
from skewmon.model import NS_PER_S, Interval, Pair, SyncStatus, Vote
from skewmon.text import exact, span, utc
from skewmon.timesync.claim import claim_of
from skewmon.timesync.evidence import NodeEvidence
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

    ``jumps`` holds each node's steps, oldest first; ``missed`` are nodes that are not measured for a moment.
    """

    cluster: Mapping[str, NodeEvidence]
    bystander: Bystander | None
    jumps: Mapping[str, Sequence[Movement]]
    at_ns: int
    at_wall_ns: int
    missed: frozenset[str] = frozenset()

    def verdict(self, limit_ns: int, worst: Pair) -> Vote:
        """Return who is wrong of nodes that are more than ``limit_ns`` apart, the ``worst`` pair most."""
        offsets = {name: node.offset for name, node in self.cluster.items() if node.offset is not None}
        clocks = self._clocks()
        held = accepted(clocks)
        said = _spoken(_witnesses(clocks), held)
        sources = sources_of(clocks, limit_ns)
        silent = {source for name, source in sources.items() if name in self.missed and source is not None}
        found = vote(offsets, limit_ns, sources, held, said, silent)
        if found.verdict != "undetermined":
            return found
        moved = who_moved(worst, limit_ns, self.jumps)
        return replace(found, evidence=f"{found.evidence} {self._moved(moved, limit_ns)}") if moved else found

    def _clocks(self) -> dict[str, NodeEvidence]:
        """Return every clock that may be heard, in an order that no inventory changes."""
        clocks = {name: self.cluster[name] for name in sorted(self.cluster)}
        if self.bystander is not None:
            clocks[ADMIN_BOX] = NodeEvidence(ADMIN_BOX, self.bystander.status, self.bystander.offset)
        return clocks

    def _moved(self, mover: Mover, limit_ns: int) -> str:
        wall_ns = self.at_wall_ns - self.at_ns + mover.before_ns
        side = "forward" if mover.size.estimate_ns > 0 else "backward"
        return (
            f"It was {mover.name} that moved: it jumped {side} by {span(abs(mover.size.estimate_ns))} "
            f"before {utc(wall_ns)}, and without that the two would agree to within "
            f"{exact(limit_ns)}. It may have jumped to the right time."
        )


def _witnesses(clocks: Mapping[str, NodeEvidence]) -> list[Witness]:
    """Return every clock that claims to be right, each for the root that it follows."""
    known, found = roots(clocks), []
    for name, clock in clocks.items():
        claim = claim_of(clock.status, name)
        root = None if claim is None else root_of(claim.upstream, known)
        if clock.offset is not None and claim is not None and root is not None:
            found.append(Witness(name, root, clock.offset.widened(ceil(claim.bound_s * NS_PER_S))))
    return found


def _spoken(witnesses: Sequence[Witness], held: Mapping[str, frozenset[str]]) -> list[Witness]:
    """Return each witness for the one source that it speaks for, of those that its daemon holds for right.

    That is the one that it follows, unless another clock says the same for that one: then one that nobody
    follows, so that four are heard where all follow the best of four servers that they agree with. A source
    is never left to a clock that contradicts its other followers. Who has the fewest to choose from chooses
    first.
    """
    followed = {one.upstream for one in witnesses}
    free = {one.name: held.get(one.name, frozenset()) - followed for one in witnesses}
    spoken: dict[str, Witness] = {}
    taken = set[str]()
    for one in sorted(witnesses, key=lambda one: len(free[one.name])):
        others = sorted(free[one.name] - taken)
        if others and any(_agree(one, other) for other in spoken.values()):
            taken.add(others[0])
            spoken[one.name] = one._replace(upstream=others[0])
        else:
            spoken[one.name] = one
    return [spoken[one.name] for one in witnesses]


def _agree(one: Witness, other: Witness) -> bool:
    """Tell whether two clocks can both be right about what their one source says."""
    return one.upstream == other.upstream and one.truth.meet(other.truth) is not None
