"""Tasks that may end after their caller has gone."""

import asyncio
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
