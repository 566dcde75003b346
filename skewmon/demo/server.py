"""One SSH server a node, all in one event loop, each with a host key of its own."""

import asyncio
import socket
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import asyncssh

from skewmon.demo.clock import base_ns
from skewmon.demo.nodes import SimulatedNode
from skewmon.demo.session import Request, RequestParser, Start, hello, reply
from skewmon.demo.status_output import status_output

#: Nodes differ by their ports; other addresses of the loopback network do not exist everywhere.
ADDRESS = "127.0.0.1"

#: A login of the same machine takes milliseconds.
LOGIN_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class Listening:
    """A simulated node with its port and its public host key."""

    simulated: SimulatedNode
    port: int
    host_key: str


@dataclass(frozen=True, slots=True)
class DemoSite:
    """The nodes of a second site, and the port and public host key of their bastion."""

    nodes: tuple[Listening, ...]
    port: int
    host_key: str


class Servers:
    """The listening sockets of all nodes."""

    def __init__(self, client_key: str) -> None:
        self._client_key = asyncssh.import_authorized_keys(client_key)
        self._acceptors: list[asyncssh.SSHAcceptor] = []
        self._reserved: list[socket.socket] = []
        self._running: set[asyncio.Task[None]] = set()  # programs on bastions

    async def start(self, nodes: Sequence[SimulatedNode]) -> tuple[Listening, ...]:
        """Let every reachable node listen; reserve a closed port for each of the others."""
        return tuple([await self._start_one(node) for node in nodes])

    async def start_site(
        self,
        nodes: Sequence[SimulatedNode],
        bastion: Callable[[Collection[int], set[asyncio.Task[None]]], asyncssh.SSHServer],
    ) -> "DemoSite":
        """Let the nodes of a second site listen, and a bastion in front of them."""
        started = await self.start(nodes)
        ports = frozenset(one.port for one in started)
        port, key = await self._listen(self._bound(), lambda: bastion(ports, self._running))
        return DemoSite(started, port, key)

    async def close(self) -> None:
        """Stop listening and end every connection."""
        for acceptor in self._acceptors:
            acceptor.close()
        for acceptor in self._acceptors:
            await acceptor.wait_closed()
        for bound in self._reserved:
            bound.close()
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _start_one(self, node: SimulatedNode) -> Listening:
        bound = self._bound()
        if node.reachable:
            return Listening(node, *await self._listen(bound, lambda: Server(node)))
        self._reserved.append(bound)
        return Listening(node, bound.getsockname()[1], _public(asyncssh.generate_private_key("ssh-ed25519")))

    @staticmethod
    def _bound() -> socket.socket:
        bound = socket.socket()
        bound.bind((ADDRESS, 0))
        return bound

    async def _listen(
        self, bound: socket.socket, server: Callable[[], asyncssh.SSHServer]
    ) -> tuple[int, str]:
        """Let a server listen, and return its port and its public host key."""
        key = asyncssh.generate_private_key("ssh-ed25519")
        port = bound.getsockname()[1]
        self._acceptors.append(
            await asyncssh.listen(
                sock=bound,
                server_factory=server,
                server_host_keys=[key],
                authorized_client_keys=self._client_key,
                password_auth=False,
                kbdint_auth=False,
                gss_host=None,
                allow_pty=False,
                agent_forwarding=False,
                encoding=None,
                login_timeout=LOGIN_TIMEOUT_S,
                config=None,
            )
        )
        return port, _public(key)


def _public(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()


class Server(asyncssh.SSHServer):
    """Accepts the one client and runs nothing but the node's program."""

    def __init__(self, node: SimulatedNode) -> None:
        self._role = node

    def session_requested(self) -> "NodeSession":
        """Open a session with the program."""
        return NodeSession(self._role)


class NodeSession(asyncssh.SSHServerSession[bytes]):
    """One session of a node's program, for any requested command, as with a forced command."""

    def __init__(self, node: SimulatedNode) -> None:
        self._role = node
        self._parser = RequestParser()
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None

    def connection_made(self, chan: "asyncssh.SSHServerChannel[bytes]") -> None:
        """Keep the channel for replies."""
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        """Start the program instead of any command."""
        return True

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """Answer requests after the delay of the way there."""
        for request in self._parser.feed(data):
            if isinstance(request, Start):
                self._begin(request)
            elif self._role.there_s:
                asyncio.get_running_loop().call_later(self._role.there_s, self._answer, request)
            else:
                self._answer(request)

    def eof_received(self) -> bool:
        """End the program when its input ends."""
        return False

    def _begin(self, start: Start) -> None:
        if start.mode == "clock":
            self._send(hello(start.nonce, self._role))
            return
        self._send(status_output(start.nonce, self._role, self._role.clock.read(base_ns())))
        assert self._channel is not None
        self._channel.exit(0)

    def _answer(self, request: Request) -> None:
        before = self._role.clock.read(base_ns())
        after = self._role.clock.read(base_ns())
        text = reply(request, self._role, before, after)
        if self._role.back_s:
            asyncio.get_running_loop().call_later(self._role.back_s, self._send, text)
        else:
            self._send(text)

    def _send(self, text: str) -> None:
        if self._channel and not self._channel.is_closing():
            self._channel.write(text.encode())
