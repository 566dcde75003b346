"""Named diagnoses from claims and measurement, each with its evidence and the next command to type."""

from collections.abc import Iterable

from skewmon.model import Finding, Interval, Utc, Vote
from skewmon.timesync.findings.catalogue import FINDINGS
from skewmon.timesync.findings.evidence import (
    NO_REFERENCE,
    ClockChanges,
    ClusterEvidence,
    NodeEvidence,
    Reference,
)
from skewmon.timesync.findings.rules_cluster import admin_box_rule, cluster_rules
from skewmon.timesync.findings.rules_daemon import daemon_rules
from skewmon.timesync.findings.rules_offset import offset_rules
from skewmon.timesync.findings.rules_oscillator import base_rate_ppb, base_rules, oscillator_rules
from skewmon.timesync.findings.rules_utc import utc_rules
from skewmon.timesync.findings.rules_vantage import vantage_rules

__all__ = [
    "FINDINGS",
    "NO_REFERENCE",
    "ClockChanges",
    "ClusterEvidence",
    "NodeEvidence",
    "Reference",
    "base_rate_ppb",
    "claimed_findings",
    "cluster_findings",
    "node_findings",
    "utc_findings",
]

_ORDER = {kind: place for place, kind in enumerate(FINDINGS)}


def claimed_findings(node: NodeEvidence) -> tuple[Finding, ...]:
    """Return the findings of one node's claims alone: the same until its daemon is queried again."""
    return tuple(daemon_rules(node))


def node_findings(
    node: NodeEvidence,
    reference: Reference,
    claimed: tuple[Finding, ...] | None = None,
    base_ppb: Interval | None = None,
) -> tuple[Finding, ...]:
    """Return the findings about one node, compared with the reference clock; none for a healthy one.

    A round may have kept ``claimed_findings``. ``base_ppb`` is the cluster's ``base_rate_ppb``.
    """
    own = claimed_findings(node) if claimed is None else claimed
    measured = (*oscillator_rules(node, base_ppb), *vantage_rules(node))
    found = (*own, *offset_rules(node, reference), *measured)
    return _ordered(found) if len(found) > 1 else found


def cluster_findings(
    cluster: ClusterEvidence, vote: Vote, limit_ns: int | None, base_ppb: Interval | None = None
) -> tuple[Finding, ...]:
    """Return the findings about the cluster as a whole, after the vote on pairs beyond ``limit_ns``.

    Without a limit no nodes are provably apart that should not be. ``base_ppb`` as in ``node_findings``.
    """
    return _ordered([*cluster_rules(cluster, vote, limit_ns), *base_rules(list(cluster.values()), base_ppb)])


def admin_box_findings(
    cluster: ClusterEvidence, admin: NodeEvidence, line_ns: int | None
) -> tuple[Finding, ...]:
    """Return the findings about the admin box among the nodes, by the lowest line on the skew."""
    return () if line_ns is None else _ordered(admin_box_rule(cluster, admin, line_ns))


def utc_findings(cluster: ClusterEvidence, utc: Utc, limit_ns: int | None) -> tuple[Finding, ...]:
    """Return the findings about UTC and the references; none for a cluster without references."""
    return _ordered(utc_rules(cluster, utc, limit_ns))


def _ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda one: _ORDER[one.kind]))
