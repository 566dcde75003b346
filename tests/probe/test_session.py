"""A node may say anything at all: it is measured or fails on its own with a reason, and nothing escapes."""

import asyncio
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import asyncssh
import pytest
from asyncssh.constants import MSG_IGNORE

from skewmon.errors import NodeError, ProbeError, Reason
from skewmon.model import NS_PER_S, Cluster, ClusterView, Failed, Measured, Threshold
from skewmon.monitor.check import opened
from skewmon.monitor.round import run_round
from skewmon.monitor.state import MonitorState
from skewmon.probe.budget import PATIENT
from skewmon.probe.connection import Connection
from skewmon.probe.session import Session as ProbeSession
from skewmon.probe.sweep import Sweeper
from tests.fleet.scripted import ScriptedNode, Session
from tests.integration.measuring import failed, in_order, measured, outcome_of, scripted
from tests.probe.hostile import FULL_HELLO, PLAIN_HELLO, Liar, nonce_of

TIMEOUT_S = 4.0
RAW = time.CLOCK_MONOTONIC_RAW


@asynccontextmanager
async def node_with(script, directory: Path, address: str = "127.0.3.1"):
    """Start a scripted node."""
    directory.mkdir(exist_ok=True)
    async with ScriptedNode(script, directory=directory, address=address) as node:
        yield replace(scripted(node), name=directory.name)


async def rounds_of(cluster: Cluster, count: int) -> ClusterView:
    """Measure a cluster a few times with one history and return the last view."""
    state, sweeper = MonitorState(), Sweeper()
    async with opened(cluster.nodes, TIMEOUT_S) as links:
        for _ in range(count):
            (view,) = (await run_round([cluster], links, sweeper, state)).views
    return view


async def test_an_honest_script_is_measured(tmp_path: Path) -> None:
    """The standard for the hostile ones."""
    async with node_with(Liar(), tmp_path) as node:
        found = measured(await outcome_of(node, timeout_s=TIMEOUT_S))
    assert found.estimate.oscillator is not None
    assert 0 in found.estimate.oscillator
    assert found.burst.program.boot_id == "b1"


def read_now(_: Liar, nonce: str, ident: int) -> bytes:
    """Return a reply as a program on this machine gives it: its clocks at once, in their order."""
    clocks = (time.CLOCK_REALTIME, RAW, time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME, RAW, time.CLOCK_REALTIME)
    return f"{nonce} {ident} {' '.join(str(time.clock_gettime_ns(clock)) for clock in clocks)}\n".encode()


async def test_bursts_grow_short_once_a_node_is_known(tmp_path: Path) -> None:
    """Of samples: auto, on a node far from every line; a number of samples is kept to."""
    line = Threshold("warning", NS_PER_S)
    state, sweeper = MonitorState(), Sweeper()
    script = Liar(reply=read_now)
    async with node_with(script, tmp_path / "a") as a, node_with(script, tmp_path / "b", "127.0.3.2") as b:
        auto, fixed = Cluster("auto", (a, b), thresholds=(line,)), Cluster("eight", (a, b), samples=8)

        async def samples(cluster: Cluster) -> list[int]:
            (view,) = (await run_round([cluster], links, sweeper, state)).views
            return [
                node.outcome.estimate.samples for node in view.nodes if isinstance(node.outcome, Measured)
            ]

        async with opened((a, b), TIMEOUT_S) as links:
            assert min(await samples(auto)) >= 9
            for _ in range(50):
                if min(await samples(auto)) < 9:
                    break
            else:
                pytest.fail("every burst was a whole one")
            assert min(await samples(fixed)) >= 9


