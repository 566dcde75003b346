"""Tasks that may end after their caller has gone, their turns and their time limits."""

import asyncio
import math
from collections.abc import Callable
from typing import Any


def retrieved(task: "asyncio.Future[Any]") -> None:
    """Retrieve a task's exception, because its caller may have gone; a callback for done tasks."""
    if not task.cancelled():
        task.exception()


class Turns:
    """Turns of the event loop for work that many tasks are ready to do: one in each, the first come first.

    All of them in one turn would hold up the replies of nodes until those are late.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def next(self) -> None:
        """Wait for the turn of this task."""
        async with self._turn:
            await asyncio.sleep(0)


class Flag:
    """An ``asyncio.Event`` without a queue while no task waits, for thousands of them: that takes 0.8 KiB."""

    __slots__ = ("_is_set", "_waiters")

    def __init__(self) -> None:
        self._is_set = False
        self._waiters: tuple[asyncio.Future[None], ...] = ()

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Let all tasks that wait go on."""
        self._is_set = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def clear(self) -> None:
        """Let tasks wait again."""
        self._is_set = False

    async def wait(self) -> None:
        """Wait until it is set."""
        if self._is_set:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters = (*self._waiters, waiter)
        try:
            await waiter
        finally:
            self._waiters = tuple(one for one in self._waiters if one is not waiter)


class Deadline:
    """Calls back once a time has passed that is put off or lifted again and again, at little cost.

    One timer serves for all of them, and is set again if it came too early or would come too late.
    """

    __slots__ = ("_due_s", "_passed", "_timer")

    def __init__(self, passed: Callable[[], None]) -> None:
        self._passed = passed
        self._due_s = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def put_off(self, by_s: float) -> None:
        """Call back this long from now, and not earlier."""
        loop = asyncio.get_running_loop()
        self._due_s = loop.time() + by_s
        if self._timer is not None:
            if self._timer.when() <= self._due_s:
                return
            self._timer.cancel()
        self._timer = loop.call_at(self._due_s, self._look)

    def lift(self) -> None:
        """Do not call back."""
        self._due_s = math.inf

    def _look(self) -> None:
        self._timer = None
        if math.isinf(self._due_s):
            return
        loop = asyncio.get_running_loop()
        if loop.time() < self._due_s:
            self._timer = loop.call_at(self._due_s, self._look)
        else:
            self.lift()
            self._passed()
