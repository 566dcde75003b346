"""Simulated nodes: thousands of SSH servers in a few processes, for what the client's side costs.

Real are the SSH protocol, its encryption and the TCP connections (asyncssh as the server). Simulated is all
behind the login: no shell and no program is started. The server's process reads its own clocks and answers in
the protocol of the node-side program; the status output is that of this machine, read once in each process.
All nodes of a process share one host key; by its clocks, each is a machine of its own that is never wrong.

``python -m tests.bench.simulated PUBLIC_KEY`` serves until its standard input ends; it prints its port and
its host key. The port is open on the loopback interface alone, at each address of 127.0.0.0/8.
"""

import asyncio
import socket
import subprocess
import sys
import time
from pathlib import Path

import asyncssh

from skewmon.probe.wire import greeting
from skewmon.timesync import script

#: Takes the place of the nonce in the status output that is kept.
ANY_NONCE = "anynonce"

#: Connections that wait to be accepted: a client may open its hundreds of handshakes at once.
BACKLOG = 1024

HELLO = (
    "\nSKEWMON1 {nonce} hello probe=python3 real=0,1 raw=0,1 mono=0,1 boot=0,1 boot_id={id} clocksource=tsc\n"
)


class Door(asyncssh.SSHServer):
    """Accepts one key; each connection is another node, by its address."""

    def __init__(self, key: bytes, status: bytes) -> None:
        self._key = key
        self._status = status
        self._address = ""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Note the node's address."""
        self._address = conn.get_extra_info("sockname")[0]

    def public_key_auth_supported(self) -> bool:
        """Let the client show its key."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Accept the one key."""
        return key.public_data == self._key

    def session_requested(self) -> "Command":
        """Accept a session."""
        return Command(self._address, self._status)


class Command(asyncssh.SSHServerSession[bytes]):
    """A shell that reads a script from its input and answers as the script would."""

    def __init__(self, address: str, status: bytes) -> None:
        self._boot_id = f"simulated-{address}"
        self._status = status
        self._input = b""
        self._nonce = b""

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """Keep the channel."""
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        """Accept a command."""
        return True

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """Answer a request at once; the script itself ends with the line that starts its program."""
        if self._nonce:
            self._answer(data)
            return
        self._input += data
        nonce = self._input.split(maxsplit=3)[2]
        begin = greeting(nonce.decode(), "clock").encode()
        if self._input.startswith(begin) and self._input.endswith(b"exit\n"):
            self._nonce, self._input = nonce, b""
            self._channel.write(HELLO.format(nonce=nonce.decode(), id=self._boot_id).encode())

    def eof_received(self) -> bool:
        """Print the status output once the script is complete, and end."""
        if not self._nonce:
            nonce = self._input.split(maxsplit=3)[2]
            self._channel.write(self._status.replace(ANY_NONCE.encode(), nonce))
        self._channel.exit(0)
        return False

    def _answer(self, request: bytes) -> None:
        read = time.clock_gettime_ns
        real, raw = read(time.CLOCK_REALTIME), read(time.CLOCK_MONOTONIC_RAW)
        mono, boot = read(time.CLOCK_MONOTONIC), read(time.CLOCK_BOOTTIME)
        raw_out, real_out = read(time.CLOCK_MONOTONIC_RAW), read(time.CLOCK_REALTIME)
        reply = b" %d %d %d %d %d %d\n" % (real, raw, mono, boot, raw_out, real_out)
        self._channel.write(request.rstrip() + reply)


def listening() -> socket.socket:
    """Return a socket that takes connections to every address of this machine's loopback interface alone."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    listener.bind(("0.0.0.0", 0))  # of the loopback interface
    listener.listen(BACKLOG)
    return listener


async def serve(public_key: Path) -> None:
    """Serve until the standard input ends."""
    accepted = asyncssh.read_public_key(public_key).public_data
    status = subprocess.run(
        ["/bin/sh"], input=script.script(ANY_NONCE).encode(), capture_output=True, check=False
    ).stdout
    host_key, listener = asyncssh.generate_private_key("ssh-ed25519"), listening()
    async with asyncssh.listen(
        sock=listener,
        server_factory=lambda: Door(accepted, status),
        server_host_keys=[host_key],
        encoding=None,
    ):
        public = host_key.export_public_key().decode().split()
        print(listener.getsockname()[1], *public[:2], flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
