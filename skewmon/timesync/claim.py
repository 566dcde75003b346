"""How fresh a daemon's claim is: when it last heard its source, and how often it asks."""

from skewmon.model import SyncStatus
from skewmon.timesync.findings.evidence import followed
from skewmon.timesync.source import servers

#: ClockBound's rule: a daemon that has not updated its clock for this many polls does not hold it.
STALE_POLLS = 8

#: NTP's shortest poll interval (RFC 5905 MINPOLL). A daemon that asks more often, as chrony may do each
#: second, has not let go of its clock because a busy moment cost it eight answers.
MIN_POLL_S = 16.0

#: The poll interval of a daemon that names none: NTP's default maximum; the rule errs towards silence.
DEFAULT_POLL_S = 1024.0


def is_stale(status: SyncStatus) -> bool:
    """Return whether the daemon has not heard of its source for more polls than it may miss."""
    heard_s = age_s(status)
    return heard_s is not None and heard_s > STALE_POLLS * max(poll_s(status), MIN_POLL_S)


def poll_s(status: SyncStatus) -> float:
    """Return how often the daemon polls; one that lost its source still polls all of them."""
    slowest_s = max((peer.poll_s for peer in servers(status) if peer.poll_s), default=DEFAULT_POLL_S)
    return status.poll_s or slowest_s


def age_s(status: SyncStatus) -> float | None:
    """Return how long ago the daemon heard; ntpd may use an older sample of a source that is alive."""
    peer = followed(status)
    ages = (status.last_update_s, None if peer is None else peer.last_heard_s)
    return min((age for age in ages if age is not None), default=None)
