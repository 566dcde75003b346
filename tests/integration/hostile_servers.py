"""Hostile nodes in a process of their own, so that their cost is not the daemon's.

The arguments are kinds. It prints one JSON line, the nodes as a configuration has them, and serves until its
standard input ends.
"""

import asyncio
import json
import os
import resource
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from tests.fleet.scripted import ScriptedNode, Session, raw
from tests.probe.hostile import FULL_HELLO, Liar, nonce_of

#: A flood goes on for as long as anything takes it.
PIECE = 65_536


async def hello(session: Session) -> str:
    """Introduce the program as an honest one does; return the nonce."""
    nonce = await nonce_of(session)
    await session.write(f"\nSKEWMON1 {nonce} {FULL_HELLO}\n".encode())
    return nonce


async def noise(session: Session) -> None:
    """Write random bytes without end."""
    await hello(session)
    while True:
        await session.write(os.urandom(PIECE))


async def lines(session: Session) -> None:
    """Write empty lines without end, before any introduction."""
    while True:
        await session.write(b"\n" * PIECE)


async def one_line(session: Session) -> None:
    """Write one line that never ends."""
    await hello(session)
    while True:
        await session.write(b"x" * PIECE)


async def complaints(session: Session) -> None:
    """Write to standard error without end."""
    await hello(session)
    while True:
        await session.complain(b"\x1b[2J\rlevel=error event=forged\n" * 2_000)


async def unsolicited(session: Session) -> None:
    """Write well-formed replies that were not asked for, without end."""
    nonce, liar, ident = await hello(session), Liar(), 0
    while True:
        replies = []
        for _ in range(500):
            ident += 1
            replies.append(liar.honest(nonce, ident))
        await session.write(b"".join(replies))


async def hellos(session: Session) -> None:
    """Introduce the program without end."""
    nonce = await nonce_of(session)
    while True:
        await session.write(f"SKEWMON1 {nonce} {FULL_HELLO}\n".encode() * 500)


async def drip(session: Session) -> None:
    """Answer, one byte at a time."""
    nonce, liar = await hello(session), Liar()
    while line := await session.read_line():
        for byte in liar.honest(nonce, int(line.split()[1])):
            await session.write(bytes([byte]))
            await asyncio.sleep(0.02)


async def deaf(session: Session) -> None:
    """Take nothing and say nothing after the introduction."""
    await hello(session)
    await asyncio.Event().wait()


async def leaving(session: Session) -> None:
    """End the connection as soon as it is used."""
    await hello(session)
    session.drop()


def forged(nonce: str, ident: int) -> bytes:
    """Return replies of other sessions, of the past and of the future, and no numbers."""
    other = "0" * len(nonce)
    return b"".join(
        (
            Liar().honest(other, ident),
            Liar().honest(nonce, ident - 1),
            Liar().honest(nonce, ident + 1),
            f"{nonce} {ident} nan inf -inf 1e9 0x10 ١\n".encode(),
        )
    )


async def big_banner(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Write lines before the version without end, as RFC 4253 allows some."""
    while True:
        writer.write(b"level=error event=forged\r\n" * 2_000)
        await writer.drain()


async def slow_version(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Write the version one byte at a time."""
    for byte in b"SSH-2.0-" + b"x" * 200:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.1)


Script = Callable[[Session], Awaitable[None]]

SCRIPTS: dict[str, Script] = {
    "noise": noise,
    "lines": lines,
    "one-line": one_line,
    "complaints": complaints,
    "unsolicited": unsolicited,
    "hellos": hellos,
    "drip": drip,
    "deaf": deaf,
    "leaving": leaving,
    "forged": Liar(reply=lambda liar, nonce, ident: forged(nonce, ident)),
    "wild": Liar(reply=lambda liar, n, i: f"{n} {i} {-(10**18) * i} 5 {10**19} -7 5 {10**18}\n".encode()),
}

RAW = {"big-banner": big_banner, "slow-version": slow_version}

KINDS = (*SCRIPTS, *RAW)


async def main(*kinds: str) -> None:
    """Serve a node of each kind."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    async with AsyncExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        nodes = []
        for number, kind in enumerate(kinds, start=1):
            address, directory = f"127.0.3.{number}", base / str(number)
            directory.mkdir()
            if kind in RAW:
                port = await stack.enter_async_context(raw(RAW[kind], address))
                nodes.append({"name": kind, "address": address, "port": port})
                continue
            node = await stack.enter_async_context(
                ScriptedNode(SCRIPTS[kind], address=address, directory=directory)
            )
            ssh = {
                "user": node.user,
                "identity": str(node.identity),
                "known_hosts": str(node.known_hosts),
            }
            nodes.append({"name": kind, "address": address, "port": node.port, "ssh": ssh})
        print(json.dumps(nodes), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
