"""A real ssh-agent with keys, and one in front of it that also has a key on a security token."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

#: The messages of draft-ietf-sshm-ssh-agent, 3 and 5, that the token's agent answers itself.
SIGN_REQUEST, IDENTITIES_ANSWER = 13, 12


@contextmanager
def agent(*keys: Path) -> Iterator[str]:
    """Start an agent that holds these keys and yield its socket."""
    printed = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    words = dict(part.split("=", 1) for part in printed.replace("\n", ";").split(";") if "=" in part)
    environment = {**os.environ, **{name: words[name] for name in ("SSH_AUTH_SOCK", "SSH_AGENT_PID")}}
    try:
        for key in keys:
            subprocess.run(["ssh-add", "-q", str(key)], env=environment, check=True, capture_output=True)
        yield words["SSH_AUTH_SOCK"]
    finally:
        os.kill(int(words["SSH_AGENT_PID"]), 15)


@asynccontextmanager
async def with_token(token: bytes, behind: str, place: Path) -> AsyncIterator[str]:
    """Serve the agent at the socket ``behind``, with a token's key before its own that is never touched."""
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        serving.add(task)
        real_reader, real_writer = await asyncio.open_unix_connection(behind)
        try:
            await _relay(reader, writer, real_reader, real_writer, token)
        except (asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            real_writer.close()
            for one in (writer, real_writer):
                with suppress(ConnectionError):
                    await one.wait_closed()

    async with await asyncio.start_unix_server(serve, str(place)):
        yield str(place)
    for task in serving:
        task.cancel()
    await asyncio.gather(*serving, return_exceptions=True)


async def _relay(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    real_reader: asyncio.StreamReader,
    real_writer: asyncio.StreamWriter,
    token: bytes,
) -> None:
    while True:
        request = await _message(reader)
        if request[0] == SIGN_REQUEST and request[1:].startswith(_string(token)):
            await reader.read()  # waits for a touch until the client leaves
        real_writer.write(_string(request))
        answer = await _message(real_reader)
        if answer[0] == IDENTITIES_ANSWER:
            count = int.from_bytes(answer[1:5], "big") + 1
            added = _string(token) + _string(b"token")
            answer = bytes((answer[0],)) + count.to_bytes(4, "big") + added + answer[5:]
        writer.write(_string(answer))


async def _message(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data
