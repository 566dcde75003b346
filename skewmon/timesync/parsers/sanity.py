"""Values outside a sane range are kept and named: a wrong number is evidence, a clipped one is lost."""

from skewmon.model import KernelClock, Peer, SyncStatus

#: NTP's stratum for "not synchronized" (RFC 5905; on the wire 0).
UNSYNCHRONIZED_STRATUM = 16

#: Field → (lowest sane, highest sane, unit). RFC 5905: stratum 0 to 16, MAXDISPERSE 16 s, MAXPOLL 2^17 s,
#: MAXFREQ 500 ppm. An offset beyond a day is not measured by a daemon; it is a wrong unit or date.
_LIMITS: dict[str, tuple[float, float, str]] = {
    "stratum": (0, UNSYNCHRONIZED_STRATUM, ""),
    "offset_s": (-86_400, 86_400, " s"),
    "root_distance_s": (0, 16, " s"),
    "reach": (0, 255, ""),
    "last_update_s": (0, 10 * 366 * 86_400, " s"),
    "poll_s": (1 / 64, 131_072, " s"),
    "frequency_ppm": (-500, 500, " ppm"),
    "delay_s": (0, 16, " s"),
    "jitter_s": (0, 16, " s"),
    "last_heard_s": (0, 10 * 366 * 86_400, " s"),
    "max_error_s": (0, 16.1, " s"),
}


def suspects_of(status: SyncStatus) -> tuple[str, ...]:
    """Name every value of a status and of its sources that lies outside its sane range."""
    named = _outside("", status)
    if status.kernel is not None:
        named += _outside("kernel ", status.kernel)
    for peer in status.peers:
        named += _outside(f"{peer.name} ", peer)
    return tuple(named)


def contradiction(status: SyncStatus) -> str | None:
    """Return how a claim of synchronization contradicts its own stratum, or None."""
    if status.synchronized and status.stratum is not None and status.stratum >= UNSYNCHRONIZED_STRATUM:
        return f"synchronized at stratum {status.stratum}"
    return None


def is_unsynchronized(stratum: int | None) -> bool:
    """Return whether no clock can follow a server of this stratum; 0 on the wire is 16 (RFC 5905)."""
    return stratum is not None and not 0 < stratum < UNSYNCHRONIZED_STRATUM


def _outside(owner: str, values: SyncStatus | Peer | KernelClock) -> list[str]:
    named = []
    for field, (lowest, highest, unit) in _LIMITS.items():
        value = getattr(values, field, None)
        if value is not None and not lowest <= value <= highest:
            label = field.rsplit("_", 1)[0] if unit else field
            named.append(f"{owner}{label.replace('_', ' ')} {value:g}{unit}")
    return named
