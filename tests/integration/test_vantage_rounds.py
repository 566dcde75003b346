"""Rounds through a vantage, on real servers: a late reply, a reload, a clock that is set, a hanging name."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from skewmon.errors import Reason
from skewmon.model import NS_PER_S, Cluster, Failed, FindingKind, Node
from skewmon.monitor.check import opened
from skewmon.monitor.monitor import Monitor
from skewmon.probe import vantage_readings
from skewmon.probe.clocks import base_ns
from skewmon.probe.link import Link
from skewmon.probe.pool import Pool
from skewmon.probe.relay_stream import RelayStream
from skewmon.probe.vantage_readings import Readings
from tests.fleet.clocks import build, shim
from tests.fleet.flooder import SLOW_S, flooder
from tests.fleet.node import Login
from tests.fleet.processes import descendants
from tests.integration.measuring import TIMEOUT_S
from tests.integration.sites import site
from tests.integration.test_ladder import NO_PYTHON
from tests.integration.test_vantage_fallback import stamped, watched
from tests.integration.test_vantage_ways import RUNGS, shown

#: Longer than any answer of the test's own processes on a busy machine.
PATIENCE_S = 10.0

#: A step within a burst is nearly certain after so many rounds.
TRIES = 80


async def test_a_late_reply_of_a_vantage_costs_no_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """The nodes are wide in that round, and their rates are known as well as before in the next one."""
    late, taken = False, vantage_readings.taken

    async def taken_or_late(*arguments: object) -> Readings:
        readings = await taken(*arguments)  # type: ignore[arg-type]  # passed on
        failed = Failed(Reason.LATE, "It did not answer in time.")
        return dict.fromkeys(readings, failed) if late else readings

    monkeypatch.setattr(vantage_readings, "taken", taken_or_late)
    async with site(2, delay_s=0.005) as far, watched(far.nodes()) as rounds:
        await rounds.until_stamped("n2", "n3")
        await rounds.one()
        states = rounds.monitor.state.nodes.values()
        before = [one.clock_state.history.learned.readings[0] for one in states]  # type: ignore[union-attr]
        late = True
        assert stamped(await rounds.one()) == set()
        late = False
        assert stamped(await rounds.one()) == {"n2", "n3"}
        assert [one.clock_state.history.learned.readings[0] for one in states] == before  # type: ignore[union-attr]
        assert not any(one.resets for one in states)


async def test_a_reload_drops_the_state_of_vantages_that_are_not_used() -> None:
    """And keeps that of the others."""
    async with site(1, delay_s=0.001) as one, site(1, delay_s=0.001, address="127.0.2.2") as other:
        pool = Pool(asyncio.create_task)
        monitor = Monitor(pool.links)
        here, there = (Cluster(name, tuple(far.nodes())) for name, far in (("one", one), ("other", other)))
        try:
            pool.adjust((here, there))
            await pool.first_attempts(TIMEOUT_S)
            monitor.adopt((here, there))
            await monitor.round((here, there))
            assert set(monitor.state.vantages) == {one.label, other.label}
            pool.adjust((here,))
            monitor.adopt((here,))
            assert set(monitor.state.vantages) == {one.label}
            plain = replace(here, nodes=tuple(one.nodes(vantage="none")))
            pool.adjust((plain,))
            monitor.adopt((plain,))
            assert not monitor.state.vantages
        finally:
            pool.adjust(())
            await pool.close()
            monitor.close()


async def test_a_node_with_a_wall_clock_alone_that_is_set_within_a_burst_has_moved() -> None:
    """Only the vantage sees it, since its path is short; its stamps are right, and it is not to blame."""
    dice = Random(1)
    login = Login(without=(*NO_PYTHON, "perl"))
    async with site(1, delay_s=0.025, logins={"n2": login}) as far, watched(far.nodes()) as rounds:
        clock = far.fleet["n2"].clock
        for number in range(TRIES):
            under_way = asyncio.create_task(rounds.monitor.round([rounds.cluster]))
            await asyncio.sleep(dice.uniform(0.02, 0.08))
            clock.step((20_000_000, -20_000_000)[number % 2])
            (view,) = (await under_way).complete_views()
            blamed = [finding.kind for one in view.nodes for finding in one.findings]
            assert FindingKind.VANTAGE_CONTRADICTION not in blamed
            outcome = view.nodes[0].outcome
            if isinstance(outcome, Failed):
                assert outcome.reason is Reason.CLOCK_MOVED
                return
        pytest.fail("no step fell within a burst")


@pytest.mark.parametrize("rung", shown(RUNGS, "python3"))
async def test_a_name_that_is_being_looked_up_keeps_no_connection_open(rung: str) -> None:
    """The relay's child waits for a name server while a node is given up; that node's server sees the end."""
    environment = {"LD_PRELOAD": f"{shim()}:{build('names', 'names.c')}"}
    async with site(
        1, delay_s=0.0, logins={"n1": Login(without=RUNGS[rung], environment=environment)}
    ) as far:
        near = far.node("n2", vantage=far.jump[0])
        n2 = far.fleet["n2"]
        async with opened([near], TIMEOUT_S) as links:
            (link,) = links.values()
            hanging = replace(link.node, name="h", address="hanging.example.com")
            relays = far.bastion.session_ids()
            waiting = asyncio.create_task(Link(hanging, link._dialer, link.arrivals).open())
            await until(lambda: len(far.bastion.session_ids()) > len(relays))
            assert link.connection
            stream = link.connection.stamps
            assert isinstance(stream, RelayStream)
            stream.abort()  # without the farewell of SSH, at which the node's server would hang up itself
            await until(lambda: not descendants(n2.process_id))
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_a_slow_node_behind_a_vantage_is_measured_by_few_exchanges(tmp_path: Path) -> None:
    """As without one: eight that wait for each other at the vantage would take longer than a round has."""
    async with site(1, delay_s=0.01) as far:
        with flooder("slow", tmp_path / "slow") as slow:
            own, bastion = far.nodes()[0].ssh, replace(far.nodes()[0].ssh, port=far.path.port, jump=())
            known_hosts = (*own.known_hosts, str(slow.known_hosts))
            ssh = replace(own, user="skewmon", port=slow.port, identities=(str(slow.identity),))
            node = Node("slow", slow.address, replace(ssh, known_hosts=known_hosts, bastions=(bastion,)))
            async with opened([node], TIMEOUT_S) as links:
                (link,) = links.values()
                for _ in range(2):
                    burst = await link.burst(8, base_ns() + int(1.5 * SLOW_S * NS_PER_S))
                    assert [one.vantage is not None for one in burst.opening] == [True]
