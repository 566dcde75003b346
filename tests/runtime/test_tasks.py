"""Turns of the event loop, and deadlines."""

import asyncio
import weakref
from collections import Counter
from collections.abc import Callable

import pytest

from skewmon.runtime.tasks import Deadline, Flag, Turns

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


async def test_a_deadline_calls_back_once_after_the_last_time_it_was_put_off_to() -> None:
    """However often that was; a lifted one never does, and can be set again."""
    loop, passed = asyncio.get_running_loop(), asyncio.Event()
    times_s: list[float] = []

    def note() -> None:
        times_s.append(loop.time())
        passed.set()

    deadline = Deadline(note)
    for _ in range(5):
        deadline.put_off(0.05)
        await asyncio.sleep(0.02)
    deadline.put_off(0.05)
    due_s = loop.time() + 0.04
    await asyncio.wait_for(passed.wait(), 10)
    assert times_s[0] >= due_s
    deadline.put_off(0.01)
    deadline.lift()
    await asyncio.sleep(0.1)
    assert len(times_s) == 1
    passed.clear()
    deadline.put_off(0.01)
    await asyncio.wait_for(passed.wait(), 10)
    assert len(times_s) == 2


async def test_many_deadlines_call_back_in_their_order_and_those_that_are_gone_do_not() -> None:
    """Whichever was set first, and even if one of them raises."""
    called: list[int] = []

    def passed(number: int) -> Callable[[], None]:
        def note() -> None:
            called.append(number)
            if number == 3:
                raise RuntimeError("raised by the test")

        return note

    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context))
    deadlines = [Deadline(passed(number)) for number in range(50)]
    for number in sorted(range(50), key=lambda number: number * 7 % 50):
        deadlines[number].put_off(0.1 + number / 200)
    gone = weakref.ref(deadlines.pop(20))
    assert gone() is None
    deadlines[10].put_off(0.001)  # earlier than before
    deadlines[30].lift()
    async with asyncio.timeout(10):
        while len(called) < 48:
            await asyncio.sleep(0.01)
    assert called == [10, *(number for number in range(50) if number not in {10, 20, 31})]
    assert len(failures) == 1


async def test_a_flag_lets_every_task_that_waits_go_on() -> None:
    """Not one that has given up, of which it keeps nothing; cleared, it is waited for again."""
    flag = Flag()
    waiting = [asyncio.create_task(flag.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    flag.set()
    flag.clear()
    async with asyncio.timeout(10):
        await asyncio.gather(*waiting[1:])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(flag.wait(), 0.01)
    assert flag._waiters == ()
    flag.set()
    await flag.wait()
