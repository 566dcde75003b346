"""HTTP sessions that resolve names as the rest of skewmon does.

aiohttp's own resolver looks names up in the loop's few threads; with a dead name server, receivers and
inventories would keep files from being read there, and the process from ending.
"""

import socket
import ssl
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from skewmon.errors import ConfigError, Fault
from skewmon.runtime.resolver import resolver

#: Options of every connection of the process, such as the authorities of certificates.
_CONNECTOR: dict[str, Any] = {}


def session(**options: Any) -> aiohttp.ClientSession:
    """Return a session as aiohttp makes it, with the resolver of the process."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=_Resolver(), **_CONNECTOR), **options
    )


def trust(ca_file: str) -> None:
    """Accept the certificates of the authorities in a file, besides those that the system knows.

    Raises ConfigError if the file has none.
    """
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(Fault(f"no certificate can be read: {error.strerror or error}", ca_file)) from None
    _CONNECTOR["ssl"] = context


class _Resolver(AbstractResolver):
    """The resolver of the process with aiohttp's interface."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the places at which a host listens, of one family if one is given."""
        found = await resolver().places(host, port)
        return [
            ResolveResult(
                hostname=host,
                host=_with_scope(place),
                port=port,
                family=one,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for one, place in found
            if family in (socket.AF_UNSPEC, one)
        ]

    async def close(self) -> None:
        """Do nothing: the resolver belongs to the process."""


def _with_scope(place: tuple[Any, ...]) -> str:
    """Return the address; a link-local one of IPv6 with its interface, without which it leads nowhere."""
    return f"{place[0]}%{place[3]}" if len(place) == 4 and place[3] else str(place[0])
