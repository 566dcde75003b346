"""Turns of the event loop."""

import asyncio
from collections import Counter

from skewmon.runtime.tasks import Turns

TASKS = 500


async def test_many_ready_tasks_leave_turns_to_others() -> None:
    """One begins in each turn of the loop, in the order in which they asked."""
    turns, turn, begun, order = Turns(), 0, Counter(), []

    async def work(number: int) -> None:
        await turns.next()
        begun[turn] += 1
        order.append(number)

    tasks = [asyncio.create_task(work(number)) for number in range(TASKS)]
    async with asyncio.timeout(20):
        while len(order) < TASKS:
            turn += 1
            await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert max(begun.values()) <= 2  # one before this test's part of a turn, one after it
    assert order == sorted(order)
