"""Three references in this process: servers of stratum 1 that show this machine's time, shifted or not."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.integration.upstream import reply, stamp

#: Each reference has an address of its own: two servers at one address are one machine.
ADDRESS = "127.0.6.{}"


class Server(asyncio.DatagramProtocol):
    """One NTP server; ``offset_s`` is how far its time is ahead, and may be changed."""

    def __init__(self, offset_s: float) -> None:
        self.offset_s = offset_s
        self.requests = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport: Any = transport

    def datagram_received(self, request: bytes, client: tuple[str | Any, int]) -> None:
        """Answer a request."""
        received = stamp(self.offset_s)
        self.requests += 1
        self._transport.sendto(reply(request, self.offset_s, 1, 0, received), client)


@asynccontextmanager
async def references(
    offsets_s: Sequence[float] = (0.0, 0.0, 0.0), *, servers: list[Server] | None = None
) -> AsyncIterator[list[str]]:
    """Run servers that are so far ahead, and add them to ``servers``; yield their ``HOST:PORT``."""
    loop, transports, places = asyncio.get_running_loop(), [], []
    for number, offset_s in enumerate(offsets_s, 1):
        transport, server = await loop.create_datagram_endpoint(
            lambda offset_s=offset_s: Server(offset_s),  # type: ignore[misc] # bound now
            local_addr=(ADDRESS.format(number), 0),
        )
        transports.append(transport)
        if servers is not None:
            servers.append(server)
        address, port = transport.get_extra_info("sockname")
        places.append(f"{address}:{port}")
    try:
        yield places
    finally:
        for transport in transports:
            transport.close()
