"""Who is wrong in one cluster: what its offsets prove, what its clocks claim, and which of them moved."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import ceil

from skewmon.clock.culprit import vote
from skewmon.clock.memory import STEPS
from skewmon.clock.mover import Mover, who_moved
from skewmon.clock.steps import Movement
from skewmon.clock.testimony import Witness
from skewmon.ledger import Record
from skewmon.model import NS_PER_S, Interval, Pair, SyncStatus, Vote
from skewmon.timesync.claim import claim_of
from skewmon.timesync.evidence import span
from skewmon.timesync.source import source_key

#: What the admin box is called among the witnesses.
ADMIN_BOX = "the admin box"


@dataclass(frozen=True, slots=True)
class Bystander:
    """The admin box's own clock: no node of the cluster, but a witness where its time daemon holds it."""

    offset: Interval  # on the axis of the nodes' offsets
    status: SyncStatus | None


@dataclass(frozen=True, slots=True)
class Jury:
    """All that is known of the clocks of one cluster at one instant, ``at_ns`` on the base."""

    offsets: Mapping[str, Interval]
    records: Mapping[str, Record]
    bystander: Bystander | None
    at_ns: int
    at_wall_ns: int

    def verdict(self, limit_ns: int, worst: Pair) -> Vote:
        """Return who is wrong of nodes that are more than ``limit_ns`` apart, the ``worst`` pair most."""
        keys = {name: source_key(record.timesync, name) for name, record in self.records.items()}
        sources = {name: key for name, key in keys.items() if key is not None}
        found = vote(self.offsets, limit_ns, sources, self._witnesses())
        if found.verdict != "undetermined":
            return found
        moved = who_moved(worst, limit_ns, {name: self._jumps(name) for name in (worst.node, worst.peer)})
        return replace(found, evidence=f"{found.evidence} {self._moved(moved, limit_ns)}") if moved else found

    def _witnesses(self) -> list[Witness]:
        """Return every clock that claims to be right."""
        clocks = [(name, offset, self.records[name].timesync) for name, offset in self.offsets.items()]
        if self.bystander is not None:
            clocks.append((ADMIN_BOX, self.bystander.offset, self.bystander.status))
        claims = ((name, offset, claim_of(status, name)) for name, offset, status in clocks)
        return [
            Witness(name, claim.upstream, offset.widened(ceil(claim.bound_s * NS_PER_S)))
            for name, offset, claim in claims
            if claim is not None
        ]

    def _jumps(self, name: str) -> list[Movement]:
        return [movement for _, movement in self.records[name].recent if movement.kind in STEPS]

    def _moved(self, mover: Mover, limit_ns: int) -> str:
        wall_ns = self.at_wall_ns - self.at_ns + mover.before_ns
        at = datetime.fromtimestamp(wall_ns // NS_PER_S, UTC)
        side = "forward" if mover.size.estimate_ns > 0 else "backward"
        return (
            f"It was {mover.name} that moved: it jumped {side} by {span(mover.size.estimate_ns / NS_PER_S)} "
            f"before {at:%Y-%m-%d %H:%M:%S} UTC, and without that the two would agree to within "
            f"{span(limit_ns / NS_PER_S)}. It may have jumped to the right time."
        )
