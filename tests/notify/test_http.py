"""What every kind of answer amounts to, from servers that behave and servers that do not."""

import asyncio
import socket

import aiohttp
import pytest
from aiohttp import web

from skewmon.notify import http
from skewmon.notify.http import Reply, post, send_isolating
from skewmon.notify.receiver import Delivery, Reason, Result
from tests.notify.tools import firing, raw_server, receiver


async def _post(url: str) -> Delivery:
    async with aiohttp.ClientSession() as session:
        return (await post(session, url, {})).delivery


@pytest.mark.parametrize(
    ("status", "result", "reason"),
    [
        (200, Result.OK, None),
        (202, Result.OK, None),
        (204, Result.OK, None),
        (301, Result.GIVE_UP, Reason.REDIRECTED),
        (308, Result.GIVE_UP, Reason.REDIRECTED),
        (400, Result.GIVE_UP, Reason.REFUSED),
        (401, Result.GIVE_UP, Reason.REFUSED),
        (404, Result.GIVE_UP, Reason.REFUSED),
        (408, Result.RETRY, Reason.TIMEOUT),
        (429, Result.RETRY, Reason.RATE_LIMITED),
        (500, Result.RETRY, Reason.SERVER_ERROR),
        (503, Result.RETRY, Reason.SERVER_ERROR),
    ],
)
async def test_a_status_is_final_or_not(status: int, result: Result, reason: Reason | None) -> None:
    """Five hundreds may pass, four hundreds will not, and redirects are refused."""
    async with receiver() as server:
        server.says(status)
        delivery = await _post(server.url)
    assert (delivery.result, delivery.reason) == (result, reason)


async def test_a_redirect_is_not_followed() -> None:
    """Alerts and secret headers go to the host that is configured, and to no other."""
    async with receiver() as other, receiver() as server:
        server.says(307, headers={"Location": f"{other.url}/elsewhere"})
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
    assert (delivery.result, delivery.reason) == (Result.RETRY, Reason.TIMEOUT)


async def test_an_endless_answer_is_cut() -> None:
    """A receiver cannot fill memory: what is read is capped, and what is quoted more so."""

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
    assert delivery.reason is Reason.SERVER_ERROR
    assert len(delivery.detail) < http.ANSWER_QUOTED_MAX + 20


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", Reason.CONNECTION),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", Reason.CONNECTION),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Reason.GARBLED_REPLY),
    ],
    ids=["closes", "breaks off", "is no web server"],
)
async def test_a_receiver_that_breaks_the_protocol_is_tried_again(answer: bytes, reason: Reason) -> None:
    """It may be restarting, or a tunnel may be half up."""
    async with raw_server(answer) as url:
        delivery = await _post(url)
    assert (delivery.result, delivery.reason) == (Result.RETRY, reason)


async def test_a_refused_connection_is_tried_again() -> None:
    """Nobody listens yet."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        delivery = await _post(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert (delivery.result, delivery.reason) == (Result.RETRY, Reason.CONNECTION)


async def test_a_server_without_tls_behind_an_https_url_is_a_tls_fault() -> None:
    """The reason tells the operator where to look."""
    async with receiver() as server:
        delivery = await _post(server.url.replace("http:", "https:"))
    assert (delivery.result, delivery.reason) == (Result.RETRY, Reason.TLS)


@pytest.mark.parametrize("url", ["", "not a url", "ftp://127.0.0.1/", "http://"])
async def test_an_unusable_url_is_final_and_is_not_quoted(url: str) -> None:
    """It may hold the secret that made it unusable."""
    delivery = await _post(url)
    assert (delivery.result, delivery.detail) == (Result.GIVE_UP, "the URL is unusable")


@pytest.mark.parametrize("bad", [{3}, {0, 7}, set(range(8)), set()])
async def test_a_bad_alert_is_found_and_the_others_get_through(bad: set[int]) -> None:
    """A 400 splits the batch until the guilty are alone; each good alert is taken."""
    alerts = [firing(f"n{number}") for number in range(8)]
    taken: list[str] = []

    async def send(part: object) -> Reply:
        assert isinstance(part, list)
        if any(alerts.index(alert) in bad for alert in part):
            return Reply(Delivery(Result.GIVE_UP, Reason.REFUSED, "HTTP 400"), 400)
        taken.extend(alert.key.node for alert in part)
        return Reply(Delivery(Result.OK), 200)

    delivery = await send_isolating(send, alerts)
    assert {alerts.index(alert) for alert in delivery.refused} == bad
    assert taken == [f"n{number}" for number in range(8) if number not in bad]
    assert delivery.result is (Result.GIVE_UP if len(bad) == 8 else Result.OK)


async def test_a_batch_that_is_too_large_goes_in_parts() -> None:
    """Nobody is guilty, so that everything is taken and nothing refused."""
    sizes: list[int] = []

    async def send(part: object) -> Reply:
        assert isinstance(part, list)
        sizes.append(len(part))
        return Reply(Delivery(Result.OK), 200) if len(part) <= 2 else Reply(Delivery(Result.GIVE_UP), 413)

    delivery = await send_isolating(send, [firing(f"n{number}") for number in range(5)])
    assert (delivery.result, delivery.refused) == (Result.OK, ())
    assert sizes == [5, 2, 3, 1, 2]


@pytest.mark.parametrize("before", [[], [Reply(Delivery(Result.OK), 200)]], ids=["first", "second"])
async def test_a_receiver_that_dies_while_a_batch_is_split_is_tried_again(before: list[Reply]) -> None:
    """What is not settled stays due as a whole, in whichever half it happened."""
    bad = Reply(Delivery(Result.GIVE_UP, Reason.REFUSED), 400)
    answers = iter([bad, *before, Reply(Delivery(Result.RETRY), 503)])

    async def send(part: object) -> Reply:
        return next(answers)

    assert (await send_isolating(send, [firing("a"), firing("b")])).result is Result.RETRY
