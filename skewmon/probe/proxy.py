"""A ProxyCommand: a program that carries the bytes of one connection, over TCP on loopback.

Over pipes there would be no kernel stamps. A reply is stamped when the command hands it over, which is later
than its arrival: that makes the interval wider and never wrong.
"""

import asyncio
import contextlib
import getpass
import os
import re
import shlex
import signal
import socket
from dataclasses import dataclass
from typing import BinaryIO

import asyncssh

from skewmon.errors import ConnectError, NodeError, Reason
from skewmon.model import SshSettings
from skewmon.probe.clocks import ArrivalClock
from skewmon.probe.exhaustion import out_of_files
from skewmon.probe.faults import quoted
from skewmon.probe.stamped_socket import StampedSocket
from skewmon.runtime.command import CHUNK_BYTES, kill_group

#: The reason for a failure is in the last lines of standard error.
MAX_COMPLAINT_BYTES = 2048
COMPLAINT_LINES = 2

#: After more than that at once the rest has to wait, and so has the command, at some 10 MB a second. Without
#: a pause, a flood would cost a whole processor.
FLOOD_PAUSE_S = 0.005

#: A command that lost its connection prints the reason and exits at once.
LAST_WORDS_S = 1.0

#: The output of a command that has exited is in the pipe already; a process that it left may keep it open.
DRAIN_S = 0.1

#: For a command to end by itself, before it is killed.
GRACE_S = 2.0

#: Failures whose cause may be the command; every other reason is one of the node's own.
UNCLEAR = frozenset({Reason.DISCONNECTED, Reason.NOT_SSH, Reason.LOGIN_TIMEOUT})


class Proxy:
    """A running command and the socket that stamps its bytes."""

    def __init__(self, stamps: StampedSocket, process: asyncio.subprocess.Process, words: "_Words") -> None:
        self.stamps = stamps
        self._process = process
        self._words = words
        self._complaint = bytearray()
        self._tasks = [asyncio.create_task(work()) for work in (self._read, self._hang_up)]

    @classmethod
    async def start(cls, name: str, address: str, ssh: SshSettings, arrivals: ArrivalClock) -> "Proxy":
        """Start the command of a node's settings; raise ConnectError if that fails."""
        assert ssh.proxy_command is not None
        user = ssh.user or getpass.getuser()
        command = expanded(ssh.proxy_command, name, address, ssh.port, user)
        stamps = StampedSocket(socket.AF_INET, arrivals)
        try:
            words, complaint = await _pipe()
            with complaint, await _other_end(stamps) as end:
                process = await asyncio.create_subprocess_exec(
                    *("/bin/sh", "-c", f"exec {command}"),
                    stdin=end.fileno(),
                    stdout=end.fileno(),
                    stderr=complaint,
                    start_new_session=True,
                )
        except BaseException as error:
            stamps.close()
            if isinstance(error, OSError):
                raise out_of_files(error) or ConnectError(
                    Reason.PROXY_FAILED,
                    f"The proxy command cannot be started: {error.strerror or error}.",
                    "It needs /bin/sh and a connection over loopback.",
                ) from None
            raise
        return cls(stamps, process, words)

    async def explained(self, error: NodeError) -> NodeError:
        """Return a failed login's error, with the command's own message if it may be the cause."""
        if error.reason not in UNCLEAR:
            return error
        await asyncio.wait(self._tasks, timeout=LAST_WORDS_S, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(self._tasks, timeout=DRAIN_S)
        happened = {
            Reason.DISCONNECTED: f"The proxy command ended with exit status {self._process.returncode}.",
            Reason.LOGIN_TIMEOUT: "The proxy command led to no login in time.",
        }.get(error.reason, error.detail)
        lines = [
            line.strip() for line in self._complaint.decode(errors="replace").splitlines() if line.strip()
        ]
        words = f" It said: {quoted('; '.join(lines[-COMPLAINT_LINES:]))}" if lines else ""
        return ConnectError(
            Reason.PROXY_FAILED,
            f"{happened}{words}",
            "Try the command by itself: it has to print the greeting of the node's SSH server.",
        )

    async def serve(self, connection: asyncssh.SSHClientConnection | None) -> None:
        """Wait until the connection is closed, or do not wait without one; then end the command."""
        try:
            if connection is not None:
                await connection.wait_closed()
        finally:
            kill_group(self._process.pid, signal.SIGTERM)
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(GRACE_S):
                        await self._process.wait()
            finally:
                kill_group(self._process.pid)
                for task in self._tasks:
                    task.cancel()
                self._words.transport.close()  # an ssh master that left the group keeps the other end

    async def _read(self) -> None:
        """Keep the end of standard error."""
        while chunk := await self._words.reader.read(CHUNK_BYTES):
            self._complaint += chunk
            del self._complaint[:-MAX_COMPLAINT_BYTES]
            if len(chunk) > MAX_COMPLAINT_BYTES:
                await asyncio.sleep(FLOOD_PAUSE_S)

    async def _hang_up(self) -> None:
        """End the connection when the command ends; a process that it left may still hold the other end."""
        await self._process.wait()
        with contextlib.suppress(OSError):  # closed already
            self.stamps.shutdown(socket.SHUT_RD)


@dataclass(frozen=True, slots=True)
class _Words:
    """The end of a pipe that is read."""

    reader: asyncio.StreamReader
    transport: asyncio.ReadTransport


async def _pipe() -> tuple[_Words, BinaryIO]:
    """Return both ends of a pipe.

    Not one of asyncio's subprocess: Python 3.11 waits for the end of that pipe before it reports the exit.
    """
    near, far = os.pipe()
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(near, "rb", buffering=0)
    )
    return _Words(reader, transport), os.fdopen(far, "wb", buffering=0)


async def _other_end(stamps: StampedSocket) -> socket.socket:
    """Connect the socket over loopback and return its other end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        await asyncio.get_running_loop().sock_connect(stamps, server.getsockname())
        while True:  # another user of this machine may have connected first
            end, peer = server.accept()
            if peer == stamps.getsockname():
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return end
            end.close()


def expanded(command: str, name: str, address: str, port: int, user: str) -> str:
    """Return a command with ``%h %n %p %r %%`` replaced.

    Raises ConnectError for another token and for a value that a shell would not take literally: a name may
    come from an inventory on the network.
    """
    values = {"%": "%", "h": address, "n": name, "p": str(port), "r": user}

    def replaced(part: re.Match[str]) -> str:
        value = values.get(part[1])
        if value is None or (part[1] != "%" and shlex.quote(value) != value):
            raise ConnectError(
                Reason.PROXY_FAILED,
                f"{quoted(part[0] if value is None else value)} cannot stand in a proxy command.",
                "Its tokens are %h, %n, %p, %r and %%; names in it have no character special to a shell.",
            )
        return value

    return re.sub("%(.?)", replaced, command)
