"""Nodes measured by NTP that limit their clients, refuse them, lose packets, or do not know the time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from skewmon.errors import NodeError, Reason
from skewmon.model import Node, SshSettings
from skewmon.probe import ntp_link
from skewmon.probe.clocks import ArrivalClock
from skewmon.probe.connect import Dialer
from skewmon.probe.ntp_link import LIMITED_ROUNDS, NtpLink, link_to
from tests.monitor.test_references import Answer, Server, reply

SAMPLES = 8


@asynccontextmanager
async def linked(answer: Answer) -> AsyncIterator[tuple[NtpLink, Server]]:
    """Yield a link to a scripted server, not opened yet, and the server."""
    loop = asyncio.get_running_loop()
    _, server = await loop.create_datagram_endpoint(lambda: Server(answer), ("127.0.0.1", 0))
    host, port = server.transport.get_extra_info("sockname")
    arrivals = ArrivalClock()
    link = link_to(Node("sw1", host, SshSettings(port=port), "ntp"), Dialer(arrivals), arrivals)
    assert isinstance(link, NtpLink)
    try:
        yield link, server
    finally:
        link.close()
        server.transport.close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let silence count as such after a moment."""
    monkeypatch.setattr(ntp_link, "REPLY_S", 0.3)
    monkeypatch.setattr(ntp_link, "LOST_S", 0.1)


def every(number: int) -> Callable[[bytes], list[bytes]]:
    """Return the answers of a server that answers each request whose count is a multiple."""
    count = 0

    def answer(request: bytes) -> list[bytes]:
        nonlocal count
        count += 1
        return [reply(request)] if count % number == 0 else []

    return answer


async def test_a_burst_has_as_many_exchanges_as_samples() -> None:
    """And one more after it, as over SSH."""
    async with linked(lambda request: [reply(request)]) as (link, server):
        await link.open()
        burst = await link.burst(SAMPLES)
        closing = await link.exchange(burst.program)
        assert len(burst.opening) == SAMPLES
        assert closing.sent_ns > burst.opening[-1].received_ns
        assert len(server.requests) == SAMPLES + 2
        assert (link.probe, burst.program.raw, burst.program.boot_id) == ("ntp", None, "")


async def test_a_lost_request_is_repeated() -> None:
    """UDP promises nothing; one exchange is enough for a round."""
    async with linked(every(2)) as (link, _):
        await link.open()
        burst = await link.burst(SAMPLES)
        assert len(burst.opening) == 1
        await link.exchange(burst.program)


async def test_a_node_that_limits_its_clients_is_measured_by_its_first_replies() -> None:
    """The later requests are not sent for so many rounds; the last reply stands for the closing one."""
    answered = 0

    def limited(request: bytes) -> list[bytes]:
        nonlocal answered
        answered += 1
        return [reply(request)] if answered == 1 else []

    async with linked(lambda request: [reply(request)]) as (link, server):
        await link.open()
        server.answer = limited
        first = await link.burst(SAMPLES)
        assert len(first.opening) == 1
        assert await link.exchange(first.program) is first.opening[0]
        server.requests.clear()
        for _ in range(LIMITED_ROUNDS):
            answered = 0
            assert len((await link.burst(SAMPLES)).opening) == 1
        assert len(server.requests) == LIMITED_ROUNDS
        server.answer = lambda request: [reply(request)]
        assert len((await link.burst(SAMPLES)).opening) == SAMPLES


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda _: [], Reason.NO_ANSWER),
        (lambda request: [reply(request, stratum=0, refid=b"DENY")], Reason.PERMISSION_DENIED),
        (lambda request: [reply(request, stratum=0, refid=b"RSTR")], Reason.PERMISSION_DENIED),
        (lambda request: [reply(request, stratum=0, refid=b"RATE")], Reason.NO_REPLY),
        (lambda request: [reply(request, stratum=0, refid=b"WHAT")], Reason.GARBLED_REPLY),
        (lambda request: [b"nonsense"], Reason.NO_ANSWER),
    ],
    ids=["silence", "deny", "rstr", "rate", "other", "nonsense"],
)
async def test_a_node_that_gives_no_time_has_a_reason(answer: Answer, reason: Reason) -> None:
    """With its address and advice."""
    async with linked(answer) as (link, _):
        with pytest.raises(NodeError) as raised:
            await link.open()
        assert raised.value.reason is reason
        assert "127.0.0.1:" in raised.value.detail
        assert raised.value.advice
        assert link.failure == raised.value.failed
        with pytest.raises(NodeError):
            await link.burst(SAMPLES)


async def test_an_unsynchronized_node_is_measured_and_says_so() -> None:
    """Its clock is a clock; leap indicator and stratum are claims."""
    async with linked(lambda request: [reply(request, leap=3, stratum=0, refid=b"INIT")]) as (link, _):
        await link.open()
        assert len((await link.burst(SAMPLES)).opening) == SAMPLES
        assert link.claims is not None
        claims = link.claims
        assert (claims.synchronized, claims.stratum, claims.leap) == (False, 16, "unsynchronized")
        assert (claims.source, claims.root_distance_s) == (None, None)


async def test_a_clock_of_1970_is_measured_as_such() -> None:
    """It was never set, and is no clock of 2106."""
    async with linked(lambda request: [reply(request, seconds=2_208_988_800 + 60)]) as (link, _):
        await link.open()
        exchange = (await link.burst(1)).opening[0]
        assert exchange.real_in_ns // 1_000_000_000 == 60


async def test_a_flood_costs_one_round_at_most() -> None:
    """The next round has another port."""
    async with linked(lambda request: [reply(request), *[b"flood"] * 300]) as (link, server):
        await link.open()
        await asyncio.sleep(0.1)
        server.answer = lambda request: [reply(request)]
        assert len((await link.burst(SAMPLES)).opening) == SAMPLES
