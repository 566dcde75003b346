"""References that misbehave: each bad reply has its own reason, is counted, and costs nothing else."""

import asyncio
import errno
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing

import pytest

from skewmon.clock.ntp_schedule import BURST, INTERVAL_MAX_S, NtpSchedule
from skewmon.model import NS_PER_S, ReferenceFault, TimeServer, UtcReason, UtcState
from skewmon.monitor import references as asking
from skewmon.monitor.reference_state import MISSED_MAX, References, ReferenceState
from skewmon.monitor.references import ReferenceAsker
from skewmon.probe.clocks import base_ns
from skewmon.timesync.ntp_packet import NTP_TO_UNIX_S

#: How long a reply on loopback may take on a busy machine.
PATIENCE_S = 30.0


def stamp(ahead_s: float = 0.0) -> int:
    """Return now as an NTP timestamp."""
    now_ns = time.time_ns() + round(ahead_s * 1e9)
    return ((now_ns // NS_PER_S + NTP_TO_UNIX_S) << 32) | ((now_ns % NS_PER_S) << 32) // NS_PER_S


def reply(
    request: bytes,
    *,
    leap: int = 0,
    stratum: int = 1,
    refid: bytes = b"GPS\0",
    ahead_s: float = 0.0,
    origin: bytes | None = None,
    seconds: int | None = None,
    dispersion: int = 66,
    reference: int | None = None,
) -> bytes:
    """Return the reply of a good server, but for what is given."""
    now = stamp(ahead_s) if seconds is None else seconds << 32 | 5
    head = struct.pack("!BBbb", leap << 6 | 4 << 3 | 4, stratum, 6, -23)
    stamps = (
        now - (1 << 32) if reference is None else reference,
        request[40:48] if origin is None else origin,
        now,
        now,
    )
    return head + struct.pack("!II4s", 66, dispersion, refid) + struct.pack("!Q8sQQ", *stamps)


Answer = Callable[[bytes], list[bytes]]


class Server(asyncio.DatagramProtocol):
    """An NTP server of the test: ``answer`` returns the datagrams for a request."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[bytes] = []

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, client: tuple[str, int]) -> None:
        self.requests.append(data)
        for one in self.answer(data):
            self.transport.sendto(one, client)


class Asking:
    """An asker of scripted servers."""

    def __init__(self) -> None:
        self.references = References()
        self.asker = ReferenceAsker(self.references, {})
        self.servers: list[Server] = []

    async def add(self, *answers: Answer) -> None:
        """Start servers and query them from now on, each at an address of its own."""
        for answer in answers:
            address = f"127.0.7.{len(self.servers) + 1}"
            _, server = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda answer=answer: Server(answer), (address, 0)
            )
            self.servers.append(server)
        self.asker.adopt(
            TimeServer(f"ref{number}", *server.transport.get_extra_info("sockname"))
            for number, server in enumerate(self.servers)
        )

    async def ask(self) -> list[ReferenceState]:
        """Query all servers now, whatever their schedules, and wait for the end of each request."""
        for state in self.references.states:
            if not state.schedule.is_stopped:
                state.schedule = NtpSchedule(state.schedule.interval_s)
        self.asker.begin()
        pending = [task for _, task in self.asker._open.values()]
        if pending:
            await asyncio.wait(pending, timeout=PATIENCE_S)
        return self.references.states

    async def one(self, answer: Answer) -> ReferenceState:
        """Return the state of one server after one request."""
        await self.add(answer)
        return (await self.ask())[-1]


@asynccontextmanager
async def scripted() -> AsyncIterator[Asking]:
    """Yield an asker; its servers end with the block."""
    asking_them = Asking()
    try:
        yield asking_them
    finally:
        asking_them.asker.close()
        for server in asking_them.servers:
            server.transport.close()


def without_descriptor(*_: object) -> None:
    """Fail as socket(2) does in a process that may open nothing more."""
    raise OSError(errno.EMFILE, "Too many open files")


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let silence count as such after a moment."""
    monkeypatch.setattr(asking, "REPLY_S", 0.2)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"stratum": 0, "refid": b"DENY"}, ReferenceFault.KISS_DENY),
        ({"stratum": 0, "refid": b"RSTR"}, ReferenceFault.KISS_RSTR),
        ({"stratum": 0, "refid": b"RATE"}, ReferenceFault.KISS_RATE),
        ({"stratum": 0, "refid": b"WHAT"}, ReferenceFault.KISS_OTHER),
        ({"stratum": 16}, ReferenceFault.STRATUM_16),
        ({"leap": 3}, ReferenceFault.UNSYNCHRONIZED),
        ({"stratum": 10, "refid": b"\x7f\x7f\x01\x01"}, ReferenceFault.FREE_RUNNING),
        ({"stratum": 11, "refid": b"LOCL"}, ReferenceFault.FREE_RUNNING),
        ({"stratum": 5, "refid": b"\x7f\0\0\x01"}, ReferenceFault.ORPHAN),
        ({"stratum": 5, "refid": b"LOOP"}, ReferenceFault.ORPHAN),
        ({"seconds": 3_000_000_000}, ReferenceFault.WRONG_ERA),  # in 1995
        ({"dispersion": 2**31}, ReferenceFault.TOO_FAR),
    ],
)
async def test_a_server_that_is_no_reference_has_its_own_reason(
    changes: dict[str, object], fault: ReferenceFault
) -> None:
    """It is counted once, shown, and gives no UTC."""
    async with scripted() as them:
        state = await them.one(lambda request: [reply(request, **changes)])
        assert (state.fault, state.rejected) == (fault, {fault: 1})
        utc = them.references.utc_at(base_ns())
        assert (utc.state, utc.reason) == (UtcState.NONE, UtcReason.NO_ANSWER)
        (view,) = utc.references
        assert (view.reason, view.success, view.offset) == (fault, False, None)


