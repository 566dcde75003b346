"""A node that answers honestly and floods, in a process of its own, so that its cost is no other's.

``python -m tests.fleet.flooder DIRECTORY ADDRESS KIND`` prints its port and runs until its input ends.
"""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh
from asyncssh.packet import Boolean, String, UInt32

from tests.fleet.scripted import ScriptedNode, Session
from tests.probe.hostile import Liar

#: Packets between two looks at whether the client takes them.
BATCH = 64

#: So much waits to be sent at most: more than a client that reads at all leaves there.
BACKLOG_BYTES = 1 << 20

#: A node on an overloaded machine answers, after this long.
SLOW_S = 1.35


def _ignore(process: "asyncssh.SSHServerProcess[bytes]") -> None:
    process.channel.get_connection().send_packet(2, String(b""))


def _large_ignore(process: "asyncssh.SSHServerProcess[bytes]") -> None:
    process.channel.get_connection().send_packet(2, String(bytes(30_000)))


def _debug(process: "asyncssh.SSHServerProcess[bytes]") -> None:
    process.channel.get_connection().send_packet(4, Boolean(False), String(b""), String(b""))


def _global_request(process: "asyncssh.SSHServerProcess[bytes]") -> None:
    process.channel.get_connection().send_packet(80, String(b"flood@example.com"), Boolean(True))


def _window_adjust(process: "asyncssh.SSHServerProcess[bytes]") -> None:
    process.channel.send_packet(93, UInt32(1))


PACKETS: "dict[str, Callable[[asyncssh.SSHServerProcess[bytes]], None]]" = {
    "ignore": _ignore,
    "large-ignore": _large_ignore,
    "debug": _debug,
    "global-request": _global_request,
    "window-adjust": _window_adjust,
}


async def _send_for_ever(
    session: Session, send: "Callable[[asyncssh.SSHServerProcess[bytes]], None]"
) -> None:
    """Send packets as fast as the client takes them."""
    process = session._process
    transport = process.channel.get_connection()._transport
    while transport is not None and not transport.is_closing():
        for _ in range(BATCH):
            if not transport.is_closing():
                send(process)
        while transport.get_write_buffer_size() > BACKLOG_BYTES:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)


def _flooding(kind: str) -> Callable[[Session], Awaitable[None]]:
    async def script(session: Session) -> None:
        flood = asyncio.create_task(_send_for_ever(session, PACKETS[kind]))
        try:
            await Liar()(session)
        finally:
            flood.cancel()

    return script


async def _slow(session: Session) -> None:
    answer = Liar()

    class Slow(Session):
        async def write(self, data: bytes) -> None:
            await asyncio.sleep(SLOW_S)
            await session.write(data)

    await answer(Slow(session._process))


async def _status_errors(session: Session) -> None:
    """Answer the clock's session honestly, and shout in the status session."""
    first = await session.read_line()
    if first.split()[-1] != b"status":
        await Liar(nonce=first.split()[2].decode())(session)
    while True:
        await session.complain(b"x" * 1000)


SCRIPTS: dict[str, Callable[[Session], Awaitable[None]]] = {
    **{kind: _flooding(kind) for kind in PACKETS},
    "slow": _slow,
    "status-errors": _status_errors,
}


@dataclass(frozen=True)
class Flooder:
    """The address and login of a flooding node."""

    name: str
    address: str
    port: int
    identity: Path
    known_hosts: Path


@contextmanager
def flooder(kind: str, directory: Path, address: str = "127.0.3.9") -> Iterator[Flooder]:
    """Run a node that floods in one way."""
    directory.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fleet.flooder", str(directory), address, kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    try:
        port = int(process.stdout.readline())
        yield Flooder(kind, address, port, directory / "id_ed25519", directory / "known_hosts")
    finally:
        process.stdin.close()
        process.stdout.close()
        process.kill()
        process.wait()


async def _main(directory: str, address: str, kind: str) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def watch() -> None:
        sys.stdin.buffer.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=watch, daemon=True).start()
    async with ScriptedNode(SCRIPTS[kind], address=address, directory=Path(directory)) as node:
        print(node.port, flush=True)
        await ended.wait()


if __name__ == "__main__":
    # The client refuses each global request, which asyncssh would take for a breach of the protocol.
    asyncssh.connection.SSHConnection._packet_handlers[82] = lambda *_: True
    asyncio.run(_main(*sys.argv[1:]))
