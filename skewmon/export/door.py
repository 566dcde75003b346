"""Accepts HTTP connections, as many as leave measuring its descriptors.

Sockets are accepted here rather than by asyncio's server: that one counts nothing, keeps connections in
their TLS handshake out of sight, and prints a traceback a second when descriptors run out.
"""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Collection
from functools import partial

from aiohttp import web

from skewmon.export.arrival import Arrival
from skewmon.export.connection import HEADER_S, HttpConnection
from skewmon.export.paced import PacedLog
from skewmon.export.places import Places

#: Connections that the kernel completes before they are accepted; more than one client opens in a burst. The
#: kernel drops what exceeds it, and the client's next attempt is a second later. Linux itself allows 4,096.
BACKLOG = 4_096

#: Accepted in one turn of the event loop: half a millisecond of work, so that rounds are not delayed. A full
#: lobby takes many turns to change, so that a request that comes with its connection is read before that.
ACCEPTED_PER_TURN = 8

#: Descriptors come back as connections end; more frequent attempts would only cost processor time.
EXHAUSTED_PAUSE_S = 1.0

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Door:
    """Listens at any number of addresses; ``Places`` decides which connections stay."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._entering: set[asyncio.Task[None]] = set()
        self._silent: set[Arrival] = set()
        self._places = Places()
        self._log = PacedLog()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The addresses that accept connections."""
        return [listening.getsockname()[:2] for listening in self._sockets]

    async def open(
        self, server: web.Server, host: str | None, port: int, context: ssl.SSLContext | None
    ) -> None:
        """Listen at every address of ``host``; raise OSError if one is not available."""
        listening = await _bound(host, port)
        self._sockets += listening
        for each in listening:
            each.listen(BACKLOG)
        self._accepting += [asyncio.create_task(self._accept(server, each, context)) for each in listening]

    async def close(self) -> None:
        """Stop listening; connections that are open stay."""
        # In this order, every socket that was accepted has an owner that closes it.
        await _cancelled(self._accepting)
        for arrival in tuple(self._silent):
            arrival.evict()
        await _cancelled(self._entering)
        for listening in self._sockets:
            listening.close()
        self._sockets.clear()
        self._accepting.clear()

    async def _accept(
        self, server: web.Server, listening: socket.socket, context: ssl.SSLContext | None
    ) -> None:
        loop = asyncio.get_running_loop()
        accepted_this_turn = 0
        while True:
            # While many wait, sock_accept returns without a turn of the loop.
            accepted_this_turn += 1
            if accepted_this_turn >= ACCEPTED_PER_TURN:
                accepted_this_turn = 0
                await asyncio.sleep(0)
            try:
                accepted, peer = await loop.sock_accept(listening)
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._log.warning("HTTP connections wait", reason=os.strerror(error.errno).lower())
                    await asyncio.sleep(EXHAUSTED_PAUSE_S)
                continue  # anything else, such as a client that has left, concerns that client alone
            arrival = Arrival(
                accepted,
                peer,
                limit_s=HEADER_S,
                spoke=partial(self._start, server, context),
                ended=self._forget,
            )
            self._silent.add(arrival)
            self._places.arrive(arrival)

    def _forget(self, arrival: Arrival) -> None:
        self._silent.discard(arrival)
        self._places.leave(arrival)

    def _start(
        self, server: web.Server, context: ssl.SSLContext | None, arrival: Arrival, accepted: socket.socket
    ) -> None:
        """Make a connection of a socket whose first byte has come."""
        connection = HttpConnection(server, self._places, accepted, arrival.peer)
        self._silent.discard(arrival)
        self._places.replace(arrival, connection)
        entering = asyncio.create_task(self._enter(connection, accepted, context))
        self._entering.add(entering)
        entering.add_done_callback(self._entering.discard)

    async def _enter(
        self, connection: HttpConnection, accepted: socket.socket, context: ssl.SSLContext | None
    ) -> None:
        """Start the connection, with TLS after its handshake, which has a time limit as well."""
        limit = HEADER_S if context else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, accepted, ssl=context, ssl_handshake_timeout=limit
            )
        except OSError:
            self._places.leave(connection)


async def _cancelled(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _bound(host: str | None, port: int) -> list[socket.socket]:
    """Return a bound socket for every address of the host.

    asyncio handles names, both families and ports in use; nothing else of its server is needed.
    """
    loop = asyncio.get_running_loop()
    server = await loop.create_server(asyncio.Protocol, host, port, start_serving=False)
    try:
        sockets = [bound.dup() for bound in server.sockets]
    finally:
        server.close()
    for each in sockets:
        each.settimeout(0)
    return sockets
