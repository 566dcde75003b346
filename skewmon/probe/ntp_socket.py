"""Exchanges with one NTP server over UDP, stamped as those over SSH are.

The server's receive and transmit timestamps lie between our departure and arrival, as the readings of a
node-side program do. A reply counts only if it repeats the random timestamp of the open request, comes from
the address that was asked (the socket is connected), and is the first to do so.
"""

import asyncio
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress

from skewmon.errors import SkewmonError
from skewmon.model import Exchange, ReferenceFault
from skewmon.probe.clocks import ANCILLARY_BYTES, SO_TIMESTAMPNS, ArrivalClock, base_ns, kernel_stamp
from skewmon.runtime.resolver import Place
from skewmon.timesync import ntp_packet
from skewmon.timesync.ntp_packet import NtpReply

#: A reply with every extension field in use fits; the rest of a longer datagram is dropped by the kernel.
DATAGRAM_BYTES = 1024

#: Datagrams read in one turn of the event loop, so that a flood cannot hold it up.
DATAGRAMS_A_TURN = 8

#: Requests whose late or repeated replies are recognized as such.
ANSWERED_KEPT = 16

#: Unusable replies to one request, after which the socket reads nothing more: its owner opens another one, at
#: another port, and the rest of the flood goes to the closed one.
REJECTED_MAX = 64


class NtpError(SkewmonError):
    """There was no usable reply to a request."""

    def __init__(self, fault: ReferenceFault) -> None:
        self.fault = fault
        super().__init__(fault.value)


class NtpSocket:
    """A UDP socket connected to one server; ``rejected`` receives the fault of each reply that is dropped."""

    def __init__(
        self, place: Place, arrivals: ArrivalClock, rejected: Callable[[ReferenceFault], None]
    ) -> None:
        family, address = place
        self._arrivals = arrivals
        self._rejected = rejected
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[tuple[NtpReply, int]] | None = None
        self._nonce = b""
        self._answered: list[bytes] = []
        self._dropped = 0
        self._reading = False
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            if arrivals.enabled:
                self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self._socket.connect(address)
        except OSError:
            self._socket.close()
            raise

    @property
    def is_flooded(self) -> bool:
        """Whether so many bad replies came that the socket reads nothing more."""
        return self._dropped >= REJECTED_MAX

    async def exchange(self, timeout_s: float) -> tuple[Exchange, NtpReply]:
        """Send one request and return its stamps and the reply, which may be a kiss-o'-death.

        One at a time. Raises NtpError without a reply in time. The caller lets the arrival clock confirm the
        stamps afterwards, of a burst once.
        """
        assert self._waiter is None
        self._arrivals.calibrate()
        self._read_again()
        self._nonce, self._dropped = secrets.token_bytes(8), 0
        self._waiter = self._loop.create_future()
        try:
            sent_ns = self._send()
            async with asyncio.timeout(timeout_s):
                reply, received_ns = await self._waiter
        except TimeoutError:
            raise NtpError(ReferenceFault.SILENCE) from None
        finally:
            self._waiter = None
            self._answered = [*self._answered, self._nonce][-ANSWERED_KEPT:]
        real_in_ns, real_out_ns = ntp_packet.unix_ns(reply.receive), ntp_packet.unix_ns(reply.transmit)
        return Exchange(sent_ns, received_ns, real_in_ns, real_out_ns), reply

    def close(self) -> None:
        """Close the socket; replies that are still under way are not counted."""
        self._stop_reading()
        self._socket.close()

    def _send(self) -> int:
        """Send the request; return the instant before."""
        packet = ntp_packet.request(self._nonce)
        self._arrivals.departure_ns()
        try:
            sent_ns = base_ns()  # later by what the arrival clock does, and still before the send
            self._socket.send(packet)
        except OSError as error:
            raise NtpError(_fault_of(error)) from None
        return sent_ns

    def _readable(self) -> None:
        for _ in range(DATAGRAMS_A_TURN):
            try:
                data, ancillary, _, _ = self._socket.recvmsg(DATAGRAM_BYTES, ANCILLARY_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                self._failed(error)
                return
            received_ns = base_ns()
            stamp = kernel_stamp(ancillary)
            arrival = None if stamp is None else self._arrivals.arrival_ns(stamp)
            self._take(data, received_ns if arrival is None else min(received_ns, arrival))
            if not self._reading:
                return

    def _take(self, data: bytes, received_ns: int) -> None:
        """Hand a reply to the request that waits for it, or drop it with a reason."""
        reply = ntp_packet.parse(data)
        if reply is None:
            self._drop(ReferenceFault.MALFORMED)
        elif reply.origin == self._nonce and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result((reply, received_ns))
        elif reply.origin in self._answered or reply.origin == self._nonce:
            self._drop(ReferenceFault.DUPLICATE)
        else:
            self._drop(ReferenceFault.SPOOFED)

    def _drop(self, fault: ReferenceFault) -> None:
        self._dropped += 1
        self._rejected(fault)
        if self.is_flooded:
            self._stop_reading()

    def _failed(self, error: OSError) -> None:
        """End the open request by an error of the network, such as an ICMP message of its machine."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(NtpError(_fault_of(error)))

    def _read_again(self) -> None:
        if not self._reading:
            self._loop.add_reader(self._socket.fileno(), self._readable)
            self._reading = True

    def _stop_reading(self) -> None:
        if self._reading:
            with suppress(ValueError, OSError):
                self._loop.remove_reader(self._socket.fileno())
            self._reading = False


def _fault_of(error: OSError) -> ReferenceFault:
    return ReferenceFault.REFUSED if isinstance(error, ConnectionRefusedError) else ReferenceFault.NO_ROUTE
