"""A connection before its first byte: a socket and nothing else, so that silent ones cost next to nothing."""

import asyncio
import socket
from collections.abc import Callable

from skewmon.export.clients import client_of


class Arrival:
    """Waits for the first byte of an accepted connection, and then hands the socket over."""

    def __init__(
        self,
        accepted: socket.socket,
        peer: object,
        *,
        limit_s: float,
        spoke: Callable[["Arrival", socket.socket], None],
        ended: Callable[["Arrival"], None],
    ) -> None:
        self.client = client_of(peer)
        self.peer = peer
        self._socket = accepted
        self._spoke = spoke
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(accepted, self._hand_over)
        self._deadline = self._loop.call_later(limit_s, self.evict)

    def evict(self) -> None:
        """End the connection."""
        self._leave()
        self._socket.close()
        self._ended(self)

    def _hand_over(self) -> None:
        self._leave()
        self._spoke(self, self._socket)

    def _leave(self) -> None:
        self._deadline.cancel()
        self._loop.remove_reader(self._socket)
