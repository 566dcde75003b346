"""Findings about nodes that are not measured from their vantage."""

from collections.abc import Iterator

from skewmon.errors import Reason
from skewmon.model import Finding, FindingKind
from skewmon.timesync.findings.catalogue import finding
from skewmon.timesync.findings.evidence import NodeEvidence


def vantage_rules(node: NodeEvidence) -> Iterator[Finding]:
    """Yield the finding about one node's vantage; none while its relay is being started."""
    seen = node.vantage
    if seen is None:
        return
    if seen.contradicts:
        yield finding(
            FindingKind.VANTAGE_CONTRADICTION,
            f"The stamps of {seen.label} for {node.name} contradict its other stamps, or the admin box's: "
            "they are not used, and the bound is that of the whole path",
            node.probe,
        )
    elif seen.failed is not None and seen.failed.reason is not Reason.CONNECTING:
        yield finding(
            FindingKind.VANTAGE_UNAVAILABLE,
            f"{node.name} is measured over the whole path, and not from {seen.label}: "
            f"{seen.failed.detail.removesuffix('.')}",
            node.probe,
        )
