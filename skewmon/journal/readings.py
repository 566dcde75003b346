"""Where the daemon stopped watching: each node's own clocks, kept in the journal across restarts.

The bookmark is written about once a minute, at the end, and whenever a clock's step is told: then in the
transaction of that event, so that a daemon that is killed neither forgets the step nor tells it twice.
"""

from skewmon.clock.checkpoint import standing_from
from skewmon.journal import Journal
from skewmon.journal.store import MAX_AGE_NS
from skewmon.monitor.state import MonitorState

KEY = "clocks"

#: How often it is written while nothing happens: 150 bytes a node, and a start can be a minute more in doubt.
KEEP_EVERY_S = 60.0


class Bookmark:
    """What the journal keeps of the nodes' clocks."""

    def __init__(self, state: MonitorState, journal: Journal) -> None:
        self._state = state
        self._journal = journal
        self._kept_s: float | None = None

    def open(self, wall_ns: int) -> None:
        """Give the ledger what the daemon before this one knew; what is old or damaged is passed over."""
        kept = self._journal.load(KEY)
        if not isinstance(kept, dict):
            return
        standings = {name: standing_from(one) for name, one in kept.items()}
        self._state.restore(
            {
                name: one
                for name, one in standings.items()
                if one is not None and abs(wall_ns - one.wall_ns) <= MAX_AGE_NS  # as long as the journal's
            }
        )

    def keep(self, now_s: float, *, at_once: bool = False) -> None:
        """Write the bookmark where it is due."""
        if at_once or self._kept_s is None or now_s - self._kept_s >= KEEP_EVERY_S:
            self._kept_s = now_s
            standings = self._state.checkpoints()
            self._journal.save(KEY, {name: one.to_json() for name, one in standings.items()})
