"""The floor: a bare TCP echo on the same path, stamped as well as a program can stamp.

Started as a program it is the server: it prints its port and echoes its input.
"""

import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fleet.clocks import base_ns

#: Linux's number on x86 and ARM; Python has no name for it.
SO_TIMESTAMPNS = 35

TIMESPEC = struct.Struct("qq")
NS_PER_S = 1_000_000_000

#: The size of a request of skewmon's on the wire, so that the path does the same work.
REQUEST = b"x" * 64


def serve(address: str) -> None:
    """Echo the input of one client until it closes."""
    listener = socket.create_server((address, 0))
    print(listener.getsockname()[1], flush=True)
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := connection.recv(4096):
        connection.sendall(data)


@contextmanager
def connected(address: str, *, cores: int) -> Iterator[socket.socket]:
    """Start the server in a process of its own and connect to it, both on one core or each on its own.

    Left to itself, the kernel may choose either: on one core nobody has to wake another processor.
    """
    allowed = os.sched_getaffinity(0)
    of_client, of_server = min(allowed), max(allowed) if cores > 1 else min(allowed)
    command = [sys.executable, "-m", "tests.bench.echo", address]
    os.sched_setaffinity(0, {of_client})
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
            assert server.stdout
            port = int(server.stdout.readline())
            os.sched_setaffinity(server.pid, {of_server})
            with socket.create_connection((address, port)) as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
                yield client
    finally:
        os.sched_setaffinity(0, allowed)


def round_trip_ns(client: socket.socket) -> int:
    """Send one request and return when the kernel had the echo, after it was sent."""
    parts: list[tuple[int, int, bytes]] = []
    while not parts:  # the kernel begins to stamp a moment after it was asked to
        sent = base_ns()
        client.sendall(REQUEST)
        _, parts, _, _ = client.recvmsg(4096, 128)
        wall = time.time_ns()
        now = base_ns()
    seconds, nanoseconds = TIMESPEC.unpack(parts[0][2][: TIMESPEC.size])
    return now - (wall - seconds * NS_PER_S - nanoseconds) - sent


def best_of(client: socket.socket, samples: int) -> int:
    """Return the shortest of a burst of round trips."""
    return min(round_trip_ns(client) for _ in range(samples))


if __name__ == "__main__":
    serve(sys.argv[1])
