"""One node's kept session: its program started once, then request and reply for as long as it lives.

The session is an asyncssh callback object and not a stream, because the stamp of a reply must be taken in
the very call that delivers it, before the event loop does anything else.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

import asyncssh

from skewmon.clock.sampling import Enough, never
from skewmon.errors import NodeError, ProbeError, Reason
from skewmon.model import NS_PER_S, Burst, Exchange, Program
from skewmon.probe import programs, relay_wire, wire
from skewmon.probe.budget import PATIENT, Patience
from skewmon.probe.channel_bypass import ChannelBypass
from skewmon.probe.clocks import base_ns
from skewmon.probe.connection import WINDOW_BYTES, Connection
from skewmon.probe.exchange_series import ExchangeSeries
from skewmon.probe.faults import lost_error, quoted, session_refused
from skewmon.probe.metering import EXCHANGE, START, without_packet_log
from skewmon.runtime.containment import Where, contained, internal_errors, node_error
from skewmon.runtime.tasks import Deadline

#: Banners and rc files may be long; 64 KiB of them is not a greeting any more.
MAX_NOISE_BYTES = 64 * 1024

#: The longest line of the node-side program has some 300 bytes.
MAX_LINE_BYTES = 4096

#: Bytes of standard error that are kept to explain a program that ended.
MAX_STDERR_BYTES = 2048


class _Asked(NamedTuple):
    """A request on its way; ``frame`` is that of the relay which has it, 0 without one."""

    sent_ns: int
    frame: int


class Session(asyncssh.SSHClientSession[bytes]):
    """The callbacks of one channel to one node-side program."""

    def __init__(self, connection: Connection, patience: Patience = PATIENT) -> None:
        self._patience = patience
        self.program: Program | None = None
        self._connection = connection
        self._nonce = wire.new_nonce()
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None
        self._bypass: ChannelBypass | None = None
        self._hello: asyncio.Future[Program] | None = None
        self._asked: dict[int, _Asked] = {}
        self._series: ExchangeSeries | None = None
        self.failure: NodeError | None = None
        self.on_failure: Callable[[NodeError], None] | None = None  # called once, at once
        self._line = bytearray()
        self._last: Exchange | None = None
        self._replies_due = Deadline(self._silent)
        self._noise_bytes = self._ident = 0
        self._installed = ""
        self._stderr = bytearray()

    @property
    def is_open(self) -> bool:
        """Whether another exchange can be tried."""
        return self.failure is None and self._connection.is_open

    @property
    def vantage_label(self) -> str:
        """The vantage that stamps the exchanges, empty without one."""
        return self._connection.vantage_label

    async def start(self) -> Program:
        """Start the node-side program and return its introduction.

        Raises ProbeError if no program answers as expected.
        """
        try:
            async with asyncio.timeout(self._patience.hello_s):
                self._connection.meter.allow(START)
                with self._connection.opening_session():
                    self._channel, _ = await self._connection.ssh.create_session(
                        lambda: self, programs.COMMAND, encoding=None, window=WINDOW_BYTES
                    )
                without_packet_log(self._channel)
                self._bypass = ChannelBypass(self._connection.ssh, self._channel, self.data_received)
                self._connection.meter.bypass = self._bypass
                if self.failure:  # a login shell such as nologin is already gone
                    raise self.failure
                self._hello = asyncio.get_running_loop().create_future()
                # A shell that is already gone fails the hello with its reason, which explains more.
                with suppress(OSError):
                    self._channel.write(programs.clock_script(self._nonce).encode())
                self.program = await self._hello
        except TimeoutError:
            raise self._fail(
                ProbeError(
                    Reason.NO_REPLY,
                    f"The login succeeded, but no program said hello within {self._patience.hello_s:g} s.",
                    "Look at what the account's login shell and its rc files wait for when a command is run.",
                )
            ) from None
        except (asyncssh.Error, OSError) as error:
            raise self._fail(session_refused(error)) from None
        assert self.program is not None
        return self.program

    async def exchange(self) -> Exchange:
        """Return one exchange; raise ProbeError if the program ended, is silent, floods or garbles lines."""
        return (await self._exchanges(ExchangeSeries(1)))[0]

    async def burst(self, samples: int, until_ns: int | None = None, enough: Enough = never) -> Burst:
        """Return a burst of ``samples`` exchanges, back to back, or of fewer once they are ``enough``.

        After the first, none is begun that is not expected to end by ``until_ns`` of the base. Those through
        a vantage are back to back there, so all of them take little longer than one.
        """
        assert self.program is not None
        exchanges = await self._exchanges(ExchangeSeries(samples, until_ns, enough))
        return Burst(self.program, tuple(exchanges), vantage=self.vantage_label)

    async def _exchanges(self, series: ExchangeSeries) -> list[Exchange]:
        """Make the exchanges of a series; each request leaves in the call that takes the reply before it."""
        if self.failure:
            raise self.failure
        self._series = series
        try:
            self._go_on(series)
            await series.done
        finally:
            self._series = None
            self._replies_due.lift()
            self._asked.clear()
        return series.exchanges

    def _go_on(self, series: ExchangeSeries) -> None:
        """Send the next request, or those that a vantage passes to the node one by one in time."""
        most = series.wanted()
        if not most:
            series.end()
            return
        self._noise_bytes, count = 0, 1
        if self._connection.stamps.knows_turns:
            left_ns = series.left_ns(int(self._patience.reply_s * NS_PER_S))
            count = relay_wire.fitting(most, self._last, left_ns)
        self._replies_due.put_off(self._patience.reply_s)
        for turn in relay_wire.turns_of_burst(count):
            self._request(turn)

    def _silent(self) -> None:
        self._fail(
            ProbeError(
                Reason.NO_REPLY,
                f"The node-side program did not reply within {self._patience.reply_s:g} s.",
                "The machine is stopped or overloaded, or the network lost it.",
            )
        )

    def _request(self, turn: int) -> None:
        assert self._bypass is not None
        self._ident += 1
        self._connection.meter.allow(EXCHANGE)
        stamps = self._connection.stamps
        before, last_frame = base_ns(), stamps.frame
        with suppress(OSError, asyncssh.Error), stamps.one_segment(turn):  # a closed channel fails it itself
            self._bypass.write(wire.request(self._nonce, self._ident))
        # During a key exchange the packet is deferred: it is in no frame yet, and the stamp is a true limit.
        frame = stamps.frame if stamps.frame != last_frame else 0
        self._asked[self._ident] = _Asked(max(before, stamps.sent_ns), frame)

    def close(self) -> None:
        """End the program by closing its input."""
        if self._channel:
            self._channel.close()

    # --- callbacks of asyncssh ---

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """Take a piece of output; complete lines are handled at once."""
        received_ns = self._connection.stamps.received_ns
        with contained(Where.NODE) as taking:
            self._take(data, datatype, received_ns)
        if taking.error:
            self._fail(node_error(taking.error))

    def _take(self, data: bytes, datatype: asyncssh.DataType, received_ns: int) -> None:
        if datatype is not None:
            self._stderr = (self._stderr + data)[-MAX_STDERR_BYTES:]
            self._count_noise(len(data))
            return
        *lines, rest = data.split(b"\n")
        for piece in lines:
            self._take_line(bytes(self._line + piece), received_ns)
            self._line.clear()
        self._line += rest
        if len(self._line) > MAX_LINE_BYTES:
            self._count_noise(len(self._line))
            del self._line[:-MAX_LINE_BYTES]

    def eof_received(self) -> bool:
        """Note the end of the program's output."""
        self._fail(self._ended())
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the channel is gone."""
        if exc is None:
            self._fail(self._ended())
        elif not isinstance(exc, asyncssh.Error | OSError):  # asyncssh closed it because of its own exception
            self._fail(node_error(internal_errors.note(Where.NODE, exc)))
        else:
            self._fail(lost_error(exc))

    # --- inside ---

    def _take_line(self, line: bytes, received_ns: int) -> None:
        text = line.decode("ascii", "replace")
        try:
            is_answer = self._understand(text, received_ns)
        except NodeError as error:
            self._fail(error)
            return
        if not is_answer:  # an answer without a request is noise like any other
            self._count_noise(len(line) + 1)

    def _understand(self, text: str, received_ns: int) -> bool:
        """Take a line and return whether it is the hello, or the reply to a request."""
        if self.program is None:
            self._installed = wire.parse_installed(self._nonce, text) or self._installed
            program = wire.parse_hello(self._nonce, text)
            if program is not None and self._hello is not None and not self._hello.done():
                self._hello.set_result(replace(program, installed=self._installed))
            return program is not None
        reading = wire.parse_reply(self._nonce, self.program, text)
        asked = self._asked.pop(reading.ident, None) if reading is not None else None
        if reading is None or asked is None or self._series is None:
            return False
        if received_ns < asked.sent_ns:  # the stamp is false, or the reply came unasked
            received_ns = self._connection.stamps.recheck_kernel()
        if received_ns < asked.sent_ns:
            raise ProbeError(
                Reason.GARBLED_REPLY,
                "The node-side program replied before its request.",
                "Something else than skewmon's program answers there; look at the account's shell and files.",
            )
        vantage = self._connection.stamps.vantage_stamps(asked.frame)
        self._last = reading.exchange(asked.sent_ns, received_ns, vantage)
        self._series.exchanges.append(self._last)
        if not self._asked:
            self._go_on(self._series)
        return True

    def _count_noise(self, count: int) -> None:
        self._noise_bytes += count
        if self._noise_bytes > MAX_NOISE_BYTES:
            self._fail(
                ProbeError(
                    Reason.TOO_MUCH_OUTPUT,
                    f"The session printed more than {MAX_NOISE_BYTES // 1024} KiB that are no readings.",
                    "Look at what the login shell's rc files print when a command is run.",
                )
            )
            self._connection.abort()  # a regular close would still read the bytes on their way

    def _ended(self) -> ProbeError:
        words = self._stderr.decode("utf-8", "replace").strip().splitlines()
        said = f" Its last words: '{quoted(words[-1])}'." if words else ""
        if self.program is None:
            return ProbeError(
                Reason.NO_PROGRAM,
                f"The login shell ended before any program said hello.{said}",
                "The account needs a login shell that can run /bin/sh, or the installed program as its "
                "forced command.",
            )
        return ProbeError(
            Reason.PROGRAM_ENDED,
            f"The node-side program ended.{said}",
            "skewmon starts it again by itself; if this repeats, look at the node's log for what kills it.",
        )

    def _fail(self, error: NodeError) -> NodeError:
        """Keep the first failure, hand it to the waiting requests, and return it.

        If the connection was closed for its cost, that is the reason of every failure.
        """
        if self.failure is None:
            self.failure = self._connection.fault or error
            if self.on_failure:
                self.on_failure(self.failure)
        if self._series is not None:
            self._series.fail(self.failure)
        if self._hello is not None and not self._hello.done():
            self._hello.set_exception(self.failure)
            self._hello.exception()  # retrieved here as well: nothing may wait for it any longer
        return self.failure
