"""Hostile answers of an http_sd server: each is refused with a reason, in bounded time and memory."""

import asyncio
import gzip
import json
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

#: The limit of time as it is, and one for the default run.
WHOLE_S, SHORT_S = 10.0, 1.0

#: On a busy machine.
SLACK_S = 5.0

#: Above a process that has read a small list.
GROWTH_BYTES_MAX = 73 * 1000 * 1000

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def fixed(body: bytes, *lines: str, status: str = "200 OK") -> Answer:
    """Return a server that sends this body with a right length."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines))
        writer.write(head.encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return answer


def endless(first: bytes, piece: bytes, pause_s: float = 0.0) -> Answer:
    """Return a server that sends ``first``, and then ``piece`` again and again."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return answer


async def silence(writer: asyncio.StreamWriter) -> None:
    """Answer nothing."""
    await asyncio.Event().wait()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """End the connection at once."""


OK = b"HTTP/1.1 200 OK\r\n"
GZIP = "Content-Encoding: gzip"
TARGETS = json.dumps([{"targets": [f"n{number}" for number in range(1_000_000)]}]).encode()

HOSTILE: dict[str, Answer] = {
    "silence": silence,
    "hang-up": hang_up,
    "redirect-loop": fixed(b"", "Location: /", status="302 Found"),
    "redirect-elsewhere": fixed(b"", "Location: file:///etc/passwd", status="302 Found"),
    "redirect-with-escapes": fixed(b"", "Location: http://\x1b[2J@h/", status="302 Found"),
    "endless-header": endless(OK, b"X: y\r\n"),
    "endless-header-line": endless(OK + b"X: ", b"y" * 1_000),
    "endless-body": endless(OK + b"\r\n", b" " * 65_536),
    "endless-chunks": endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"4\r\n    \r\n" * 1_000),
    "slow-drip": endless(OK + b"Content-Length: 1000000\r\n\r\n", b" ", 0.05),
    "gzip-bomb": fixed(gzip.compress(b" " * 500_000_000, 9), GZIP),
    "broken-gzip": fixed(b"\x1f\x8b\x08\0nonsense", GZIP),
    "million-targets": fixed(TARGETS),
    "deep-lists": fixed(b"[" * 1_000_000),
    "deep-objects": fixed(b'{"a":' * 500_000),
    "not-a-number": fixed(b'[{"targets": [NaN, Infinity]}]'),
    "wrong-type": fixed(b'{"targets": ["n1"]}'),
    "huge-number": fixed(b'[{"targets": [' + b"9" * 3_000_000 + b"]}]"),
    "newline-in-a-target": fixed(b'[{"targets": ["n1\\nlevel=error event=forged"]}]'),
    "escape-in-a-label": fixed(b'[{"targets": ["n1"], "labels": {"__ssh_user": "\\u001b[2J"}}]'),
    "escape-in-the-reason": fixed(b"", status="500 \x1b]0;owned\x07 level=error"),
}

#: Reads each URL of the arguments, all at once or alone, and prints the outcomes.
READ = textwrap.dedent("""
    import asyncio, json, re, sys, time
    from pathlib import Path
    from skewmon.config.schema import SourceSpec
    from skewmon.errors import InventoryError
    from skewmon.inventory import http_sd
    from skewmon.inventory.settings import Context
    from skewmon.model import SshSettings

    def peak():
        return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

    async def read(url):
        began = time.monotonic()
        try:
            listing = await http_sd.read(SourceSpec(http_sd=url), Context(SshSettings(user="root")))
            return [None, time.monotonic() - began, len(listing.nodes)]
        except InventoryError as error:
            return [str(error), time.monotonic() - began, 0]

    async def main(limit_s, plain, *urls):
        http_sd.TIMEOUT_S = float(limit_s)
        assert (await read(plain))[2] == 1
        held = peak()
        found = await asyncio.gather(*map(read, urls))
        print(json.dumps([found, peak() - held]))

    asyncio.run(main(*sys.argv[1:]))
""")


@asynccontextmanager
async def served(answer: Answer) -> AsyncIterator[str]:
    """Serve one answer, once the header of the request has come; yield the URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            await answer(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


async def read_alone(limit_s: float, *answers: Answer) -> tuple[list[tuple[str | None, float, int]], int]:
    """Let a process of its own read these answers; return refusal, seconds and nodes of each, and bytes."""
    async with AsyncExitStack() as stack:
        plain = fixed(b'[{"targets": ["n1"]}]')
        urls = [await stack.enter_async_context(served(answer)) for answer in (plain, *answers)]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", READ, str(limit_s), *urls), stdout=subprocess.PIPE
        )
        out, _ = await process.communicate()
    assert process.returncode == 0
    found, grown = json.loads(out)
    return [tuple(one) for one in found], grown


async def check(limit_s: float, names: list[str]) -> None:
    """Let a process read these answers at once, and judge the outcome of each."""
    found, grown = await read_alone(limit_s, *(HOSTILE[name] for name in names))
    for name, (refusal, took_s, nodes) in zip(names, found, strict=True):
        assert took_s < limit_s + SLACK_S, name
        assert refusal, (name, nodes)
        assert len(refusal) < 1_000, name
        assert refusal.isprintable(), (name, refusal)
        assert refusal.startswith("http://127.0.0.1:"), name
    assert grown < GROWTH_BYTES_MAX


async def test_hostile_answers_together_stay_within_limits() -> None:
    """All at once, with a shorter limit of time."""
    await check(SHORT_S, [name for name in HOSTILE if name != "million-targets"])


async def test_more_targets_than_bytes_allowed_are_refused() -> None:
    """A million targets are more than 4 MiB; a list within the limit is taken, and then counted."""
    await check(SHORT_S, ["million-targets"])


@pytest.mark.prove
@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_answer_stays_within_limits(name: str) -> None:
    """Each by itself, with the limit of time as it is."""
    await check(WHOLE_S, [name])
