"""Simulated nodes: thousands of SSH servers in a few processes, for what the client's side costs.

Real are the SSH protocol, its encryption and the TCP connections (asyncssh as the server). Simulated is all
behind the login: no shell and no program is started. The server's process reads its own clocks and answers in
the protocol of the node-side program; the status output is that of this machine, read once in each process.
All nodes of a process share one host key; by its clocks, each is a machine of its own that is never wrong.

``python -m tests.bench.simulated PUBLIC_KEY`` serves until its standard input ends; it prints its port and
its host key. The port is open on the loopback interface alone, at each address of 127.0.0.0/8. On request it
drops a connection, or steps the clock of a node, every so many seconds.
"""

import argparse
import asyncio
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import asyncssh

from skewmon.probe.metering import send_no_ignore_packets
from skewmon.probe.wire import greeting
from skewmon.timesync import script

#: Takes the place of the nonce in the status output that is kept.
ANY_NONCE = "anynonce"

#: A stepped clock is so far off, one way or the other, until it is stepped back.
STEP_NS = 100_000_000

#: Connections that wait to be accepted: a client may open its hundreds of handshakes at once.
BACKLOG = 1024

HELLO = (
    "\nSKEWMON1 {nonce} hello probe=python3 real=0,1 raw=0,1 mono=0,1 boot=0,1 boot_id={id} clocksource=tsc\n"
)


class Door(asyncssh.SSHServer):
    """Accepts one key; each connection is another node, by its address."""

    def __init__(self, key: bytes, status: bytes, nodes: "Nodes") -> None:
        self._key = key
        self._status = status
        self._nodes = nodes
        self._address = ""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Note the node's address."""
        self._address = conn.get_extra_info("sockname")[0]
        self._nodes.connections[self._address] = conn
        send_no_ignore_packets(conn)  # nor does sshd

    def public_key_auth_supported(self) -> bool:
        """Let the client show its key."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Accept the one key."""
        return key.public_data == self._key

    def session_requested(self) -> "Command":
        """Accept a session."""
        return Command(self._address, self._status, self._nodes)


class Nodes:
    """The nodes of this process: their latest connections, and how far their clocks were stepped."""

    def __init__(self) -> None:
        self.connections: dict[str, asyncssh.SSHServerConnection] = {}
        self.stepped_ns: dict[str, int] = {}

    async def drop(self, every_s: float) -> None:
        """Lose a connection now and then."""
        while True:
            await asyncio.sleep(every_s)
            if self.connections:
                self.connections[random.choice([*self.connections])].abort()

    async def step(self, every_s: float) -> None:
        """Step a clock now and then, and step it back as often."""
        while True:
            await asyncio.sleep(every_s)
            if self.stepped_ns:
                self.stepped_ns.popitem()
            elif self.connections:
                self.stepped_ns[random.choice([*self.connections])] = random.choice((-STEP_NS, STEP_NS))


class Command(asyncssh.SSHServerSession[bytes]):
    """A shell that reads a script from its input and answers as the script would."""

    def __init__(self, address: str, status: bytes, nodes: Nodes) -> None:
        self._address = address
        self._nodes = nodes
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
        stepped_ns = self._nodes.stepped_ns.get(self._address, 0)
        real, raw = read(time.CLOCK_REALTIME) + stepped_ns, read(time.CLOCK_MONOTONIC_RAW)
        mono, boot = read(time.CLOCK_MONOTONIC), read(time.CLOCK_BOOTTIME)
        raw_out, real_out = read(time.CLOCK_MONOTONIC_RAW), read(time.CLOCK_REALTIME) + stepped_ns
        reply = b" %d %d %d %d %d %d\n" % (real, raw, mono, boot, raw_out, real_out)
        self._channel.write(request.rstrip() + reply)


def listening() -> socket.socket:
    """Return a socket that takes connections to every address of this machine's loopback interface alone."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    listener.bind(("0.0.0.0", 0))  # of the loopback interface
    listener.listen(BACKLOG)
    return listener


async def serve(public_key: Path, drop_every_s: float, step_every_s: float) -> None:
    """Serve until the standard input ends."""
    accepted = asyncssh.read_public_key(public_key).public_data
    status = subprocess.run(
        ["/bin/sh"], input=script.script(ANY_NONCE).encode(), capture_output=True, check=False
    ).stdout
    nodes = Nodes()
    host_key, listener = asyncssh.generate_private_key("ssh-ed25519"), listening()
    works = ((nodes.drop, drop_every_s), (nodes.step, step_every_s))
    async with asyncssh.listen(
        sock=listener,
        server_factory=lambda: Door(accepted, status, nodes),
        server_host_keys=[host_key],
        encoding=None,
    ):
        public = host_key.export_public_key().decode().split()
        print(listener.getsockname()[1], *public[:2], flush=True)
        trouble = [asyncio.create_task(work(every_s)) for work, every_s in works if every_s]
        await asyncio.to_thread(sys.stdin.read)
        for task in trouble:
            task.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.simulated")
    parser.add_argument("public_key", type=Path)
    parser.add_argument("--drop-every", type=float, default=0)
    parser.add_argument("--step-every", type=float, default=0)
    options = parser.parse_args()
    asyncio.run(serve(options.public_key, options.drop_every, options.step_every))
