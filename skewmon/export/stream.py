"""Server-sent events: one each round to every subscriber; a slow one delays no other."""

import asyncio
from collections.abc import AsyncGenerator, Callable

#: Rounds that a slow reader may lag behind before it is dropped; it may connect again and is then up to date.
BACKLOG_MAX = 4

#: Silence after which a comment is sent, so that neither side nor a proxy between closes the connection.
HEARTBEAT_S = 15.0

HEARTBEAT = b": still here\n\n"

#: A browser reconnects after this many milliseconds.
PREAMBLE = b"retry: 2000\n\n"


class Stream:
    """The subscribers and their queues."""

    def __init__(self) -> None:
        self._subscribers: dict[asyncio.Queue[bytes | None], Callable[[], None]] = {}

    def send(self, render: Callable[[], bytes]) -> None:
        """Render a message and hand it to every subscriber; drop those that have not read the last few."""
        message = render() if self._subscribers else b""
        for queue, drop in tuple(self._subscribers.items()):
            try:
                queue.put_nowait(message)
            except asyncio.QueueFull:
                self._end(queue)
                drop()

    def close(self) -> None:
        """End every subscription."""
        for queue in tuple(self._subscribers):
            self._end(queue)

    async def subscribe(self, drop: Callable[[], None]) -> AsyncGenerator[bytes, None]:
        """Yield the bytes for one subscriber until the end; ``places.py`` limits their number.

        ``drop`` is called if the subscriber reads too slowly, and cuts it off in the middle of a write.
        """
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(BACKLOG_MAX)
        self._subscribers[queue] = drop
        try:
            yield PREAMBLE
            while (message := await _next(queue)) is not None:
                yield message
        finally:
            self._subscribers.pop(queue, None)

    def _end(self, queue: asyncio.Queue[bytes | None]) -> None:
        """End a subscription at once; its queued messages are outdated."""
        self._subscribers.pop(queue, None)
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)


def event(name: str, data: bytes) -> bytes:
    """Return one event; ``data`` is a single line."""
    assert b"\n" not in data, data
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


async def _next(queue: asyncio.Queue[bytes | None]) -> bytes | None:
    try:
        async with asyncio.timeout(HEARTBEAT_S):
            return await queue.get()
    except TimeoutError:
        return HEARTBEAT
