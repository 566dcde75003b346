"""Malformed and ambiguous requests: none hides a second one, and no answer shows the library behind it."""

import asyncio
import contextlib
import gc
import re
from collections.abc import Callable

import pytest
from aiohttp.http_exceptions import HttpProcessingError

from skewmon.export.published import Callbacks
from tests.export import samples

#: The request that the ambiguous ones try to hide.
HIDDEN = b"POST /-/reload HTTP/1.1\r\nHost: x\r\n\r\n"

GET = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /-/healthy HTTP/1.1\r\nHost: x\r\n"

#: The last request of a connection, which ends it. It is answered only if the one before was well formed.
LAST = b"GET /-/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

BAD = [400]


def sized(body: bytes) -> bytes:
    """Return the header of this body's length."""
    return b"Content-Length: %d\r\n" % len(body)


#: Each request with the statuses of its answers. After a 405 of a POST to /-/healthy, the next 200 is that of
#: the last request: the body was taken as a body.
REQUESTS = {
    "length-and-chunks": (POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD),
    "chunks-and-length": (
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + HIDDEN,
        BAD,
    ),
    "two-lengths": (POST + b"Content-Length: 0\r\nContent-Length: 38\r\n\r\n" + HIDDEN, BAD),
    "list-of-lengths": (POST + b"Content-Length: 0, 38\r\n\r\n" + HIDDEN, BAD),
    "signed-length": (POST + b"Content-Length: +38\r\n\r\n" + HIDDEN, BAD),
    "negative-length": (POST + b"Content-Length: -1\r\n\r\n" + HIDDEN, BAD),
    "underscored-length": (POST + b"Content-Length: 3_8\r\n\r\n" + HIDDEN, BAD),
    "hexadecimal-length": (POST + b"Content-Length: 0x26\r\n\r\n" + HIDDEN, BAD),
    "huge-length": (POST + b"Content-Length: 99999999999999999999999\r\n\r\n" + HIDDEN, BAD),
    "space-before-colon": (POST + b"Content-Length : 38\r\n\r\n" + HIDDEN, BAD),
    "length-with-control": (POST + b"Content-Length: \x0b38\r\n\r\n" + HIDDEN, BAD),
    "folded-header": (POST + b"X: a\r\n Content-Length: 38\r\n\r\n" + HIDDEN, BAD),
    "folded-coding": (POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + HIDDEN, BAD),
    "bare-line-feeds": (b"GET /-/healthy HTTP/1.1\nHost: x\n\n" + HIDDEN, BAD),
    "line-feed-in-header": (GET + b"X: a\nTransfer-Encoding: chunked\r\n\r\n" + HIDDEN, BAD),
    "carriage-return-in-header": (GET + b"X: a\rTransfer-Encoding: chunked\r\n\r\n" + HIDDEN, BAD),
    "nul-in-header": (GET + b"X: a\0b\r\n\r\n" + HIDDEN, BAD),
    "unknown-coding": (POST + b"Transfer-Encoding: xchunked\r\n\r\n" + HIDDEN, BAD),
    "chunked-not-last": (POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" + HIDDEN, BAD),
    "chunked-twice": (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + HIDDEN, BAD),
    "coding-in-1.0": (
        b"POST /-/healthy HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        BAD,
    ),
    "chunk-size-with-sign": (POST + b"Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n" + HIDDEN, BAD),
    "chunk-extension-with-line-feed": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n0;a=\nb\r\n\r\n" + HIDDEN,
        BAD,
    ),
    "hidden-in-a-body": (POST + sized(HIDDEN) + b"\r\n" + HIDDEN, [405, 200]),
    "hidden-in-a-chunk": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN),
        [405, 200],
    ),
    "hidden-behind-a-get": (GET + sized(HIDDEN) + b"\r\n" + HIDDEN, [200, 200]),
    "http-2-preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD),
    "http-0.9": (b"GET /-/healthy\r\n\r\n", BAD),
    "tls-hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", BAD),
    "unknown-expectation": (GET + b"Expect: the-unexpected\r\n\r\n", [417]),
    "long-line": (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", BAD),
    "too-many-headers": (GET + b"".join(b"X%d: y\r\n" % n for n in range(500)) + b"\r\n", BAD),
}


class Received(asyncio.Protocol):
    """Everything up to the end of a connection, even if it ends with a reset, as it does with unread bytes.

    A StreamReader would drop the bytes that arrived just before the reset.
    """

    def __init__(self) -> None:
        self.data = b""
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Keep the bytes."""
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:
        """Record the end."""
        del exc
        self.ended.set()


async def exchange(url: str, sent: bytes) -> bytes:
    """Send bytes and a last plain request; return everything up to the end of the connection."""
    host, port = url.partition("://")[2].rsplit(":", 1)
    loop = asyncio.get_running_loop()
    transport, received = await loop.create_connection(Received, host, int(port))
    transport.write(sent + LAST)
    async with asyncio.timeout(20):
        await received.ended.wait()
    return received.data


@pytest.mark.parametrize("name", REQUESTS)
async def test_no_request_hides_another(serve, monkeypatch, name: str) -> None:
    """One answer to each request as it stands, no reload, and no trace of aiohttp."""
    reloads = []

    async def reload() -> None:
        reloads.append(name)

    exporter, url = await serve(Callbacks(reload=reload))
    exporter.publish(samples.healthy())
    sent, statuses = REQUESTS[name]
    received = await exchange(url, sent)
    assert [int(status) for status in re.findall(rb"(?m)^HTTP/1\.[01] (\d+)", received)] == statuses
    assert reloads == []
    assert b"Server: skewmon\r\n" in received
    assert b"X-Content-Type-Options: nosniff\r\n" in received
    assert not re.search(rb"(?i)aiohttp|python|llhttp", received)


async def test_malformed_requests_leave_no_garbage(serve) -> None:
    """A client that sends nonsense and leaves costs no memory until Python looks for garbage cycles."""
    _, url = await serve()
    host, port = url.partition("://")[2].rsplit(":", 1)
    gc.collect()
    gc.disable()
    try:
        for leaves_at_once in (True, False) * 5:
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"\xff" * 65_536)
            if leaves_at_once:
                writer.transport.abort()
            else:
                with contextlib.suppress(ConnectionResetError):
                    await reader.read()
                writer.close()
        await eventually(lambda: not tracebacks())
    finally:
        gc.enable()


def tracebacks() -> list[BaseException]:
    """Return the errors of requests that still hold the received bytes."""
    return [one for one in gc.get_objects() if isinstance(one, HttpProcessingError) and one.__traceback__]


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.05)
