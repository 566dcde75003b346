"""The last readings of a node's clocks against each other, which are saved across restarts of skewmon.

REALTIME − MONOTONIC changes on a discontinuity alone, however long it is not read. So one saved reading is
enough to detect a step that happened meanwhile. Measurements against the base are not saved: the admin box
may have been restarted, too.
"""

from typing import Any, NamedTuple

from skewmon.clock.bracket import Bracket
from skewmon.clock.steps import UNWATCHED_NS, Readings

#: No clock of this century reads more than a signed 64-bit count of nanoseconds can hold.
READABLE_NS = 2**63


class Checkpoint(NamedTuple):
    """A node's last readings, at ``wall_ns`` of the admin box's wall clock, which is only a label."""

    wall_ns: int
    boot_id: str
    real_ns: int
    raw_ns: int
    stepped: Bracket
    slept: Bracket | None

    def resumed(self) -> Readings:
        """Return the readings that the next burst is compared with."""
        return Readings(
            boot_id=self.boot_id,
            seen_ns=UNWATCHED_NS,
            real_ns=self.real_ns,
            raw_ns=self.raw_ns,
            wall_at_ns=UNWATCHED_NS,
            wall=None,
            stepped=self.stepped,
            slept=self.slept,
        )

    def to_json(self) -> list[Any]:
        """Return the JSON value that ``checkpoint_from`` reads."""
        return [*self[:4], [*self.stepped], self.slept and [*self.slept]]


def checkpoint_of(readings: Readings, wall_ns: int) -> Checkpoint | None:
    """Return the readings to save, or None if the node shows neither its boot nor steps by its own clocks."""
    if readings.stepped is None or readings.raw_ns is None or not readings.boot_id:
        return None
    return Checkpoint(
        wall_ns, readings.boot_id, readings.real_ns, readings.raw_ns, readings.stepped, readings.slept
    )


def checkpoint_from(kept: Any) -> Checkpoint | None:
    """Return a saved checkpoint, or None for any other JSON value."""
    match kept:
        case [int(wall_ns), str(boot_id), int(real_ns), int(raw_ns), stepped, slept] if boot_id:
            wall, sleep = _bracket(stepped), _bracket(slept)
            readable = all(abs(one_ns) < READABLE_NS for one_ns in (wall_ns, real_ns, raw_ns))
            if readable and wall is not None and (sleep is not None or slept is None):
                return Checkpoint(wall_ns, boot_id, real_ns, raw_ns, wall, sleep)
    return None


def _bracket(kept: Any) -> Bracket | None:
    match kept:
        case [int(lower_ns), int(upper_ns)] if -READABLE_NS < lower_ns <= upper_ns < READABLE_NS:
            return Bracket(lower_ns, upper_ns)
    return None
