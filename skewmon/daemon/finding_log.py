"""The log of findings about whole clusters: a line when one appears and one when it is gone."""

from collections.abc import Collection

import structlog

from skewmon.model import ClusterView, FindingKind

log = structlog.get_logger()

#: Inventories log their faults themselves, at the refresh that finds them.
_LOGGED_ELSEWHERE = frozenset({FindingKind.INVENTORY_UNREADABLE, FindingKind.INVENTORY_ENTRY_REJECTED})


class FindingLog:
    """Logs each change of the warnings about a cluster as a whole, such as `admin-box-off`."""

    def __init__(self) -> None:
        self._shown: dict[str, frozenset[FindingKind]] = {}

    def retain(self, names: Collection[str]) -> None:
        """Forget every other cluster."""
        self._shown = {name: kinds for name, kinds in self._shown.items() if name in names}

    def take(self, view: ClusterView) -> None:
        """Log the findings of a round that the one before did not have, and those that are gone.

        A finding counts as gone only in a round that measured most nodes: silence is not recovery.
        """
        before: frozenset[FindingKind] = self._shown.get(view.name, frozenset())
        found = {
            one.kind: one
            for one in view.findings
            if one.severity != "info" and one.kind not in _LOGGED_ELSEWHERE
        }
        gone = before - found.keys() if view.measured * 2 > len(view.nodes) else frozenset()
        self._shown[view.name] = (before | found.keys()) - gone
        for kind, one in found.items():
            if kind not in before:
                log.warning("finding", cluster=view.name, kind=kind, evidence=one.message, next=one.next)
        for ended in sorted(gone):
            log.info("finding is gone", cluster=view.name, kind=ended)
