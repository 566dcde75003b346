"""What the daemon keeps of its nodes between rounds, by the place at which a node is reached."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from skewmon.clock.history import Reset, ResetReason, base_pause
from skewmon.clock.memory import STEPS, Memory, Recollection, forgotten, remember, tightened
from skewmon.clock.selfcheck import CHECKS
from skewmon.clock.standing import Standing, standing_of
from skewmon.clock.steps import Movement
from skewmon.errors import Reason
from skewmon.model import Cluster, Failed, Finding, Interval, Measured, Node, Outcome, SshSettings, SyncStatus

#: A node that belongs to several clusters is one machine, reached at one place, measured once.
Place = tuple[str, SshSettings]


#: So many answers of a time daemon may be missing in a row before its last one is forgotten: a busy moment
#: costs one or two, and by default these are two minutes.
MISSED_ANSWERS = 2

#: Movements of one node that a cluster of a longer interval may still have to be told.
RECENT_MOVEMENTS = 32

#: No machine falls asleep and wakes within this, and no five reads of its clocks take so long.
LEAST_SLEEP_NS = 100_000_000


def place_of(node: Node) -> Place:
    """Return where and how a node is reached."""
    return node.address, node.ssh


def _name_of(place: Place) -> str:
    """Return a place's name across restarts: where a machine is reached, not as whom."""
    address, ssh = place
    return " ".join((f"{address}:{ssh.port}", *ssh.jump))


