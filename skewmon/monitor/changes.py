"""What a node's own clocks did since the cluster's last round, as evidence for findings."""

from collections.abc import Sequence

from skewmon.clock.state import STEPS
from skewmon.clock.steps import Movement, MovementKind
from skewmon.model import NS_PER_S, Interval
from skewmon.monitor.node_state import NodeState
from skewmon.timesync.findings.evidence import NOTHING_MOVED, ClockChanges


def largest_step(moved: Sequence[Movement]) -> Interval | None:
    """Return the largest step among some movements; None without a step."""
    if not moved:
        return None
    jumps = [one.size for one in moved if one.kind in STEPS and one.size is not None]
    return max(jumps, key=lambda size: size.proven_ns, default=None)


def clock_changes(record: NodeState, moved: Sequence[Movement]) -> ClockChanges:
    """Return the changes of a node's clocks since the cluster's last round, and a slew while it lasts."""
    slew_ppb = record.clock_update.rates.slew_ppb
    if not moved and slew_ppb is None:
        return NOTHING_MOVED
    by_kind: dict[MovementKind, Movement] = {movement.kind: movement for movement in moved}
    slept = by_kind[MovementKind.SUSPEND].size if MovementKind.SUSPEND in by_kind else None
    stepped = largest_step(moved)
    return ClockChanges(
        step_s=stepped.estimate_ns / NS_PER_S if stepped else None,
        suspended_s=slept.estimate_ns / NS_PER_S if slept else None,
        rebooted=True if MovementKind.REBOOT in by_kind else None,
        slew_ppm=slew_ppb.estimate_ns / 1000 if slew_ppb else None,
    )
