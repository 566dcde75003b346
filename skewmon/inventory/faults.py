"""Findings and events about live inventories: sources that cannot be read, and entries that are rejected."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from skewmon.model import Cluster, EventKind, Finding, FindingKind, Inventory
from skewmon.text import names
from skewmon.timesync.findings.catalogue import finding


@dataclass(frozen=True, slots=True)
class InventoryEvent:
    """A change of the faults of one inventory, as text and as JSON values."""

    kind: EventKind
    message: str
    cluster: str
    detail: dict[str, Any]


def inventory_findings(cluster: Cluster) -> Iterator[Finding]:
    """Yield the findings about the live inventories of a cluster."""
    file = f" {shlex.quote(cluster.config_file)}" if cluster.config_file else ""
    command = f"skewmon config check --resolve{file}"
    for one in cluster.inventories:
        if one.error:
            yield finding(FindingKind.INVENTORY_UNREADABLE, _unreadable(one), command)
        if one.rejected_count:
            yield finding(FindingKind.INVENTORY_ENTRY_REJECTED, _rejected(one), command)


def inventory_events(before: Sequence[Cluster], after: Sequence[Cluster]) -> Iterator[InventoryEvent]:
    """Yield an event for each inventory with changed faults."""
    known = {(cluster.name, one.key): _faults(one) for cluster in before for one in cluster.inventories}
    for cluster in after:
        for one in cluster.inventories:
            if _faults(one) == known.get((cluster.name, one.key), _NONE):
                continue
            sentences = [
                *([_unreadable(one)] if one.error else ()),
                *([_rejected(one)] if one.rejected_count else ()),
            ]
            kind = EventKind.INVENTORY_FAULT if sentences else EventKind.INVENTORY_RECOVERED
            message = " ".join(sentences) or f"The inventory {one.name} can be read, with all its entries."
            detail = {
                "inventory": one.name,
                "error": one.error or None,
                "rejected": [entry.name for entry in one.rejected],
                "rejected_count": one.rejected_count,
            }
            yield InventoryEvent(kind, message, cluster.name, detail)


def _faults(inventory: Inventory) -> tuple[object, ...]:
    return inventory.error, inventory.rejected, inventory.rejected_count


_NONE = ("", (), 0)


def _unreadable(inventory: Inventory) -> str:
    nodes = len(inventory.nodes)
    return (
        f"The inventory {inventory.name} cannot be read, so its last answer counts, with {nodes} "
        f"node{'' if nodes == 1 else 's'}: {inventory.error}."
    )


def _rejected(inventory: Inventory) -> str:
    """Return how many entries are not measured, the first names, and the reason of the first."""
    count, first = inventory.rejected_count, inventory.rejected[0]
    if count == 1:
        return (
            f"The inventory {inventory.name} has an entry that is not measured, {first.name}: {first.reason}."
        )
    named = names([entry.name for entry in inventory.rejected], count=count)
    return (
        f"The inventory {inventory.name} has {count} entries that are not measured, {named}. "
        f"The first: {first.reason}."
    )
