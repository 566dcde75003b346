"""A vantage that is killed, stopped, rebooted or set: its nodes are unknown at once, and back soon.

Rounds of two sites go through the same links as the daemon's. The other site is measured in every round, and
whatever happens to a vantage, every interval against it contains the truth.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from skewmon.clock.vantage import on_vantage, vantage_offset
from skewmon.errors import Reason
from skewmon.model import NS_PER_S, Failed, Measured, VantageReading
from skewmon.probe import relay, retry, vantage
from skewmon.probe.link import Link
from skewmon.probe.sweep import Sweep, Sweeper
from skewmon.runtime.backoff import Backoff
from tests.fleet.node import Login
from tests.fleet.processes import send
from tests.integration.measuring import in_order, measured
from tests.integration.sites import Site, assert_near, kept_links, site

#: One round; short enough that a stopped vantage is noticed as late first.
INTERVAL_S = 1.0

#: The first round after a fault shows it; a busy machine may need another one.
NOTICED_S = 5.0

#: A login behind a vantage and its relay's start take this long at most on a busy machine.
RECONNECT_S = 15.0

#: Reasons of nodes whose vantage is gone: the round closes without them, then their connection is lost.
GONE = {
    *(Reason.LATE, Reason.NO_REPLY, Reason.DISCONNECTED),
    *(Reason.CONNECTING, Reason.JUMP_FAILED, Reason.LOGIN_TIMEOUT),
    Reason.PROGRAM_ENDED,  # it connected again in the middle of a round
}

#: Instead of a first pause of a second.
BACKOFF = Backoff(first_s=0.2, limit_s=60.0)

HOUR_S = 3600

#: A jump in the middle of a burst is nearly certain after so many tries.
TRIES = 4

#: Instead of REPLY_S, so that a stopped relay is given up soon.
SHORT_REPLY_S = 1.0


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try lost links and relays again soon."""
    monkeypatch.setattr(vantage, "RETRY_S", 0.1)
    monkeypatch.setattr(vantage, "BACKOFF_UNSTEADY", Backoff(first_s=0.2, limit_s=600.0))
    monkeypatch.setattr(retry, "BACKOFF", BACKOFF)


@dataclass
class World:
    """Two sites, the links of all their nodes, and the rounds so far."""

    struck: Site
    other: Site
    links: Mapping[str, Link]
    sweeper: Sweeper

    async def round(self) -> tuple[Sweep, bool]:
        """Measure once and check every interval; return whether the struck vantage stamped for its site."""
        began_s = time.monotonic()
        sweep = await self.sweep()
        good = True
        for name, link in self.links.items():
            place, node = name.split("/")
            far = self.struck if place == "struck" else self.other
            outcome = sweep.outcomes[link.node.endpoint]
            if far is self.other:
                assert_near(far, node, outcome)  # measured, whatever happens elsewhere
            elif isinstance(outcome, Failed):
                assert outcome.reason in GONE, outcome
                assert outcome.detail
                good = False
            else:
                good = good and self._is_near(node, outcome)
        await asyncio.sleep(max(0.0, INTERVAL_S - (time.monotonic() - began_s)) / 4)
        return sweep, good

    async def sweep(self) -> Sweep:
        """Measure once."""
        links = {link.node.endpoint: link for link in self.links.values()}
        return await self.sweeper.sweep(links, 4, INTERVAL_S)

    async def until_good(self, limit_s: float) -> Sweep:
        """Measure until the struck site is measured from its vantage again; return that round."""
        deadline = time.monotonic() + limit_s
        while True:
            sweep, good = await self.round()
            if good:
                return sweep
            assert time.monotonic() < deadline, sweep

    async def until_bad(self, limit_s: float) -> Sweep:
        """Measure until a node of the struck site is not measured from its vantage; return that round."""
        deadline = time.monotonic() + limit_s
        while True:
            sweep, good = await self.round()
            if not good:
                return sweep
            assert time.monotonic() < deadline, sweep

    def reading(self, sweep: Sweep) -> VantageReading | Failed:
        """Return the struck vantage's reading."""
        return sweep.vantages[self.struck.label]

    def _is_near(self, node: str, outcome: Measured) -> bool:
        if not all(one.vantage for one in outcome.burst.opening):
            return False
        assert_near(self.struck, node, outcome)
        return True


@asynccontextmanager
async def two_sites(**logins: Login) -> AsyncIterator[World]:
    """Start two sites of two nodes each, 10 and 2 ms away, and keep links to all nodes."""
    async with AsyncExitStack() as stack:
        struck = await stack.enter_async_context(site(2, delay_s=0.01, logins=logins))
        other = await stack.enter_async_context(site(2, delay_s=0.002, address="127.0.2.2"))
        nodes = {
            f"{name}/{node.name}": node
            for name, far in (("struck", struck), ("other", other))
            for node in far.nodes()
        }
        links = await stack.enter_async_context(kept_links(nodes))
        yield World(struck, other, links, Sweeper())


