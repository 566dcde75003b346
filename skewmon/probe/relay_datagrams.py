"""Time servers queried from a vantage: single datagrams that its relay sends, with its own stamps."""

import asyncio
import secrets
import struct
from collections.abc import Callable

from skewmon.model import Exchange, ReferenceFault
from skewmon.probe.ntp_socket import NtpError
from skewmon.probe.relay_targets import target
from skewmon.probe.relay_wire import Frame, Kind
from skewmon.timesync import ntp_packet
from skewmon.timesync.ntp_packet import NtpReply

_STAMP = struct.Struct(">Q")

#: Sends a frame: kind, stream, number, payload.
Put = Callable[[Kind, int, int, bytes], None]


class RelayDatagrams:
    """The datagrams of one relay that wait for their replies; ``are_sent`` by relays that can."""

    def __init__(self, put: Put) -> None:
        self.are_sent = False
        self._put = put
        self._waiting: dict[int, asyncio.Future[tuple[int, int, bytes]]] = {}
        self._number = 0

    async def exchange(self, address: str, port: int, timeout_s: float) -> tuple[Exchange, NtpReply]:
        """Query a time server at a numeric address; the stamps are the vantage's RAW.

        Raises NtpError without a usable reply. Its first reply counts, and must repeat the random timestamp.
        """
        nonce = secrets.token_bytes(8)
        sent_ns, received_ns, data = await self._ask(address, port, ntp_packet.request(nonce), timeout_s)
        reply = ntp_packet.parse(data)
        if reply is None:
            raise NtpError(ReferenceFault.MALFORMED)
        if reply.origin != nonce:
            raise NtpError(ReferenceFault.SPOOFED)
        if received_ns < sent_ns:
            raise NtpError(ReferenceFault.CONTRADICTORY)
        in_ns, out_ns = ntp_packet.unix_ns(reply.receive), ntp_packet.unix_ns(reply.transmit)
        return Exchange(sent_ns, received_ns, in_ns, out_ns), reply

    def take(self, frame: Frame) -> None:
        """Take a reply; one that comes too late is dropped."""
        waiting = self._waiting.get(frame.number)
        if waiting is not None and not waiting.done() and len(frame.payload) >= _STAMP.size:
            (sent_ns,) = _STAMP.unpack_from(frame.payload)
            waiting.set_result((sent_ns, frame.stamp_ns, frame.payload[_STAMP.size :]))

    def fail(self) -> None:
        """End every wait: the relay has ended."""
        for waiting in self._waiting.values():
            waiting.cancel()

    async def _ask(self, address: str, port: int, packet: bytes, timeout_s: float) -> tuple[int, int, bytes]:
        self._number += 1
        number = self._number
        waiting: asyncio.Future[tuple[int, int, bytes]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        self._put(Kind.NTP, 0, number, target(address, port).encode() + b"\n" + packet)
        try:
            done, _ = await asyncio.wait([waiting], timeout=timeout_s)
        finally:
            del self._waiting[number]
        if not done or waiting.cancelled():
            raise NtpError(ReferenceFault.SILENCE)
        return waiting.result()
