"""One HTTP connection: its time limits, its slot, and the response to malformed requests."""

import asyncio
import contextlib
import socket
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from skewmon.export.clients import client_of
from skewmon.export.connection_slots import ClientPhase, ConnectionSlots
from skewmon.export.responses import Handler, general_headers

#: Time for a request's header, from the connection or from the first byte of a later request. A second is
#: enough even over a poor line; slower clients hold a descriptor that measuring needs.
HEADER_S = 10.0

#: Longer than the usual scrape interval, so that a scraper keeps its connection between two requests.
KEEPALIVE_S = 90.0

#: Time for sending a response, and for closing the connection if that follows. Prometheus
#: itself waits 10 s; a page of a thousand nodes over a mobile network takes as long.
WRITE_S = 30.0

#: Unread bodies are awaited this long before the connection is closed.
LINGERING_S = 1.0

_OPTIONS: dict[str, Any] = {
    "access_log": None,
    "keepalive_timeout": KEEPALIVE_S,
    "lingering_time": LINGERING_S,
}


class HttpConnection(web.RequestHandler):
    """A connection that ends if a header comes or a response is read too slowly."""

    def __init__(
        self, server: web.Server, slots: ConnectionSlots, accepted: socket.socket, peer: object
    ) -> None:
        self._events = asyncio.get_running_loop()
        super().__init__(server, loop=self._events, **_OPTIONS)
        self.client = client_of(peer)
        self._slots = slots
        self._socket = accepted
        self._deadline: asyncio.TimerHandle | None = None
        self._idle = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time for the first request."""
        super().connection_made(transport)
        self._limit(HEADER_S)

    def data_received(self, data: bytes) -> None:
        """Start the time for a later request; bytes that follow do not prolong it."""
        if self._idle:
            self._idle = False
            self._limit(HEADER_S)
        super().data_received(data)
        self._drop_traceback()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Free the slot."""
        self._limit(None)
        super().connection_lost(exc)
        self._slots.remove(self)

    def evict(self) -> None:
        """End the connection at once; a graceful end would wait for the client."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()
            return
        with contextlib.suppress(OSError):  # during the TLS handshake, which this ends
            self._socket.shutdown(socket.SHUT_RDWR)

    def working(self) -> None:
        """Record that a whole request has arrived; rendering its response has no time limit."""
        self._set_phase(ClientPhase.WORKING, None)

    def admit(self) -> bool:
        """Admit this connection; return False if no slot can be freed."""
        return self._slots.admit(self)

    def stream(self) -> bool:
        """Take one of the slots for streams; return False if there is none."""
        return self._slots.stream(self)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the response within its time limit; then the connection is idle or ends."""
        self._set_phase(ClientPhase.WRITING, WRITE_S)
        sent = await super().finish_response(request, resp, start_time)
        if sent[0].keep_alive and not sent[1] and self._slots.admitted(self):
            self._set_phase(ClientPhase.IDLE, KEEPALIVE_S)
            self._idle = True
        return sent

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a malformed request in one sentence, without details of the parser."""
        response = super().handle_error(request, status, exc, message)
        if status == HTTPStatus.BAD_REQUEST:
            too_long = isinstance(exc, LineTooLong)
            words = (
                "The address or a header of the request is too long."
                if too_long
                else "This is not an HTTP request."
            )
            response = web.Response(status=status, text=f"{words}\n")
            response.force_close()
        general_headers(response)  # the application's own hook does not run for this response
        return response

    def _drop_traceback(self) -> None:
        """Drop the traceback of a malformed request, and with it all that was received.

        It refers to itself, and Python seldom looks for such garbage here: thousands would wait for that.
        """
        error = getattr(self._messages[-1][0], "exc", None) if self._messages else None
        if isinstance(error, Exception):
            error.__traceback__ = None

    def _set_phase(self, phase: ClientPhase, limit_s: float | None) -> None:
        self._idle = False
        self._slots.set_phase(self, phase)
        self._limit(limit_s)

    def _limit(self, limit_s: float | None) -> None:
        """End the connection after this long; a later call replaces the limit."""
        if self._deadline is not None:
            self._deadline.cancel()
        ended = self.transport is None
        self._deadline = None if limit_s is None or ended else self._events.call_later(limit_s, self.evict)


@web.middleware
async def note_whole_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Stop the time limit of the header, which is complete."""
    connection = request.protocol
    if isinstance(connection, HttpConnection):
        connection.working()
    return await handler(request)
