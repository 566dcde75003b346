"""The identity of the upstream that a node follows; daemons of all kinds give one server the same."""

import ipaddress
from functools import lru_cache

from skewmon.model import Peer, SyncStatus
from skewmon.timesync import refid as refids
from skewmon.timesync.findings.evidence import followed

#: Amazon's time service by IPv6; its IPv4 address, and those of Google's and Oracle's, are link-local.
_PROVIDED = frozenset({"fd00:ec2::123"})

#: States of a source that the daemon accepts.
GOOD = frozenset({"system", "pps", "candidate", "selectable", "outlier", "backup"})

#: Daemons with an orphan mode by ntp.org's design; chronyd's has no refid of its own.
_HAVE_ORPHANS = frozenset({"ntpd", "ntpsec"})


def is_free_running(status: SyncStatus) -> bool:
    """Return whether the node follows only its own oscillator."""
    heads_orphans = status.daemon in _HAVE_ORPHANS and refids.is_orphan_parent(status.refid)
    if heads_orphans and followed(status) is None:
        return True
    return refids.is_local(status.refid) or refids.is_local(status.source) or status.source == "local net"


def source_key(status: SyncStatus | None, node: str = "") -> str | None:
    """Return the identity of the upstream, or None if the node follows no known one.

    It is the reference identifier that NTP itself uses for the purpose, so the keys of different daemons
    agree. A reference clock, or the node's own oscillator, belongs to the node alone and bears its name.
    """
    if status is None or status.synchronized is not True:
        return None
    if is_free_running(status):
        return f"local clock of {node}"
    peer = followed(status)
    if peer is not None and is_refclock(peer):  # with a stratum set by hand its letters look like an address
        return f"{peer.refid or peer.name} of {node}"
    if status.refid is None or refids.is_none(status.refid):
        return status.source
    if refids.of_address(status.refid) is None:
        return f"{status.refid} of {node}"
    return status.refid


def peer_key(peer: Peer, node: str = "") -> str:
    """Return the identity of one source of a daemon, comparable with ``source_key`` if it is a server."""
    if is_refclock(peer):
        return f"{peer.refid or peer.name} of {node}"
    return refids.of_address(peer.name) or peer.name


def is_refclock(peer: Peer) -> bool:
    """Return whether the source is a reference clock of the machine's own, its own oscillator excepted."""
    return (peer.kind in {"l", "refclock"} or peer.name.startswith("127.127.")) and not _is_local(peer)


def is_provided(peer: Peer) -> bool:
    """Return whether the source is the time service of a cloud, on the link of each of its machines.

    A link-local address of IPv6 may be that of any router.
    """
    return _is_provided(peer.name)


@lru_cache(maxsize=4096)  # the same few for every node, each round
def _is_provided(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return (address.version == 4 and address.is_link_local) or str(address) in _PROVIDED


def usable(status: SyncStatus) -> tuple[Peer, ...]:
    """Return the sources that answer: no placeholders of pools, no local clock, nothing out of reach."""
    return tuple(peer for peer in servers(status) if _answers(peer))


def servers(status: SyncStatus) -> tuple[Peer, ...]:
    """Return the sources that are meant to bring time from elsewhere."""
    return tuple(peer for peer in status.peers if not _is_placeholder(peer) and not _is_local(peer))


def _answers(peer: Peer) -> bool:
    return peer.reach > 0 if peer.reach is not None else peer.state != "unreachable"


def _is_placeholder(peer: Peer) -> bool:
    return peer.kind == "p" or peer.refid == "POOL" or peer.kind == "unresolved"


def _is_local(peer: Peer) -> bool:
    return refids.is_local(peer.name) or refids.is_local(peer.refid)
