"""When rounds happen: on a grid, without drift and without overlap."""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple


class Tick(NamedTuple):
    """How many ticks were missed before this one, and by how much the loop was late for it."""

    missed: int = 0
    late_s: float = 0.0


async def every(interval_s: float) -> AsyncIterator[Tick]:
    """Yield now and then at every multiple of the interval from now.

    The duration of the loop's body does not shift the grid; a body that takes longer than the interval misses
    ticks, which are not made up for.
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    number = 0
    yield Tick()
    while True:
        # A loop may wake within its clock's resolution before the tick, and division may round below it.
        due = max(number, int((loop.time() - start) / interval_s)) + 1
        missed = due - number - 1
        number = due
        at = start + number * interval_s
        await asyncio.sleep(at - loop.time())
        yield Tick(missed, max(0.0, loop.time() - at))
