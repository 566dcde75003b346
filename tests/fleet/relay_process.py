"""The process behind ``relay.py``: one thread, one select loop, because asyncio wakes only at milliseconds.

Started as ``relay_process.py ADDRESS TARGET_ADDRESS TARGET_PORT``; prints the port it listens on, then takes
one JSON object a line and answers each with ``ok`` once it holds. Ends when its standard input does.
"""

import ctypes
import json
import random
import select
import socket
import struct
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

#: Bytes that one direction holds back before it stops reading, like a window.
BUFFER_BYTES = 4 << 20

READ_BYTES = 1 << 16

#: prctl's name for "how late the kernel may wake this thread"; the default of 50 µs is half our precision.
PR_SET_TIMERSLACK = 29

NS_PER_S = 1_000_000_000

#: A close that answers with a reset instead of an orderly end.
RESET = struct.pack("ii", 1, 0)


@dataclass
class Settings:
    """The delays and losses of one direction."""

    delay_ns: int = 0
    jitter_ns: int = 0
    bytes_per_s: int = 0
    stalled: bool = False
    dropping: bool = False
    dice: random.Random = field(default_factory=lambda: random.Random(1))


class Direction:
    """One way of one connection: an ordered queue of chunks and when each may go on."""

    def __init__(self, source: socket.socket, sink: socket.socket, settings: Settings) -> None:
        self.source, self.sink, self.settings = source, sink, settings
        self.queue: deque[tuple[int, bytes]] = deque()  # an empty chunk is the end
        self.held = 0
        self.last_due_ns = 0
        self.ended = False
        self.done = False

    def wants_input(self) -> bool:
        return not self.ended and self.held < BUFFER_BYTES

    def take(self, now_ns: int) -> None:
        """Read the waiting bytes and schedule them, never before earlier ones."""
        chunk = self.source.recv(READ_BYTES)
        self.ended = not chunk
        if self.settings.dropping and chunk:
            return
        jitter_ns = self.settings.dice.randint(0, self.settings.jitter_ns)
        due_ns = max(now_ns + self.settings.delay_ns + jitter_ns, self.last_due_ns)
        if self.settings.bytes_per_s:
            due_ns += len(chunk) * NS_PER_S // self.settings.bytes_per_s
        self.last_due_ns = due_ns
        self.queue.append((due_ns, chunk))
        self.held += len(chunk)

    def due_ns(self) -> int | None:
        """Return the time of the next chunk, or None if nothing waits."""
        return self.queue[0][0] if self.queue and not self.settings.stalled else None

    def give(self, now_ns: int) -> bool:
        """Send the chunks that are due; return whether the sink has to drain first."""
        while (due_ns := self.due_ns()) is not None and due_ns <= now_ns:
            _, chunk = self.queue[0]
            if not chunk:
                self.sink.shutdown(socket.SHUT_WR)
                self.done = True
                self.queue.clear()
                return False
            try:
                sent = self.sink.send(chunk)
            except BlockingIOError:
                return True
            self.held -= sent
            if sent < len(chunk):
                self.queue[0] = (due_ns, chunk[sent:])
                return True
            self.queue.popleft()
        return False


class Connection:
    """Both directions of one connection."""

    def __init__(self, near: socket.socket, far: socket.socket, settings: dict[str, Settings]) -> None:
        self.near, self.far = near, far
        for side in (near, far):
            side.setblocking(False)
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        forward, backward = settings["forward"], settings["backward"]
        self.directions = (Direction(near, far, forward), Direction(far, near, backward))

    def close(self, *, reset: bool = False) -> None:
        for side in (self.near, self.far):
            if reset:
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            side.close()


class Relay:
    """The listener, its connections and the loop that wakes when the next chunk is due."""

    def __init__(self, address: str, target: tuple[str, int]) -> None:
        self.target = target
        self.settings = {"forward": Settings(), "backward": Settings()}
        self.connections: list[Connection] = []
        self.listener = socket.create_server((address, 0), backlog=1024)
        self.commands = sys.stdin.buffer.raw  # type: ignore[attr-defined]  # unbuffered, so that select works
        print(self.listener.getsockname()[1], flush=True)

    def run(self) -> None:
        while self.turn():
            pass

    def turn(self) -> bool:
        """Wait for the next thing to do and do it; False at the end of the commands."""
        now_ns = time.monotonic_ns()
        full = self.give(now_ns)
        readers = {d.source: (c, d) for c in self.connections for d in c.directions if d.wants_input()}
        waiting = [*readers, self.listener, self.commands]
        readable, _, _ = select.select(waiting, full, [], self.pause_s(full))
        now_ns = time.monotonic_ns()
        for source in readable:
            if source in readers:
                connection, direction = readers[source]
                self.guard(connection, direction.take, now_ns)
            elif source is self.listener:
                self.accept()
        return self.commands not in readable or self.obey()

    def give(self, now_ns: int) -> list[socket.socket]:
        """Send the chunks that are due; return the sinks that are full."""
        full = []
        for connection in list(self.connections):
            full += [d.sink for d in connection.directions if self.guard(connection, d.give, now_ns)]
            if all(direction.done for direction in connection.directions):
                self.forget(connection)
        return [sink for sink in full if sink.fileno() >= 0]

    def guard(self, connection: Connection, act: Any, now_ns: int) -> bool:
        """Act on a connection; one that broke is passed on as a reset to both sides."""
        if connection not in self.connections:
            return False
        try:
            return bool(act(now_ns))
        except OSError:
            self.forget(connection, reset=True)
            return False

    def forget(self, connection: Connection, *, reset: bool = False) -> None:
        self.connections.remove(connection)
        connection.close(reset=reset)

    def pause_s(self, full: list[socket.socket]) -> float | None:
        """Return how long nothing is due; a full sink wakes the loop by itself."""
        directions = [d for c in self.connections for d in c.directions if d.sink not in full]
        due = [due_ns for d in directions if (due_ns := d.due_ns()) is not None]
        return max(0, min(due) - time.monotonic_ns()) / NS_PER_S if due else None

    def accept(self) -> None:
        near, _ = self.listener.accept()
        try:
            far = socket.create_connection(self.target)
        except OSError:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            near.close()
            return
        self.connections.append(Connection(near, far, self.settings))

    def obey(self) -> bool:
        """Carry out the commands that have come; each fits into one read, as the other side waits for ok."""
        line = self.commands.read(READ_BYTES)
        if not line:
            return False
        command: dict[str, Any] = json.loads(line)
        if command.pop("cut", False):
            for connection in list(self.connections):
                self.forget(connection, reset=True)
        for way, values in command.items():
            for key, value in values.items():
                setattr(self.settings[way], key, value)
        print("ok", flush=True)
        return True


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    Relay(sys.argv[1], (sys.argv[2], int(sys.argv[3]))).run()
