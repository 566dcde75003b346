"""Turns of the event loop for requests: a client with many of them delays neither others nor measuring."""

from aiohttp import web
from aiohttp.typedefs import Middleware

from skewmon.export.responses import Handler
from skewmon.runtime.tasks import Turns


def turns() -> Middleware:
    """Return the middleware that begins one request in each turn of the event loop, the first come first.

    A connection may have sent 32, and a client have 96 connections.
    """
    waiting = Turns()

    @web.middleware
    async def wait_for_turn(request: web.Request, handler: Handler) -> web.StreamResponse:
        await waiting.next()
        return await handler(request)

    return wait_for_turn
