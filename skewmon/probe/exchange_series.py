"""The exchanges of one burst with one program, back to back."""

import asyncio

from skewmon.clock.sampling import Enough, never
from skewmon.model import Exchange
from skewmon.probe.clocks import base_ns


class ExchangeSeries:
    """The exchanges of a burst that were made so far, and how many more are wanted.

    A burst has ``samples`` exchanges, or fewer once they are ``enough``. After the first, none is begun that
    is not expected to end by ``until_ns`` of the base. ``done`` has a result once the burst is over.
    """

    __slots__ = ("_enough", "_samples", "_until_ns", "done", "exchanges")

    def __init__(self, samples: int, until_ns: int | None = None, enough: Enough = never) -> None:
        self.exchanges: list[Exchange] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._samples = samples
        self._until_ns = until_ns
        self._enough = enough

    def wanted(self) -> int:
        """Return how many more exchanges may be made at once, 0 if the burst is over."""
        missing = self._samples - len(self.exchanges)
        if not self.exchanges:
            return missing if self._enough is never else 1
        if missing <= 0 or self._enough(self.exchanges):
            return 0
        is_late = self._until_ns is not None and base_ns() + self.exchanges[-1].round_trip_ns > self._until_ns
        return 0 if is_late else missing

    def left_ns(self, limit_ns: int) -> int:
        """Return the time that is left for its exchanges, at most a limit."""
        return limit_ns if self._until_ns is None else min(limit_ns, self._until_ns - base_ns())

    def end(self) -> None:
        """End the burst with the exchanges that were made."""
        if not self.done.done():
            self.done.set_result(None)

    def fail(self, error: Exception) -> None:
        """End the burst with an error."""
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # retrieved here as well: the burst may have been given up
