"""A line with the progress of a command, on a terminal."""

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

    def show(done: int, everything: int) -> None:
        text = "Measuring" if done == everything else f"Connecting: {done} of {everything} nodes answered"
        stream.write(f"{_CLEAR}{text} …")
        stream.flush()

    try:
        yield show
    finally:
        stream.write(_CLEAR)
        stream.flush()
