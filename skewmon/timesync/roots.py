"""The origin of the nodes' time: servers that pass on one clock are one source, not several.

A node names the server that it follows. The upstream of that server is in the table of any node's ntpd, in
timesyncd's last packet and, if the server is a node of the cluster itself, in the claims of its own daemon.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from skewmon.model import Peer
from skewmon.timesync import refid as refids
from skewmon.timesync.findings.evidence import ClusterEvidence
from skewmon.timesync.source import is_free_running, is_refclock, source_key

#: Ends a chain of servers without a source: an oscillator, or a circle that follows itself.
NOWHERE = "nowhere"


@dataclass(frozen=True, slots=True)
class Roots:
    """The upstream of each upstream as far as it is known, and the address of each.

    An upstream's key is its reference identifier, which for an IPv6 server looks like some IPv4 address.
    """

    hops: Mapping[str, str]
    addresses: Mapping[str, str]

    def name(self, key: str) -> str:
        """Return the name of an upstream."""
        return self.addresses.get(key, key)

    def above(self, key: str) -> tuple[str, ...]:
        """Return an upstream, its upstream, and so on; ``NOWHERE`` at the end if that is not a source."""
        line = [key]
        while (upper := self.hops.get(line[-1])) is not None:
            if upper in line:
                return (*line, NOWHERE)
            line.append(upper)
        return tuple(line)

    def root(self, key: str) -> str:
        """Return the end of the line."""
        return self.above(key)[-1]


def roots(cluster: ClusterEvidence) -> Roots:
    """Gather the claims of all nodes about servers; each node's own source comes last and counts."""
    hops: dict[str, str] = {}
    addresses: dict[str, str] = {}
    nodes = [cluster[name] for name in sorted(cluster)]
    for peer in (peer for node in nodes if node.status is not None for peer in node.status.peers):
        key = refids.of_address(peer.name)
        if key is None:
            continue
        addresses.setdefault(key, peer.name)
        upper = _told_of(peer)
        if upper is not None and upper != key:
            hops.setdefault(key, upper)
    for node in nodes:
        at, key = refids.of_address(node.address), source_key(node.status, node.name)
        if at is not None and key is not None and node.status is not None and key != at:
            hops[at] = NOWHERE if is_free_running(node.status) else key
    return Roots(hops, addresses)


def _told_of(server: Peer) -> str | None:
    """Return the upstream of a server by its own reference identifier, from an ntpd's table."""
    if server.refid is None or is_refclock(server):
        return None
    return _upper(server.name, server.refid, server.stratum or 0)


@lru_cache(maxsize=4096)  # the same few for every source of every node, each round
def _upper(address: str, refid: str, stratum: int) -> str | None:
    if refids.is_none(refid):
        return None
    if refids.is_local(refid) or refids.is_orphan_parent(refid):
        return NOWHERE
    upper = refids.of_address(refid) or refids.of_address(refids.of_hex(refid, stratum) or "")
    if upper is None or stratum < 2 or (_is_public(address) and not _is_public(upper)):
        return None  # many a public server follows some 10.0.0.1 of its own, and each another one
    return upper


def _is_public(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_global
