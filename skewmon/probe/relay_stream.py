"""One node's connection through a relay: a transport for asyncssh, with stamps of both ends."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from skewmon.errors import ProbeError, Reason
from skewmon.model import Quantum, VantageStamps
from skewmon.probe.relay_wire import FRAME_BYTES_MAX, WINDOW_BYTES, Kind
from skewmon.probe.stamped_socket import Stamps

#: A request waits for its reply, so the stamps of the last few frames are enough.
KEPT_STAMPS = 16

#: The relay may send more after half of its window was taken.
RETURNED_BYTES = WINDOW_BYTES // 2


class RelayStream(asyncio.Transport):
    """The transport of one SSH connection through a relay; its stamps are as those of StampedSocket.

    ``frame`` is the number of the last frame that was handed to the relay. The vantage's stamps of an
    exchange are those of the frame with its request and of the last data that arrived.
    """

    def __init__(
        self,
        ident: int,
        outer: Stamps,
        quantum: Quantum,
        put: Callable[..., None],
        streams: "dict[int, RelayStream]",
    ) -> None:
        super().__init__()
        self.ident = ident
        self.knows_turns = False
        self.frame = 0
        self._outer = outer
        self._quantum = quantum
        self._put = put
        self._streams = streams
        self._protocol: Any = None
        self._arrived_ns = 0  # on the vantage's RAW
        self._sent: OrderedDict[int, int] = OrderedDict()  # frame to stamp
        self._sizes: dict[int, int] = {}  # of the frames that the relay has not yet written
        self._outstanding = 0
        self._unsent = bytearray()
        self._unread: list[bytes] = []
        self._window = WINDOW_BYTES  # bytes that the relay may still send
        self._taken = 0  # bytes since the relay's window was last opened
        self._is_paused = True  # until there is a protocol
        self._is_holding = False
        self._is_scheduled = False
        self._is_closed = False
        self._lost: tuple[Exception | None] | None = None

    # --- stamps ---

    @property
    def sent_ns(self) -> int:
        """The base before the last bytes left the admin box."""
        return self._outer.sent_ns

    @property
    def received_ns(self) -> int:
        """The base after the last bytes arrived at the admin box."""
        return self._outer.received_ns

    def recheck_kernel(self) -> int:
        """Check the kernel's clock, as StampedSocket does."""
        return self._outer.recheck_kernel()

    def vantage_stamps(self, frame: int) -> VantageStamps | None:
        """Return the stamps of an exchange whose request was in this frame and whose reply has just arrived.

        None if the relay has not reported that frame.
        """
        sent_ns = self._sent.get(frame)
        if sent_ns is None:
            return None
        return VantageStamps(sent_ns - self._quantum.early_ns, self._arrived_ns + self._quantum.late_ns)

    @contextmanager
    def one_segment(self, turn: int = 0) -> Iterator[None]:
        """Send everything that is written in the body as one frame, in one segment on every way."""
        self._is_holding = True
        try:
            yield
        finally:
            self._is_holding = False
            self._flush(turn)

    # --- the side of asyncssh ---

    def attach(self, protocol: Any) -> None:
        """Hand the stream to an SSH connection."""
        self._protocol = protocol
        protocol.connection_made(self)
        self.resume_reading()
        if self._lost:
            protocol.connection_lost(*self._lost)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, together with everything else that is written in this turn of the event loop."""
        if self._is_closed:
            return
        self._unsent += data
        if not self._is_holding and not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def is_closing(self) -> bool:
        """Return whether the stream has ended."""
        return self._is_closed

    def close(self) -> None:
        """End the connection at the relay."""
        self._flush()
        self.abort()

    def abort(self) -> None:
        """End the connection at the relay at once."""
        if not self._is_closed:
            self._is_closed = True
            self._streams.pop(self.ident, None)
            self._put(Kind.CLOSE, self.ident)

    def pause_reading(self) -> None:
        """Take no more bytes; the relay stops reading once its window is full."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """Take bytes again."""
        self._is_paused = False
        unread, self._unread = self._unread, []
        for data in unread:
            self._deliver(data)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return nothing: there is no socket."""
        return default

    # --- the side of the relay ---

    def sent(self, frame: int, stamp_ns: int) -> None:
        """Note that the relay wrote a frame."""
        self._sent[frame] = stamp_ns
        if len(self._sent) > KEPT_STAMPS:
            self._sent.popitem(last=False)
        self._outstanding -= self._sizes.pop(frame, 0)
        if self._unsent and not self._is_holding:
            self._flush()

    def received(self, data: bytes, stamp_ns: int) -> None:
        """Take bytes that the relay read; raise ProbeError if they are more than its window."""
        self._window -= len(data)
        if self._window < 0:
            raise ProbeError(
                Reason.GARBLED_REPLY,
                "Its relay sent more than it was allowed to.",
                "Something else than skewmon's relay answers there; look at the account's shell and files.",
            )
        self._arrived_ns = stamp_ns
        if self._is_paused or self._unread:
            self._unread.append(data)
        else:
            self._deliver(data)

    def lost(self, exc: Exception | None) -> None:
        """Take the end of the connection."""
        if self._is_closed:
            return
        self._is_closed = True
        self._lost = (exc,)
        if self._protocol:
            self._protocol.connection_lost(exc)

    # --- inside ---

    def _deliver(self, data: bytes) -> None:
        if self._is_closed:
            return
        self._protocol.data_received(data)
        self._taken += len(data)
        if self._taken >= RETURNED_BYTES and not self._is_closed:
            self._put(Kind.WINDOW, self.ident, self._taken)
            self._window += self._taken
            self._taken = 0

    def _flush(self, turn: int = 0) -> None:
        self._is_scheduled = False
        while self._unsent and not self._is_closed:
            size = min(len(self._unsent), FRAME_BYTES_MAX)
            if self._outstanding + size > WINDOW_BYTES:
                break
            data = bytes(self._unsent[:size])
            del self._unsent[:size]
            self.frame += 1
            self._sizes[self.frame] = size
            self._outstanding += size
            self._put(Kind.DATA, self.ident, self.frame, data, turn)
