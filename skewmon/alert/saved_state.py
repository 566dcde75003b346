"""The machine's state as plain JSON values, so that a restart neither repeats nor forgets an alert.

Instants of the common base are left out, because the next process may run after a reboot. Counts are kept.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from skewmon.alert.alerts import Alert, ConditionState, Key
from skewmon.alert.machine import Phase, Slot, State
from skewmon.errors import JournalError
from skewmon.model import ThresholdKind

#: Raised when the meaning of a field changes; a state of another version is refused.
VERSION = 1


def to_json(states: Iterable[State]) -> dict[str, Any]:
    """Return the states of all clusters as values that JSON can hold."""
    slots = [_slot_to_json(slot) for state in states for slot in state.slots.values()]
    return {"version": VERSION, "slots": slots}


def from_json(data: Mapping[str, Any]) -> dict[str, State]:
    """Return the states that ``to_json`` wrote, by cluster; raise JournalError on anything else."""
    try:
        if data["version"] != VERSION:
            raise JournalError(f"The saved alerts have version {data['version']}, not {VERSION}.")
        slots = [_slot_from_json(slot) for slot in data["slots"]]
    except (KeyError, TypeError, ValueError) as fault:
        raise JournalError(f"The saved alerts cannot be read: {fault!r}.") from fault
    clusters: dict[str, dict[Key, Slot]] = {}
    for slot in slots:
        clusters.setdefault(slot.alert.key.cluster, {})[slot.alert.key] = slot
    return {cluster: State(its_slots) for cluster, its_slots in clusters.items()}


def alert_to_json(alert: Alert) -> dict[str, Any]:
    """Return one alert as values that JSON can hold."""
    key = alert.key
    return {
        "cluster": key.cluster,
        "kind": key.kind,
        "severity": key.severity,
        "node": key.node,
        "started_wall_ns": alert.started_wall_ns,
        "ended_wall_ns": alert.ended_wall_ns,
        "summary": alert.summary,
        "description": alert.description,
        "next": alert.next,
    }


def alert_from_json(data: Mapping[str, Any]) -> Alert:
    """Return the alert that ``alert_to_json`` wrote.

    Raises KeyError, TypeError or ValueError on anything else.
    """
    return Alert(
        Key(data["cluster"], ThresholdKind(data["kind"]), data["severity"], data["node"]),
        int(data["started_wall_ns"]),
        None if data["ended_wall_ns"] is None else int(data["ended_wall_ns"]),
        data["summary"],
        data["description"],
        data["next"],
    )


def _slot_to_json(slot: Slot) -> dict[str, Any]:
    return {
        "phase": slot.phase.value,
        "sight": slot.condition.value,
        "counted_ns": slot.counted_ns,
        "idle_ns": slot.idle_ns,
        "flaps": slot.flaps,
        "alert": alert_to_json(slot.alert),
    }


def _slot_from_json(data: Mapping[str, Any]) -> Slot:
    return Slot(
        Phase(data["phase"]),
        alert_from_json(data["alert"]),
        ConditionState(data["sight"]),
        int(data["counted_ns"]),
        int(data["idle_ns"]),
        int(data["flaps"]),
    )
