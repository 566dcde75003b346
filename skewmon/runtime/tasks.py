"""Tasks that may end after their caller has gone."""

import asyncio
from typing import Any


def retrieved(task: "asyncio.Future[Any]") -> None:
    """Retrieve a task's exception, because its caller may have gone; a callback for done tasks."""
    if not task.cancelled():
        task.exception()
