"""The memory of references between rounds: their schedules, their words, and leap seconds."""

import asyncio
import time
from contextlib import closing

import pytest

from skewmon.clock import ntp_schedule
from skewmon.culprit.against_utc import utc_line
from skewmon.model import NS_PER_S, Program, ReferenceFault, TimeServer, UtcState
from skewmon.monitor import references as asking
from skewmon.monitor.reference_state import References
from skewmon.monitor.references import ReferenceAsker
from skewmon.probe.clocks import base_ns
from skewmon.probe.ntp_socket import NtpError
from tests.monitor.test_references import PATIENCE_S, reply, scripted


class SilentRelay:
    """A relay on a vantage whose queries nothing answers."""

    def __init__(self) -> None:
        self.program = Program("python3", boot_id="vantage")
        self.datagrams = self
        self.requests = 0

    async def exchange(self, *_: object) -> None:
        self.requests += 1
        raise NtpError(ReferenceFault.SILENCE)


async def test_a_round_of_other_clusters_begins_no_other_burst_from_a_vantage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor does a vantage that is lost for a round: the schedule of its queries stays."""
    monkeypatch.setattr(ntp_schedule, "BURST_GAP_S", 3600.0)
    references, relay = References(), SilentRelay()
    with closing(ReferenceAsker(references, {})) as asker:
        asker.adopt([TimeServer("ref", "192.0.2.1", from_vantages=True)])
        (state,) = references.states
        state.address, state.schedule = "192.0.2.1", state.schedule.stopped()  # not from here
        for number in range(8):
            asker.begin({"eu": relay} if number % 2 else {})  # type: ignore[dict-item]
            await asyncio.wait_for(asker.settle(), PATIENCE_S)
    assert relay.requests == 1


async def test_a_lost_reply_brings_no_withdrawn_time_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference that says it is not synchronized has no vote, whatever is lost afterwards."""
    monkeypatch.setattr(asking, "REPLY_S", 0.2)
    async with scripted() as them:
        state = await them.one(lambda request: [reply(request)])
        them.servers[0].answer = lambda request: [reply(request, leap=3)]
        await them.ask()
        assert not state.is_used
        them.servers[0].answer = lambda _: []
        await them.ask()
        assert (state.fault, state.is_used) == (ReferenceFault.SILENCE, False)


@pytest.mark.parametrize(("leap", "least_ns"), [(0, 0), (1, NS_PER_S)])
async def test_a_reading_from_before_a_leap_second_may_be_a_second_off(leap: int, least_ns: int) -> None:
    """All references were read before midnight; whether it has come is known from the next replies."""
    async with scripted() as them:
        day_s = 24 * 3600
        to_midnight_s = day_s - time.time() % day_s - 60.0
        evening = lambda request: [reply(request, leap=leap, ahead_s=to_midnight_s)]  # noqa: E731
        await them.add(evening, evening, evening)
        await them.ask()
        before, after = (them.references.utc_at(base_ns() + wait_s * NS_PER_S) for wait_s in (0, 90))
        assert before.state is after.state is UtcState.CONFIRMED
        assert before.offset is not None
        assert after.offset is not None
        assert before.offset.bound_ns < NS_PER_S / 2
        assert least_ns <= after.offset.bound_ns < least_ns + NS_PER_S / 2


async def test_references_whose_last_reply_was_lost_still_confirm_utc_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They do so by the reply before, and are counted as many as they are."""
    monkeypatch.setattr(asking, "REPLY_S", 0.2)
    async with scripted() as them:
        good = lambda request: [reply(request)]  # noqa: E731
        await them.add(good, good, good, lambda request: [reply(request, ahead_s=5.0)])
        await them.ask()
        for server in them.servers:
            server.answer = lambda _: []
        await them.ask()
        utc = them.references.utc_at(base_ns())
        assert utc.state is UtcState.CONFIRMED
        assert [one.success for one in utc.references] == [False] * 4
        assert [one.agrees for one in utc.references] == [True] * 3 + [False]
        line = utc_line(utc, NS_PER_S)
        assert line is not None
        assert line.references == 3
