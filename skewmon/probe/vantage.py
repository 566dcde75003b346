"""Vantages: the machines whose relays stamp for the nodes near them, each shared by all of its nodes."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncssh

from skewmon.errors import Failed, NodeError, Reason
from skewmon.probe.connection import Connection
from skewmon.probe.hops import HopKey
from skewmon.probe.relay import Relay
from skewmon.probe.relay_stream import RelayStream
from skewmon.runtime.backoff import Backoff
from skewmon.runtime.containment import Where, node_error, translated
from skewmon.runtime.resolver import resolver
from skewmon.runtime.tasks import retrieved

#: Until a relay that ended, or gave no answer, is started again; as for a node.
BACKOFF = Backoff(first_s=1.0, limit_s=60.0)

#: Until a machine is tried again that runs no relay, no command at all, or refuses the login: a person has to
#: change that, and OpenSSH 9.8 bans an address that keeps failing, so that its nodes would fail, too.
BACKOFF_LASTING = Backoff(first_s=60.0, limit_s=600.0)

LASTING = frozenset(
    {
        Reason.NO_PROGRAM,
        Reason.SESSION_REFUSED,
        Reason.GARBLED_REPLY,
        Reason.PERMISSION_DENIED,
        Reason.KEY_UNUSABLE,
        Reason.HOST_KEY_CHANGED,
        Reason.HOST_KEY_UNKNOWN,
        Reason.FLOOD,
        Reason.SSH_CONFIG_UNUSABLE,
    }
)

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
        self._due_s = 0.0

    @property
    def relay(self) -> Relay | None:
        """The relay to measure with, or None; ``failure`` is then the reason."""
        if self._relay is not None and not self._relay.is_open:
            lost = self._relay.failure
            self.failure = lost.failed if lost else LOST
            self._relay.close()
            self._relay = None
        return self._relay

    @property
    def due_in_s(self) -> float:
        """How long it is until a failed relay may be started again."""
        return max(0.0, self._due_s - asyncio.get_running_loop().time())

    async def start(self, connect: Callable[[], Awaitable[Connection]]) -> Relay | None:
        """Return the relay, started if needed; all nodes behind it wait for the same attempt."""
        if self.relay is None and self.due_in_s == 0 and (self._starting is None or self._starting.done()):
            self._starting = asyncio.create_task(self._start(connect))
            self._starting.add_done_callback(retrieved)
        if self._starting is not None:
            await asyncio.shield(self._starting)
        return self.relay

    def close(self) -> None:
        """End the relay."""
        if self._starting is not None:
            self._starting.cancel()
        if self._relay is not None:
            self._relay.close()
        self._relay = None

    async def _start(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        try:
            with translated(Where.NODE, node_error, node=self.label):
                relay = Relay(self.label, await connect())
                await relay.start()
        except NodeError as error:
            self.failure = error.failed
            backoff = BACKOFF_LASTING if error.reason in LASTING else BACKOFF
            self._due_s = asyncio.get_running_loop().time() + backoff.pause_s(self._failures)
            self._failures += 1
        else:
            self._relay, self.failure, self._failures = relay, None, 0


class Tunnel:
    """What asyncssh takes as the tunnel of one connection to a node; ``stream`` is there once it is open.

    ``ordinary`` is the bastion's connection if the relay may connect only to what the bastion forwards to.
    """

    def __init__(self, relay: Relay, ordinary: Connection | None) -> None:
        self.label = relay.label
        self._relay = relay
        self._ordinary = ordinary
        self.stream: RelayStream | None = None

    async def create_connection(
        self, factory: Callable[[], asyncssh.SSHClientConnection], host: str, port: int
    ) -> tuple[RelayStream, asyncssh.SSHClientConnection]:
        """Open a connection through the relay; raise ChannelOpenError if that is refused or fails."""
        if self._ordinary is not None:
            await _forwarded(self._ordinary, host, port)
        self.stream = await self._opened(host, port)
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


async def _forwarded(bastion: Connection, host: str, port: int) -> None:
    """Raise ChannelOpenError unless the bastion forwards to a node, which its policy may forbid.

    Asked once for each connection to the bastion, because its sshd reads its configuration as often.
    """
    if (host, port) in bastion.forwards:
        return
    channel, _ = await bastion.ssh.create_connection(asyncssh.SSHTCPSession, host, port)
    channel.abort()
    bastion.forwards.add((host, port))
