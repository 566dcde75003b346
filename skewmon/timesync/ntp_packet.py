"""NTP packets as bytes: the request of a client and the reply of a server (RFC 5905 section 7.3)."""

from dataclasses import dataclass
from struct import Struct

from skewmon.model import NS_PER_S, ReferenceFault
from skewmon.timesync import refid as refids

PACKET_BYTES = 48

#: Leap indicator, version and mode; stratum, poll, precision; root delay, root dispersion, refid; then the
#: reference, origin, receive and transmit timestamps.
_PACKET = Struct("!BBbbII4sQ8sQQ")

#: Version 4, mode 3 (client). All else of the request is zero (draft-ietf-ntp-data-minimization): the request
#: gives away nothing about this machine, and its transmit timestamp is random.
_CLIENT_HEAD = bytes([4 << 3 | 3]) + bytes(39)

SERVER_MODE = 4
VERSIONS = (3, 4)

#: Stratum 0 is a kiss-o'-death or a server that is not synchronized, 16 and more are not synchronized.
STRATUM_MAX = 15
LEAP_UNKNOWN = 3
LEAP_ANNOUNCED = (1, 2)

NTP_TO_UNIX_S = 2_208_988_800
ERA_S = 2**32

#: 2026-01-01. The timestamps of a packet have 32 bits of seconds, which began again in 1900 and will in 2036.
#: They are read as within 68 years of this instant; no clock of this machine is needed for that.
PIVOT_S = 1_767_225_600

#: No precision beyond a second is of use, and 2^-32 s is the resolution of a timestamp.
PRECISION_MAX = 0
PRECISION_MIN = -32

#: NTP's MAXDISP (RFC 5905 section 7.2): a server that is further away from its root is not a source.
DISTANCE_MAX_NS = 16 * NS_PER_S

#: NTP's PHI: by so much a server's dispersion grows since its last update. Its root dispersion should hold
#: this already; servers that leave it out are common, and a wider claim is the safe side.
PHI_PPB = 15_000

_KISSES = {
    b"DENY": ReferenceFault.KISS_DENY,
    b"RSTR": ReferenceFault.KISS_RSTR,
    b"RATE": ReferenceFault.KISS_RATE,
}

#: A server that has not synchronized yet says so by stratum 0, too; ntpd and chronyd have these identifiers
#: then, which are no kisses.
_NOT_SYNCHRONIZED_YET = (b"INIT", b"STEP", bytes(4))


@dataclass(frozen=True, slots=True)
class NtpReply:
    """One packet of a server; timestamps are raw, in units of 2^-32 s."""

    leap: int
    version: int
    mode: int
    stratum: int
    precision: int
    root_delay_ns: int
    root_dispersion_ns: int
    refid: bytes
    reference: int
    origin: bytes
    receive: int
    transmit: int

    @property
    def quantum_ns(self) -> int:
        """How far a stamp may lie from the server's clock either way: servers randomize the bits below."""
        exponent = min(max(self.precision, PRECISION_MIN), PRECISION_MAX)
        return (NS_PER_S >> -exponent) + 1

    @property
    def root_distance_ns(self) -> int:
        """The server's own claim of its greatest error, rounded up."""
        since = (self.transmit - self.reference + 2**63) % 2**64 - 2**63
        elapsed_ns = (max(0, since) * NS_PER_S >> 32) if self.reference else 0
        aged_ns = elapsed_ns * PHI_PPB // NS_PER_S + 1
        return self.root_delay_ns // 2 + self.root_dispersion_ns + aged_ns + self.quantum_ns

    @property
    def source(self) -> str:
        """The reference identifier: a word at stratum 1, as ``GPS``, else the dotted quad of the upstream."""
        return refids.of_hex(self.refid.hex(), self.stratum) or "unknown"

    @property
    def announces_leap(self) -> bool:
        """Whether a leap second comes at the end of the day or month."""
        return self.leap in LEAP_ANNOUNCED

    @property
    def is_smearing(self) -> bool:
        """Whether the server says that its time is smeared: ntpd's 254.x.y.z, chronyd's 127.127.1.255."""
        return self.stratum >= 2 and (self.refid[0] == 254 or self.refid == b"\x7f\x7f\x01\xff")


def request(nonce: bytes) -> bytes:
    """Return a client's packet with a random transmit timestamp of eight bytes."""
    assert len(nonce) == 8
    return _CLIENT_HEAD + nonce


def parse(data: bytes) -> NtpReply | None:
    """Return the packet in a datagram, whatever follows it, or None if it is not a server's reply."""
    if len(data) < PACKET_BYTES:
        return None
    head, stratum, _poll, precision, delay, dispersion, refid, *stamps = _PACKET.unpack_from(data)
    reply = NtpReply(
        head >> 6,
        head >> 3 & 7,
        head & 7,
        stratum,
        precision,
        _short_ns(delay),
        _short_ns(dispersion),
        refid,
        *stamps,
    )
    return reply if reply.mode == SERVER_MODE and reply.version in VERSIONS else None


def kiss_of(reply: NtpReply) -> ReferenceFault | None:
    """Return the kiss-o'-death that a reply is, or a reply without time; None if its stamps can be read.

    A server that does not know the time shows its clock all the same.
    """
    if reply.stratum == 0 and reply.refid not in _NOT_SYNCHRONIZED_YET:
        return _KISSES.get(reply.refid, ReferenceFault.KISS_OTHER)
    return None if reply.receive and reply.transmit else ReferenceFault.MALFORMED


def not_a_reference(reply: NtpReply) -> ReferenceFault | None:
    """Return why a server's clock does not count as UTC now, by its own word, or None if it does."""
    if (kiss := kiss_of(reply)) is not None:
        return kiss
    if reply.stratum > STRATUM_MAX:
        return ReferenceFault.STRATUM_16
    if reply.leap == LEAP_UNKNOWN or reply.stratum == 0:
        return ReferenceFault.UNSYNCHRONIZED
    if (alone := _own_oscillator(reply)) is not None:
        return alone
    if min(unix_ns(reply.receive), unix_ns(reply.transmit)) < PIVOT_S * NS_PER_S:
        return ReferenceFault.WRONG_ERA
    return ReferenceFault.TOO_FAR if reply.root_distance_ns > DISTANCE_MAX_NS else None


def _own_oscillator(reply: NtpReply) -> ReferenceFault | None:
    """Return the reason of a server below stratum 1 that follows no other clock, as its identifier shows.

    Some write the identifier as a word at any stratum.
    """
    if reply.stratum < 2 or reply.is_smearing:
        return None
    names = (reply.source, refids.of_hex(reply.refid.hex()))
    if any(map(refids.is_local, names)):
        return ReferenceFault.FREE_RUNNING
    return ReferenceFault.ORPHAN if any(map(refids.is_orphan_parent, names)) else None


def unix_ns(stamp: int) -> int:
    """Return a timestamp as nanoseconds since 1970, rounded down, in the era nearest to ``PIVOT_S``."""
    seconds, fraction = stamp >> 32, stamp & 0xFFFF_FFFF
    away_s = seconds - NTP_TO_UNIX_S - PIVOT_S
    away_s = (away_s + ERA_S // 2) % ERA_S - ERA_S // 2
    return (PIVOT_S + away_s) * NS_PER_S + (fraction * NS_PER_S >> 32)


def _short_ns(value: int) -> int:
    """Return 16.16 bits of seconds in nanoseconds, rounded up."""
    return -(-value * NS_PER_S >> 16)
