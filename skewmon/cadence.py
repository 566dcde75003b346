"""When rounds happen: on a grid, without drift and without overlap."""

import asyncio
from collections.abc import AsyncIterator


async def every(interval_s: float) -> AsyncIterator[int]:
    """Yield now and then at every multiple of the interval from now, with the number of ticks missed before.

    What the body of the loop takes does not shift the grid; a body that takes longer than the interval misses
    ticks, and they are not made up for.
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    tick = 0
    missed = 0
    while True:
        yield missed
        due = int((loop.time() - start) / interval_s) + 1
        missed = due - tick - 1
        tick = due
        await asyncio.sleep(start + tick * interval_s - loop.time())
