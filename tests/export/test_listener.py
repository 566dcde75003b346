"""Silent and slow clients cannot take the descriptors that measuring needs."""

import asyncio
import contextlib
import os
import resource
import socket
import time

import aiohttp
import pytest
import structlog

from skewmon.export import connection, connection_slots, listener
from tests.export import samples
from tests.export.certificates import Authority

#: Short enough to wait for, long enough for a busy machine to send a whole request in.
HEADER_S = 0.5

REQUEST = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def _short_patience(monkeypatch) -> None:
    """Give every header half a second."""
    monkeypatch.setattr(connection, "HEADER_S", HEADER_S)
    monkeypatch.setattr(listener, "HEADER_S", HEADER_S)


async def connected(url: str, said: bytes = b""):
    """Return a connection on which this was sent."""
    host, port = url.partition("://")[2].rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(said)
    return reader, writer


async def ended(reader: asyncio.StreamReader) -> None:
    """Wait until the other side ends the connection without an answer; fail if it does not."""
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""


async def answered(reader: asyncio.StreamReader) -> None:
    """Read one whole response; fail unless it has status 200."""
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))


@pytest.mark.parametrize(("soft", "connections"), [(200, 50), (1024, 256), (resource.RLIM_INFINITY, 256)])
def test_a_tight_limit_leaves_most_descriptors_to_measuring(monkeypatch, soft, connections) -> None:
    """HTTP gets a quarter of few descriptors, and never more than it can use."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))
    assert connection_slots.connections_max() == connections


async def test_full_pending_slots_close_the_connection_that_waited_longest(serve, monkeypatch) -> None:
    """The newest connections stay, and one line of the log reports all that were closed."""
    monkeypatch.setattr(connection_slots, "limits", lambda: connection_slots.Limits(5, 5, 5, 1, 1))
    _, url = await serve()
    with structlog.testing.capture_logs() as logged:
        waiting = [await connected(url, b"GET /met") for _ in range(10)]
        for reader, _ in waiting[:5]:
            await ended(reader)
    assert [line["event"] for line in logged] == ["HTTP connections were closed to make room"]
    for reader, writer in waiting[5:]:
        writer.write(b"rics HTTP/1.0\r\n\r\n")
        async with asyncio.timeout(5):
            assert (await reader.read()).startswith(b"HTTP/1.0 ")
    for _, writer in waiting:
        writer.close()


async def test_idle_connections_give_their_slots_to_requests(serve, monkeypatch) -> None:
    """A kept connection ends when its client asks on another one; the others stay."""
    monkeypatch.setattr(connection_slots, "limits", lambda: connection_slots.Limits(2, 9, 3, 1, 1))
    _, url = await serve()
    kept = []
    for _ in range(3):
        kept.append(await connected(url, REQUEST))
        await answered(kept[-1][0])
    reader, writer = await connected(url, REQUEST)
    await answered(reader)
    await ended(kept[0][0])
    for reader_of_kept, writer_of_kept in kept[1:]:
        writer_of_kept.write(REQUEST)
        await answered(reader_of_kept)
    for _, each in (*kept, (reader, writer)):
        each.close()


async def test_a_client_that_does_not_read_its_answer_is_cut_off(serve, monkeypatch) -> None:
    """Half an answer in the server's buffers holds neither a slot nor memory for long."""
    monkeypatch.setattr(connection, "WRITE_S", HEADER_S)
    exporter, url = await serve()
    exporter.publish(samples.snapshot(*[samples.jumped().clusters[0]] * 3_000))
    host, port = url.partition("://")[2].rsplit(":", 1)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((host, int(port)))
        slow.sendall(b"GET /api/v1/status HTTP/1.0\r\n\r\n")
        slow.settimeout(20)
        await asyncio.to_thread(slow.recv, 1)
        await until(lambda: not exporter._listener._slots)
        received = await asyncio.to_thread(rest_of, slow)
        async with aiohttp.ClientSession() as client, client.get(f"{url}/api/v1/status") as whole:
            assert received < len(await whole.read())


