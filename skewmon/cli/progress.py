"""A line that says how far a command is, where somebody is there to read it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

#: Back to the start of the line and clear it.
_CLEAR = "\r\x1b[K"


@contextmanager
def progress(stream: TextIO) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that shows ``done`` of ``everything`` on a terminal, and nothing anywhere else."""
    if not stream.isatty():
        yield lambda _done, _all: None
        return

    def tell(done: int, everything: int) -> None:
        words = "Measuring" if done == everything else f"Connecting: {done} of {everything} nodes answered"
        stream.write(f"{_CLEAR}{words} …")
        stream.flush()

    try:
        yield tell
    finally:
        stream.write(_CLEAR)
        stream.flush()
