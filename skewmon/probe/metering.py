"""How much processor time and how many bytes a node may cost; a node that floods is throttled, then dropped.

Everything a server sends is read, decrypted and handled on the event loop that all nodes share. Each
request pays for its answer in advance; a node that stays within that is not metered any further. All other
cost is charged to its allowance, a small steady share. Beyond its share of the moment a connection is not
read for a while, and TCP holds the sender back; beyond its share of a minute it is closed.
"""

import asyncio
import gc
import time
from dataclasses import dataclass
from typing import Any

import asyncssh
from asyncssh.constants import MSG_IGNORE

from skewmon.errors import NodeError, ProbeError, Reason
from skewmon.model import NS_PER_S
from skewmon.probe.channel_bypass import ChannelBypass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor time and bytes."""

    cpu_ns: int = 0
    byte_count: int = 0


#: A login costs 5 ms of processor time, ten times as much on a small board, and a few KiB; the rest is for
#: login banners. A login that succeeds costs no more than this, for any key exchange.
LOGIN = Cost(100_000_000, 256 * 1024)

#: The start of a program: the output of the login shell's rc files, on both streams.
START = Cost(20_000_000, 128 * 1024)

#: One request and its reply: 0.1 ms and 200 bytes, ten times the time on a small board.
EXCHANGE = Cost(2_000_000, 4096)

#: Status output: its own limit is 832 KiB, and its noise and its standard error may have 64 KiB each.
STATUS = Cost(50_000_000, 1024 * 1024)

#: Unused payments are kept up to this, so that no node saves up for a flood.
PAID_LIMIT = Cost(100_000_000, 2 * MIB)

#: Unpaid cost is charged in amounts of at least this much: honest nodes stay below, at little cost.
CHARGED_FROM = Cost(1_000_000, 16 * 1024)

#: Processor time beyond the answers: a third of a percent of one core, or 0.2 s a minute, which may be
#: used at once. The most expensive honest cause is a new key exchange with an 8192-bit group, 20 ms and ten
#: times as much on a small board, once an hour; keepalives need a hundredth of it.
CPU_SHARE = 1 / 300
CPU_AT_ONCE_NS = int(CPU_SHARE * 60 * NS_PER_S)

#: Processor time at any moment: a tenth of one core, 0.05 s at once. A connection that needs more is only
#: read more slowly, so this may be reached by an honest one.
MOMENT_SHARE = 0.1
MOMENT_AT_ONCE_NS = 50_000_000

#: Bytes beyond the answers: 1 MiB a minute, 4 MiB at once. Large packets cost little processor time, but no
#: request needs them.
BYTES_PER_S = MIB // 60
BYTES_AT_ONCE = 4 * MIB

#: A bastion carries the traffic of all nodes behind it; each of them has its own allowance.
BASTION_SCALE = 10

#: No connection is left unread longer than this, so that its replies and its end are still noticed.
PAUSE_LIMIT_S = 1.0

#: Rounds do not wait for a node so long after it was last left unread: its answer is behind a flood.
THROTTLED_S = 1.0


#: The generation whose collection looks at every object of the process: a fraction of a second for thousands
#: of nodes, whichever of them happens to be handled.
WHOLE_HEAP = 2


class _Collections:
    """The processor time of whole garbage collections, which no node is charged for."""

    def __init__(self) -> None:
        self.spent_ns = 0
        self._began_ns = 0
        gc.callbacks.append(self._note)

    def _note(self, phase: str, info: dict[str, int]) -> None:
        if info["generation"] != WHOLE_HEAP:
            return
        now_ns = time.thread_time_ns()
        if phase == "start":
            self._began_ns = now_ns
        else:
            self.spent_ns += now_ns - self._began_ns


_collections = _Collections()


class Bucket:
    """An amount that grows steadily up to a limit and is spent; below zero it is overdrawn."""

    __slots__ = ("_left", "_limit", "_per_ns", "_seen_ns")

    def __init__(self, limit: float, per_s: float, now_ns: int) -> None:
        self._left = self._limit = limit
        self._per_ns = per_s / NS_PER_S
        self._seen_ns = now_ns

    def add(self, amount: float) -> None:
        """Allow so much more; beyond the limit it is lost."""
        self._left = min(self._limit, self._left + amount)

    def spend(self, amount: float, now_ns: int) -> float:
        """Take so much and return how many seconds it takes until nothing is overdrawn."""
        self.add((now_ns - self._seen_ns) * self._per_ns)
        self._seen_ns = now_ns
        self._left -= amount
        return max(0.0, -self._left / self._per_ns / NS_PER_S)


class Allowance:
    """The cost that one node may cause; it outlives connections, so that a new one is no new allowance."""

    __slots__ = ("_bytes", "_cpu", "_moment")

    def __init__(self, scale: int = 1) -> None:
        now_ns = time.monotonic_ns()
        self._cpu = Bucket(scale * CPU_AT_ONCE_NS, scale * CPU_SHARE * NS_PER_S, now_ns)
        self._moment = Bucket(scale * MOMENT_AT_ONCE_NS, scale * MOMENT_SHARE * NS_PER_S, now_ns)
        self._bytes = Bucket(scale * BYTES_AT_ONCE, scale * BYTES_PER_S, now_ns)

    def give_back(self, cpu_ns: int) -> None:
        """Take processor time for not spent."""
        self._cpu.add(cpu_ns)
        self._moment.add(cpu_ns)

    def spend(self, cost: Cost) -> tuple[float, str]:
        """Return the pause in seconds, and a description of the excess, or nothing."""
        now_ns = time.monotonic_ns()
        pause_s = min(PAUSE_LIMIT_S, self._moment.spend(cost.cpu_ns, now_ns))
        if self._cpu.spend(cost.cpu_ns, now_ns):
            seconds = CPU_AT_ONCE_NS / NS_PER_S
            return pause_s, f"more than {seconds:g} s of processor time a minute beyond its answers"
        if self._bytes.spend(cost.byte_count, now_ns):
            return pause_s, f"more than {BYTES_AT_ONCE // MIB} MiB beyond its answers"
        return pause_s, ""


class Meter(asyncssh.SSHClient):
    """Meters one connection from its first byte on.

    ``fault`` is the reason once it was closed for its cost.
    """

    def __init__(
        self, name: str = "It", allowance: Allowance | None = None, outer: "Meter | None" = None
    ) -> None:
        self.fault: NodeError | None = None
        self.name = name
        self._allowance = allowance or Allowance()
        self._outer = outer
        self._due_ns = 0  # processor time not yet charged; below zero it is paid for
        self._due_bytes = 0
        self._charged_ns = 0  # since the connection was made
        self._throttled_until_s = 0.0
        # Of connections through this one, while it handled its own data.
        self._inner_ns = self._inner_bytes = 0
        self.connection: asyncssh.SSHClientConnection | None = None
        self.lost: Exception | None = None  # why the connection ended, if it was not closed here
        self.bypass: ChannelBypass | None = None  # takes the data that it can

    @property
    def is_behind_bastion(self) -> bool:
        """Whether the connection goes through another one."""
        return self._outer is not None

    @property
    def is_throttled(self) -> bool:
        """Whether the connection is left unread now and then, because it costs too much at the moment."""
        return time.monotonic() < self._throttled_until_s

    def allow(self, cost: Cost) -> None:
        """Pay for the answer to the next request, here and at every bastion on the way."""
        self._due_ns = max(self._due_ns - cost.cpu_ns, -PAID_LIMIT.cpu_ns)
        self._due_bytes = max(self._due_bytes - cost.byte_count, -PAID_LIMIT.byte_count)
        if self._outer:
            self._outer.allow(cost)

    def logged_in(self) -> None:
        """Settle a login that succeeded: some key exchanges are expensive, most cost less than was paid."""
        self._allowance.give_back(self._charged_ns)
        self._due_ns = self._due_bytes = 0

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """Meter every piece of data that the connection is given."""
        self.connection = conn
        send_no_ignore_packets(conn)
        handle = conn.data_received

        def data_received(data: bytes, datatype: Any = None) -> None:
            if self.fault:
                return
            self._inner_ns = self._inner_bytes = 0
            collecting_ns = _collections.spent_ns
            began_ns = time.thread_time_ns()  # of this thread alone: a busy machine is not the node's fault
            if self.bypass is None or not self.bypass.take(data):
                handle(data, datatype)
            collected_ns = _collections.spent_ns - collecting_ns
            whole_ns = max(0, time.thread_time_ns() - began_ns - collected_ns)
            if self._outer:
                self._outer._inner_ns += whole_ns  # noqa: SLF001  # another meter's
                self._outer._inner_bytes += len(data)  # noqa: SLF001
            self._due_ns += max(0, whole_ns - self._inner_ns)
            # A packet is charged as it comes, and credited once a connection through this one has its bytes.
            self._due_bytes = max(self._due_bytes + len(data) - self._inner_bytes, -PAID_LIMIT.byte_count)
            if self._due_ns > CHARGED_FROM.cpu_ns or self._due_bytes > CHARGED_FROM.byte_count:
                self._charge()

        conn.data_received = data_received  # type: ignore[method-assign]  # asyncio looks it up at each call

    def connection_lost(self, exc: Exception | None) -> None:
        """Note why the connection ended; sessions that were being opened get no reason but that it did."""
        self.lost = exc

    def _charge(self) -> None:
        """Charge the unpaid cost; pause the connection, or close it if that was too much."""
        cost = Cost(max(0, self._due_ns), max(0, self._due_bytes))
        self._due_ns, self._due_bytes = min(0, self._due_ns), min(0, self._due_bytes)
        self._charged_ns += cost.cpu_ns
        pause_s, excess = self._allowance.spend(cost)
        assert self.connection is not None
        if excess:
            self.fault = flood(self.name, excess)
            self.connection.abort()
        elif pause_s:
            self._pause(pause_s)

    def _pause(self, pause_s: float) -> None:
        """Leave the connection unread for a while; its peer then has to wait."""
        # asyncssh has no public way to its transport: a socket's, or a channel of the bastion's connection.
        transport = getattr(self.connection, "_transport", None)
        if transport is not None:
            self._throttled_until_s = time.monotonic() + pause_s + THROTTLED_S
            transport.pause_reading()
            asyncio.get_running_loop().call_later(pause_s, transport.resume_reading)


def send_no_ignore_packets(conn: asyncssh.SSHClientConnection | asyncssh.SSHServerConnection) -> None:
    """Send data alone, without the ignore packet that asyncssh puts before each packet of data.

    It protects CBC ciphers from chosen plaintext, and no connection has one. It would cost a third of an
    exchange here, and wake the server for nothing.
    """
    send = conn.send_packet

    def send_packet(pkttype: int, *args: bytes, handler: Any = None) -> None:
        if pkttype != MSG_IGNORE:
            send(pkttype, *args, handler=handler)

    conn.send_packet = send_packet  # type: ignore[method-assign]  # asyncssh looks it up at each call


def without_packet_log(channel: asyncssh.SSHClientChannel[bytes]) -> None:
    """Keep asyncssh from describing each packet of a channel for its log, which is off."""

    def describe(pkttype: int, pktid: int | None, packet: object, note: str = "") -> None:
        pass

    channel.log_sent_packet = describe  # type: ignore[method-assign]  # as above
    channel.log_received_packet = describe  # type: ignore[method-assign]


def flood(name: str, excess: str) -> NodeError:
    """Return the error for a connection that was closed for its cost."""
    return ProbeError(
        Reason.FLOOD,
        f"{name} was disconnected because it sent too much: it cost {excess}.",
        "Find out what answers there and whether it is broken or hostile; skewmon tries again after a while.",
    )