async def until(condition) -> None:
    """Wait for a condition; fail if it does not come true."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def rest_of(connection: socket.socket) -> int:
    """Return how many bytes come before the connection ends."""
    received = 0
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(1 << 16):
            received += len(chunk)
    return received


@pytest.mark.usefixtures("_short_patience")
@pytest.mark.parametrize("said", [b"", b"GET /met", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_an_incomplete_request_times_out(serve, said) -> None:
    """Silence, half a line and half a header all end the connection."""
    _, url = await serve()
    reader, writer = await connected(url, said)
    await ended(reader)
    writer.close()


@pytest.mark.usefixtures("_short_patience")
async def test_a_header_cannot_be_drawn_out_byte_by_byte(serve) -> None:
    """Bytes that trickle in do not prolong the time."""
    _, url = await serve()
    reader, writer = await connected(url, b"GET / HTTP/1.1\r\nX: ")
    began = time.monotonic()
    # A byte that was under way as the other side ended the connection is answered by a reset, not by an end.
    while not reader.at_eof() and reader.exception() is None and time.monotonic() < began + 5:
        writer.write(b"x")
        await asyncio.sleep(HEADER_S / 20)
    assert time.monotonic() - began < 5
    writer.close()


@pytest.mark.usefixtures("_short_patience")
async def test_an_idle_connection_may_stay_but_half_a_request_times_out(serve) -> None:
    """Between requests there is more time than for a header; the next header has its limit again."""
    _, url = await serve()
    reader, writer = await connected(url, REQUEST)
    await answered(reader)
    await asyncio.sleep(2 * HEADER_S)
    writer.write(REQUEST)
    await answered(reader)
    writer.write(REQUEST[:9])
    await ended(reader)
    writer.close()


@pytest.mark.usefixtures("_short_patience")
async def test_a_stream_outlasts_the_time_for_a_header(serve, client) -> None:
    """The time limit is for the request, not for the response."""
    exporter, url = await serve()
    exporter.publish(samples.healthy())
    async with client.get(f"{url}/api/v1/stream") as answer:
        await answer.content.readuntil(b"\n\n")
        await asyncio.sleep(2 * HEADER_S)
        exporter.publish(samples.jumped())
        while b"critical" not in await answer.content.readline():
            assert not answer.content.at_eof()


async def test_half_a_handshake_holds_a_slot_and_times_out(serve, tmp_path, monkeypatch) -> None:
    """With TLS, a silent client holds a slot only for the time of a header."""
    for module in (connection, listener):  # far longer than two connections take on a busy machine
        monkeypatch.setattr(module, "HEADER_S", 4 * HEADER_S)
    Authority(tmp_path).issue("server")
    web_file = tmp_path / "web.yml"
    web_file.write_text(
        "tls_server_config: {cert_file: server.crt, key_file: server.key}\n", encoding="utf-8"
    )
    monkeypatch.setattr(connection_slots, "limits", lambda: connection_slots.Limits(1, 1, 1, 1, 1))
    _, url = await serve(scheme="https", web_config_file=str(web_file))
    with structlog.testing.capture_logs() as logged:
        evicted, writer = await connected(url)
        silent, newest = await connected(url)
        await ended(evicted)
        await ended(silent)
    assert [line["event"] for line in logged] == ["HTTP connections were closed to make room"]
    for each in (writer, newest):
        each.close()


async def test_without_descriptors_connections_wait_and_the_log_has_one_line(serve, monkeypatch) -> None:
    """Once a descriptor is free, a waiting client is answered; the log has one line."""
    monkeypatch.setattr(listener, "EXHAUSTED_PAUSE_S", 0.01)
    _, url = await serve()
    host, port = url.partition("://")[2].rsplit(":", 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as waiting, structlog.testing.capture_logs() as logged:
        free = os.dup(waiting.fileno())
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
        try:
            waiting.connect((host, int(port)))
            async with asyncio.timeout(5):
                while not logged:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)  # ten more attempts, none of which may log it again
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        waiting.sendall(REQUEST)
        waiting.settimeout(5)
        assert (await asyncio.to_thread(waiting.recv, 100)).startswith(b"HTTP/1.1 200 ")
    assert [(line["event"], line["reason"]) for line in logged] == [
        ("HTTP connections wait", "too many open files")
    ]
