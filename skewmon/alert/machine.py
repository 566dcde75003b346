"""The alert machine: decides from the samples of each condition, and their duration, which alerts fire.

Each alert has one slot: PENDING until its condition was proven for as long as its line requires, FIRING until
the contrary was proven for as long as its line requires, and QUIET for a while after, to detect flapping.

Time is counted, never compared: a slot adds up the time between two consecutive rounds that both proved the
same thing. Rounds that are ambiguous or have no data pause the count and decide nothing, a restart loses at
most one interval (a kill a minute more), and a clock that steps cannot start or end an alert.

Every skew line has one slot for the cluster and one for each node. The cluster's slot fires if the skew is
proven and no alert of a node covers it. When one does, the cluster's alert is superseded in the same step. So
once a skew was proven for as long as its line requires, an alert fires until the skew is proven to be gone.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import ceil

from skewmon.alert.alerts import (
    BEYOND,
    Alert,
    Cause,
    ConditionSample,
    ConditionState,
    Describe,
    Key,
    Observation,
    Transition,
)
from skewmon.model import NS_PER_S, Threshold

#: A proven condition that was then neither proven nor cleared for this long is dropped.
PENDING_FORGOTTEN_AFTER_NS = 900 * NS_PER_S

#: An alert that fires again within this time of quiet flaps.
FLAP_WINDOW_NS = 900 * NS_PER_S

#: A flapping alert must be clear for at least this long, doubled each time it flaps …
FLAP_CLEAR_NS = 30 * NS_PER_S

#: … up to this limit, so that an alert does not outlive its cause by more than a person expects.
FLAP_CLEAR_MAX_NS = 900 * NS_PER_S


class Phase(StrEnum):
    """The phase of an alert."""

    PENDING = "pending"
    FIRING = "firing"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Slot:
    """The state of one alert.

    ``counted_ns`` is the time for which the condition that ends the present phase was proven, ``idle_ns`` the
    time since a pending condition was last proven. ``alert`` has the texts of its last change, and
    ``State.alert`` returns it with those of the last round that proved it.
    """

    phase: Phase
    alert: Alert
    condition: ConditionState
    counted_ns: int = 0
    idle_ns: int = 0
    flaps: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """Every alert of one cluster that is pending, firing or has just ended.

    ``seen_ns`` is the instant of the last round (None after a restart), ``texts`` describe the conditions
    that were beyond their lines in it.
    """

    slots: Mapping[Key, Slot] = field(default_factory=dict)
    seen_ns: int | None = None
    texts: Mapping[Key, Describe | None] = field(default_factory=dict)

    def alert(self, key: Key) -> Alert:
        """Return an alert with the texts of the last round that proved it."""
        return self.slots[key].alert.described(self.texts.get(key))

    def described(self) -> "State":
        """Return the state with the newest texts in its slots, where they can be saved."""
        return State(_described(self, ()), self.seen_ns)

    def has_taken_back(self, before: "State") -> bool:
        """Whether time that an alert had counted before this round counts no longer.

        A process that started from the state before would count on from there, and fire or end the alert too
        early. Quiet time decides neither.
        """
        return any(
            slot.counted_ns > 0
            and slot.phase is not Phase.QUIET
            and (key not in self.slots or self.slots[key].counted_ns < slot.counted_ns)
            for key, slot in before.slots.items()
            if self.slots.get(key) is not slot
        )

    @property
    def firing(self) -> list[Key]:
        """The alerts that fire, in a stable order."""
        return sorted((key for key, slot in self.slots.items() if slot.phase is Phase.FIRING), key=_order)


def step(state: State, observation: Observation, now_ns: int) -> tuple[State, tuple[Transition, ...]]:
    """Process one round of the state's cluster; return the new state and the transitions.

    ``now_ns`` is the common base. Alerts without a sample are no longer configured and end; a condition
    without data has a sample that is UNKNOWN.
    """
    samples = {sample.key: sample for sample in observation.samples}
    texts = {key: sample.describe for key, sample in samples.items() if sample.condition in BEYOND}
    slots = _described(state, texts.keys())
    transitions: list[Transition] = []
    for key in [key for key in slots if key not in samples]:
        transitions += _end(slots, key, Cause.WITHDRAWN, observation.at_wall_ns)
        slots.pop(key, None)
    gap_ns = 0 if state.seen_ns is None else max(0, now_ns - state.seen_ns)
    # Nodes before their cluster: the alerts of the nodes decide whether the cluster's is needed.
    for sample in sorted(samples.values(), key=lambda sample: sample.key.node is None):
        transitions += _advance(slots, sample, observation.at_wall_ns, gap_ns)
    return State(slots, now_ns, texts), tuple(transitions)


def withdraw(state: State, wall_ns: int) -> tuple[Transition, ...]:
    """End every alert of a cluster that is no longer configured; return the transitions."""
    slots = _described(state, ())
    ended = (one for key in state.slots for one in _end(slots, key, Cause.WITHDRAWN, wall_ns))
    return tuple(ended)


def _described(state: State, proven: Container[Key]) -> dict[Key, Slot]:
    """Return the slots; firing alerts that are not proven again keep the texts of the last round."""
    slots = dict(state.slots)
    for key, describe in state.texts.items():
        if key not in proven and key in slots and slots[key].phase is Phase.FIRING:
            slots[key] = replace(slots[key], alert=slots[key].alert.described(describe))
    return slots


def _advance(slots: dict[Key, Slot], sample: ConditionSample, wall_ns: int, gap_ns: int) -> list[Transition]:
    """Advance one alert by one sample, ``gap_ns`` after the last round."""
    key = sample.key
    slot = slots.get(key)
    if slot is None:
        if sample.condition not in BEYOND:
            return []
        slot = Slot(Phase.PENDING, Alert(key, wall_ns), ConditionState.UNKNOWN)
    moved = _MOVES[slot.phase](slot, sample, gap_ns)
    unchanged = moved.condition is sample.condition
    slots[key] = moved if unchanged else replace(moved, condition=sample.condition)
    return _decide(slots, sample, wall_ns)


def _move_pending(slot: Slot, sample: ConditionSample, gap_ns: int) -> Slot:
    """Count proof, up to the time that the line requires; other states pause the count."""
    if sample.condition not in BEYOND:
        return replace(slot, idle_ns=slot.idle_ns + gap_ns)
    counted_ns = slot.counted_ns + (gap_ns if slot.condition in BEYOND else 0)
    counted_ns = min(counted_ns, _required_ns(sample.line))
    unchanged = (slot.counted_ns, slot.idle_ns) == (counted_ns, 0)
    return slot if unchanged else replace(slot, counted_ns=counted_ns, idle_ns=0)


def _required_ns(line: Threshold) -> int:
    """Return for how long a condition must be proven before its alert fires."""
    return ceil(line.for_s * NS_PER_S)


def _move_firing(slot: Slot, sample: ConditionSample, gap_ns: int) -> Slot:
    """Count proof of the contrary; UNKNOWN pauses the count, other states reset it."""
    if sample.condition is ConditionState.CLEAR:
        return replace(
            slot, counted_ns=slot.counted_ns + (gap_ns if slot.condition is ConditionState.CLEAR else 0)
        )
    paused = sample.condition is ConditionState.UNKNOWN or slot.counted_ns == 0
    return slot if paused else replace(slot, counted_ns=0)


def _move_quiet(slot: Slot, sample: ConditionSample, gap_ns: int) -> Slot:
    """Count the quiet time; after a new breach the alert is pending again and keeps its flap count."""
    if sample.condition in BEYOND:
        return replace(slot, phase=Phase.PENDING, counted_ns=0, idle_ns=0)
    return replace(slot, counted_ns=slot.counted_ns + gap_ns)


_MOVES = {Phase.PENDING: _move_pending, Phase.FIRING: _move_firing, Phase.QUIET: _move_quiet}


def _decide(slots: dict[Key, Slot], sample: ConditionSample, wall_ns: int) -> list[Transition]:
    """Fire, end or drop the alert of a sample, by the time that its slot has counted."""
    slot = slots[sample.key]
    if slot.phase is Phase.PENDING:
        return _decide_pending(slots, sample, wall_ns)
    if slot.phase is Phase.FIRING:
        return _decide_firing(slots, sample, wall_ns)
    if slot.counted_ns >= FLAP_WINDOW_NS:
        del slots[sample.key]  # quiet for so long that its return counts as a new alert
    return []


def _decide_pending(slots: dict[Key, Slot], sample: ConditionSample, wall_ns: int) -> list[Transition]:
    """Fire the alert if it was proven for long enough; drop it if it is clear or out of date."""
    key = sample.key
    slot = slots[key]
    if _forgettable(slot):
        _drop(slots, key)
        return []
    long_enough = slot.counted_ns >= _required_ns(sample.line)
    return _fire(slots, sample, wall_ns) if long_enough and _may_fire(slots, slot) else []


def _decide_firing(slots: dict[Key, Slot], sample: ConditionSample, wall_ns: int) -> list[Transition]:
    """End the alert if a node's alert covers it, or if it was proven clear for long enough."""
    key, line = sample.key, sample.line
    slot = slots[key]
    if _covered(slots, key):
        slots[key] = replace(slot, alert=slot.alert.described(sample.describe))
        ended = _end(slots, key, Cause.SUPERSEDED, wall_ns)
        if slot.condition is not ConditionState.CLEAR:
            # The proof still holds: if the node's alert ends first, this one fires again at once.
            slots[key] = replace(slots[key], phase=Phase.PENDING, counted_ns=_required_ns(line))
        return ended
    if slot.condition is ConditionState.CLEAR and slot.counted_ns >= _clear_ns(slot, line.clear_for_s):
        return _end(slots, key, Cause.CLEAR_FOR, wall_ns)
    return []


