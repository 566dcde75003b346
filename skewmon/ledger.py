"""What the daemon keeps of its nodes between rounds, by the place at which a node is reached."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from skewmon.clock.history import Reset, ResetReason, base_pause
from skewmon.clock.memory import STEPS, Memory, Recollection, forgotten, remember, tightened
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

    @property
    def followed(self) -> bool:
        """Whether the node has a past against the base that a round can contradict."""
        return self.memory is not None and (self.memory.history is not None or self.has_one_clock)

    @property
    def has_one_clock(self) -> bool:
        """Whether the node's wall clock is all that can be read, so that only the base tells its steps."""
        past = self.memory.ledger if self.memory else None
        return past is not None and past.raw_ns is None

    @property
    def left(self) -> Interval | None:
        """By how much the node left, in its last round, what its past against the base predicts."""
        if self.recollection.reset:
            return self.recollection.reset.moved
        steps = (movement.size for movement in self.recollection.movements if movement.kind in STEPS)
        return next(steps, None) if self.has_one_clock else None

    def forget_base(self) -> None:
        """Drop what was concluded from a base that stood still; what the node's own clocks told stays."""
        if self.memory is None:
            return
        said, mistaken = self.recollection, 0
        if said.reset is not None and said.reset.moved is not None:
            self.resets[said.reset.reason] -= 1
        if self.has_one_clock:
            mistaken = sum(movement.kind in STEPS for movement in said.movements)
        self.memory = forgotten(self.memory, mistaken)
        self.recollection = Recollection(
            movements=() if mistaken else said.movements,
            reset=Reset(ResetReason.BASE_PAUSED),
            steps=self.memory.steps,
        )
        self.resets[ResetReason.BASE_PAUSED] += 1


@dataclass
class Ledger:
    """Every node's record, and how many rounds each cluster has seen."""

    records: dict[Place, Record] = field(default_factory=dict)
    rounds: Counter[str] = field(default_factory=Counter)
    contradictions: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(CHECKS, 0)))
    _base_paused: Interval | None = None
    _latest_ns: int = 0  # the common instant of the newest round

    def record(self, place: Place) -> Record:
        """Return a node's record, a new one where it was never seen."""
        known = self.records.get(place)
        if known is None:
            known = self.records[place] = Record()
        return known

    def note_outcome(self, place: Place, outcome: Outcome, wall_ns: int) -> Outcome:
        """Remember what a round found of a node; return it with the bounds that history tightens."""
        record = self.record(place)
        if isinstance(outcome, Failed):
            record.failures[outcome.reason] += 1
            record.last = outcome
            record.recollection = Recollection(steps=record.memory.steps if record.memory else 0)
            return outcome
        estimate = outcome.estimate
        self._latest_ns = estimate.at_ns
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
        """Tell whether a node has a past that a round can contradict."""
        return self.record(place).followed

    def contradicted(self, places: Iterable[Place]) -> list[Interval]:
        """Return by how much the nodes that left their prediction in this round left it."""
        return [left for place in places if (left := self.record(place).left) is not None]

    def forget_oscillators(self) -> None:
        """Drop every past against the base, which itself stood still; no node is blamed for it."""
        current = [record for record in self.records.values() if self._is_current(record)]
        moved = [left for record in current if (left := record.left) is not None]
        self._base_paused = base_pause(moved, len(moved))
        for record in self.records.values():
            if self._is_current(record):
                record.forget_base()
            elif record.memory is not None:
                record.memory = forgotten(record.memory)

    def take_base_pause(self) -> Interval | None:
        """Return for how long the admin box was found to have stood still, once."""
        paused, self._base_paused = self._base_paused, None
        return paused

    def _is_current(self, record: Record) -> bool:
        """Tell whether a record is of the newest round; another cluster's may have its own cadence."""
        memory = record.memory
        return memory is not None and bool(memory.points) and memory.points[0].at_ns == self._latest_ns

    def keep_only(self, places: set[Place]) -> None:
        """Forget the nodes that the configuration no longer names."""
        for place in set(self.records) - places:
            del self.records[place]
