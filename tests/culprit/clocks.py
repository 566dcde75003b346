"""Nodes by offset, source and boot id, as a decision gets them."""

from skewmon.model import NS_PER_S, Interval, Peer, SyncStatus
from skewmon.timesync.findings.evidence import NodeEvidence

SECOND = NS_PER_S

#: The line of most tests.
LIMIT_NS = NS_PER_S // 20


def following(*servers: str) -> SyncStatus | None:
    """Return the status of a daemon that follows the first of these servers and accepts all; None without."""
    if not servers:
        return None
    states = ("system", *["candidate"] * (len(servers) - 1))
    peers = tuple(Peer(one, state, reach=255) for one, state in zip(servers, states, strict=True))
    return SyncStatus(
        "chronyd",
        synchronized=True,
        source=servers[0],
        refid=servers[0],
        root_distance_s=0.005,
        last_update_s=30.0,
        poll_s=64.0,
        peers=peers,
    )


def node(
    name: str, ahead_s: float | None, *servers: str, bound_ns: int = 1_000, boot_id: str = ""
) -> NodeEvidence:
    """Return a node that is so far ahead, or not measured, with the servers that it follows."""
    offset = None if ahead_s is None else Interval.around(round(ahead_s * SECOND), bound_ns)
    return NodeEvidence(name, following(*servers), offset, boot_id=boot_id)


def cluster(*nodes: NodeEvidence) -> dict[str, NodeEvidence]:
    """Return nodes by name."""
    return {one.name: one for one in nodes}


def at(*ahead_s: float, bound_ns: int = 1_000) -> dict[str, NodeEvidence]:
    """Return nodes n1, n2, … that are so far ahead and claim nothing."""
    return cluster(*(node(f"n{number}", ahead, bound_ns=bound_ns) for number, ahead in enumerate(ahead_s, 1)))