async def test_a_request_is_one_packet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ignore packet before it, as asyncssh sends, would cost both ends a third more."""
    ignored = []
    take = asyncssh.SSHServerConnection._packet_handlers[MSG_IGNORE]

    def count(connection: asyncssh.SSHServerConnection, *packet: object) -> None:
        if connection.is_server():  # it sends them itself
            ignored.append(connection)
        return take(connection, *packet)

    monkeypatch.setitem(asyncssh.SSHServerConnection._packet_handlers, MSG_IGNORE, count)
    async with node_with(Liar(), tmp_path) as node:
        measured(await outcome_of(node, timeout_s=TIMEOUT_S))
    assert ignored == []


REPLIES: dict[str, tuple[Callable[[Liar, str, int], bytes], Reason]] = {
    "truncated": (lambda liar, n, i: f"{n} {i} 17\n".encode(), Reason.GARBLED_REPLY),
    "no numbers": (lambda liar, n, i: f"{n} {i} a b c d e f\n".encode(), Reason.GARBLED_REPLY),
    "huge numbers": (lambda liar, n, i: f"{n} {i} {'9' * 4000} 1 1 1 1 1\n".encode(), Reason.GARBLED_REPLY),
    "endless numbers": (lambda liar, n, i: f"{n} {i} {'9' * 70_000}".encode(), Reason.TOO_MUCH_OUTPUT),
    "unicode digits": (lambda liar, n, i: f"{n} {i} ١ ٢ ٣ ٤ ٥ ٦\n".encode(), Reason.GARBLED_REPLY),
    "NULs": (lambda liar, n, i: f"{n} {i} \0 1 1 1 1 1\n".encode(), Reason.GARBLED_REPLY),
    "escapes": (lambda liar, n, i: f"{n} {i} \x1b[2J 1 1 1 1 1\n".encode(), Reason.GARBLED_REPLY),
    "no raw after all": (lambda liar, n, i: f"{n} {i} 1 - - - - 1\n".encode(), Reason.GARBLED_REPLY),
    "raw only once": (
        lambda liar, n, i: f"{n} {i} 1 - - - - 1\n".encode() if i == 2 else liar.honest(n, i),
        Reason.GARBLED_REPLY,
    ),
    "no wall clock": (lambda liar, n, i: f"{n} {i} - 1 1 1 1 -\n".encode(), Reason.GARBLED_REPLY),
    "not a number": (lambda liar, n, i: f"{n} {i} nan nan nan nan nan nan\n".encode(), Reason.GARBLED_REPLY),
    "infinity": (lambda liar, n, i: f"{n} {i} inf 1 1 1 1 -inf\n".encode(), Reason.GARBLED_REPLY),
    "an exponent": (lambda liar, n, i: f"{n} {i} 1e18 1 1 1 1 1e18\n".encode(), Reason.GARBLED_REPLY),
    "forged nonce": (lambda liar, n, i: liar.honest(n[::-1] + "0", i), Reason.NO_REPLY),
    "nonce of another session": (lambda liar, n, i: liar.honest("0" * len(n), i), Reason.NO_REPLY),
    "the same reply again": (lambda liar, n, i: liar.honest(n, 1), Reason.NO_REPLY),
    "silence": (lambda liar, n, i: b"", Reason.NO_REPLY),
    "another's id": (lambda liar, n, i: liar.honest(n, i + 1000), Reason.NO_REPLY),
    "yesterday's id": (lambda liar, n, i: liar.honest(n, i - 1), Reason.NO_REPLY),
    "backwards": (
        lambda liar, n, i: liar.honest(n, i, raw_ahead_ns=-i * NS_PER_S),
        Reason.CLOCK_MOVED,
    ),
    "raw backwards": (lambda liar, n, i: f"{n} {i} 1 9 1 1 5 1\n".encode(), Reason.GARBLED_REPLY),
    "half a line and no end": (lambda liar, n, i: f"{n} {i} 12345".encode(), Reason.NO_REPLY),
}


@pytest.mark.parametrize("name", REPLIES)
async def test_a_reply_that_is_none_fails_with_its_reason(name: str, tmp_path: Path) -> None:
    """And with a sentence that a terminal can print."""
    reply, reason = REPLIES[name]
    async with node_with(Liar(reply=reply), tmp_path) as node:
        failed(await outcome_of(node, timeout_s=1.5), reason)


async def test_replies_before_the_request_are_no_measurement(tmp_path: Path) -> None:
    """Guessing the next id gains nothing."""

    def eager(liar: Liar, nonce: str, ident: int) -> bytes:
        return b"".join(liar.honest(nonce, ident + more) for more in range(3))

    async with node_with(Liar(reply=eager), tmp_path) as node:
        outcome = await outcome_of(node, timeout_s=1.5)
    if isinstance(outcome, Failed):
        assert outcome.reason in {Reason.GARBLED_REPLY, Reason.CLOCK_MOVED}
    else:
        assert all(one.round_trip_ns >= 0 for one in outcome.burst.opening)


async def test_replies_before_the_request_raise_no_doubt_about_the_kernels_stamps(tmp_path: Path) -> None:
    """A doubt would cost every other node a second burst in that round, and narrow bounds in the next."""

    def eager(liar: Liar, nonce: str, ident: int) -> bytes:
        return liar.honest(nonce, ident) + liar.honest(nonce, ident + 1)

    async with (
        ScriptedNode(Liar(reply=eager), directory=tmp_path) as node,
        opened([scripted(node)], 5) as links,
    ):
        (link,) = links.values()
        assert link.failure is None
        with pytest.raises(NodeError) as raised:
            await link.burst(8)
        assert raised.value.reason is Reason.GARBLED_REPLY
        assert link.arrivals.doubts == 0


async def test_a_reply_from_the_past_is_refused(tmp_path: Path) -> None:
    """It lies in the socket before the request has left."""

    async def answer_all(session: Session, nonce: str) -> None:
        for ident in range(1, 200):
            await session.write(Liar().honest(nonce, ident))

    liar = Liar(before=None)

    async def script(session: Session) -> None:
        nonce = await nonce_of(session)
        await session.write(f"\nSKEWMON1 {nonce} {FULL_HELLO}\n".encode())
        while not (await session.read_line()).startswith(nonce.encode()):
            pass
        await session.write(liar.honest(nonce, 1))
        await asyncio.sleep(0.002)
        await answer_all(session, nonce)
        await asyncio.Event().wait()

    async with node_with(script, tmp_path) as node:
        outcome = await outcome_of(node, timeout_s=1.5)
    assert isinstance(outcome, Failed)


@pytest.mark.parametrize(
    "ahead_ns", [10**19, -(10**19), -1_790_000_000 * NS_PER_S, 1], ids=["far", "back", "1970", "1 ns"]
)
@pytest.mark.parametrize("hello", [FULL_HELLO, PLAIN_HELLO], ids=["all clocks", "one clock"])
async def test_a_clock_of_any_time_is_measured(ahead_ns: int, hello: str, tmp_path: Path) -> None:
    """Three hundred years ahead or before 1970: a number like any other, on the page, too."""
    liar = Liar(hello=hello, reply=lambda liar, n, i: liar.honest(n, i, ahead_ns=ahead_ns))
    async with (
        node_with(liar, tmp_path / "a") as far,
        node_with(Liar(), tmp_path / "b", address="127.0.3.2") as near,
    ):
        cluster = Cluster("c", (far, near), thresholds=(Threshold("warning", NS_PER_S),))
        view = await rounds_of(cluster, 2)
    assert view.measured == 2, [one.outcome for one in view.nodes]
    assert ahead_ns in view.pairs[0].offset or -ahead_ns in view.pairs[0].offset
    assert (view.verdict == "warning") == (abs(ahead_ns) > NS_PER_S)


async def test_wild_clocks_never_disturb_another_node(tmp_path: Path) -> None:
    """Each reply from another century: that node contradicts itself, the other is measured."""
    wild = Liar(reply=lambda liar, n, i: f"{n} {i} {-(10**18) * i} 5 {10**19} -7 5 {10**18}\n".encode())
    async with (
        node_with(wild, tmp_path / "a") as one,
        node_with(Liar(), tmp_path / "b", address="127.0.3.2") as other,
        opened([one, other], TIMEOUT_S) as links,
    ):
        sweep = await Sweeper().sweep(links, 8)
    failed(in_order(sweep)[0], Reason.CLOCK_MOVED)
    measured(in_order(sweep)[1])


@pytest.mark.parametrize(
    "clocks",
    [
        lambda i: (-i, -i, -i, -i, -i, -i),
        lambda i: (10**19, 0, 10**19, -(10**19), 0, 10**19),
        lambda i: (0, 0, 0, 0, 0, 0),
        lambda i: (i * 10**15,) * 6,
        lambda i: ((-1) ** i * 10**19, 10**19, -(10**19), 10**19, -(10**19), 10**19),
    ],
    ids=["negative and backwards", "contradictory", "stopped", "leaping", "swinging"],
)
@pytest.mark.parametrize("samples", [1, 8])
async def test_impossible_clocks_come_to_an_end_of_their_own(clocks, samples: int, tmp_path: Path) -> None:
    """Measured or failed, round after round, and through everything that is computed from it."""
    liar = Liar(reply=lambda liar, n, i: f"{n} {i} {' '.join(map(str, clocks(i)))}\n".encode())
    async with (
        node_with(liar, tmp_path / "a") as one,
        node_with(Liar(), tmp_path / "b", address="127.0.3.2") as other,
    ):
        cluster = Cluster("c", (one, other), samples=samples, thresholds=(Threshold("warning", NS_PER_S),))
        view = await rounds_of(cluster, 2)
    assert isinstance(view.nodes[0].outcome, Failed | Measured)
    measured(view.nodes[1].outcome)


@pytest.mark.parametrize(
    "hello",
    [
        "hello probe=python3 real=0,-5",
        "hello probe=cobol real=0,1",
        f"hello probe=python3 real=0,{'9' * 3000}",
        "hello probe=bash real=0,1 clocksource=\x1b]0;owned\x07",
        "goodbye",
    ],
    ids=["negative quantum", "unknown rung", "endless quantum", "escape sequence", "no hello"],
)
async def test_a_hello_that_makes_no_sense_is_refused(hello: str, tmp_path: Path) -> None:
    """Nothing is measured with a program that cannot introduce itself."""
    async with node_with(Liar(hello=hello), tmp_path) as node:
        failed(await outcome_of(node, timeout_s=1.5), Reason.GARBLED_REPLY)


async def test_a_second_hello_changes_nothing(tmp_path: Path) -> None:
    """The program that introduced itself first is the one that is measured."""

    def changing(liar: Liar, nonce: str, ident: int) -> bytes:
        return f"SKEWMON1 {nonce} {PLAIN_HELLO}\n".encode() + liar.honest(nonce, ident)

    async with node_with(Liar(reply=changing), tmp_path) as node:
        found = measured(await outcome_of(node, timeout_s=TIMEOUT_S))
    assert found.burst.program.probe == "python3"


async def test_a_flood_of_valid_replies_is_cut_off(tmp_path: Path) -> None:
    """A line without a request is noise, however well formed."""

    def twice(liar: Liar, nonce: str, ident: int) -> bytes:
        return liar.honest(nonce, ident) * 5_000

    async with node_with(Liar(reply=twice), tmp_path) as node:
        outcome = await outcome_of(node, timeout_s=TIMEOUT_S)
    failed(outcome, Reason.TOO_MUCH_OUTPUT)


async def test_noise_between_replies_does_not_matter(tmp_path: Path) -> None:
    """A broadcast message of the administrator, binary and empty lines."""

    def chatty(liar: Liar, nonce: str, ident: int) -> bytes:
        return b"\n\r\n\xff\xfe\x00 Broadcast message from root\n" + liar.honest(nonce, ident)

    async with node_with(Liar(reply=chatty), tmp_path) as node:
        measured(await outcome_of(node, timeout_s=TIMEOUT_S))


async def test_a_reply_in_pieces_is_put_together(tmp_path: Path) -> None:
    """Its last byte counts."""

    class Slow(Liar):
        async def __call__(self, session: Session) -> None:
            nonce = await nonce_of(session)
            await session.write(f"\nSKEWMON1 {nonce} {FULL_HELLO}\n".encode())
            while line := await session.read_line():
                words = line.split()
                if len(words) == 2 and words[0] == nonce.encode():
                    whole = self.honest(nonce, int(words[1]))
                    for at in range(0, len(whole), 40):
                        await session.write(whole[at : at + 40])
                        await asyncio.sleep(0.005)

    async with node_with(Slow(), tmp_path) as node:
        found = measured(await outcome_of(node, timeout_s=TIMEOUT_S))
    assert found.estimate.round_trip_ns > 10_000_000


async def test_a_node_that_leaves_in_mid_line_is_reported(tmp_path: Path) -> None:
    """Power loss while it answers."""

    async def leave(session: Session) -> None:
        nonce = await nonce_of(session)
        await session.write(f"\nSKEWMON1 {nonce} {FULL_HELLO}\n".encode())
        while not (await session.read_line()).startswith(nonce.encode()):
            pass
        await session.write(f"{nonce} 1 123".encode())
        session.drop()

    async with node_with(leave, tmp_path) as node:
        failed(await outcome_of(node, timeout_s=TIMEOUT_S), Reason.DISCONNECTED)


async def test_a_program_that_exits_tells_its_last_words(tmp_path: Path) -> None:
    """Without sequences that a terminal would obey."""

    async def exit_loudly(session: Session) -> None:
        nonce = await nonce_of(session)
        await session.write(f"\nSKEWMON1 {nonce} {FULL_HELLO}\n".encode())
        await session.complain(b"out of \x1b[31mmemory\n")
        session.exit(1)

    async with node_with(exit_loudly, tmp_path) as node:
        outcome = failed(await outcome_of(node, timeout_s=TIMEOUT_S), Reason.PROGRAM_ENDED)
    assert "memory" in outcome.detail


class Gone:
    """A channel whose shell ended before it was written to; its end is reported a moment later."""

    def __init__(self, session: ProbeSession) -> None:
        self._session = session

    def write(self, data: bytes) -> None:
        """Refuse, as asyncssh does once the other side has closed."""
        self._session.data_received(b"This account is closed.\n", asyncssh.EXTENDED_DATA_STDERR)
        asyncio.get_running_loop().call_soon(self._session.connection_lost, None)
        raise BrokenPipeError("Channel not open for sending")


async def test_a_shell_that_is_gone_before_it_is_written_to_tells_its_last_words() -> None:
    """Nologin may be quicker than the script; that is no session refused by sshd, whichever comes first."""

    async def create_session(
        factory: Callable[..., ProbeSession], *_: object, **__: object
    ) -> tuple[Gone, None]:
        return Gone(factory()), None

    connection = Connection(
        ssh=SimpleNamespace(create_session=create_session, is_closed=lambda: False),
        stamps=SimpleNamespace(received_ns=0),
    )
    with pytest.raises(ProbeError) as caught:
        await ProbeSession(connection, PATIENT).start()
    assert caught.value.reason is Reason.NO_PROGRAM
    assert "This account is closed." in caught.value.detail


async def test_a_reply_that_comes_after_its_round_is_no_other_rounds(tmp_path: Path) -> None:
    """The late node is late, then measured again, and its clock is never taken for another instant's."""

    class Stalling(Liar):
        async def __call__(self, session: Session) -> None:
            nonce = await nonce_of(session)
            await session.write(f"\nSKEWMON1 {nonce} {FULL_HELLO}\n".encode())
            while line := await session.read_line():
                words = line.split()
                if len(words) == 2 and words[0] == nonce.encode():
                    reply = self.honest(nonce, int(words[1]))
                    if int(words[1]) % 5 == 0:  # the clock is read in time, its reply is late
                        await asyncio.sleep(0.6)
                    await session.write(reply)

    sweeper, outcomes = Sweeper(), []
    async with node_with(Stalling(), tmp_path) as node, opened([node], TIMEOUT_S) as links:
        for _ in range(12):
            outcomes += in_order(await sweeper.sweep(links, 2, interval_s=1.0))
    late = [one for one in outcomes if isinstance(one, Failed)]
    fine = [one for one in outcomes if isinstance(one, Measured)]
    assert late
    assert {one.reason for one in late} == {Reason.LATE}
    assert fine
    for one in fine:
        assert one.estimate.oscillator is not None
        assert 0 in one.estimate.oscillator


async def test_a_slow_node_is_asked_for_as_many_exchanges_as_its_round_has_time_for(tmp_path: Path) -> None:
    """Over a path of 0.15 s a second's interval has room for two or so, and they suffice."""

    class Far(Liar):
        async def __call__(self, session: Session) -> None:
            nonce = await nonce_of(session)
            await session.write(f"\nSKEWMON1 {nonce} {FULL_HELLO}\n".encode())
            while line := await session.read_line():
                words = line.split()
                if len(words) == 2 and words[0] == nonce.encode():
                    await asyncio.sleep(0.15)
                    await session.write(self.honest(nonce, int(words[1])))

    async with node_with(Far(), tmp_path) as node, opened([node], TIMEOUT_S) as links:
        sweep = await Sweeper().sweep(links, 8, interval_s=1.0)
    found = measured(in_order(sweep)[0])
    assert 2 <= found.estimate.samples < 9
    assert sweep.duration_s < 1.0
