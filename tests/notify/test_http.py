"""The delivery that results from each kind of answer, of servers that behave and of servers that do not."""

import asyncio
import socket

import aiohttp
import pytest
from aiohttp import web

from skewmon.notify import http
from skewmon.notify.http import post
from skewmon.notify.receiver import Delivery, DeliveryReason, Result
from tests.notify.tools import raw_server, receiver


async def _post(url: str) -> Delivery:
    async with aiohttp.ClientSession() as session:
        return (await post(session, url, {})).delivery


@pytest.mark.parametrize(
    ("status", "result", "reason"),
    [
        (200, Result.OK, None),
        (202, Result.OK, None),
        (204, Result.OK, None),
        (301, Result.GIVE_UP, DeliveryReason.REDIRECTED),
        (308, Result.GIVE_UP, DeliveryReason.REDIRECTED),
        (400, Result.GIVE_UP, DeliveryReason.REFUSED),
        (401, Result.GIVE_UP, DeliveryReason.REFUSED),
        (404, Result.GIVE_UP, DeliveryReason.REFUSED),
        (408, Result.RETRY, DeliveryReason.TIMEOUT),
        (429, Result.RETRY, DeliveryReason.RATE_LIMITED),
        (500, Result.RETRY, DeliveryReason.SERVER_ERROR),
        (503, Result.RETRY, DeliveryReason.SERVER_ERROR),
    ],
)
async def test_a_status_is_final_or_not(status: int, result: Result, reason: DeliveryReason | None) -> None:
    """Five hundreds may pass, four hundreds will not, and redirects are refused."""
    async with receiver() as server:
        server.answer_with(status)
        delivery = await _post(server.url)
    assert (delivery.result, delivery.reason) == (result, reason)


async def test_a_redirect_is_not_followed() -> None:
    """Alerts and secret headers go to the host that is configured, and to no other."""
    async with receiver() as other, receiver() as server:
        server.answer_with(307, headers={"Location": f"{other.url}/elsewhere"})
        await _post(server.url)
        assert other.paths == []
        assert len(server.paths) == 1


async def test_a_receiver_that_hangs_is_left_after_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is a timeout, and is tried again."""
    monkeypatch.setattr(http, "REQUEST_TIMEOUT_S", 0.05)

    async def hang(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async with receiver() as server:
        server.answers.append(hang)
        delivery = await _post(server.url)
    assert (delivery.result, delivery.reason) == (Result.RETRY, DeliveryReason.TIMEOUT)


async def test_an_endless_answer_is_cut() -> None:
    """A receiver cannot fill memory: reading is limited, and quoting more so."""

    async def flood(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(status=500)
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b"x" * 65536)
        except ConnectionError:
            return answer

    async with receiver() as server:
        server.answers.append(flood)
        delivery = await _post(server.url)
    assert delivery.reason is DeliveryReason.SERVER_ERROR
    assert len(delivery.detail) < http.ANSWER_QUOTED_MAX + 20


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", DeliveryReason.CONNECTION),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", DeliveryReason.CONNECTION),
        (b"SSH-2.0-OpenSSH_9.2\r\n", DeliveryReason.GARBLED_REPLY),
    ],
    ids=["closes", "breaks off", "is no web server"],
)
async def test_a_receiver_that_breaks_the_protocol_is_tried_again(
    answer: bytes, reason: DeliveryReason
) -> None:
    """It may be restarting, or a tunnel may be half up."""
    async with raw_server(answer) as url:
        delivery = await _post(url)
    assert (delivery.result, delivery.reason) == (Result.RETRY, reason)


async def test_a_refused_connection_is_tried_again() -> None:
    """The receiver is not up yet."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        delivery = await _post(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert (delivery.result, delivery.reason) == (Result.RETRY, DeliveryReason.CONNECTION)


async def test_a_server_without_tls_behind_an_https_url_is_a_tls_fault() -> None:
    """The reason points the operator at the URL."""
    async with receiver() as server:
        delivery = await _post(server.url.replace("http:", "https:"))
    assert (delivery.result, delivery.reason) == (Result.RETRY, DeliveryReason.TLS)


@pytest.mark.parametrize("url", ["", "not a url", "ftp://127.0.0.1/", "http://"])
async def test_an_unusable_url_is_final_and_is_not_quoted(url: str) -> None:
    """It may hold the secret that made it unusable."""
    delivery = await _post(url)
    assert (delivery.result, delivery.detail) == (Result.GIVE_UP, "the URL is unusable")
