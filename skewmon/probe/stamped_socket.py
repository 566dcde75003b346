"""A socket with the times of its last send and of the arrival of its last data."""

import socket
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from skewmon.model import VantageStamps
from skewmon.probe.clocks import ANCILLARY_BYTES, SO_TIMESTAMPNS, ArrivalClock, base_ns, kernel_stamp

#: Bytes read in one turn of the event loop. asyncio would read 256 KiB, and asyncssh handles all of them
#: before any other node has its turn: 9,000 of the smallest packets, 0.4 s. These are 5 ms at most.
READ_BYTES = 4096

_AT_ONCE = nullcontext()


class Stamps(Protocol):
    """The stamps of one connection: of a socket of this machine, or also of a vantage."""

    @property
    def sent_ns(self) -> int:
        """The base before the last send."""

    @property
    def received_ns(self) -> int:
        """The base after the last arrival."""

    @property
    def frame(self) -> int:
        """The number of the last frame that was handed to a vantage, 0 without one."""

    @property
    def knows_turns(self) -> bool:
        """Whether a vantage passes data to the node in its ``turn``; see relay_wire."""

    def one_segment(self, turn: int = 0) -> AbstractContextManager[None]:
        """Send all data of the body together, stamped at that instant; the body must not await."""

    def recheck_kernel(self) -> int:
        """Check the kernel's clock, for its last stamp cannot be true; return the limit without it."""

    def vantage_stamps(self, frame: int) -> VantageStamps | None:
        """Return the vantage's stamps of a request in that frame and of the last arrival, or None."""


class StampedSocket(socket.socket):
    """A TCP socket for asyncssh; both stamps are on the base and err only to the safe side.

    ``sent_ns`` is read before the system call, so that no byte left earlier; ``received_ns`` is the kernel's
    stamp of the last byte returned, or, without a trusted one, ``returned_ns``, read after the call.
    """

    def __init__(self, family: int, arrivals: ArrivalClock) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self.frame = 0
        self.knows_turns = False
        self.sent_ns = 0
        self.received_ns = 0
        self.returned_ns = 0
        self._arrivals = arrivals
        self.settimeout(0)
        if arrivals.enabled:
            self.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def send(self, data: Any, flags: int = 0, /) -> int:
        """Send, stamping the instant before."""
        stamp = self._arrivals.departure_ns()
        count = super().send(data, flags)
        self.sent_ns = stamp
        return count

    def sendmsg(self, buffers: Iterable[Any], *rest: Any) -> int:
        """Send several buffers, stamping the instant before."""
        stamp = self._arrivals.departure_ns()
        count = super().sendmsg(buffers, *rest)
        self.sent_ns = stamp
        return count

    def one_segment(self, turn: int = 0) -> AbstractContextManager[None]:
        """Return a context that does nothing: a request is one packet, which leaves at once."""
        return _AT_ONCE

    def recheck_kernel(self) -> int:
        """Check the kernel's clock, for its last stamp cannot be true; return the limit without it."""
        self._arrivals.confirm()
        return self.returned_ns

    def vantage_stamps(self, frame: int) -> VantageStamps | None:
        """Return None."""
        return None

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Receive a few KiB, stamping the arrival of the last byte returned."""
        data, ancillary, _, _ = super().recvmsg(min(bufsize, READ_BYTES), ANCILLARY_BYTES, flags)
        self.received_ns = self.returned_ns = base_ns()
        stamp = kernel_stamp(ancillary)
        if stamp is not None:
            arrival = self._arrivals.arrival_ns(stamp)
            if arrival is not None:
                self.received_ns = min(self.received_ns, arrival)
        return data
