"""What the daemon keeps of its nodes between rounds, by the place at which a node is reached."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from skewmon.clock.memory import Memory, Recollection, forgotten, remember, tightened
from skewmon.clock.selfcheck import CHECKS
from skewmon.errors import Reason
from skewmon.model import Failed, Interval, Measured, Node, Outcome, SshSettings, SyncStatus

#: A node that belongs to several clusters is one machine, reached at one place, measured once.
Place = tuple[str, SshSettings]


def place_of(node: Node) -> Place:
    """Return where and how a node is reached."""
    return node.address, node.ssh


@dataclass
class Record:
    """One node's past."""

    failures: Counter[Reason] = field(default_factory=Counter)
    resets: Counter[str] = field(default_factory=Counter)
    last_success_wall_ns: int | None = None
    last: Outcome | None = None
    memory: Memory | None = None
    recollection: Recollection = field(default_factory=Recollection)
    timesync: SyncStatus | None = None
    unparsed_lines: int = 0


@dataclass
class Ledger:
    """Every node's record, and how many rounds each cluster has seen."""

    records: dict[Place, Record] = field(default_factory=dict)
    rounds: Counter[str] = field(default_factory=Counter)
    contradictions: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(CHECKS, 0)))

    def record(self, place: Place) -> Record:
        """Return a node's record, a new one where it was never seen."""
        return self.records.setdefault(place, Record())

    def note_outcome(self, place: Place, outcome: Outcome, wall_ns: int) -> Outcome:
        """Remember what a round found of a node; return it with the bounds that history tightens."""
        record = self.record(place)
        if isinstance(outcome, Failed):
            record.failures[outcome.reason] += 1
            record.last = outcome
            record.recollection = Recollection(steps=record.memory.steps if record.memory else 0)
            return outcome
        estimate = outcome.estimate
        record.memory, record.recollection = remember(record.memory, outcome.burst, estimate.at_ns, estimate)
        if record.recollection.reset:
            record.resets[record.recollection.reset.reason] += 1
        record.last_success_wall_ns = wall_ns
        record.last = Measured(outcome.burst, tightened(estimate, record.recollection))
        return record.last

    def note_status(self, place: Place, status: SyncStatus) -> None:
        """Remember what a node's time daemon claims."""
        record = self.record(place)
        record.timesync = status
        record.unparsed_lines += len(status.unparsed)

    def follows(self, place: Place) -> bool:
        """Tell whether a node's oscillator has a past that a round can contradict."""
        memory = self.record(place).memory
        return memory is not None and memory.history is not None

    def contradicted(self, places: Iterable[Place]) -> list[Interval]:
        """Return by how much the oscillators that left their prediction in this round left it."""
        resets = (self.record(place).recollection.reset for place in places)
        return [reset.moved for reset in resets if reset and reset.moved]

    def forget_oscillators(self) -> None:
        """Drop every oscillator's past: the base itself stood still."""
        for record in self.records.values():
            if record.memory:
                record.memory = forgotten(record.memory)

    def keep_only(self, places: set[Place]) -> None:
        """Forget the nodes that the configuration no longer names."""
        for place in set(self.records) - places:
            del self.records[place]
