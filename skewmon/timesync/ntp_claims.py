"""The claims that a server makes in each of its NTP replies."""

from skewmon.model import NS_PER_S, SyncStatus
from skewmon.timesync.ntp_packet import LEAP_UNKNOWN, STRATUM_MAX, NtpReply

#: The words for the leap indicator.
_LEAPS = ("none", "insert", "delete", "unsynchronized")

#: What a packet calls stratum 0 is 16 everywhere else.
_UNSYNCHRONIZED_STRATUM = 16


def claims_of(reply: NtpReply) -> SyncStatus:
    """Return a reply as the status of a time daemon whose name and sources are unknown."""
    stratum = reply.stratum or _UNSYNCHRONIZED_STRATUM
    synchronized = stratum <= STRATUM_MAX and reply.leap != LEAP_UNKNOWN
    distance_s = (reply.root_delay_ns // 2 + reply.root_dispersion_ns) / NS_PER_S
    return SyncStatus(
        "ntp",
        synchronized=synchronized,
        stratum=stratum,
        source=reply.source if synchronized else None,
        refid=reply.source,
        root_distance_s=distance_s if synchronized else None,
        leap=_LEAPS[reply.leap],
    )
