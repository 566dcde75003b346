"""Vantages: the machines whose relays stamp for the nodes near them, each shared by all of its nodes."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncssh

from skewmon.errors import ConnectError, Failed, NodeError, Reason
from skewmon.probe.connection import Connection
from skewmon.probe.faults import host_port, quoted
from skewmon.probe.hops import HopKey
from skewmon.probe.relay import Relay
from skewmon.probe.relay_stream import RelayStream
from skewmon.probe.retry import BACKOFF_UNSTEADY, STEADY_S, after_vantage
from skewmon.runtime.containment import Where, node_error, translated
from skewmon.runtime.resolver import resolver
from skewmon.runtime.tasks import retrieved

#: A vantage that is slow, or runs no command of ours, must not hold up its nodes for long: they are measured
#: around it until its relay has said hello.
WAIT_S = 5.0

#: A relay is tried no more often for a node that is measured around it; the vantage itself waits longer.
RETRY_S = 1.0

LOST = Failed(Reason.DISCONNECTED, "The connection to it was lost.")

NOT_TRIED = Failed(Reason.CONNECTING, "Its relay is being started.")


class Vantage:
    """One machine that stamps: its relay, or the reason why it has none.

    ``label`` is its name in results; ``key`` how it is reached.
    """

    def __init__(self, label: str, key: HopKey) -> None:
        self.label = label
        self.key = key
        self.failure: Failed | None = NOT_TRIED
        self._relay: Relay | None = None
        self._starting: asyncio.Task[None] | None = None
        self._failures = 0
        self._early_ends = 0  # of relays, one after the other
        self._started_s = self._due_s = 0.0

    @property
    def relay(self) -> Relay | None:
        """The relay to measure with, or None; ``failure`` is then the reason."""
        if self._relay is not None and not self._relay.is_open:
            lost = self._relay.failure
            self.failure = lost.failed if lost else LOST
            self._relay.close()
            self._relay = None
            self._note_end()
        return self._relay

    @property
    def due_in_s(self) -> float:
        """How long it is until a failed relay may be started again."""
        return max(0.0, self._due_s - asyncio.get_running_loop().time())

    def retry_s(self, connection: Connection, tries: int) -> float | None:
        """Return when to lead a connection through the relay, after so many tries; None if it is."""
        if connection.vantage_label:
            return None
        fault = connection.detour
        pause_s = after_vantage(fault.reason if fault else None).pause_s(tries)
        return max(RETRY_S, self.due_in_s, pause_s)

    async def start(self, connect: Callable[[], Awaitable[Connection]]) -> Relay | None:
        """Return the relay, started if needed; all nodes behind it wait for the same attempt, a while."""
        if self.relay is None and self.due_in_s == 0 and (self._starting is None or self._starting.done()):
            self._starting = asyncio.create_task(self._start(connect))
            self._starting.add_done_callback(retrieved)
        if self._starting is not None:
            await asyncio.wait([self._starting], timeout=WAIT_S)
        return self.relay

    def close(self) -> None:
        """End the relay."""
        if self._starting is not None:
            self._starting.cancel()
        if self._relay is not None:
            self._relay.close()
        self._relay = None

    def _note_end(self) -> None:
        """Decide when a relay that ended is started again: at once if it had served for a while."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._started_s >= STEADY_S:
            self._early_ends = 0
        else:
            self._due_s = now_s + BACKOFF_UNSTEADY.pause_s(self._early_ends)
            self._early_ends += 1

    async def _start(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        try:
            with translated(Where.NODE, node_error, node=self.label):
                relay = Relay(self.label, await connect())
                await relay.start()
        except NodeError as error:
            self.failure = error.failed
            pause_s = after_vantage(error.reason).pause_s(self._failures)
            self._due_s = asyncio.get_running_loop().time() + pause_s
            self._failures += 1
        else:
            self._relay, self.failure, self._failures = relay, None, 0
            self._started_s = asyncio.get_running_loop().time()


class Tunnel:
    """The tunnel of asyncssh for one connection to a node; ``stream`` is there once it is open."""

    def __init__(self, relay: Relay) -> None:
        self.label = relay.label
        self._relay = relay
        self.stream: RelayStream | None = None

    async def create_connection(
        self, factory: Callable[[], asyncssh.SSHClientConnection], host: str, port: int
    ) -> tuple[RelayStream, asyncssh.SSHClientConnection]:
        """Open a connection through the relay; raise ConnectError if that is refused or fails."""
        try:
            self.stream = await self._opened(host, port)
        except asyncssh.ChannelOpenError as error:
            raise _unreached(error.reason, self.label, host, port) from None
        connection = factory()
        self.stream.attach(connection)
        return self.stream, connection

    async def _opened(self, host: str, port: int) -> RelayStream:
        """Open a place; a relay that has a list of targets is asked for numeric ones, in turn."""
        if not self._relay.is_listed:
            return await self._relay.open(host, port)
        refusal = asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "the name has no address")
        for _, place in await resolver().places(host, port):
            try:
                return await self._relay.open(place[0], port)
            except asyncssh.ChannelOpenError as error:
                refusal = error
        raise refusal


def _unreached(reason: str, label: str, address: str, port: int) -> ConnectError:
    """Return the error for a relay that did not connect to a node."""
    return ConnectError(
        Reason.JUMP_FAILED,
        f"The relay on {label} could not reach {host_port(address, port)}: {quoted(reason)}.",
        "Make its list again: skewmon keys authorize --relay --targets"
        if "not a target in" in reason  # the words of a relay with a list
        else f"Try there: nc -vz {address} {port}",
    )
