"""Tasks that may end after their caller has gone, their turns and their time limits."""

import asyncio
import math
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any
from weakref import WeakKeyDictionary, ref


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

    A deadline that nothing refers to any longer calls nothing back.
    """

    __slots__ = ("__weakref__", "_due_s", "_looked_at_s", "_passed")

    def __init__(self, passed: Callable[[], None]) -> None:
        self._passed = passed
        self._due_s = math.inf
        self._looked_at_s = math.inf  # when this is looked at next

    def put_off(self, by_s: float) -> None:
        """Call back this long from now, and not earlier."""
        loop = asyncio.get_running_loop()
        self._due_s = loop.time() + by_s
        if self._due_s < self._looked_at_s:
            self._look_again(loop)

    def lift(self) -> None:
        """Do not call back."""
        self._due_s = math.inf

    def look(self, at_s: float, loop: asyncio.AbstractEventLoop) -> None:
        """Call back if the time has passed; ``at_s`` is when this was to be looked at."""
        if at_s != self._looked_at_s:  # an earlier look has replaced this one
            return
        self._looked_at_s = math.inf
        if math.isinf(self._due_s):
            return
        if loop.time() < self._due_s:
            self._look_again(loop)
        else:
            self.lift()
            self._passed()

    def _look_again(self, loop: asyncio.AbstractEventLoop) -> None:
        self._looked_at_s = self._due_s
        looks = _looks.get(loop)
        if looks is None:
            looks = _looks[loop] = _Looks()
        looks.add(self._due_s, self, loop)


class _Looks:
    """The times at which deadlines of one event loop are looked at.

    A timer of asyncio for each would be compared with others in Python, a dozen times for thousands of them.
    """

    def __init__(self) -> None:
        self._next: list[tuple[float, int, ref[Deadline]]] = []  # a heap
        self._number = 0  # of equal times, the first comes first
        self._timer_s = math.inf  # the earliest of the timers that are set

    def add(self, at_s: float, deadline: Deadline, loop: asyncio.AbstractEventLoop) -> None:
        """Look at a deadline at this time."""
        self._number += 1
        heappush(self._next, (at_s, self._number, ref(deadline)))
        self._set_timer(loop)

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._next and self._next[0][0] < self._timer_s:
            self._timer_s = self._next[0][0]
            loop.call_at(self._timer_s, self._look, self._timer_s, loop)

    def _look(self, at_s: float, loop: asyncio.AbstractEventLoop) -> None:
        if at_s != self._timer_s:  # an earlier timer has replaced this one
            return
        self._timer_s = math.inf
        try:
            while self._next and self._next[0][0] <= loop.time():
                at_s, _, weak = heappop(self._next)
                deadline = weak()
                if deadline is not None:
                    deadline.look(at_s, loop)
        finally:
            self._set_timer(loop)


#: Of each event loop; daemons have one, tests thousands.
_looks: WeakKeyDictionary[asyncio.AbstractEventLoop, _Looks] = WeakKeyDictionary()