async def test_a_vantage_that_is_killed_in_mid_burst() -> None:
    """Its nodes have the reason in the same round, and are back after the first back-off."""
    async with two_sites() as world:
        await world.until_good(RECONNECT_S)
        under_way = asyncio.create_task(world.round())
        await asyncio.sleep(0.03)
        world.struck.bastion.kill_sessions()
        _, good = await under_way
        if good:  # the burst was over already
            await world.until_bad(NOTICED_S)
        sweep = await world.until_good(BACKOFF.first_s + RECONNECT_S)
        assert isinstance(world.reading(sweep), VantageReading)


async def test_a_relay_that_is_stopped_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The round does not wait for it; once its reply counts as lost, another one is started."""
    monkeypatch.setattr(relay, "REPLY_S", SHORT_REPLY_S)
    async with two_sites() as world:
        await world.until_good(RECONNECT_S)
        stopped = world.struck.bastion.session_ids()
        send(stopped, signal.SIGSTOP)
        sweep = await world.until_bad(NOTICED_S)
        assert sweep.duration_s < INTERVAL_S * 2
        assert isinstance(world.reading(sweep), Failed)
        await world.until_good(SHORT_REPLY_S + BACKOFF.first_s + RECONNECT_S)
        send(stopped, signal.SIGCONT)
        _, good = await world.round()
        assert good


async def test_a_vantage_that_is_stopped_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes behind it are unknown until it goes on, and then back."""
    monkeypatch.setattr(relay, "REPLY_S", SHORT_REPLY_S)
    async with two_sites() as world:
        await world.until_good(RECONNECT_S)
        world.struck.bastion.freeze()
        await world.until_bad(NOTICED_S)
        until_s = time.monotonic() + SHORT_REPLY_S + 1
        while time.monotonic() < until_s:
            _, good = await world.round()
            assert not good
        world.struck.bastion.thaw()
        sweep = await world.until_good(BACKOFF.limit_s)
        assert isinstance(world.reading(sweep), VantageReading)


async def test_a_vantage_that_is_rebooted() -> None:
    """Its clocks begin again under another boot id, and so do the intervals on its axis."""
    async with two_sites() as world:
        before = world.reading(await world.until_good(RECONNECT_S))
        assert isinstance(before, VantageReading)
        world.struck.bastion.stop()
        world.struck.bastion.clock.reboot()
        await world.until_bad(NOTICED_S)
        world.struck.bastion.start()
        after = world.reading(await world.until_good(BACKOFF.limit_s))
        assert isinstance(after, VantageReading)
        assert after.burst.program.boot_id != before.burst.program.boot_id
        assert after.burst.opening[0].raw_in_ns is not None
        assert before.burst.opening[0].raw_in_ns is not None
        assert after.burst.opening[0].raw_in_ns < before.burst.opening[0].raw_in_ns


async def test_a_vantage_whose_wall_clock_jumps_by_an_hour() -> None:
    """Its REALTIME stamps nothing: nothing changes for its nodes."""
    async with two_sites() as world:
        await world.until_good(RECONNECT_S)
        world.struck.bastion.clock.step(HOUR_S * NS_PER_S)
        for _ in range(4):
            _, good = await world.round()
            assert good


async def test_a_vantage_whose_every_clock_jumps() -> None:
    """A paused virtual machine: exchanges from before and after contradict each other, and prove nothing."""
    async with two_sites() as world:
        await world.until_good(RECONNECT_S)
        spans = 0
        for _ in range(TRIES):
            under_way = asyncio.create_task(world.sweep())
            await asyncio.sleep(0.03)
            world.struck.bastion.clock.pause(HOUR_S)
            for outcome in in_order(await under_way)[:2]:
                burst = measured(outcome).burst
                exchanges = on_vantage((*burst.opening, *((burst.closing,) if burst.closing else ())))
                if exchanges[0].sent_ns - exchanges[-1].sent_ns > HOUR_S * NS_PER_S // 2:
                    spans += 1
                    assert vantage_offset(burst, exchanges[-1].received_ns) is None
            await world.until_good(RECONNECT_S)
        assert spans


async def test_a_link_changes_to_the_relay_once_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then the bastion forwards; nothing has to be restarted."""
    monkeypatch.setattr(retry, "BACKOFF_LASTING", Backoff(first_s=1.0, limit_s=1.0))
    login = Login(without=("python", "platform-python", "pypy", "perl"))
    async with two_sites(n1=login) as world:
        sweep, good = await world.round()
        assert not good
        assert all(isinstance(outcome, Measured) for outcome in sweep.outcomes.values())
        reading = world.reading(sweep)
        assert isinstance(reading, Failed)
        assert reading.reason is Reason.NO_PROGRAM
        (world.struck.bastion.directory / "bin" / "python3").symlink_to("/usr/bin/python3")
        await world.until_good(RECONNECT_S)