@pytest.mark.usefixtures("_impatient")
async def test_a_spoofed_reply_is_dropped_and_the_true_one_counts() -> None:
    """A reply that does not repeat the random timestamp comes first."""
    async with scripted() as them:
        spoofed = reply(bytes(48), origin=b"guessed!", ahead_s=5.0)
        state = await them.one(lambda request: [spoofed, b"x", reply(request)])
        assert (state.fault, state.missed) == (None, 0)
        assert state.rejected == {ReferenceFault.SPOOFED: 1, ReferenceFault.MALFORMED: 1}
        alone = await them.one(lambda _: [spoofed])
        assert alone.fault is ReferenceFault.SILENCE
        assert alone.rejected == {ReferenceFault.SPOOFED: 1, ReferenceFault.SILENCE: 1}


async def test_a_second_reply_is_a_duplicate() -> None:
    """At once, or before the next request; the first one counts."""
    async with scripted() as them:
        state = await them.one(lambda request: [reply(request), reply(request, ahead_s=5.0)])
        async with asyncio.timeout(PATIENCE_S):
            while not state.rejected:
                await asyncio.sleep(0.01)
        assert (state.fault, state.rejected) == (None, {ReferenceFault.DUPLICATE: 1})


async def test_a_flood_of_bad_replies_ends_the_reading() -> None:
    """The next request opens it again; the loop is never held up by more than a few datagrams."""
    async with scripted() as them:
        state = await them.one(lambda request: [reply(request), *[b"flood"] * 500])
        await asyncio.sleep(0.1)
        assert state.fault is None
        assert state.rejected[ReferenceFault.MALFORMED] <= 64
        assert (await them.ask())[0].fault is None


@pytest.mark.usefixtures("_impatient")
async def test_a_silent_reference_votes_no_more_after_a_few_requests() -> None:
    """Its last answer is still true for a while, and ages."""
    async with scripted() as them:
        state = await them.one(lambda request: [reply(request)])
        them.servers[0].answer = lambda _: []
        for number in range(MISSED_MAX + 1):
            assert state.is_used, number
            await them.ask()
        assert not state.is_used
        assert state.rejected == {ReferenceFault.SILENCE: MISSED_MAX + 1}


