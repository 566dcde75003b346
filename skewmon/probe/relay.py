"""The relay on a vantage: one program, one SSH channel, the connections of all nodes behind it.

The relay passes bytes between skewmon and the sshd of nodes and stamps them with the vantage's own
MONOTONIC_RAW. SSH stays end to end: the vantage sees ciphertext, and the nodes' host keys are verified here.
"""

import asyncio
from contextlib import suppress

import asyncssh

from skewmon.errors import NodeError, ProbeError, Reason
from skewmon.model import Burst, Exchange, Program, VantageReading
from skewmon.probe import programs, relay_wire, wire
from skewmon.probe.clocks import base_ns
from skewmon.probe.connection import WINDOW_BYTES, Connection
from skewmon.probe.faults import quoted
from skewmon.probe.metering import EXCHANGE, START
from skewmon.probe.relay_datagrams import RelayDatagrams
from skewmon.probe.relay_stream import RelayStream
from skewmon.probe.relay_targets import target
from skewmon.probe.relay_wire import Frame, Kind
from skewmon.runtime.containment import Where, contained, internal_errors, node_error

#: As for the program of a node: the login shell, its rc files and an interpreter's start take their time.
HELLO_S = 20.0

#: A reply of the relay that takes longer is no use for a clock, and its nodes wait for it.
REPLY_S = 5.0

#: Bytes before the hello, and of standard error, that are kept: banners and rc files.
MAX_NOISE_BYTES = 64 * 1024
MAX_STDERR_BYTES = 2048

#: The relay ends after five minutes without a sign of life.
PING_EVERY_S = 60.0


