"""One node between rounds: its clocks' state, its counters and its time daemon's last answer.

``NodeState.update`` returns a value and changes nothing: a round computes the updates of all nodes, decides
whether the base stood still, and commits each update once.
"""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from skewmon.clock.checkpoint import Checkpoint, checkpoint_of
from skewmon.clock.history import Reset, ResetReason
from skewmon.clock.interval import UNKNOWN_RATE
from skewmon.clock.state import (
    JUMPS,
    STEPS,
    ClockState,
    ClockUpdate,
    on_another_axis,
    on_base,
    tightened,
    update_clocks,
    without_base,
)
from skewmon.clock.steps import UNWATCHED_NS, Movement, MovementKind
from skewmon.clock.vantage import on_base as brought_to_base
from skewmon.errors import Reason
from skewmon.model import Axis, Failed, Finding, Interval, Measured, Outcome, SyncStatus
from skewmon.timesync.findings.derive import claimed_findings
from skewmon.timesync.findings.evidence import NodeEvidence

#: This many answers of a time daemon may be missing in a row before the last one is forgotten: a busy moment
#: costs one or two, and by default these are two minutes.
MISSED_ANSWERS = 2

#: A node that is measured around its vantage for so many rounds keeps its history on the vantage's axis, as
#: one does that is not measured: a late reply of a vantage must not cost the past of all its nodes. A step of
#: meanwhile is found in the round after that.
ROUNDS_OFF_AXIS = 2

#: Movements of one node kept for clusters with a longer interval, which report them later.
RECENT_MOVEMENTS = 32


@dataclass
class LastAnswer:
    """The last answer of a time daemon, kept while few are missing: one lost reply changes no vote."""

    status: SyncStatus | None = None
    missed: int = 0

    def note(self, status: SyncStatus | None) -> None:
        """Take in an answer, or None if there was none."""
        answered = status is not None and not (status.failures and status.synchronized is None)
        self.missed = 0 if answered else self.missed + 1
        if answered or self.missed > MISSED_ANSWERS:
            self.status = status


class NodeUpdate(NamedTuple):
    """The result of one round for one node, before it is committed.

    ``plain`` is the outcome by this round alone, ``outcome`` the same with the bounds that history tightens.
    ``unwatched_since_wall_ns`` is set in the first round after a restart: the time of the saved readings.
    """

    plain: Outcome
    outcome: Outcome
    clock_state: ClockState | None
    clock_update: ClockUpdate
    resets: tuple[str, ...] = ()
    unwatched_since_wall_ns: int | None = None
    is_newest: bool = True  # False: it adds nothing to the state, which is newer, or on an axis missed here
    axis: Hashable = None  # the key of the axis that ``clock_state`` is on; None is the base

    @property
    def has_one_clock(self) -> bool:
        """Whether only the wall clock can be read, so that its steps are seen against the base alone."""
        return _has_one_clock(self.clock_state)

    @property
    def deviation(self) -> Interval | None:
        """By how much the node left its prediction against the base; None if it did not."""
        if self.clock_update.reset:
            return self.clock_update.reset.moved
        steps = (movement.size for movement in self.clock_update.movements if movement.kind in STEPS)
        return next(steps, None) if self.has_one_clock else None

    @property
    def jump(self) -> Interval | None:
        """By how much the oscillator left its course; None if it did not."""
        reset = self.clock_update.reset
        return reset.moved if reset and reset.reason in JUMPS else None

    def on_axis(self, axis: Axis) -> "NodeUpdate":
        """Return the update with the best bounds of its axis, and the node on the base as these allow."""
        if not isinstance(self.outcome, Measured) or self.outcome.local is None:
            return self
        local = replace(self.outcome.local, axis=axis)
        rate = self.clock_update.rate if self.is_newest else UNKNOWN_RATE
        base = brought_to_base(local, self.outcome.estimate, rate)
        # Bounds that contradict each other here rest on a history: the round's own agree.
        narrowed = replace(self.outcome, estimate=base or self.outcome.estimate, local=local)
        return self._replace(outcome=narrowed)

    def without_jump(self) -> "NodeUpdate":
        """Return the update without the jump of the oscillator, which was the base's."""
        movements = _without_jumps(self.clock_update.movements)
        return self._replace(clock_update=self.clock_update._replace(movements=movements))

    def without_base(self) -> "NodeUpdate":
        """Return the update without conclusions from the base, which stood still."""
        if self.clock_state is None:
            return self._replace(outcome=self.plain)
        if isinstance(self.plain, Failed) or not self.is_newest:
            return self._replace(outcome=self.plain, clock_state=without_base(self.clock_state))
        latest = self.clock_update
        steps = sum(movement.kind in STEPS for movement in latest.movements)
        mistaken = steps if self.has_one_clock else 0
        clock_state = without_base(self.clock_state, mistaken)
        of_base = latest.reset is not None and latest.reset.reason in JUMPS
        return self._replace(
            outcome=self.plain,
            clock_state=clock_state,
            clock_update=ClockUpdate(
                movements=() if mistaken else _without_jumps(latest.movements),
                reset=Reset(ResetReason.BASE_PAUSED),
                steps=clock_state.steps,
            ),
            resets=(*(() if of_base else self.resets), ResetReason.BASE_PAUSED),
        )


