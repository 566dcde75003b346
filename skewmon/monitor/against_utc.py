"""The clocks of a round against UTC as the references give it."""

from skewmon.model import Interval, Utc, UtcState
from skewmon.timesync.findings.evidence import ClusterEvidence


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