@dataclass
class Word:
    """What a time daemon said last: the vote does not turn because one answer is missing."""

    status: SyncStatus | None = None
    missed: int = 0

    def note(self, status: SyncStatus | None) -> None:
        """Take in an answer, or that there was none; the last one is kept while few are missing."""
        answered = status is not None and not (status.failures and status.synchronized is None)
        self.missed = 0 if answered else self.missed + 1
        if answered or self.missed > MISSED_ANSWERS:
            self.status = status


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
    word: Word = field(default_factory=Word)
    unparsed_lines: int = 0
    claimed: dict[str, tuple[Finding, ...]] = field(default_factory=dict)  # of the claims alone, by node name
    standing: Standing | None = None  # what an earlier daemon kept, until it is compared
    unwatched_since_wall_ns: int | None = None  # in the round that compared it: when it was taken
    recent: tuple[tuple[int, Movement], ...] = ()  # each with the common instant that showed it
    untold: tuple[Movement, ...] = ()  # of the newest round, until the journal has them

    @property
    def followed(self) -> bool:
        """Whether the node has a past against the base that a round can contradict."""
        return self.memory is not None and (self.memory.history is not None or self.has_one_clock)

    @property
    def has_one_clock(self) -> bool:
        """Whether the node's wall clock is all that can be read, so that only the base tells its steps."""
        past = self.memory.readings if self.memory else None
        return past is not None and past.raw_ns is None

    @property
    def left(self) -> Interval | None:
        """By how much the node left, in its last round, what its past against the base predicts."""
        if self.recollection.reset:
            return self.recollection.reset.moved
        steps = (movement.size for movement in self.recollection.movements if movement.kind in STEPS)
        return next(steps, None) if self.has_one_clock else None

    def moved_since(self, at_ns: int) -> tuple[Movement, ...]:
        """Return what later rounds than that of an instant showed, whichever cluster they were of."""
        return tuple(movement for shown_ns, movement in self.recent if shown_ns > at_ns)

    def remembered(self, outcome: Measured, wall_ns: int) -> Measured:
        """Take in one more measurement; return it with the bounds that the past tightens."""
        estimate, memory = outcome.estimate, self.memory
        self.last_success_wall_ns, self.unwatched_since_wall_ns = wall_ns, None
        if self._is_overtaken(outcome):
            self.recollection = Recollection(rates=self.recollection.rates, steps=self.recollection.steps)
            self.untold = ()
            return outcome
        if memory is None and self.standing is not None:
            memory, self.unwatched_since_wall_ns = (
                Memory(readings=self.standing.resumed()),
                self.standing.wall_ns,
            )
        self.standing = None
        self.memory, self.recollection = remember(memory, outcome.burst, estimate.at_ns, estimate)
        self.untold = self.recollection.movements
        if self.untold:
            shown = ((estimate.at_ns, movement) for movement in self.untold)
            self.recent = (*self.recent, *shown)[-RECENT_MOVEMENTS:]
        if self.recollection.reset and self.unwatched_since_wall_ns is None:
            self.resets[self.recollection.reset.reason] += 1
        return Measured(outcome.burst, tightened(estimate, self.recollection))

    def _is_overtaken(self, outcome: Measured) -> bool:
        """Tell whether a round that read the clocks after this one began is remembered already.

        Rounds of different intervals overlap, and a node's past takes readings in their order only: otherwise
        its oscillator would seem to run backwards, and a step between the two to be undone and made again.
        """
        past = self.memory.readings if self.memory else None
        return past is not None and outcome.burst.opening[0].sent_ns < past.seen_ns

    def forget_base(self) -> None:
        """Drop what was concluded from a base that stood still; what the node's own clocks told stays."""
        if self.memory is None:
            return
        said, mistaken = self.recollection, 0
        if said.reset is not None and said.reset.moved is not None:
            self.resets[said.reset.reason] -= 1
        if self.has_one_clock:
            mistaken = sum(movement.kind in STEPS for movement in said.movements)
        if mistaken:
            self.recent = self.recent[: -len(said.movements)]
            self.untold = ()
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
    admin_word: Word = field(default_factory=Word)  # what the admin box's own time daemon claims
    evaluated_ns: dict[str, int] = field(default_factory=dict)  # by cluster: its last common instant
    _recalled: dict[str, Standing] = field(default_factory=dict)
    _clusters: dict[Place, tuple[str, ...]] = field(default_factory=dict)
    _base_paused: Interval | None = None
    _latest_ns: int = 0  # the common instant of the newest round
    _base_slept_ns: int | None = None  # since the admin box's boot

    def record(self, place: Place) -> Record:
        """Return a node's record, a new one where it was never seen."""
        known = self.records.get(place)
        if known is None:
            known = self.records[place] = Record(standing=self._recalled.pop(_name_of(place), None))
        return known

    def note_outcome(self, place: Place, outcome: Outcome, wall_ns: int) -> Outcome:
        """Remember what a round found of a node; return it with the bounds that history tightens."""
        record = self.record(place)
        if isinstance(outcome, Failed):
            record.failures[outcome.reason] += 1
            record.last = outcome
            record.recollection = Recollection(steps=record.memory.steps if record.memory else 0)
            record.untold = ()
            return outcome
        self._latest_ns = outcome.estimate.at_ns
        record.last = record.remembered(outcome, wall_ns)
        return record.last

    def note_status(self, place: Place, status: SyncStatus) -> None:
        """Remember what a node's time daemon claims."""
        record = self.record(place)
        record.timesync = status
        record.word.note(status)
        record.claimed.clear()
        record.unparsed_lines += len(status.unparsed)

    def follows(self, place: Place) -> bool:
        """Tell whether a node has a past that a round can contradict."""
        return self.record(place).followed

    def contradicted(self, places: Iterable[Place]) -> list[Interval]:
        """Return by how much the nodes that left their prediction in this round left it."""
        return [left for place in places if (left := self.record(place).left) is not None]

    def base_slept(self, slept_ns: int) -> Interval | None:
        """Return for how long the admin box slept since the last round, by its own clocks, or None.

        Its connections may be gone as well, so that too few nodes are left to show it by number.
        """
        before_ns, self._base_slept_ns = self._base_slept_ns, slept_ns
        if before_ns is None or slept_ns - before_ns < LEAST_SLEEP_NS:
            return None
        return Interval.around(slept_ns - before_ns, LEAST_SLEEP_NS)

    def forget_oscillators(self, slept: Interval | None = None) -> None:
        """Drop every past against the base, which itself stood still; no node is blamed for it."""
        current = [record for record in self.records.values() if self._is_current(record)]
        moved = [left for record in current if (left := record.left) is not None]
        self._base_paused = slept or base_pause(moved, len(moved))
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

    def adopt(self, clusters: Iterable[Cluster]) -> None:
        """Keep records of these clusters' nodes alone."""
        shared: dict[Place, list[str]] = {}
        for cluster in clusters:
            for place in dict.fromkeys(map(place_of, cluster.nodes)):
                shared.setdefault(place, []).append(cluster.name)
        self._clusters = {place: tuple(names) for place, names in shared.items()}
        kept = {name for names in shared.values() for name in names}
        self.evaluated_ns = {name: at_ns for name, at_ns in self.evaluated_ns.items() if name in kept}
        for place in set(self.records) - set(shared):
            del self.records[place]
        for name in set(self._recalled) - set(map(_name_of, shared)):
            del self._recalled[name]

    def clusters_of(self, place: Place) -> tuple[str, ...]:
        """Return the names of the clusters that a node belongs to."""
        return self._clusters.get(place, ())

    def take_movements(self, place: Place) -> tuple[Movement, ...]:
        """Return what a node's newest round showed, once: a node of two clusters moved once."""
        record = self.record(place)
        taken, record.untold = record.untold, ()
        return taken

    def recall(self, standings: Mapping[str, Standing]) -> None:
        """Take over what an earlier daemon kept, to compare each node's first measurement with."""
        self._recalled = dict(standings)

    def standings(self) -> dict[str, Standing]:
        """Return what the next daemon should know of every node that was ever seen."""
        kept = dict(self._recalled)
        for place, record in self.records.items():
            standing = record.standing
            if record.memory is not None and record.memory.readings is not None:
                standing = standing_of(record.memory.readings, record.last_success_wall_ns or 0)
            if standing is not None:
                kept[_name_of(place)] = standing
        return kept
