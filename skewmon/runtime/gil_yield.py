"""Long work in a thread that yields the GIL to the event loop.

A thread that computes keeps the interpreter for 5 ms at a time (sys.getswitchinterval), and a loop that
wakes up 5 ms late would stamp exchanges late and widen bounds. So long loops pause now and then.
"""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

#: Long enough for a waiting thread to wake up and take the interpreter; a pause of 0 is over before that.
PAUSE_S = 0.000_02


def yielding_gil(items: Iterable[T], every: int) -> Iterator[T]:
    """Yield the items, with a pause after ``every`` of them; that should be about a millisecond of work."""
    for number, item in enumerate(items, 1):
        yield item
        if number % every == 0:
            time.sleep(PAUSE_S)
