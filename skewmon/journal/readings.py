"""Saved readings: each node's own clocks, kept in the journal across restarts.

They are written about once a minute, at the end, and whenever a clock's step is reported: then in the
transaction of that event, so that a daemon that is killed neither forgets the step nor reports it twice.
"""

from skewmon.clock.checkpoint import checkpoint_from
from skewmon.journal import Journal
from skewmon.journal.store import MAX_AGE_NS
from skewmon.monitor.state import MonitorState
from skewmon.text import rfc3339

KEY = "clocks"

#: The key of the time at which they were saved, and whether that was the daemon's end.
WATCHED = "watched"

#: How often they are written while nothing happens: 150 bytes a node. After a kill, a step is dated to a
#: minute more.
SAVE_EVERY_S = 60.0


class SavedReadings:
    """The journal's copy of the readings of the nodes' clocks."""

    def __init__(self, state: MonitorState, journal: Journal) -> None:
        self._state = state
        self._journal = journal
        self._saved_s: float | None = None

    def restore(self, wall_ns: int) -> None:
        """Hand over the readings of the previous daemon; old and damaged ones are ignored."""
        saved = self._journal.load(KEY)
        if not isinstance(saved, dict):
            return
        checkpoints = {name: checkpoint_from(one) for name, one in saved.items()}
        self._state.restore(
            {
                name: one
                for name, one in checkpoints.items()
                if one is not None and abs(wall_ns - one.wall_ns) <= MAX_AGE_NS  # as long as the journal's
            }
        )

    def unwatched(self, wall_ns: int) -> tuple[str, dict[str, object]]:
        """Return a sentence on the time since the previous daemon, empty without one, and its detail."""
        last = self._journal.load(WATCHED)
        since_ns = last.get("wall_ns") if isinstance(last, dict) else None
        if not isinstance(since_ns, int) or not 0 <= since_ns <= wall_ns:
            return "", {}  # none, damaged, or by a clock that was ahead
        killed = last.get("ended") is not True
        since, until = rfc3339(since_ns), rfc3339(wall_ns)
        cause = " It had been killed, or the machine went down." if killed else ""
        later = f", or up to {SAVE_EVERY_S:.0f} s later," if killed else ""
        return (
            f"{cause} No clock was watched between {since}{later} and {until}.",
            {"since": since, "until": until, "killed": killed},
        )

    def save(self, now_s: float, wall_ns: int, *, at_once: bool = False, ended: bool = False) -> None:
        """Save the current readings if that is due."""
        if at_once or self._saved_s is None or now_s - self._saved_s >= SAVE_EVERY_S:
            self._saved_s = now_s
            self._journal.save(WATCHED, {"wall_ns": wall_ns, "ended": ended})
            checkpoints = self._state.checkpoints()
            self._journal.save(KEY, {name: one.to_json() for name, one in checkpoints.items()})