@dataclass
class NodeState:
    """State of one node; changed by ``commit`` and ``note_status`` alone."""

    failures: Counter[Reason] = field(default_factory=Counter)
    resets: Counter[str] = field(default_factory=Counter)
    last_success_wall_ns: int | None = None
    clock_state: ClockState | None = None
    axis: Hashable = None  # the key of the axis that ``clock_state`` is on; None is the base
    clock_update: ClockUpdate = field(default_factory=ClockUpdate)  # of the newest round
    seen_ns: int = UNWATCHED_NS  # the common instant of the newest round in ``clock_state``, on the base
    off_axis: int = 0  # rounds in a row that measured the node around the axis of ``clock_state``
    timesync: SyncStatus | None = None
    last_answer: LastAnswer = field(default_factory=LastAnswer)
    unparsed_lines: int = 0
    checkpoint: Checkpoint | None = (
        None  # of an earlier daemon, until the first measurement is compared with it
    )
    recent: tuple[tuple[int, Movement], ...] = ()  # each with the common instant that showed it
    last_step: tuple[int, Interval] | None = None  # the common instant that showed it, and its size
    _claimed: dict[str, tuple[Finding, ...]] = field(default_factory=dict)

    def is_followed_on(self, axis: Hashable) -> bool:
        """Return whether the node has a prediction against an axis that a round can contradict."""
        return (
            self.clock_state is not None
            and self.axis == axis
            and (self.clock_state.history is not None or _has_one_clock(self.clock_state))
        )

    def update(self, outcome: Outcome, *, steady_base: bool = True, is_far: bool = False) -> NodeUpdate:
        """Return the result of one more round; nothing is changed.

        ``steady_base`` says that the admin box's clocksource does not stand still unnoticed, ``is_far`` that
        the node is far from every line.
        """
        if isinstance(outcome, Failed):
            steps = self.clock_state.steps if self.clock_state else 0
            return NodeUpdate(outcome, outcome, self.clock_state, ClockUpdate(steps=steps), axis=self.axis)
        axis = outcome.local.axis if outcome.local else None
        if self._is_overtaken(outcome) or self._is_off_axis(outcome):
            latest = self.clock_update._replace(oscillator=None, plausible=None, movements=(), reset=None)
            return NodeUpdate(outcome, outcome, self.clock_state, latest, is_newest=False, axis=self.axis)
        clock_state, since_ns, resets = self.clock_state, None, tuple[str, ...]()
        if clock_state is None and self.checkpoint is not None:
            clock_state, since_ns = ClockState(readings=self.checkpoint.resumed()), self.checkpoint.wall_ns
        elif clock_state is not None and self.axis != (axis and axis.key):
            resets = (ResetReason.AXIS,) if clock_state.history else ()
            clock_state = on_another_axis(clock_state, self.seen_ns + (axis.to_base.lower_ns if axis else 0))
        seen = outcome.local or outcome
        clock_state, latest = update_clocks(
            clock_state, seen.burst, seen.estimate, steady_base=steady_base, is_far=is_far
        )
        resets += (latest.reset.reason,) if latest.reset and since_ns is None else ()
        narrowed = _narrowed(outcome, latest)
        if axis is not None and latest.movements:
            latest = latest._replace(movements=on_base(latest.movements, axis.to_base))
        return NodeUpdate(outcome, narrowed, clock_state, latest, resets, since_ns, axis=axis and axis.key)

    def commit(self, update: NodeUpdate, wall_ns: int) -> None:
        """Take in the result of one round, at ``wall_ns`` of the admin box's wall clock."""
        self.clock_state, self.clock_update = update.clock_state, update.clock_update
        self.axis = update.axis
        if update.resets:
            self.resets.update(update.resets)
        if isinstance(update.outcome, Failed):
            self.failures[update.outcome.reason] += 1
            return
        self.last_success_wall_ns, self.checkpoint = wall_ns, None
        self.off_axis = self.off_axis + 1 if update.axis is not None and update.outcome.local is None else 0
        at_ns = update.outcome.estimate.at_ns
        if update.is_newest:
            self.seen_ns = max(self.seen_ns, at_ns)
        for movement in update.clock_update.movements:
            self.recent = (*self.recent, (at_ns, movement))[-RECENT_MOVEMENTS:]
            if movement.kind in STEPS and movement.size is not None:
                self.last_step = (at_ns, movement.size)

    def forget_axis(self) -> None:
        """Drop the history against an axis that stood still; for nodes that were not part of that round."""
        if self.clock_state is not None:
            self.clock_state = without_base(self.clock_state)

    def note_status(self, status: SyncStatus) -> None:
        """Take in the claims of the node's time daemon."""
        self.timesync = status
        self.last_answer.note(status)
        self.unparsed_lines += len(status.unparsed)
        self._claimed.clear()

    def claimed_findings(self, evidence: NodeEvidence) -> tuple[Finding, ...]:
        """Return the findings from claims alone; derived once for each answer and name of the node."""
        if evidence.name not in self._claimed:
            self._claimed[evidence.name] = claimed_findings(evidence)
        return self._claimed[evidence.name]

    def moved_since(self, at_ns: int) -> tuple[Movement, ...]:
        """Return the movements that rounds of any cluster showed after an instant."""
        if not self.recent:
            return ()
        return tuple(movement for shown_ns, movement in self.recent if shown_ns > at_ns)

    def current_checkpoint(self) -> Checkpoint | None:
        """Return the readings to save for the next daemon, or those of the previous one until compared."""
        if self.clock_state is not None and self.clock_state.readings is not None:
            return checkpoint_of(self.clock_state.readings, self.last_success_wall_ns or 0) or self.checkpoint
        return self.checkpoint

    def _is_off_axis(self, outcome: Measured) -> bool:
        """Whether a round measured the node around its vantage, which may be back in the next one."""
        return self.axis is not None and outcome.local is None and self.off_axis < ROUNDS_OFF_AXIS

    def _is_overtaken(self, outcome: Measured) -> bool:
        """Whether a round that read the clocks after this one began is committed already.

        Rounds of different intervals overlap, and history takes readings in order only: otherwise the
        oscillator would seem to run backwards, and a step between the two would be undone and repeated.
        """
        if self.clock_state is None or self.clock_state.readings is None:
            return False
        seen = outcome.local or outcome
        if self.axis != (outcome.local and outcome.local.axis.key):
            return outcome.burst.opening[0].sent_ns < self.seen_ns
        return seen.burst.opening[0].sent_ns < self.clock_state.readings.seen_ns


def _narrowed(outcome: Measured, latest: ClockUpdate) -> Measured:
    """Return a node with the bounds that its history tightens, on the axis that has the history."""
    if outcome.local is None:
        return Measured(outcome.burst, tightened(outcome.estimate, latest))
    local = replace(outcome.local, estimate=tightened(outcome.local.estimate, latest))
    return replace(outcome, local=local)


def _without_jumps(movements: tuple[Movement, ...]) -> tuple[Movement, ...]:
    """Return the movements that a node's own clocks show, without those against the base."""
    return tuple(movement for movement in movements if movement.kind is not MovementKind.JUMP)


def _has_one_clock(clock_state: ClockState | None) -> bool:
    readings = clock_state.readings if clock_state else None
    return readings is not None and readings.raw_ns is None
