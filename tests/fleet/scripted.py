"""Nodes that misbehave by script: a real SSH server inside the test's own event loop.

A session is a coroutine that reads the client's input and writes its answer::

    async def flood(session: Session) -> None:
        while True:
            await session.write(b"x" * 65536)

    async with ScriptedNode(flood) as node: ...

For everything before a session there is ``raw``: a coroutine that owns the bare TCP connection.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncssh

from tests.fleet.node import public_text

READ_BYTES = 1 << 16


class Session:
    """One command of one client: its text, its input and its output."""

    def __init__(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        self.command = process.command
        self._process = process

    async def read(self) -> bytes:
        """Return input of the client, at least one byte; empty at its end."""
        return await self._process.stdin.read(READ_BYTES)

    async def read_line(self) -> bytes:
        """Return one line of the client's input, with its line end."""
        return await self._process.stdin.readline()

    async def write(self, data: bytes) -> None:
        """Write to the client and wait while it does not take more."""
        self._process.stdout.write(data)
        await self._process.stdout.drain()

    async def complain(self, data: bytes) -> None:
        """Write to the client's standard error."""
        self._process.stderr.write(data)
        await self._process.stderr.drain()

    def exit(self, code: int) -> None:
        """End the command with an exit code."""
        self._process.exit(code)

    def drop(self) -> None:
        """Let the connection end without a word, as when the node loses its power."""
        self._process.channel.get_connection().abort()


Script = Callable[[Session], Awaitable[None]]


async def hang(_: Session) -> None:
    """Accept the command and never say anything."""
    await asyncio.Event().wait()


class _Door(asyncssh.SSHServer):
    """Accepts the one key, after ``before_login``."""

    def __init__(self, node: "ScriptedNode") -> None:
        self._node = node

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._node.logins += 1
        self._node.connected(conn)

    async def begin_auth(self, username: str) -> bool:
        await self._node.before_login()
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return self._node.accepts_key and public_text(key) == public_text(self._node.client_key)


async def _at_once() -> None:
    """Wait for nothing."""


class ScriptedNode:
    """An SSH server whose every session is ``script``.

    ``before_login`` is awaited before authentication begins; ``accepts_key`` False refuses every key. With
    ``wrong_host_key`` known_hosts holds another key than the server has.
    """

    def __init__(
        self,
        script: Script = hang,
        *,
        address: str = "127.0.3.1",
        directory: Path,
        before_login: Callable[[], Awaitable[None]] = _at_once,
        accepts_key: bool = True,
        wrong_host_key: bool = False,
    ) -> None:
        self.script = script
        self.address = address
        self.port = 0
        self.user = "skewmon"
        self.before_login = before_login
        self.accepts_key = accepts_key
        self.wrong_host_key = wrong_host_key
        self.client_key = asyncssh.generate_private_key("ssh-ed25519")
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.identity = directory / "id_ed25519"
        self.known_hosts = directory / "known_hosts"
        self.logins = 0
        self._sessions: set[asyncio.Task[None]] = set()

    def connected(self, connection: asyncssh.SSHServerConnection) -> None:
        """Do something to a connection before its first packet; for subclasses."""

    async def __aenter__(self) -> Self:
        self._server = await asyncssh.listen(
            self.address,
            0,
            server_factory=lambda: _Door(self),
            server_host_keys=[self.host_key],
            process_factory=self._serve,
            encoding=None,
        )
        self.port = self._server.get_port()
        known = asyncssh.generate_private_key("ssh-ed25519") if self.wrong_host_key else self.host_key
        self.known_hosts.write_text(f"[{self.address}]:{self.port} {public_text(known)}\n")
        self.identity.write_bytes(self.client_key.export_private_key())
        self.identity.chmod(0o600)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._sessions:
            task.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        task = asyncio.ensure_future(self._run(Session(process)))
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)
        with suppress(asyncio.CancelledError):
            await task

    async def _run(self, session: Session) -> None:
        # The client may leave while the script runs.
        with suppress(asyncssh.Error, BrokenPipeError, ConnectionResetError):
            await self.script(session)


RawScript = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw(script: RawScript, address: str = "127.0.3.1") -> AsyncIterator[int]:
    """Serve bare TCP connections by a script and yield the port: not SSH, or only a part of it."""
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        running.add(task)
        try:
            with suppress(ConnectionError, asyncio.CancelledError):
                await script(reader, writer)
        finally:
            running.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, address, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await server.wait_closed()
