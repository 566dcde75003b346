"""Turns of the event loop for requests: a client with many of them delays neither others nor measuring."""

import asyncio

from aiohttp import web
from aiohttp.typedefs import Middleware

from skewmon.export.responses import Handler


def turns() -> Middleware:
    """Return the middleware that begins one request in each turn of the event loop, the first come first.

    A connection may have sent 32, and a client have 96 connections. All of them in one turn would hold up the
    replies of nodes until those are late.
    """
    turn = asyncio.Lock()

    @web.middleware
    async def wait_for_turn(request: web.Request, handler: Handler) -> web.StreamResponse:
        async with turn:
            await asyncio.sleep(0)
        return await handler(request)

    return wait_for_turn
