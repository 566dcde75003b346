"""Tasks whose end is perhaps awaited by no one."""

import asyncio
from typing import Any


def retrieved(task: "asyncio.Future[Any]") -> None:
    """Look at how a task ended, because whatever started it may be over; a callback for done tasks."""
    if not task.cancelled():
        task.exception()
