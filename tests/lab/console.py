"""The test's own ruler: a guest's clocks, read and set over its serial console."""

import os
import select
import time
from dataclasses import dataclass, replace
from typing import Self

#: A guest answers within a millisecond; one that is just booting takes seconds.
ANSWER_TIMEOUT_S = 60.0

#: Exchanges of one reading; the narrowest bracket of so many is near the console's best.
EXCHANGES = 32


def _raw_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


@dataclass(frozen=True)
class Truth:
    """A guest's REALTIME minus this machine's RAW: between the two ends, at both instants."""

    lower_ns: int
    upper_ns: int
    after_ns: int
    before_ns: int

    def until(self, later: Self) -> Self:
        """Return where it stood from this reading to a later one, at a rate that did not change its sign."""
        return replace(
            self,
            lower_ns=min(self.lower_ns, later.lower_ns),
            upper_ns=max(self.upper_ns, later.upper_ns),
            before_ns=later.before_ns,
        )


class Console:
    """The near end of a guest's console."""

    def __init__(self, *, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._rest = b""

    def close(self) -> None:
        """Hang up."""
        os.close(self._write)
        os.close(self._read)

    def ask(self, command: str) -> list[int]:
        """Send a line and return the integers of the answer."""
        os.write(self._write, command.encode() + b"\n")
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], ANSWER_TIMEOUT_S)
            assert ready, f"no answer to {command}"
            self._rest += os.read(self._read, 4096)
        line, _, self._rest = self._rest.partition(b"\n")
        return [int(word) for word in line.split()]

    def step(self, size_ns: int) -> None:
        """Step REALTIME by exactly so much."""
        self.ask(f"step {size_ns}")

    def slew(self, ppm: int) -> None:
        """Let REALTIME and MONOTONIC run fast by so much."""
        self.ask(f"slew {ppm}")

    def set_right(self) -> None:
        """Set REALTIME to this machine's, as far as that can be said in one line."""
        self.ask(f"settime {time.time_ns()}")

    def wall(self) -> Truth:
        """Return REALTIME against this machine's RAW; it must not be set meanwhile."""
        after_ns = _raw_ns()
        lower_ns, upper_ns = -(1 << 63), 1 << 63
        for _ in range(EXCHANGES):
            asked_ns = _raw_ns()
            first_ns, _, _, last_ns = self.ask("read")
            answered_ns = _raw_ns()
            lower_ns = max(lower_ns, last_ns - answered_ns)
            upper_ns = min(upper_ns, first_ns - asked_ns)
        return Truth(lower_ns, upper_ns, after_ns, _raw_ns())
