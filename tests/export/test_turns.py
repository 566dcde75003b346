"""Requests of one client, in turn with everything else in the event loop."""

import asyncio
from collections import Counter

from skewmon.export.published import Callbacks

REQUEST = b"GET /config HTTP/1.1\r\nHost: x\r\n\r\n"
CONNECTIONS, PIPELINED = 8, 20


async def test_pipelined_requests_leave_turns_to_others(serve) -> None:
    """However many requests wait on however many connections, no turn of the loop handles a row of them."""
    turn, handled = 0, Counter()

    def config_text() -> str:
        handled[turn] += 1
        return ""

    _, url = await serve(Callbacks(config_text=config_text))
    host, port = url.partition("://")[2].rsplit(":", 1)
    streams = [await asyncio.open_connection(host, int(port)) for _ in range(CONNECTIONS)]
    for _, writer in streams:
        writer.write(REQUEST * PIPELINED)
    async with asyncio.timeout(20):
        while handled.total() < CONNECTIONS * PIPELINED:
            turn += 1
            await asyncio.sleep(0)
    # One of a turn may come after this test's own part of it, and the next one before.
    assert max(handled.values()) <= 2
    for _, writer in streams:
        writer.close()
