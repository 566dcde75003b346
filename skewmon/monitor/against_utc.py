"""The clocks of a round against UTC as the references give it."""

from collections.abc import Mapping
from typing import NamedTuple

from skewmon.model import Failed, Interval, Outcome, Utc, UtcState
from skewmon.timesync.findings.evidence import ClusterEvidence


class UtcOfRound(NamedTuple):
    """UTC against the base, and against the axis of each vantage from which references were queried."""

    base: Utc
    on_axes: Mapping[str, Utc]

    def offset_of(self, outcome: Outcome) -> Interval | None:
        """Return a node's wall clock minus confirmed UTC, as seen from its vantage if that is narrower."""
        if isinstance(outcome, Failed):
            return None
        offset = offset_to(confirmed(self.base), outcome.estimate.wall)
        there = self.on_axes.get(outcome.local.axis.label) if outcome.local else None
        if offset is None or there is None or outcome.local is None:
            return offset
        near = offset_to(confirmed(there), outcome.local.estimate.wall)
        # If they contradict each other, the vantage stood still since its references were queried.
        agrees = near is not None and near.meet(offset) is not None
        return near if near is not None and agrees and near.width_ns < offset.width_ns else offset


def confirmed(utc: Utc) -> Interval | None:
    """Return UTC minus the base if it is confirmed, so that it may decide."""
    return utc.offset if utc.state is UtcState.CONFIRMED else None


def offset_to(utc: Interval | None, wall: Interval | None) -> Interval | None:
    """Return a wall clock minus UTC, both against the base; None if one of them is not known."""
    return None if utc is None or wall is None else wall - utc


def judged_offsets(cluster: ClusterEvidence, utc: Utc) -> dict[str, Interval] | None:
    """Return the offsets that lines against UTC are judged by; None if no references are configured."""
    if not utc.references:
        return None
    return {name: one.utc_offset for name, one in cluster.items() if one.utc_offset is not None}