def _may_fire(slots: Mapping[Key, Slot], slot: Slot) -> bool:
    """Return whether the alert may start in this round: a node's only if the node is proven to blame."""
    if slot.alert.key.node is not None:
        return slot.condition is ConditionState.PROVEN
    return slot.condition in BEYOND and not _covered(slots, slot.alert.key)


def _forgettable(slot: Slot) -> bool:
    return slot.condition is ConditionState.CLEAR or slot.idle_ns >= PENDING_FORGOTTEN_AFTER_NS


def _clear_ns(slot: Slot, clear_for_s: float) -> float:
    """Return the clear time that ends an alert: the time that its line requires, longer if it flaps."""
    required_ns = clear_for_s * NS_PER_S
    if slot.flaps == 0:
        return required_ns
    damped_ns = max(required_ns, FLAP_CLEAR_NS) * 2.0 ** min(slot.flaps, 16)
    return max(required_ns, min(damped_ns, FLAP_CLEAR_MAX_NS))


def _drop(slots: dict[Key, Slot], key: Key) -> None:
    """Drop a pending alert; if it has flapped, return to QUIET to keep the flap count."""
    if slots[key].flaps:
        slots[key] = replace(slots[key], phase=Phase.QUIET, counted_ns=0)
    else:
        del slots[key]


