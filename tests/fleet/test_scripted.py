"""The scripted node is a real SSH server that follows its script."""

import asyncio
from pathlib import Path

import asyncssh
import pytest

from tests.fleet.scripted import ScriptedNode, Session, hang, raw


def connect(node: ScriptedNode) -> "asyncssh.connection._ACMWrapper[asyncssh.SSHClientConnection]":
    return asyncssh.connect(
        node.address,
        node.port,
        username=node.user,
        client_keys=[str(node.identity)],
        known_hosts=str(node.known_hosts),
        config=None,
        agent_path=None,
    )


async def test_answers_line_by_line(tmp_path: Path) -> None:
    """A session reads the client's input and answers."""

    async def shout(session: Session) -> None:
        while line := await session.read_line():
            await session.write(line.upper())
        session.exit(3)

    async with ScriptedNode(shout, directory=tmp_path) as node, connect(node) as connection:
        done = await connection.run("anything", input="one\ntwo\n")
        assert (done.stdout, done.exit_status) == ("ONE\nTWO\n", 3)


async def test_truncates_a_line_and_drops_the_connection(tmp_path: Path) -> None:
    """The connection ends in the middle of a line, without an exit code."""

    async def die(session: Session) -> None:
        await session.write(b"SKEWMON1 half a li")
        await session.read_line()
        session.drop()

    async with ScriptedNode(die, directory=tmp_path) as node, connect(node) as connection:
        process = await connection.create_process("anything")
        assert await process.stdout.readexactly(18) == "SKEWMON1 half a li"
        process.stdin.write("now\n")
        await connection.wait_closed()
        assert process.exit_status is None


async def test_floods_only_as_fast_as_the_client_reads(tmp_path: Path) -> None:
    """A flood is endless, and held back by the client's window instead of by memory."""
    written = 0

    async def flood(session: Session) -> None:
        nonlocal written
        while True:
            await session.write(b"x" * 65536)
            written += 65536

    async with ScriptedNode(flood, directory=tmp_path) as node, connect(node) as connection:
        process = await connection.create_process("anything")
        await process.stdout.readexactly(1 << 20)
        connection.abort()
    assert written < 1 << 25


async def test_hangs_in_a_session_and_in_login(tmp_path: Path) -> None:
    """Neither a session nor a login that hangs keeps the test from ending."""
    async with ScriptedNode(hang, directory=tmp_path) as node, connect(node) as connection:
        process = await connection.create_process("anything")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process.stdout.read(1), 0.05)

    forever = asyncio.Event()
    async with ScriptedNode(directory=tmp_path, before_login=forever.wait) as node:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connect(node), 0.2)
    assert node.logins == 1


async def test_shows_another_host_key_and_refuses_keys(tmp_path: Path) -> None:
    """A node with a wrong host key and one that refuses the client's key have different reasons."""
    async with ScriptedNode(directory=tmp_path, wrong_host_key=True) as node:
        with pytest.raises(asyncssh.HostKeyNotVerifiable):
            await connect(node)
    async with ScriptedNode(directory=tmp_path, accepts_key=False) as node:
        with pytest.raises(asyncssh.PermissionDenied):
            await connect(node)


async def test_speaks_no_ssh_at_all() -> None:
    """A bare TCP script is in charge from the first byte."""

    async def mail_server(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n")
        await asyncio.Event().wait()

    async with raw(mail_server) as port:
        reader, writer = await asyncio.open_connection("127.0.3.1", port)
        assert await reader.readline() == b"220 mail.example.com ESMTP\r\n"
        writer.close()
        await writer.wait_closed()