class Relay(asyncssh.SSHClientSession[bytes]):
    """The callbacks of the channel to one relay."""

    def __init__(self, label: str, connection: Connection) -> None:
        self.label = label
        self.connection = connection
        self.failure: NodeError | None = None
        self.program: Program | None = None
        self.is_listed = self._knows_turns = False
        self._nonce = wire.new_nonce()
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None
        self._hello: asyncio.Future[relay_wire.Hello] = asyncio.get_running_loop().create_future()
        self._text = self._stderr = b""
        self._frames = relay_wire.Frames()
        self.datagrams = RelayDatagrams(self._put)
        self._streams: dict[int, RelayStream] = {}
        self._opening: dict[int, asyncio.Future[None]] = {}
        self._pings: dict[int, tuple[int, asyncio.Future[Exchange]]] = {}
        self._ident = self._number = self._received_ns = 0
        self._takers = {Kind.PING: self._take_pong, Kind.NTP: self.datagrams.take}
        self._unsent = bytearray()
        self._pinging: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether connections can be opened through the relay."""
        return self.failure is None and self.program is not None and self.connection.is_open

    async def start(self) -> None:
        """Start the relay on the vantage; raise ProbeError if it cannot run there."""
        try:
            async with asyncio.timeout(HELLO_S):
                self.connection.meter.allow(START)
                with self.connection.opening_session():
                    self._channel, _ = await self.connection.ssh.create_session(
                        lambda: self, programs.COMMAND, encoding=None, window=WINDOW_BYTES
                    )
                with suppress(OSError):  # a shell that is already gone has failed the hello
                    self._channel.write(programs.relay_script(self._nonce).encode())
                hello = await self._hello
                self.program, self.is_listed, self.datagrams.are_sent, self._knows_turns = hello
        except TimeoutError:
            raise self._fail(
                ProbeError(
                    Reason.NO_REPLY,
                    f"No relay said hello within {HELLO_S:g} s.",
                    "Look at what the account's login shell there does when a command is run.",
                )
            ) from None
        except (asyncssh.Error, OSError) as error:
            raise self._fail(
                ProbeError(
                    Reason.SESSION_REFUSED,
                    f"It runs no command for this account: {quoted(error)}.",
                    "Look at MaxSessions, ForceCommand and the account's shell there.",
                )
            ) from None
        except asyncio.CancelledError:
            self.close()  # it is not wanted any longer, but its machine may be a bastion that stays
            raise
        self._write(relay_wire.start(self._nonce))
        self._pinging = asyncio.create_task(self._ping())

    async def open(self, address: str, port: int) -> RelayStream:
        """Return a connection from the vantage to an address; raise ChannelOpenError if there is none."""
        if self.failure or self.program is None or self.program.raw is None:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "the relay has ended")
        self._ident += 1
        ident, outer = self._ident, self.connection.stamps
        stream = RelayStream(ident, outer, self.program.raw, self._put, self._streams)
        stream.knows_turns = self._knows_turns
        opened = self._opening[ident] = asyncio.get_running_loop().create_future()
        self._streams[ident] = stream
        self._put(Kind.OPEN, ident, payload=target(address, port).encode())
        try:
            await opened
        except BaseException:
            stream.abort()
            raise
        finally:
            self._opening.pop(ident, None)
        return stream

    async def exchange(self) -> Exchange:
        """Return one exchange with the relay itself, whose readings are the vantage's clocks."""
        if self.failure:
            raise self.failure
        self._number += 1
        number = self._number
        reply: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
        self.connection.meter.allow(EXCHANGE)
        self._pings[number] = (base_ns(), reply)
        self._put(Kind.PING, 0, number)
        try:
            async with asyncio.timeout(REPLY_S):
                return await reply
        except TimeoutError:
            raise self._fail(
                ProbeError(
                    Reason.NO_REPLY,
                    f"The relay on {self.label} did not reply within {REPLY_S:g} s.",
                    "The vantage is stopped or overloaded, or the network lost it.",
                )
            ) from None
        finally:
            self._pings.pop(number, None)

    async def reading(self, samples: int, until_ns: int) -> VantageReading:
        """Return the vantage's own clocks, from a burst of exchanges with nothing after it yet.

        After the first, none is begun that is not expected to end by ``until_ns`` of the base.
        """
        exchanges = [await self.exchange()]
        while len(exchanges) < samples and base_ns() + exchanges[-1].round_trip_ns < until_ns:
            exchanges.append(await self.exchange())
        assert self.program is not None
        burst = Burst(self.program, tuple(exchanges))
        return VantageReading(self.label, burst, len(self._streams) - len(self._opening))

    def close(self) -> None:
        """End the relay, and with it every connection through it."""
        self._fail(ProbeError(Reason.DISCONNECTED, f"The relay on {self.label} was ended."))

    # --- callbacks of asyncssh ---

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """Take a piece of output; whole frames are handled at once."""
        self._received_ns = self.connection.stamps.received_ns
        with contained(Where.NODE) as taking:
            try:
                self._take(data, datatype)
            except NodeError as error:
                self._fail(error)
        if taking.error:
            self._fail(node_error(taking.error))

    def eof_received(self) -> bool:
        """Note the end of the relay's output."""
        self._fail(self._ended())
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the channel is gone."""
        if exc is not None and not isinstance(exc, asyncssh.Error | OSError):  # asyncssh's own exception
            self._fail(node_error(internal_errors.note(Where.NODE, exc)))
        else:
            self._fail(self._ended())

    # --- inside ---

    async def _ping(self) -> None:
        with suppress(NodeError):
            while self.is_open:
                await asyncio.sleep(PING_EVERY_S)
                await self.exchange()

    def _take(self, data: bytes, datatype: asyncssh.DataType) -> None:
        if datatype is not None:
            self._stderr = (self._stderr + data)[-MAX_STDERR_BYTES:]
        elif self._hello.done():
            for frame in self._frames.feed(data):
                self._handle(frame)
        else:
            self._text += data
            *lines, rest = self._text.split(b"\n")
            self._text = rest[-MAX_NOISE_BYTES:]
            for line in lines:
                hello = relay_wire.parse_hello(self._nonce, line.decode("ascii", "replace"))
                if hello is not None and not self._hello.done():
                    self._hello.set_result(hello)

    def _handle(self, frame: Frame) -> None:
        stream = self._streams.get(frame.stream)
        if frame.kind in self._takers:
            self._takers[frame.kind](frame)
        elif stream is None:
            return  # closed here while the frame was on its way
        elif frame.kind is Kind.DATA:
            stream.received(frame.payload, frame.stamp_ns)
        elif frame.kind is Kind.SENT:
            stream.sent(frame.number, frame.stamp_ns)
        elif frame.kind is Kind.OPEN:
            opened = self._opening.get(frame.stream)
            if opened and not opened.done():
                opened.set_result(None)
        elif frame.kind is Kind.CLOSE:
            self._closed(stream, quoted(frame.payload.decode("utf-8", "replace")))

    def _closed(self, stream: RelayStream, reason: str) -> None:
        self._streams.pop(stream.ident, None)
        opened = self._opening.get(stream.ident)
        if opened and not opened.done():
            opened.set_exception(asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, reason))
        stream.lost(None if reason == "closed by the node" else asyncssh.ConnectionLost(reason))

    def _take_pong(self, frame: Frame) -> None:
        sent_ns, reply = self._pings.get(frame.number, (0, None))
        if reply is None or reply.done():
            return
        assert self.program is not None
        text = f"{self._nonce} {frame.number} {frame.payload.decode('ascii', 'replace')}"
        reading = wire.parse_reply(self._nonce, self.program, text)
        assert reading is not None
        received_ns = self._received_ns
        if received_ns < sent_ns:  # the stamp is false, or the reply came unasked
            received_ns = self.connection.stamps.recheck_kernel()
        reply.set_result(reading.exchange(sent_ns, received_ns))

    def _put(self, kind: Kind, stream: int, number: int = 0, payload: bytes = b"", turn: int = 0) -> None:
        self._write(relay_wire.frame(kind, stream, number, payload, turn))

    def _write(self, data: bytes) -> None:
        """Send, in one packet with the frames of all nodes in this turn of the event loop."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent += data

    def _flush(self) -> None:
        data, self._unsent = bytes(self._unsent), bytearray()
        if self.failure is None and self._channel is not None:
            # A closed channel fails every stream with its reason.
            with suppress(OSError, asyncssh.Error), self.connection.stamps.one_segment():
                self._channel.write(data)

    def _ended(self) -> ProbeError:
        words = self._stderr.decode("utf-8", "replace").strip().splitlines()
        said = f" Its last words: '{quoted(words[-1])}'." if words else ""
        if self.program is None:
            return ProbeError(
                Reason.NO_PROGRAM,
                f"Its login shell ended before a relay said hello.{said}",
                "The account needs a login shell that can run /bin/sh, or the installed relay as its forced "
                "command.",
            )
        return ProbeError(
            Reason.PROGRAM_ENDED,
            f"The relay on {self.label} ended.{said}",
            "skewmon starts it again by itself; if this repeats, look at its log for what kills it.",
        )

    def _fail(self, error: NodeError) -> NodeError:
        """Keep the first failure, end every connection through the relay with it, and return it."""
        if self.failure is not None:
            return self.failure
        self.failure = self.connection.fault or error
        if self._pinging is not None:
            self._pinging.cancel()
        if not self._hello.done():
            self._hello.set_exception(self.failure)
            self._hello.exception()  # retrieved here as well: nothing may wait for it
        for _, reply in self._pings.values():
            if not reply.done():
                reply.set_exception(self.failure)
                reply.exception()
        self.datagrams.fail()
        for stream in list(self._streams.values()):
            self._closed(stream, self.failure.detail.rstrip("."))
        if self._channel is not None:
            with contained(Where.NODE):
                self._channel.close()
        return self.failure
