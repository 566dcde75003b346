"""The source that a reference's vote counts for, by the fields of its replies."""

from typing import NamedTuple

from skewmon.timesync import refid as refids
from skewmon.timesync.ntp_packet import NtpReply

#: Servers whose stamps are coarser than 2^-18 s, some 4 us, may show the same one by chance.
FINE_PRECISION = -18

#: The bits of a timestamp below the second.
_FRACTION = 2**32 - 1


class Update(NamedTuple):
    """One update of a server's clock. No two machines have the same one: its instant is exact to 4 us."""

    instant: int
    refid: bytes
    stratum: int
    root_delay_ns: int


def update_of(reply: NtpReply) -> Update | None:
    """Return the last update of a server's clock, or None if its instant does not identify the server.

    Receivers of satellites show the whole second, which is the same on all of them.
    """
    if reply.reference & _FRACTION == 0 or reply.precision > FINE_PRECISION:
        return None
    return Update(reply.reference, reply.refid, reply.stratum, reply.root_delay_ns)


def identifier(address: str) -> str:
    """Return the reference identifier by which others name a server at this address."""
    return refids.of_address(address) or address


def followed(reply: NtpReply) -> str | None:
    """Return the identifier of a server's upstream; None if it has a clock of its own, or none is known.

    An identifier is not an address, though it looks like one: that of an IPv6 server is a hash, and may look
    like a private IPv4 address. So servers with the same one have one vote, also if each may mean a 10.0.0.1
    of its own.
    """
    source = reply.source
    if reply.stratum < 2 or refids.is_none(source) or refids.of_address(source) is None:
        return None
    return source
