"""HTTP sessions that resolve names as the rest of skewmon does.

aiohttp's own resolver looks names up in the loop's few threads; with a dead name server, receivers and
inventories would keep files from being read there, and the process from ending.
"""

import socket
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from skewmon.runtime.resolver import resolver


def session(**options: Any) -> aiohttp.ClientSession:
    """Return a session as aiohttp makes it, with the resolver of the process."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=_Resolver()), **options)


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
