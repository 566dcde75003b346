"""Accepts as many HTTP connections as leave measuring its descriptors.

Sockets are accepted here rather than by asyncio's server: that one counts nothing, keeps connections in
their TLS handshake out of sight, and prints a traceback a second when descriptors run out.
"""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable, Collection
from functools import partial

from aiohttp import web

from skewmon.export.clients import client_of
from skewmon.export.connection import HEADER_S, HttpConnection
from skewmon.export.connection_slots import ConnectionSlots
from skewmon.export.rate_limited_log import RateLimitedLog

#: Connections that the kernel completes before they are accepted; more than one client opens in a burst. The
#: kernel drops what exceeds it, and the client's next attempt is a second later. Linux itself allows 4,096.
BACKLOG = 4_096

#: Accepted in one turn of the event loop: half a millisecond of work, which delays no round. Replacing all
#: pending connections takes many turns, so a request that comes with its connection is read before that.
ACCEPTED_PER_TURN = 8

#: Descriptors come back as connections end; more frequent attempts would only cost processor time.
EXHAUSTED_PAUSE_S = 1.0

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class AcceptedSocket:
    """A connection before its first byte: only a socket, so that silent clients cost next to nothing."""

    def __init__(
        self,
        accepted: socket.socket,
        peer: object,
        *,
        limit_s: float,
        on_readable: Callable[["AcceptedSocket", socket.socket], None],
        on_closed: Callable[["AcceptedSocket"], None],
    ) -> None:
        self.client = client_of(peer)
        self.peer = peer
        self._socket = accepted
        self._on_readable = on_readable
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(accepted, self._hand_over)
        self._deadline = self._loop.call_later(limit_s, self.evict)

    def evict(self) -> None:
        """Close the socket."""
        self._stop_waiting()
        self._socket.close()
        self._on_closed(self)

    def _hand_over(self) -> None:
        self._stop_waiting()
        self._on_readable(self, self._socket)

    def _stop_waiting(self) -> None:
        self._deadline.cancel()
        self._loop.remove_reader(self._socket)


class HttpListener:
    """Listens at any number of addresses; ``ConnectionSlots`` decides which connections stay open."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._connecting: set[asyncio.Task[None]] = set()
        self._waiting: set[AcceptedSocket] = set()
        self._slots = ConnectionSlots()
        self._log = RateLimitedLog()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The addresses that accept connections."""
        return [listening.getsockname()[:2] for listening in self._sockets]

    async def open(
        self, server: web.Server, host: str | None, port: int, context: ssl.SSLContext | None
    ) -> None:
        """Listen at every address of ``host``; raise OSError if one is not available."""
        listening = await bound(host, port)
        self._sockets += listening
        for each in listening:
            each.listen(BACKLOG)
        self._accepting += [asyncio.create_task(self._accept(server, each, context)) for each in listening]

    async def close(self) -> None:
        """Stop listening; connections that are open stay."""
        # In this order, every socket that was accepted has an owner that closes it.
        await _cancelled(self._accepting)
        for silent in tuple(self._waiting):
            silent.evict()
        await _cancelled(self._connecting)
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
                continue  # any other error, such as a client that has left, concerns that client alone
            silent = AcceptedSocket(
                accepted,
                peer,
                limit_s=HEADER_S,
                on_readable=partial(self._start, server, context),
                on_closed=self._forget,
            )
            self._waiting.add(silent)
            self._slots.add(silent)

    def _forget(self, silent: AcceptedSocket) -> None:
        self._waiting.discard(silent)
        self._slots.remove(silent)

    def _start(
        self,
        server: web.Server,
        context: ssl.SSLContext | None,
        silent: AcceptedSocket,
        accepted: socket.socket,
    ) -> None:
        """Create the connection of a socket whose first byte has come."""
        connection = HttpConnection(server, self._slots, accepted, silent.peer)
        self._waiting.discard(silent)
        self._slots.replace(silent, connection)
        connecting = asyncio.create_task(self._connect(connection, accepted, context))
        self._connecting.add(connecting)
        connecting.add_done_callback(self._connecting.discard)

    async def _connect(
        self, connection: HttpConnection, accepted: socket.socket, context: ssl.SSLContext | None
    ) -> None:
        """Start the connection, with TLS after its handshake, which has a time limit as well."""
        limit = HEADER_S if context else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, accepted, ssl=context, ssl_handshake_timeout=limit
            )
        except OSError:
            self._slots.remove(connection)


async def _cancelled(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def bound(host: str | None, port: int) -> list[socket.socket]:
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
