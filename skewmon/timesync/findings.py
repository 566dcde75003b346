"""Named diagnoses from claims and measurement, each with its evidence and the next command to type."""

from collections.abc import Iterable

from skewmon.model import Finding, Vote
from skewmon.timesync.catalogue import FINDINGS
from skewmon.timesync.evidence import ClockChanges, ClusterEvidence, NodeEvidence
from skewmon.timesync.jury import Jury, jury
from skewmon.timesync.rules_cluster import cluster_rules
from skewmon.timesync.rules_daemon import daemon_rules
from skewmon.timesync.rules_offset import offset_rules

__all__ = [
    "FINDINGS",
    "ClockChanges",
    "ClusterEvidence",
    "Jury",
    "NodeEvidence",
    "claimed_findings",
    "cluster_findings",
    "jury",
    "node_findings",
]

_ORDER = {kind: place for place, kind in enumerate(FINDINGS)}


def claimed_findings(node: NodeEvidence) -> tuple[Finding, ...]:
    """Return what one node's claims amount to by themselves: the same until its daemon is asked again."""
    return tuple(daemon_rules(node))


def node_findings(
    node: NodeEvidence,
    cluster: ClusterEvidence,
    judges: Jury | None = None,
    claimed: tuple[Finding, ...] | None = None,
) -> tuple[Finding, ...]:
    """Return what is to be said of one node beside its cluster, itself included; nothing of a healthy one.

    The judges are all nodes where the cluster has not voted; a round has them ready for every node, and may
    have kept ``claimed_findings``.
    """
    own = claimed_findings(node) if claimed is None else claimed
    return _ordered([*own, *offset_rules(node, judges or jury(cluster))])


def cluster_findings(cluster: ClusterEvidence, vote: Vote, limit_ns: int | None) -> tuple[Finding, ...]:
    """Return what is to be said of the cluster as a whole, after the vote on pairs beyond ``limit_ns``.

    Without a limit nothing is provably apart that should not be.
    """
    return _ordered(cluster_rules(cluster, vote, limit_ns))


def _ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda one: _ORDER[one.kind]))
