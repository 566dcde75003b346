"""The claims of time daemons in the JSON contract."""

from typing_extensions import TypedDict

from skewmon.export.encode import finite
from skewmon.model import Peer, SyncStatus


class PeerStatus(TypedDict):
    """One time source of a node, as its time daemon lists it."""

    name: str
    state: str | None
    refid: str | None
    stratum: int | None
    kind: str | None
    last_heard_seconds: float | None
    poll_seconds: float | None
    reach: int | None
    delay_seconds: float | None
    offset_seconds: float | None
    jitter_seconds: float | None
    tally: str | None


class ClaimStatus(TypedDict):
    """The claims of a node's time daemon."""

    daemon: str
    synchronized: bool | None
    stratum: int | None
    source: str | None
    offset_seconds: float | None
    root_distance_seconds: float | None
    reach: int | None
    peers: list[PeerStatus]
    unparsed: list[str]


def claim_status(claim: SyncStatus | None) -> ClaimStatus | None:
    """Return the claims of a node's time daemon; None if it was not queried yet."""
    if claim is None:
        return None
    return {
        "daemon": claim.daemon,
        "synchronized": claim.synchronized,
        "stratum": claim.stratum,
        "source": claim.source,
        "offset_seconds": finite(claim.offset_s),
        "root_distance_seconds": finite(claim.root_distance_s),
        "reach": claim.reach,
        "peers": [_peer(peer) for peer in claim.peers],
        "unparsed": list(claim.unparsed),
    }


def _peer(peer: Peer) -> PeerStatus:
    return {
        "name": peer.name,
        "state": peer.state,
        "refid": peer.refid,
        "stratum": peer.stratum,
        "kind": peer.kind,
        "last_heard_seconds": finite(peer.last_heard_s),
        "poll_seconds": finite(peer.poll_s),
        "reach": peer.reach,
        "delay_seconds": finite(peer.delay_s),
        "offset_seconds": finite(peer.offset_s),
        "jitter_seconds": finite(peer.jitter_s),
        "tally": peer.tally,
    }
