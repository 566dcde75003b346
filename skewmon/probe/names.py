"""Names of hosts become addresses, without waiting longer than the caller does.

``loop.getaddrinfo`` would run in the loop's few threads, for which the end of the program then waits: with a
name server that is gone that takes half a minute, and fifty such names hold up every other one. Here each
name has a thread of its own, which is left alone when the caller has given up.
"""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

#: Names that are looked up at once; a name server answers each in milliseconds.
LOOKUPS_AT_ONCE = 64

#: Family and address of one place to connect to.
Place = tuple[int, Any]


class Resolver:
    """Looks names up, a bounded number at once."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(LOOKUPS_AT_ONCE)

    async def places(self, address: str, port: int) -> list[Place]:
        """Return where a host listens, in the order to try.

        Raises socket.gaierror where the name has no address, UnicodeError where it cannot be a name.
        """
        try:
            return _look_up(address, port, socket.AI_NUMERICHOST)
        except socket.gaierror:
            async with self._turns:
                return await _in_thread(lambda: _look_up(address, port, 0))


def _look_up(address: str, port: int, flags: int) -> list[Place]:
    found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, place) for family, _, _, _, place in found]


async def _in_thread(work: Callable[[], list[Place]]) -> list[Place]:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Place]] = loop.create_future()

    def tell(settle: Callable[[Any], None], value: object) -> None:
        if not answer.done():
            settle(value)

    def run() -> None:
        try:
            result: object = work()
            settle: Callable[[Any], None] = answer.set_result
        except (OSError, UnicodeError) as error:
            result, settle = error, answer.set_exception
        with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
            loop.call_soon_threadsafe(tell, settle, result)

    threading.Thread(target=run, name="lookup", daemon=True).start()
    return await answer
