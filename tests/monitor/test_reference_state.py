"""The memory of references between rounds: their schedules, their words, and leap seconds."""

import asyncio
import socket
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from skewmon.clock import ntp_schedule
from skewmon.clock.ntp_schedule import NtpSchedule
from skewmon.culprit.against_utc import utc_line
from skewmon.model import NS_PER_S, FindingKind, Program, ReferenceFault, TimeServer, UtcReason, UtcState
from skewmon.monitor import references as asking
from skewmon.monitor.reference_state import MISSED_MAX, References
from skewmon.monitor.references import ReferenceAsker
from skewmon.probe.clocks import base_ns
from skewmon.probe.ntp_socket import NtpError
from skewmon.runtime.resolver import Place
from skewmon.timesync.findings.derive import utc_findings
from tests.monitor.test_references import PATIENCE_S, reply, scripted, stamp


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


async def test_silence_at_a_vantage_does_not_end_the_requests_from_the_admin_box() -> None:
    """The admin box goes on with its socket, and its reply under way counts."""
    async with scripted() as them:
        state = await them.one(lambda request: [reply(request)])
        there, relay = them.asker._on_axes, SilentRelay()
        them.asker.adopt([replace(state.server, from_vantages=True)])
        for number in range(asking.LOOK_UP_AFTER):
            for one in there.values():
                one.states[0].schedule = NtpSchedule(64.0)
            (here,) = await them.ask()
            known = them.asker._sockets[here.server]
            them.asker.begin({"eu": relay})  # type: ignore[dict-item]
            await asyncio.wait([task for _, task in them.asker._open.values()], timeout=PATIENCE_S)
            assert there["eu"].states[0].missed == number + 1
        assert them.asker._sockets[here.server] is known


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


class SlowResolver:
    """A resolver whose first name server does not answer."""

    async def places(self, address: str, port: int, _timeout_s: float) -> list[Place]:
        await asyncio.sleep(3 * asking.REPLY_S)
        return [(socket.AF_INET, (address, port))]


