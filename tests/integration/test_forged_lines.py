"""No line of the log is anyone's but the daemon's: not a web client's, and not an inventory's.

The words of nodes have their own test, test_words_of_nodes.py.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import yaml

from tests.integration.running import Running

#: Ends a line, begins one that looks real, and clears the screen.
FORGED = 'x\r\ntimestamp=2026-01-01T00:00:00Z level=error event=forged\x1b[2J\u2028\x85{"event": "forged"}'

#: As it can stand in the first line of a request or of an answer.
ONE_LINE = "x level=error event=forged\t\x1b[2J"

REQUESTS = [
    b"GET /%0d%0atimestamp=x%20event=forged HTTP/1.1\r\nHost: x\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: {ONE_LINE}\r\n\r\n".encode(),
    f"GET /{ONE_LINE} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    f"{ONE_LINE} / HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    FORGED.encode(),
    b"GET /api/v1/events?node=a%0aevent%3dforged&kind=%1b%5b2J HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /api/v1/clusters/%0aevent=forged/pairs HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /-/reload HTTP/1.1\r\nHost: x\r\nOrigin: http://\x1b[2J\r\n\r\n",
    b"POST /-/reload HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eDoKZXZlbnQ9Zm9yZ2Vk\r\n\r\n",
]

ANSWERS = [
    f"HTTP/1.1 500 {ONE_LINE}\r\nContent-Length: 0\r\n\r\n".encode(),
    b"HTTP/1.1 302 Found\r\nLocation: http://h/%0aevent=forged\x1b[2J\r\nContent-Length: 0\r\n\r\n",
    FORGED.encode() + b"\r\n\r\n",
    *(
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        for body in (
            json.dumps([{"targets": [FORGED]}]).encode(),
            json.dumps([{"targets": ["n1"], "labels": {"__ssh_user": FORGED}}]).encode(),
            json.dumps([{"targets": ["n1"], "labels": {"__ssh_port": FORGED}}]).encode(),
            json.dumps({FORGED: 1}).encode(),
            FORGED.encode(),
        )
    ),
]


@asynccontextmanager
async def inventory() -> AsyncIterator[tuple[str, list[int]]]:
    """Serve one answer after the other; yield the URL, and how many were given."""
    given: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ANSWERS[len(given) % len(ANSWERS)] if given else GOOD)
            given.append(1)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", given
    finally:
        server.close()


GOOD = b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n[{"targets": ["h"]}]'


async def ask(address: str, sent: bytes) -> None:
    """Send a request and wait for the end of the answer."""
    host, port = address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    writer.write(b"\r\n\r\nGET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    with suppress(ConnectionError):
        async with asyncio.timeout(20):
            await reader.read()
    writer.close()


@pytest.mark.parametrize("style", ["logfmt", "json"])
async def test_neither_clients_nor_inventories_write_lines_of_the_log(style: str, tmp_path: Path) -> None:
    """Each line is one event of the daemon, without control characters."""
    async with inventory() as (url, given):
        document = {
            "web": {"listen": "127.0.0.1:0"},
            "state_directory": str(tmp_path / "state"),
            "ssh": {"identity": [], "known_hosts": "/dev/null"},
            "clusters": {"c": {"inventory": [{"http_sd": url}], "interval": "1s"}},
        }
        config = tmp_path / "skewmon.yml"
        config.write_text(yaml.safe_dump(document))
        async with Running(config, arguments=("--log.format", style)) as daemon:
            for sent in REQUESTS:
                await ask(daemon.address, sent)
            while len(given) <= len(ANSWERS):
                before = len(given)
                await ask(daemon.address, b"POST /-/reload HTTP/1.1\r\nHost: x\r\n\r\n")
                assert len(given) > before, "a reload reads the inventory"
            await daemon.end()
        lines = daemon.log.removesuffix("\n").split("\n")
    assert len(lines) > 2
    for line in lines:
        assert line.isprintable(), line
        assert names(line, style) >= {"timestamp", "level", "event"}, line
        assert event(line, style) != "forged", line


def names(line: str, style: str) -> set[str]:
    """Return the names of a line's fields."""
    if style == "json":
        return set(json.loads(line))
    return set(re.findall(r'(?:^| )(\w+)=(?:"(?:[^"\\]|\\.)*"|[^" ]*)(?= |$)', line))


def event(line: str, style: str) -> str:
    """Return a line's event."""
    if style == "json":
        return str(json.loads(line)["event"])
    found = re.match(r'timestamp=\S+ level=\w+ event=("(?:[^"\\]|\\.)*"|\S*)', line)
    assert found, line
    return found[1]
