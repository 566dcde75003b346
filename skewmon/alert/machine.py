"""The alert machine: what was seen, for how long, and whether anybody is to be told.

One slot an alert: PENDING until its condition was proven for as long as its line asks, FIRING until the
contrary was proven for as long as its line asks, QUIET for a while after, so that flapping is noticed.

Time is counted, never compared: a slot adds up the time between two consecutive rounds that both proved the
same thing. Rounds that are ambiguous or have no data pause the count and decide nothing, a restart loses at
most one interval, and no clock that jumps can fire or end an alert.

Every skew line has one slot for the cluster and one for each node. The cluster's slot fires where the skew is
proven and no named node answers for it; as soon as one does, the cluster's alert is superseded in the same
step. So once a skew was proven for as long as its line asks, something fires until it is proven to be gone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from skewmon.alert.alerts import Alert, Cause, ConditionSample, Key, Observation, Sight, Transition
from skewmon.model import NS_PER_S

#: A condition that was proven and then not seen clearly for this long is not news any more.
PENDING_FORGOTTEN_AFTER_NS = 900 * NS_PER_S

#: An alert that fires again within this time of quiet flaps.
FLAP_WINDOW_NS = 900 * NS_PER_S

#: The least time of quiet that is asked of an alert that flaps, doubled each time it does …
FLAP_CLEAR_NS = 30 * NS_PER_S

#: … up to this: longer, and an alert would outlive its cause by more than a person expects.
FLAP_CLEAR_MAX_NS = 900 * NS_PER_S

#: What counts as proven to be beyond the line, whoever is to blame.
BEYOND = frozenset({Sight.PROVEN, Sight.SHARED})


class Phase(StrEnum):
    """Where an alert is in its life."""

    PENDING = "pending"
    FIRING = "firing"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Slot:
    """One alert's memory.

    ``counted_ns`` is how long the thing was proven that ends the present phase, ``idle_ns`` for how long a
    pending condition has not been proven, ``seen_ns`` the instant of the last round (None after a restart).
    """

    phase: Phase
    alert: Alert
    sight: Sight
    counted_ns: int = 0
    idle_ns: int = 0
    flaps: int = 0
    seen_ns: int | None = None


@dataclass(frozen=True, slots=True)
class State:
    """Every alert that is pending, firing or has just ended."""

    slots: Mapping[Key, Slot] = field(default_factory=dict)

    @property
    def firing(self) -> tuple[Alert, ...]:
        """The alerts that fire, in a stable order."""
        return tuple(self.slots[key].alert for key in sorted(self.slots, key=_order) if self._fires(key))

    def _fires(self, key: Key) -> bool:
        return self.slots[key].phase is Phase.FIRING


def step(state: State, observation: Observation, now_ns: int) -> tuple[State, tuple[Transition, ...]]:
    """Take one round of one cluster in; return the new state and what changed.

    ``now_ns`` is the common base. Alerts of other clusters are left alone; alerts of this cluster that the
    observation does not read are no longer configured and end; one without data is read as UNKNOWN.
    """
    slots = dict(state.slots)
    transitions: list[Transition] = []
    readings = {reading.key: reading for reading in observation.readings}
    for key in [key for key in slots if key.cluster == observation.cluster and key not in readings]:
        transitions += _end(slots, key, Cause.WITHDRAWN, observation.at_wall_ns)
        slots.pop(key, None)
    # Nodes before their cluster: whether the cluster's alert is needed depends on what theirs have become.
    for reading in sorted(readings.values(), key=lambda reading: reading.key.node is None):
        transitions += _advance(slots, reading, observation.at_wall_ns, now_ns)
    return State(slots), tuple(transitions)


def retain(state: State, clusters: Iterable[str], wall_ns: int) -> tuple[State, tuple[Transition, ...]]:
    """End every alert of clusters that are no longer configured."""
    slots = dict(state.slots)
    transitions: list[Transition] = []
    kept = frozenset(clusters)
    for key in [key for key in slots if key.cluster not in kept]:
        transitions += _end(slots, key, Cause.WITHDRAWN, wall_ns)
        slots.pop(key, None)
    return State(slots), tuple(transitions)


def _advance(slots: dict[Key, Slot], reading: ConditionSample, wall_ns: int, now_ns: int) -> list[Transition]:
    """Move one alert by one reading."""
    key = reading.key
    slot = slots.get(key)
    if slot is None:
        if reading.sight not in BEYOND:
            return []
        slot = Slot(Phase.PENDING, Alert(key, wall_ns), Sight.UNKNOWN)
    gap_ns = 0 if slot.seen_ns is None else max(0, now_ns - slot.seen_ns)
    moved = replace(_MOVES[slot.phase](slot, reading.sight, gap_ns), sight=reading.sight, seen_ns=now_ns)
    slots[key] = _worded(moved, reading)
    return _decide(slots, reading, wall_ns)


def _move_pending(slot: Slot, sight: Sight, gap_ns: int) -> Slot:
    """Count proof; let the rest pause the count."""
    if sight not in BEYOND:
        return replace(slot, idle_ns=slot.idle_ns + gap_ns)
    counted_ns = slot.counted_ns + (gap_ns if slot.sight in BEYOND else 0)
    return replace(slot, counted_ns=counted_ns, idle_ns=0)


def _move_firing(slot: Slot, sight: Sight, gap_ns: int) -> Slot:
    """Count proof of the contrary; no data pauses the count, doubt or proof starts it afresh."""
    if sight is Sight.CLEAR:
        return replace(slot, counted_ns=slot.counted_ns + (gap_ns if slot.sight is Sight.CLEAR else 0))
    return slot if sight is Sight.UNKNOWN else replace(slot, counted_ns=0)


def _move_quiet(slot: Slot, sight: Sight, gap_ns: int) -> Slot:
    """Count quiet; a new breach goes through pending again, and remembers how often it has been here."""
    if sight in BEYOND:
        return replace(slot, phase=Phase.PENDING, counted_ns=0, idle_ns=0)
    return replace(slot, counted_ns=slot.counted_ns + gap_ns)


_MOVES = {Phase.PENDING: _move_pending, Phase.FIRING: _move_firing, Phase.QUIET: _move_quiet}


def _decide(slots: dict[Key, Slot], reading: ConditionSample, wall_ns: int) -> list[Transition]:
    """Fire, end or forget the alert of a reading, by what its slot has counted."""
    slot = slots[reading.key]
    if slot.phase is Phase.PENDING:
        return _decide_pending(slots, reading, wall_ns)
    if slot.phase is Phase.FIRING:
        return _decide_firing(slots, reading, wall_ns)
    if slot.counted_ns >= FLAP_WINDOW_NS:
        del slots[reading.key]  # quiet for so long that its return would be news
    return []


def _decide_pending(slots: dict[Key, Slot], reading: ConditionSample, wall_ns: int) -> list[Transition]:
    """Fire what was proven for long enough; drop what is not so any more."""
    key = reading.key
    slot = slots[key]
    if _forgettable(slot):
        _drop(slots, key)
        return []
    long_enough = slot.counted_ns >= reading.line.for_s * NS_PER_S
    return _fire(slots, key, wall_ns) if long_enough and _may_fire(slots, slot) else []


def _decide_firing(slots: dict[Key, Slot], reading: ConditionSample, wall_ns: int) -> list[Transition]:
    """End what another alert answers for, or what was proven to be over for long enough."""
    key, line = reading.key, reading.line
    slot = slots[key]
    if _covered(slots, key):
        ended = _end(slots, key, Cause.SUPERSEDED, wall_ns)
        if slot.sight is not Sight.CLEAR:
            # The proof stands: should the named alert let go of it, this one is due again at once.
            slots[key] = replace(slots[key], phase=Phase.PENDING, counted_ns=round(line.for_s * NS_PER_S))
        return ended
    if slot.sight is Sight.CLEAR and slot.counted_ns >= _clear_ns(slot, line.clear_for_s):
        return _end(slots, key, Cause.CLEAR_FOR, wall_ns)
    return []


def _may_fire(slots: Mapping[Key, Slot], slot: Slot) -> bool:
    """Tell whether this round allows the alert to begin: a node's only on its own blame, proven now."""
    if slot.alert.key.node is not None:
        return slot.sight is Sight.PROVEN
    return slot.sight in BEYOND and not _covered(slots, slot.alert.key)