async def test_a_first_round_waits_for_a_slow_lookup_and_for_the_reply(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So one round of ``check`` has the time of each reference, or the reason."""
    monkeypatch.setattr(asking, "REPLY_S", 0.2)
    monkeypatch.setattr(asking, "LOOKUP_S", PATIENCE_S)
    monkeypatch.setattr(asking, "resolver", SlowResolver)
    async with scripted() as them:
        await them.add(lambda request: [reply(request)])
        them.asker.begin()
        await them.asker.settle()
        assert them.references.states[0].is_used


def until(*instant: int) -> float:
    """Return the seconds from now to an instant of UTC."""
    return datetime(*instant, tzinfo=UTC).timestamp() - time.time()


@pytest.mark.parametrize(("leap", "least_ns"), [(0, 0), (1, NS_PER_S)])
async def test_a_reading_from_before_a_leap_second_may_be_a_second_off(leap: int, least_ns: int) -> None:
    """All references were read before midnight; whether it has come is known from the next replies.

    The last second of the day may be the one that is left out.
    """
    instants = (2027, 6, 30, 23, 59, 5), (2027, 6, 30, 23, 59, 59, 500_000), (2027, 7, 1, 0, 0, 30)
    async with scripted() as them:
        ahead_s = until(2027, 6, 30, 23, 59)
        evening = lambda request: [reply(request, leap=leap, ahead_s=ahead_s)]  # noqa: E731
        await them.add(evening, evening, evening)
        await them.ask()
        at_ns = base_ns()
        waits_ns = [round((until(*instant) - ahead_s) * NS_PER_S) for instant in instants]
        before, *later = (them.references.utc_at(at_ns + wait_ns) for wait_ns in waits_ns)
        assert before.state is UtcState.CONFIRMED
        assert before.offset is not None
        assert before.offset.bound_ns < NS_PER_S / 2
        for after in later:
            assert after.state is UtcState.CONFIRMED
            assert after.offset is not None
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


@pytest.mark.parametrize(("day", "hour", "is_near"), [(30, 12, True), (15, 12, False), (29, 23, False)])
async def test_a_smear_against_none_is_ambiguous_at_the_end_of_a_month(
    day: int, hour: int, *, is_near: bool
) -> None:
    """Two servers announce a leap second; a third one smears, says so, and is 300 ms away."""
    async with scripted() as them:
        ahead_s = until(2027, 6, day, hour)
        announcing = lambda request: [reply(request, leap=1, ahead_s=ahead_s)]  # noqa: E731
        smearing = lambda request: [  # noqa: E731
            reply(request, stratum=2, refid=b"\xfe\x01\x02\x03", ahead_s=ahead_s - 0.3)
        ]
        await them.add(announcing, announcing, smearing)
        await them.ask()
        utc = them.references.utc_at(base_ns())
        assert [one.early_leap for one in utc.references] == [not is_near, not is_near, False]
        if is_near:
            assert (utc.state, utc.reason) == (UtcState.AMBIGUOUS, UtcReason.LEAP)
            assert [one.falseticker for one in utc.references] == [False] * 3
            assert [one.reason for one in utc.references] == ["", "", ReferenceFault.LEAP_SMEAR]
        else:
            assert utc.state is UtcState.CONFIRMED
            assert [one.falseticker for one in utc.references] == [False, False, True]


async def test_a_constant_leap_bit_is_named_and_decides_nothing() -> None:
    """UTC stays confirmed, and the finding says why the announcement is ignored."""
    async with scripted() as them:
        ahead_s = until(2027, 6, 15)
        good = lambda request: [reply(request, ahead_s=ahead_s)]  # noqa: E731
        await them.add(good, good, lambda request: [reply(request, leap=1, ahead_s=ahead_s)])
        await them.add(lambda request: [reply(request, ahead_s=ahead_s + 0.3)])
        await them.ask()
        utc = them.references.utc_at(base_ns())
    assert utc.state is UtcState.CONFIRMED
    found = {one.kind: one.message for one in utc_findings({}, utc, None)}
    assert set(found) == {FindingKind.REFERENCE_EARLY_LEAP, FindingKind.REFERENCE_FALSETICKER}
    assert "ref2 announces a leap second" in found[FindingKind.REFERENCE_EARLY_LEAP]


async def test_one_with_another_date_makes_no_month_end() -> None:
    """The date is that of the majority."""
    async with scripted() as them:
        ahead_s = until(2027, 6, 15)
        good = lambda request: [reply(request, ahead_s=ahead_s)]  # noqa: E731
        other = lambda request: [reply(request, leap=1, ahead_s=ahead_s + 15 * 86_400)]  # noqa: E731
        await them.add(good, good, good, other, lambda request: [reply(request, ahead_s=ahead_s + 0.3)])
        await them.ask()
        utc = them.references.utc_at(base_ns())
    assert utc.state is UtcState.CONFIRMED
    assert [one.falseticker for one in utc.references] == [False] * 3 + [True] * 2


@pytest.mark.parametrize(("fraction", "votes"), [(0x1234_5678, 2), (0, 3)])
async def test_two_addresses_of_one_machine_have_one_vote(fraction: int, votes: int) -> None:
    """They show the same update of the clock; receivers of satellites all show the whole second."""
    async with scripted() as them:
        update = stamp() >> 32 << 32 | fraction
        twin = lambda request: [reply(request, reference=update)]  # noqa: E731
        await them.add(twin, twin, lambda request: [reply(request)])
        await them.ask()
        for server in them.servers[:2]:  # the second one was queried before an update, and the first after it
            server.answer = lambda request: [reply(request)]
            await them.ask()
        utc = them.references.utc_at(base_ns())
    assert len({one.upstream for one in utc.references}) == votes
    assert utc.state is (UtcState.CONFIRMED if votes == 3 else UtcState.UNCONFIRMED)


async def test_a_liar_that_copies_the_updates_of_others_does_not_merge_them() -> None:
    """Of seven references three lie together, and one of them shows the updates of three that are right."""
    async with scripted() as them:
        updates = [stamp(-number) | 0x1234_5678 for number in range(3)]
        copied = iter(updates)
        right = [lambda request, one=one: [reply(request, reference=one)] for one in updates]
        lying = lambda request: [reply(request, ahead_s=0.3)]  # noqa: E731
        copying = lambda request: [  # noqa: E731
            reply(request, ahead_s=0.3, reference=next(copied), dispersion=1 << 16)
        ]
        await them.add(copying, *right, lambda request: [reply(request)], lying, lying)
        for _ in updates:
            await them.ask()
        at_ns = base_ns()
        utc = them.references.utc_at(at_ns)
    assert utc.state is UtcState.CONFIRMED
    assert [one.falseticker for one in utc.references] == [False] * 5 + [True] * 2
    # The one whose updates were copied first shares the vote of the liar.
    assert len({one.upstream for one in utc.references}) == 6


async def test_a_reference_that_limits_its_clients_keeps_its_vote_as_if_a_reply_were_lost() -> None:
    """It withdraws no time; after as many requests as silence is allowed it votes no more."""
    async with scripted() as them:
        state = await them.one(lambda request: [reply(request)])
        them.servers[0].answer = lambda request: [reply(request, stratum=0, refid=b"RATE")]
        for number in range(MISSED_MAX + 1):
            assert state.is_used, number
            await them.ask()
        assert (state.fault, state.is_used) == (ReferenceFault.KISS_RATE, False)


async def test_a_name_that_moves_to_another_machine_has_no_vote_by_the_time_of_the_former_one() -> None:
    """Its next reply counts, and nothing of the former machine does."""
    async with scripted() as them:
        state = await them.one(lambda request: [reply(request, reference=stamp() | 1)])
        state.moved(state.address)
        assert state.is_used
        state.moved("127.0.7.2")
        assert (state.is_used, len(state.updates)) == (False, 0)
        await them.ask()
        assert (state.is_used, len(state.updates), state.address) == (True, 1, "127.0.7.2")


async def test_servers_behind_one_ipv6_server_have_one_vote() -> None:
    """Its identifier is a hash, which here looks like a private address."""
    async with scripted() as them:
        deeper = lambda request: [reply(request, stratum=2, refid=b"\x0a\x01\x02\x03")]  # noqa: E731
        await them.add(deeper, deeper, lambda request: [reply(request)])
        for number, state in enumerate(await them.ask(), 1):
            state.address = f"9.9.9.{number}"
        utc = them.references.utc_at(base_ns())
    assert [one.upstream for one in utc.references] == ["10.1.2.3", "10.1.2.3", "9.9.9.3"]
    assert (utc.state, utc.reason) == (UtcState.UNCONFIRMED, UtcReason.FEW_REFERENCES)
    (found,) = utc_findings({}, utc, None)
    assert found.message.endswith("; ref0, ref1 have one vote, that of 10.1.2.3")


@pytest.mark.parametrize("removed_between", [False, True])
def test_no_reload_begins_another_burst(*, removed_between: bool) -> None:
    """A server keeps its schedule if its entry changes, or is removed for a while."""
    references, sent, s = References(), list[int](), NS_PER_S
    for now_s in range(200):
        references.adopt([TimeServer("ref", "192.0.2.1", interval_s=64.0 + now_s % 2)])
        (state,) = references.states
        if state.schedule.allows(now_s * s):
            sent.append(now_s)
            state.asked(now_s * s)
        if removed_between:
            references.adopt([])
    assert sent[:4] == [0, 2, 4, 6]
    assert all(64 <= later - earlier <= 66 for earlier, later in pairwise(sent[3:]))
    assert len(sent) == 7


def test_a_server_that_asked_for_fewer_requests_gets_no_more_after_a_reload() -> None:
    """One that denied access is asked once more, after its interval."""
    references = References()
    references.adopt([TimeServer("slow", "192.0.2.1"), TimeServer("closed", "192.0.2.2")])
    slow, closed = references.states
    slow.schedule, closed.schedule = (
        slow.schedule.after_request(0).slowed(0),
        closed.schedule.after_request(0).stopped(),
    )
    references.adopt([TimeServer("slow", "192.0.2.1", interval_s=16.0), TimeServer("again", "192.0.2.2")])
    slow, closed = references.states
    assert (slow.schedule.interval_s, slow.schedule.due_ns) == (128.0, 128 * NS_PER_S)
    assert not closed.schedule.allows(NS_PER_S)
    assert closed.schedule.allows(64 * NS_PER_S)
