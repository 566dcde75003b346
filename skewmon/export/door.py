"""Where connections come in: only as many as leave measuring its descriptors.

Sockets are accepted here rather than by asyncio's server: that one counts nothing, keeps connections whose
TLS handshake is under way out of sight, and prints a traceback a second where descriptors run out.
"""

import asyncio
import errno
import os
import resource
import socket
import ssl
from collections.abc import Collection

import structlog
from aiohttp import web

from skewmon.export.connection import HEADER_S, Connection

log = structlog.get_logger(__name__)

#: Many times what scrapers, dashboards and the browsers of a team need at once.
CONNECTIONS_MAX = 256

#: Of a tight limit on descriptors, HTTP gets one in this many; the rest is for SSH and the journal.
DESCRIPTORS_SHARE = 4

#: The kernel holds so many that have not been accepted.
BACKLOG = 128

#: Descriptors come back as connections end; asking more often would only heat the machine.
EXHAUSTED_PAUSE_S = 1.0

#: Who opens connections without end does not fill the log as well.
TELL_AGAIN_S = 60.0

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def connections_max() -> int:
    """Return how many connections may be open at once under this process' limit of descriptors."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    return min(CONNECTIONS_MAX, soft // DESCRIPTORS_SHARE)


class Door:
    """Listens at any number of addresses; beyond its limit, a new connection is closed at once."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._entering: set[asyncio.Task[None]] = set()
        self._inside: set[Connection] = set()
        self._tell_after = 0.0

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """What is listened at."""
        return [listening.getsockname()[:2] for listening in self._sockets]

    async def open(
        self, server: web.Server, host: str | None, port: int, context: ssl.SSLContext | None
    ) -> None:
        """Listen at every address of ``host``; raise OSError where one cannot be had."""
        listening = await _bound(host, port)
        self._sockets += listening
        for each in listening:
            each.listen(BACKLOG)
        self._accepting += [asyncio.create_task(self._accept(server, each, context)) for each in listening]

    async def close(self) -> None:
        """Stop listening; those inside stay."""
        # In this order, every socket that was accepted has an owner that closes it.
        await _cancelled(self._accepting)
        await _cancelled(self._entering)
        for listening in self._sockets:
            listening.close()
        self._sockets.clear()
        self._accepting.clear()

    async def _accept(
        self, server: web.Server, listening: socket.socket, context: ssl.SSLContext | None
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            # Where many wait, sock_accept returns without a turn of the loop: everything else gets one here.
            await asyncio.sleep(0)
            try:
                accepted, _ = await loop.sock_accept(listening)
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._tell("HTTP connections wait", reason=os.strerror(error.errno).lower())
                    await asyncio.sleep(EXHAUSTED_PAUSE_S)
                continue  # anything else, such as a client that has left, concerns that client alone
            self._admit(server, accepted, context)

    def _admit(self, server: web.Server, accepted: socket.socket, context: ssl.SSLContext | None) -> None:
        if len(self._inside) >= connections_max():
            accepted.close()
            self._tell("an HTTP connection was refused", reason="too many are open", open=len(self._inside))
            return
        connection = Connection(server, self._inside.discard)
        self._inside.add(connection)
        entering = asyncio.create_task(self._enter(connection, accepted, context))
        self._entering.add(entering)
        entering.add_done_callback(self._entering.discard)

    async def _enter(
        self, connection: Connection, accepted: socket.socket, context: ssl.SSLContext | None
    ) -> None:
        """Start the connection, after the TLS handshake where there is one; that has its time as well."""
        limit = HEADER_S if context else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, accepted, ssl=context, ssl_handshake_timeout=limit
            )
        except OSError:
            self._inside.discard(connection)

    def _tell(self, event: str, **details: object) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._tell_after:
            self._tell_after = now + TELL_AGAIN_S
            log.warning(event, **details)


async def _cancelled(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _bound(host: str | None, port: int) -> list[socket.socket]:
    """Return a bound socket for every address of the host.

    asyncio knows about names, both families and ports in use; its server is not asked for more than that.
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