async def test_a_port_without_a_server_is_refused() -> None:
    """As its machine says by ICMP."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as free:
        free.bind(("127.0.0.1", 0))
        place = free.getsockname()
    async with scripted() as them:
        them.asker.adopt([TimeServer("absent", *place)])
        (state,) = await them.ask()
        assert state.fault is ReferenceFault.REFUSED


async def test_a_name_without_an_address_has_its_reason() -> None:
    """It is looked up again for the next request."""
    async with scripted() as them:
        them.asker.adopt([TimeServer("nowhere", "nowhere.invalid")])
        (state,) = await them.ask()
        assert state.fault is ReferenceFault.NAME_NOT_RESOLVED


async def test_a_request_without_a_free_descriptor_has_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """No route and no name is to blame."""
    async with scripted() as them:
        await them.add(lambda request: [reply(request)])
        with monkeypatch.context() as patched:
            patched.setattr(socket, "socket", without_descriptor)
            (state,) = await them.ask()
        assert state.fault is ReferenceFault.TOO_MANY_OPEN_FILES
        assert (await them.ask())[0].fault is None


async def test_a_request_gives_nothing_away_and_is_never_the_same() -> None:
    """Data minimisation: the mode, the version, and a random timestamp."""
    async with scripted() as them:
        await them.one(lambda request: [reply(request)])
        await them.ask()
        first, second = them.servers[0].requests
        assert first[:40] == second[:40] == b"\x23" + bytes(39)
        assert first[40:] != second[40:]


async def test_three_references_confirm_utc_and_name_a_fourth() -> None:
    """The fourth is 300 ms ahead."""
    async with scripted() as them:
        good = lambda request: [reply(request)]  # noqa: E731
        await them.add(good, good, good, lambda request: [reply(request, ahead_s=0.3)])
        await them.ask()
        at_ns = base_ns()
        utc = them.references.utc_at(at_ns)
        assert utc.state is UtcState.CONFIRMED
        assert utc.offset is not None
        # The servers show this machine's wall clock.
        assert time.time_ns() - base_ns() in utc.offset.widened(1_000_000)
        assert [one.falseticker for one in utc.references] == [False] * 3 + [True]


async def test_a_base_that_stood_still_drops_every_reading() -> None:
    """UTC is not known until the references have been queried again."""
    async with scripted() as them:
        state = await them.one(lambda request: [reply(request)])
        them.references.forget_base()
        assert not state.is_used
        assert them.references.utc_at(base_ns()).state is UtcState.NONE


async def test_references_that_stay_keep_their_state() -> None:
    """A reload does not begin another burst, nor does it forget an order to go away."""
    async with scripted() as them:
        state = await them.one(lambda request: [reply(request, stratum=0, refid=b"DENY")])
        await them.add(lambda request: [reply(request)])
        assert them.references.states[0] is state
        await them.ask()
        assert len(them.servers[0].requests) == 1
        assert len(them.servers[1].requests) == 1


def test_the_schedule_has_manners() -> None:
    """Four requests two seconds apart at least, then one an interval; RATE doubles it, DENY ends it."""
    schedule, sent = NtpSchedule(64.0), list[int]()
    for now_s in range(300):
        if schedule.allows(now_s * NS_PER_S):
            sent.append(now_s)
            schedule = schedule.after_request(now_s * NS_PER_S)
    assert sent == [0, 2, 4, 6, 70, 134, 198, 262]
    slowed = NtpSchedule(64.0).after_request(0).slowed(0)
    assert (slowed.interval_s, slowed.asked) == (128.0, BURST)
    assert not slowed.allows(127 * NS_PER_S)
    assert slowed.allows(128 * NS_PER_S)
    assert slowed.after_request(128 * NS_PER_S).due_ns == 256 * NS_PER_S
    for _ in range(20):
        slowed = slowed.slowed(0)
    assert slowed.interval_s == INTERVAL_MAX_S
    assert not schedule.stopped().allows(10**18)
