"""Names are looked up by a bounded number of threads; those that hang delay only names like themselves."""

import asyncio
import errno
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from skewmon.model import SshSettings
from skewmon.probe.faults import lookup_error
from skewmon.runtime import client
from skewmon.runtime.resolver import LIMITS, LOOKUPS_AT_ONCE, LookupTimeoutError, Place, Rank, Resolver

FOUND: list[Place] = [(socket.AF_INET, ("192.0.2.7", 0))]

#: Long enough for any expected event on a busy machine.
PATIENCE_S = 20.0


class NameServer:
    """Stands for getaddrinfo: names of ``known`` resolve, others hang until ``recover``, then do not."""

    def __init__(self, *known: str) -> None:
        self.known = set(known)
        self.asked: list[str] = []
        self._recovered = threading.Event()

    def __call__(self, name: str) -> list[Place]:
        self.asked.append(name)
        if name in self.known:
            return FOUND
        assert self._recovered.wait(60)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    def recover(self) -> None:
        self._recovered.set()


@asynccontextmanager
async def hanging(*known: str) -> AsyncIterator[tuple[NameServer, Resolver]]:
    """Yield a name server and a resolver that asks it; no lookup hangs any more at the end."""
    server = NameServer(*known)
    resolver = Resolver(server)
    try:
        yield server, resolver
    finally:
        server.recover()
        while resolver.under_way:
            await asyncio.sleep(0.01)


def lookups() -> int:
    return sum(thread.name == "lookup" for thread in threading.enumerate())


async def give_up(resolver: Resolver, *wanted: str) -> list[LookupTimeoutError]:
    """Ask for names that hang, all at once, until every caller has given up."""
    found = await asyncio.gather(
        *(resolver.places(name, 22, timeout_s=0.3) for name in wanted), return_exceptions=True
    )
    for one in found:
        assert isinstance(one, LookupTimeoutError), one
    return found


async def test_abandoned_lookups_count_until_they_end() -> None:
    """Four hundred dead names, asked for twice: never more threads than the limit for new names."""
    async with hanging() as (server, resolver):
        dead = [f"dead{number}.example" for number in range(400)]
        await give_up(resolver, *dead)
        await give_up(resolver, *dead)
        assert (
            resolver.under_way == lookups() == LIMITS[Rank.NEW] == len(set(server.asked)) == len(server.asked)
        )


async def test_names_that_resolved_before_go_past_those_that_hang() -> None:
    """A live name finds a thread while dead names have taken all that dead names may have."""
    async with hanging("live.example") as (_, resolver):
        await resolver.places("live.example", 22)
        await give_up(resolver, *(f"dead{number}.example" for number in range(100)))
        assert await resolver.places("live.example", 22, PATIENCE_S) == [(socket.AF_INET, ("192.0.2.7", 22))]


async def test_names_of_the_hosts_file_go_past_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even at the very first lookup, and past names that resolved until the name server died."""
    monkeypatch.setattr("skewmon.runtime.resolver.HOSTS", tmp_path / "hosts")
    (tmp_path / "hosts").write_text("# nodes\n192.0.2.7 other DB1.example db1  # the first\n")
    once_live = [f"live{number}.example" for number in range(60)]
    async with hanging("db1.example", *once_live) as (server, resolver):
        for name in once_live:
            await resolver.places(name, 22)
        server.known = {"db1.example"}
        await give_up(resolver, *once_live, *(f"dead{number}.example" for number in range(60)))
        assert resolver.under_way == LIMITS[Rank.RESOLVED]
        assert await resolver.places("db1.example", 22, PATIENCE_S)


async def test_names_that_failed_leave_threads_for_new_ones() -> None:
    """A name that failed is asked for again, but by few threads."""
    async with hanging() as (server, resolver):
        server.recover()
        dead = [f"dead{number}.example" for number in range(50)]
        for name in dead:
            with pytest.raises(socket.gaierror):
                await resolver.places(name, 22)
        server._recovered.clear()
        await give_up(resolver, *dead)
        assert resolver.under_way == LIMITS[Rank.FAILED]
        server.known = {"new.example", dead[-1]}
        assert await resolver.places("new.example", 22, PATIENCE_S)
        server.recover()
        assert await resolver.places(dead[-1], 22, PATIENCE_S), "a name that failed once may resolve"


async def test_callers_of_one_name_share_its_lookup() -> None:
    """Ten ports of one host are one question, and one caller that gives up takes nothing from the others."""
    async with hanging("n1.example") as (server, resolver):
        found = await asyncio.gather(*(resolver.places("n1.example", port) for port in range(10)))
        assert server.asked == ["n1.example"]
        assert [places[0][1][1] for places in found] == list(range(10))
        patient = asyncio.ensure_future(resolver.places("dead.example", 22))
        await give_up(resolver, "dead.example")
        server.recover()
        with pytest.raises(socket.gaierror):
            await patient


async def test_addresses_in_numbers_need_no_thread() -> None:
    """They are used at once, even while lookups hang."""
    async with hanging() as (_, resolver):
        await give_up(resolver, *(f"dead{number}.example" for number in range(100)))
        before = lookups()
        assert await resolver.places("2001:db8::1", 22) == [(socket.AF_INET6, ("2001:db8::1", 22, 0, 0))]
        assert await resolver.places("192.0.2.1", 22) == [(socket.AF_INET, ("192.0.2.1", 22))]
        assert lookups() == before


async def test_hanging_and_waiting_lookups_have_different_errors() -> None:
    """Each has its reason, and both name the cure."""
    async with hanging() as (_, resolver):
        errors = await give_up(resolver, *(f"dead{number}.example" for number in range(60)))
        told = [str(lookup_error(error, "n1", SshSettings())) for error in errors]
        assert {error.ahead for error in errors} == {0, LIMITS[Rank.NEW]}
        assert "no name server answers" in told[0]
        assert f"because {LIMITS[Rank.NEW]} earlier lookups hang" in told[-1]
        assert all("/etc/hosts" in one and "/etc/resolv.conf" in one for one in told)


async def test_a_thread_that_cannot_be_started_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not an end of the daemon, and not a name that does not resolve; the next attempt works."""

    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async with hanging("n1.example") as (_, resolver):
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", no_thread)
            with pytest.raises(OSError) as caught:
                await resolver.places("n1.example", 22)
        assert caught.value.errno == errno.EAGAIN
        assert "TasksMax" in lookup_error(caught.value, "n1.example", SshSettings()).advice
        assert await resolver.places("n1.example", 22)


async def test_http_receivers_do_not_fill_the_threads_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred requests to dead names; reading a file in a thread is not delayed."""
    async with hanging() as (server, resolver):
        monkeypatch.setattr(client, "resolver", lambda: resolver)
        async with client.session() as session:
            requests = [
                asyncio.ensure_future(session.get(f"http://dead{number}.example/")) for number in range(100)
            ]
            while resolver.under_way < LIMITS[Rank.NEW]:
                await asyncio.sleep(0.01)
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.to_thread(Path("/etc/passwd").read_bytes)
            assert lookups() <= LOOKUPS_AT_ONCE
            for request in requests:
                request.cancel()
            await asyncio.gather(*requests, return_exceptions=True)
    assert server.asked
