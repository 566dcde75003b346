"""What was last told of a cluster's outages and culprits; kept in the journal across restarts.

Without it a daemon could not tell that a node fell silent while nobody watched, nor keep from telling again,
after every restart, what its predecessor had told.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from skewmon.errors import Reason
from skewmon.model import ClusterView, Failed, NodeView, Vote

#: Where the journal keeps it.
KEY = "told"


@dataclass(frozen=True, slots=True)
class Past:
    """Of one cluster: why which nodes were not measured, and who was called wrong."""

    failed: Mapping[str, str] = field(default_factory=dict)  # by node: the reason
    verdict: str = "none"
    culprits: tuple[str, ...] = ()

    @classmethod
    def of(cls, view: ClusterView, before: Self | None = None) -> Self:
        """Return what is known once this round has been told."""
        known = before.failed if before else {}
        failed = {node.name: failed_for(node, known.get(node.name)) for node in view.nodes}
        return cls(
            {name: reason for name, reason in failed.items() if reason is not None},
            view.vote.verdict,
            tuple(view.vote.culprits),
        )

    @classmethod
    def from_json(cls, kept: Any) -> Self | None:
        """Return what ``to_json`` gave, or None where it is damaged."""
        try:
            failed = {str(name): str(reason) for name, reason in kept["failed"].items()}
            return cls(failed, str(kept["verdict"]), tuple(map(str, kept["culprits"])))
        except (AttributeError, KeyError, TypeError):
            return None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    def says(self, vote: Vote) -> bool:
        """Tell whether a vote is what was told last, in whichever order an inventory lists the culprits."""
        return (vote.verdict, set(vote.culprits)) == (self.verdict, set(self.culprits))


def failed_for(node: NodeView, known: str | None) -> str | None:
    """Return why a node is not measured, None where it is; at the first connection still what is known."""
    if not isinstance(node.outcome, Failed):
        return None
    return known if node.outcome.reason is Reason.CONNECTING else str(node.outcome.reason)
