"""The address that limits count by: one IPv4 address, or one IPv6 network of 64 bits."""

import ipaddress

from aiohttp import web

#: One IPv6 host chooses freely among the addresses of its /64, so the network counts as one client.
IPV6_PREFIX_BITS = 64

#: Clients without an address, such as those of a Unix socket, share one.
UNKNOWN = "unknown"


def client_of(peer: object) -> str:
    """Return the client that a socket's peer name stands for; IPv4 inside IPv6 counts as IPv4."""
    if not isinstance(peer, tuple) or not peer:
        return UNKNOWN
    try:
        address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
    except ValueError:
        return UNKNOWN
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, IPV6_PREFIX_BITS), strict=False))


def requesting_client(request: web.Request) -> str:
    """Return the client that sent a request."""
    return client_of(request.transport and request.transport.get_extra_info("peername"))
