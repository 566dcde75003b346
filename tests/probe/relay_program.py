"""The relay program itself, without SSH: started by a shell, spoken to in frames."""

import os
import select
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from skewmon.probe import programs, relay_wire
from skewmon.probe.relay_wire import Frame, Frames, Hello, Kind
from skewmon.probe.wire import new_nonce
from tests.fleet.node import path_without

#: Far more than any answer takes on a busy machine.
PATIENCE_S = 30.0

#: Programs that PATH lacks, by the rung that is left.
WITHOUT: dict[str, tuple[str, ...]] = {"python3": (), "perl": ("python", "platform-python", "pypy")}


class RelayProgram:
    """A running relay; ``hello`` is its introduction."""

    def __init__(self, process: "subprocess.Popen[bytes]", nonce: str, hello: Hello) -> None:
        assert process.stdin
        assert process.stdout
        self.hello = hello
        self.process = process
        self._nonce = nonce
        self._input, self._output = process.stdin.fileno(), process.stdout.fileno()
        self._frames = Frames()
        self._waiting: deque[Frame] = deque()

    def start(self) -> None:
        """Send the line after which frames follow."""
        self.send(relay_wire.start(self._nonce))

    def send(self, data: bytes) -> None:
        """Write bytes, however long the relay takes; what it answers meanwhile is kept."""
        while data:
            readable, writable, _ = select.select([self._output], [self._input], [], PATIENCE_S)
            assert readable or writable, "the relay takes nothing"
            if readable:
                self._read()
            if writable:
                with suppress(BlockingIOError):
                    data = data[os.write(self._input, data) :]

    def put(self, kind: Kind, stream: int = 0, number: int = 0, payload: bytes = b"", turn: int = 0) -> None:
        """Send one frame."""
        self.send(relay_wire.frame(kind, stream, number, payload, turn))

    def ask(self, target: bytes, stream: int) -> Frame:
        """Ask for a connection and return the answer."""
        self.put(Kind.OPEN, stream, payload=target)
        return self.next(lambda frame: frame.stream == stream)

    def next(self, wanted: Callable[[Frame], bool]) -> Frame:
        """Return the next frame that is wanted; others stay."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            for frame in self._waiting:
                if wanted(frame):
                    self._waiting.remove(frame)
                    return frame
            assert time.monotonic() < deadline, self._waiting
            readable, _, _ = select.select([self._output], [], [], 1.0)
            if readable:
                assert self._read(), "the relay ended"

    def seen(self) -> list[Frame]:
        """Return the frames that have come and were not asked for."""
        return list(self._waiting)

    def ping(self, number: int) -> list[int]:
        """Return the relay's readings of its clocks."""
        self.put(Kind.PING, number=number)
        frame = self.next(lambda frame: frame.kind is Kind.PING and frame.number == number)
        return [int(word) for word in frame.payload.split()]

    def resident_bytes(self) -> int:
        """Return the resident memory of the program, without that of its shell."""
        return max(_resident_bytes(pid) for pid in self._family())

    def _family(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [self.process.pid, *map(int, children.split())]

    def _read(self) -> bytes:
        data = os.read(self._output, 1 << 16)
        self._waiting += self._frames.feed(data)
        return data


def _resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) * 1024


@contextmanager
def running_relay(
    rung: str, command: Sequence[str] = ("/bin/sh",), *, first: Path | None = None
) -> Iterator[RelayProgram]:
    """Start a relay by its script, or an installed one; end it if the test has not.

    Programs in ``first`` go before those of the machine.
    """
    nonce = new_nonce()
    path = ":".join(str(one) for one in (first, path_without(WITHOUT[rung])) if one)
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PATH": path},
    )
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write(programs.relay_script(nonce).encode())
        process.stdin.flush()
        hello = None
        while hello is None:
            line = process.stdout.readline()
            assert line, "the relay said no hello"
            hello = relay_wire.parse_hello(nonce, line.decode())
        os.set_blocking(process.stdin.fileno(), False)
        yield RelayProgram(process, nonce, hello)
    finally:
        process.kill()
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        process.wait()


@contextmanager
def listening(address: str = "127.0.0.1") -> Iterator[socket.socket]:
    """Listen at a free port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server:
        server.settimeout(PATIENCE_S)
        yield server


def target_of(server: socket.socket) -> bytes:
    """Return the target of a listening socket."""
    address, port = server.getsockname()[:2]
    return f"{address} {port}".encode()