def _forgettable(slot: Slot) -> bool:
    return slot.sight is Sight.CLEAR or slot.idle_ns >= PENDING_FORGOTTEN_AFTER_NS


def _clear_ns(slot: Slot, clear_for_s: float) -> float:
    """Return the quiet that ends an alert: what its line asks, and more the more it flaps."""
    asked_ns = clear_for_s * NS_PER_S
    if slot.flaps == 0:
        return asked_ns
    damped_ns = max(asked_ns, FLAP_CLEAR_NS) * 2.0 ** min(slot.flaps, 16)
    return max(asked_ns, min(damped_ns, FLAP_CLEAR_MAX_NS))


def _drop(slots: dict[Key, Slot], key: Key) -> None:
    """Leave pending: for good, or, where the alert has flapped, back to being watched."""
    if slots[key].flaps:
        slots[key] = replace(slots[key], phase=Phase.QUIET, counted_ns=0)
    else:
        del slots[key]


def _covered(slots: Mapping[Key, Slot], key: Key) -> bool:
    """Tell whether a named alert of the same line fires for this cluster and its node is beyond the line."""
    return key.node is None and any(
        slot.phase is Phase.FIRING
        and slot.sight in BEYOND
        and other.node is not None
        and replace(other, node=None) == key
        for other, slot in slots.items()
    )


def _fire(slots: dict[Key, Slot], key: Key, wall_ns: int) -> list[Transition]:
    slot = slots[key]
    alert = replace(slot.alert, started_wall_ns=wall_ns, ended_wall_ns=None)
    slots[key] = replace(slot, phase=Phase.FIRING, alert=alert, counted_ns=0)
    return [Transition(Cause.PROVEN_AGAIN if slot.flaps else Cause.PROVEN_FOR, alert)]


def _end(slots: dict[Key, Slot], key: Key, cause: Cause, wall_ns: int) -> list[Transition]:
    """End an alert that fires; it lingers as quiet, one flap richer, in case it comes back."""
    slot = slots[key]
    if slot.phase is not Phase.FIRING:
        return []
    alert = replace(slot.alert, ended_wall_ns=max(wall_ns, slot.alert.started_wall_ns))
    flaps = slot.flaps + (cause is Cause.CLEAR_FOR)
    slots[key] = replace(slot, phase=Phase.QUIET, alert=alert, counted_ns=0, flaps=flaps)
    return [Transition(cause, alert)]


def _worded(slot: Slot, reading: ConditionSample) -> Slot:
    """Keep the newest words that prove the alert; a round that proves nothing has none to add."""
    if reading.sight not in BEYOND:
        return slot
    alert = replace(slot.alert, summary=reading.summary, description=reading.description, next=reading.next)
    return replace(slot, alert=alert)


def _order(key: Key) -> tuple[str, str, str, str]:
    return (key.cluster, key.kind, key.severity, key.node or "")
