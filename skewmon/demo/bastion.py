"""The bastion of a second site: it runs skewmon's relay, and everything through it takes a while each way."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from pathlib import Path

import asyncssh

from skewmon.demo.server import ADDRESS

#: One way to the site: a round trip of 80 ms, as between continents.
ONE_WAY_S = 0.04

#: Bytes read from a program or a connection at once.
READ_BYTES = 64 * 1024


class LongPath:
    """One direction of a long path: delivers data in order, each piece ``ONE_WAY_S`` after it was put in."""

    def __init__(self, deliver: Callable[[bytes], None]) -> None:
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    def put(self, data: bytes) -> None:
        """Send data; an empty piece is the end."""
        self._pieces.put_nowait((self._loop.time() + ONE_WAY_S, data))

    async def run(self) -> None:
        """Deliver until the end has arrived."""
        while True:
            due_s, data = await self._pieces.get()
            await asyncio.sleep(due_s - self._loop.time())
            self._deliver(data)
            if not data:
                return


class Bastion(asyncssh.SSHServer):
    """Runs the commands of the demo's one client as its own user, and forwards to the nodes of its site."""

    def __init__(self, ports: Collection[int], running: set[asyncio.Task[None]]) -> None:
        self._ports = ports
        self._running = running

    def session_requested(self) -> "BastionSession":
        """Open a session with a command."""
        return BastionSession(self._running)

    def connection_requested(
        self, dest_host: str, dest_port: int, _orig_host: str, _orig_port: int
    ) -> "Callable[[asyncssh.SSHReader[bytes], asyncssh.SSHWriter[bytes]], Awaitable[None]] | bool":
        """Forward a connection to a node of the site, and none elsewhere."""
        if dest_host != ADDRESS or dest_port not in self._ports:
            return False

        async def forward(reader: "asyncssh.SSHReader[bytes]", writer: "asyncssh.SSHWriter[bytes]") -> None:
            near_reader, near_writer = await asyncio.open_connection(dest_host, dest_port)
            there, back = LongPath(near_writer.write), LongPath(writer.write)
            ways = [asyncio.create_task(way.run()) for way in (there, back)]
            try:
                # Either end may close: then the other has nothing left to say.
                await asyncio.wait(
                    [
                        asyncio.create_task(_sent(reader, there)),
                        asyncio.create_task(_sent(near_reader, back)),
                    ],
                    return_when=asyncio.FIRST_COMPLETED,
                )
                await asyncio.sleep(ONE_WAY_S)
            finally:
                for way in ways:
                    way.cancel()
                near_writer.close()
                writer.close()

        return forward


async def _sent(reader: "asyncssh.SSHReader[bytes] | asyncio.StreamReader", path: LongPath) -> None:
    """Send all data of a reader on its way."""
    with suppress(OSError, asyncssh.Error):
        while data := await reader.read(READ_BYTES):
            path.put(data)


class BastionSession(asyncssh.SSHServerSession[bytes]):
    """One command of the client, which is skewmon's relay; ``running`` holds it until it has ended."""

    def __init__(self, running: set[asyncio.Task[None]]) -> None:
        self._all = running
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None
        self._command = ""
        self._stdin: asyncio.StreamWriter | None = None
        self._there = LongPath(self._write)
        self._running: asyncio.Task[None] | None = None

    def connection_made(self, chan: "asyncssh.SSHServerChannel[bytes]") -> None:
        """Keep the channel for the output."""
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        """Take any command."""
        self._command = command
        return True

    def session_started(self) -> None:
        """Start the command; input waits for it."""
        self._running = asyncio.create_task(self._run())
        self._all.add(self._running)
        self._running.add_done_callback(self._all.discard)

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """Send input on its way."""
        self._there.put(data)

    def eof_received(self) -> bool:
        """End the input; the output goes on."""
        self._there.put(b"")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """End the command with its connection."""
        if self._running is not None:
            self._running.cancel()

    async def _run(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", self._command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin = process.stdin
        back = LongPath(self._send)
        ways = [asyncio.create_task(way.run()) for way in (self._there, back)]
        try:
            while data := await process.stdout.read(READ_BYTES):
                back.put(data)
            back.put(b"")
            await ways[1]
        finally:
            for way in ways:
                way.cancel()
            process.stdin.close()
            with suppress(ProcessLookupError):  # the shell and the relay that it started
                os.killpg(process.pid, signal.SIGKILL)
            await process.stdout.read()  # to its end, so that the pipe is closed
            await process.wait()

    def _write(self, data: bytes) -> None:
        assert self._stdin is not None
        if data:
            self._stdin.write(data)
        else:
            self._stdin.close()

    def _send(self, data: bytes) -> None:
        if self._channel is None or self._channel.is_closing():
            return
        if data:
            self._channel.write(data)
        else:
            self._channel.exit(0)
