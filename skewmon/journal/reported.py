"""Last-reported outages and culprits of a cluster; kept in the journal across restarts.

After a restart the daemon reports outages that began meanwhile and repeats nothing that was reported before.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from skewmon.errors import Reason
from skewmon.model import ClusterView, Failed, NodeView, Vote

#: The journal's key of these states, as earlier versions wrote it.
KEY = "told"


@dataclass(frozen=True, slots=True)
class ReportedState:
    """The last report on one cluster: a reason for each node not measured, the verdict, the culprits."""

    failed: Mapping[str, str] = field(default_factory=dict)  # by node: the reason
    verdict: str = "none"
    culprits: tuple[str, ...] = ()

    @classmethod
    def of(cls, view: ClusterView, before: Self | None = None) -> Self:
        """Return the state after this view was reported."""
        known = before.failed if before else {}
        failed = {node.name: failed_for(node, known.get(node.name)) for node in view.nodes}
        return cls(
            {name: reason for name, reason in failed.items() if reason is not None},
            view.vote.verdict,
            tuple(view.vote.culprits),
        )

    @classmethod
    def from_json(cls, kept: Any) -> Self | None:
        """Return the state from ``to_json``, or None if it is damaged."""
        try:
            failed = {str(name): str(reason) for name, reason in kept["failed"].items()}
            return cls(failed, str(kept["verdict"]), tuple(map(str, kept["culprits"])))
        except (AttributeError, KeyError, TypeError):
            return None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    def is_of(self, vote: Vote) -> bool:
        """Whether a vote is the one reported last; the order of culprits does not count."""
        return (vote.verdict, set(vote.culprits)) == (self.verdict, set(self.culprits))


def reported_from(saved: Any) -> dict[str, ReportedState]:
    """Return the states that the previous daemon saved, by cluster, without damaged ones."""
    if not isinstance(saved, dict):
        return {}
    states = {str(name): ReportedState.from_json(one) for name, one in saved.items()}
    return {name: state for name, state in states.items() if state is not None}


def failed_for(node: NodeView, known: str | None) -> str | None:
    """Return why a node is not measured, None if it is; during the first connection the last known reason."""
    if not isinstance(node.outcome, Failed):
        return None
    return known if node.outcome.reason is Reason.CONNECTING else str(node.outcome.reason)
