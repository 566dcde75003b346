"""One HTTP connection: how long it may take to ask, and how it is told that it asks wrongly."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from skewmon.export.answers import SECURITY_HEADERS, Handler

#: From the connection, or from the first byte of a later request, to the end of the request's header: a
#: second even over a poor line. Who takes longer holds a descriptor that measuring needs.
HEADER_S = 10.0

#: Longer than the usual scrape interval, so that a scraper keeps its connection between two requests.
KEEPALIVE_S = 90.0

#: Unread bodies are awaited this long before the connection is closed.
LINGERING_S = 1.0

_OPTIONS: dict[str, Any] = {
    "access_log": None,
    "keepalive_timeout": KEEPALIVE_S,
    "lingering_time": LINGERING_S,
}


class Connection(web.RequestHandler):
    """A connection that is closed when the header of a request does not come to its end in time.

    ``lost`` is called once the connection has ended.
    """

    def __init__(self, server: web.Server, lost: Callable[["Connection"], None]) -> None:
        self._events = asyncio.get_running_loop()
        super().__init__(server, loop=self._events, **_OPTIONS)
        self._lost = lost
        self._deadline: asyncio.TimerHandle | None = None
        self._answering = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time for the first request."""
        super().connection_made(transport)
        self._await_header()

    def data_received(self, data: bytes) -> None:
        """Start the time for a later request; bytes that follow do not prolong it."""
        if not self._answering:
            self._await_header()
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the place free."""
        self._header_came()
        super().connection_lost(exc)
        self._lost(self)

    def answering(self) -> None:
        """Note that a request has come whole; its answer, such as a stream, may take as long as it likes."""
        self._answering = True
        self._header_came()

    def answered(self) -> None:
        """Note that the next bytes begin another request."""
        self._answering = False

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP in one sentence, without the parser's internals."""
        response = super().handle_error(request, status, exc, message)
        if status != HTTPStatus.BAD_REQUEST:
            return response
        too_long = isinstance(exc, LineTooLong)
        words = (
            "The address or a header of the request is too long." if too_long else "This is no HTTP request."
        )
        plain = web.Response(status=status, text=f"{words}\n", headers=SECURITY_HEADERS)
        plain.force_close()
        return plain

    def _await_header(self) -> None:
        if self._deadline is None:
            self._deadline = self._events.call_later(HEADER_S, self.force_close)

    def _header_came(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


@web.middleware
async def stop_the_header_clock(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the connection when a request has come whole, and when it is dealt with."""
    connection = request.protocol
    if not isinstance(connection, Connection):
        return await handler(request)
    connection.answering()
    try:
        return await handler(request)
    finally:
        connection.answered()
