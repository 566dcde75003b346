"""Which upstreams a clock shows the time of, by its daemon's claims."""

from skewmon.model import NS_PER_S, SyncStatus
from skewmon.timesync.claim import is_stale
from skewmon.timesync.findings.evidence import NodeEvidence
from skewmon.timesync.roots import NOWHERE, Roots
from skewmon.timesync.source import GOOD, is_free_running, peer_key, source_key, usable


def sources_of(node: NodeEvidence, known: Roots, limit_ns: int) -> frozenset[str]:
    """Return the upstreams that a node's daemon follows or accepts, each traced to its root.

    All accepted ones count: nodes that select different servers of one list have the same sources.
    """
    status = node.status
    if status is None or _shows_none(status, limit_ns):
        return frozenset()
    keys = {peer_key(peer, node.name) for peer in usable(status) if peer.state in GOOD}
    followed = source_key(status, node.name)
    roots = {known.root(key) for key in (keys | {followed} if followed else keys)}
    return frozenset(known.name(root) for root in roots - {NOWHERE})


def is_synchronized(status: SyncStatus | None, limit_ns: int) -> bool:
    """Return whether a daemon keeps its clock to within the line by a source that it still hears.

    The kernel's flag alone is not enough: it stays set for hours after one has ended.
    """
    return (
        status is not None
        and status.synchronized is True
        and status.daemon not in {"none", "unknown"}
        and not is_stale(status)
        and not _shows_none(status, limit_ns)
    )


def _shows_none(status: SyncStatus, limit_ns: int) -> bool:
    """Return whether the clock shows the time of no source, by the daemon's own word."""
    admitted = abs(status.offset_s or 0.0) * NS_PER_S > limit_ns
    return status.synchronized is False or is_free_running(status) or admitted