def _covered(slots: Mapping[Key, Slot], key: Key) -> bool:
    """Return whether a node's alert of the same line fires and that node is beyond the line."""
    return key.node is None and any(
        slot.phase is Phase.FIRING
        and slot.condition in BEYOND
        and other.node is not None
        and (other.kind, other.severity) == (key.kind, key.severity)
        for other, slot in slots.items()
    )


def _fire(slots: dict[Key, Slot], sample: ConditionSample, wall_ns: int) -> list[Transition]:
    slot = slots[sample.key]
    described = slot.alert.described(sample.describe)
    alert = replace(described, started_wall_ns=wall_ns, ended_wall_ns=None)
    slots[sample.key] = replace(slot, phase=Phase.FIRING, alert=alert, counted_ns=0)
    return [Transition(Cause.PROVEN_AGAIN if slot.flaps else Cause.PROVEN_FOR, alert)]


def _end(slots: dict[Key, Slot], key: Key, cause: Cause, wall_ns: int) -> list[Transition]:
    """End a firing alert; keep it as QUIET with its flap count raised, to detect flapping."""
    slot = slots[key]
    if slot.phase is not Phase.FIRING:
        return []
    alert = replace(slot.alert, ended_wall_ns=max(wall_ns, slot.alert.started_wall_ns))
    flaps = slot.flaps + (cause is Cause.CLEAR_FOR)
    slots[key] = replace(slot, phase=Phase.QUIET, alert=alert, counted_ns=0, flaps=flaps)
    return [Transition(cause, alert)]


def _order(key: Key) -> tuple[str, str, str, str]:
    return (key.cluster, key.kind, key.severity, key.node or "")
