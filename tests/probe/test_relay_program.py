"""The relay program: stamps on the safe side, limits, independent streams, refusals, garbage, its end."""

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from skewmon.probe.relay_wire import (
    AFTER_ANSWER,
    AT_ONCE,
    BEGINS_BURST,
    FRAME_BYTES_MAX,
    WINDOW_BYTES,
    Frame,
    Kind,
)
from tests.probe.relay_program import PATIENCE_S, WITHOUT, RelayProgram, listening, running_relay, target_of
from tests.probe.test_programs import PYTHONS

#: A reading of perl is up to so far from the clock.
ROUNDING_NS = 300

#: The relay's BURST_S, but for what its clock and that of the stamps run apart.
BURST_NS = 4_900_000


def raw_ns() -> int:
    """Return the clock of the stamps: relay and test are on one machine."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


@pytest.fixture(params=WITHOUT)
def relay(request: pytest.FixtureRequest) -> Iterator[RelayProgram]:
    """Run a relay of each rung that has been sent its start line."""
    with running_relay(request.param) as running:
        assert running.hello.program.probe == request.param
        assert not running.hello.is_listed
        running.start()
        yield running


def opened(relay: RelayProgram, server: socket.socket, stream: int = 1) -> socket.socket:
    """Open a connection through the relay and return its far end."""
    answer = relay.ask(target_of(server), stream)
    assert answer.kind is Kind.OPEN, answer
    far, _ = server.accept()
    far.settimeout(PATIENCE_S)
    return far


def received(relay: RelayProgram, stream: int, size: int) -> list[Frame]:
    """Return the frames of data of a stream until they have so many bytes."""
    frames: list[Frame] = []
    while sum(len(frame.payload) for frame in frames) < size:
        frames.append(relay.next(lambda frame: frame.stream == stream and frame.kind is Kind.DATA))
    return frames


def test_stamps_enclose_the_way_to_the_node_and_back(relay: RelayProgram) -> None:
    """A frame leaves after its stamp, data arrived before theirs; both lie within the test's own readings."""
    with listening() as server, opened(relay, server) as far:
        for number in range(1, 51):
            before_ns = raw_ns()
            relay.put(Kind.DATA, 1, number, b"request")
            assert far.recv(100) == b"request"
            arrived_ns = raw_ns()
            answered_ns = raw_ns()
            far.send(b"reply")
            (reply,) = received(relay, 1, 5)
            after_ns = raw_ns()
            sent = relay.next(lambda frame: frame.kind is Kind.SENT)
            assert (sent.stream, sent.number, reply.payload) == (1, number, b"reply")
            assert before_ns - ROUNDING_NS <= sent.stamp_ns <= arrived_ns + ROUNDING_NS
            assert answered_ns - ROUNDING_NS <= reply.stamp_ns <= after_ns + ROUNDING_NS


def test_requests_in_turn_reach_the_node_one_by_one(relay: RelayProgram) -> None:
    """All come at once; each leaves after the answer to the one before it, and is stamped then."""
    with listening() as server, opened(relay, server) as far:
        for number in range(1, 9):
            relay.put(Kind.DATA, 1, number, b"request", BEGINS_BURST if number == 1 else AFTER_ANSWER)
        relay.ping(1)  # the relay has taken them all
        arrived_ns = 0
        for number in range(1, 9):
            assert far.recv(100) == b"request"
            far.setblocking(False)
            with pytest.raises(BlockingIOError):
                far.recv(100)
            far.settimeout(PATIENCE_S)
            answered_ns = raw_ns()
            far.send(b"reply")
            (reply,) = received(relay, 1, 5)
            sent = relay.next(lambda frame: frame.kind is Kind.SENT)
            assert sent.number == number
            assert arrived_ns - ROUNDING_NS <= sent.stamp_ns <= answered_ns + ROUNDING_NS
            assert answered_ns - ROUNDING_NS <= reply.stamp_ns
            arrived_ns = reply.stamp_ns


def test_few_bursts_are_under_way_at_once(relay: RelayProgram) -> None:
    """Others wait for their ends, and not long for those of nodes that do not answer."""
    with ExitStack() as stack:
        server = stack.enter_context(listening())
        far = [stack.enter_context(opened(relay, server, stream)) for stream in range(1, 7)]
        before_ns = raw_ns()
        for stream in range(1, 7):
            relay.put(Kind.DATA, stream, 1, b"a", BEGINS_BURST)
            relay.put(Kind.DATA, stream, 2, b"b", AFTER_ANSWER)
        assert [one.recv(100) for one in far] == [b"a"] * 6
        asked = [relay.next(_is_report_of(stream, 1)).stamp_ns for stream in range(1, 7)]
        assert before_ns + BURST_NS <= min(asked[4:])
        for one in far:
            one.send(b"reply")
            assert one.recv(100) == b"b"
            one.send(b"reply")
        for stream in range(1, 7):
            relay.next(_is_report_of(stream, 2))
            received(relay, stream, 10)


def _is_report_of(stream: int, number: int) -> Callable[[Frame], bool]:
    return lambda frame: (frame.kind, frame.stream, frame.number) == (Kind.SENT, stream, number)


def test_data_without_a_turn_lets_those_before_it_pass(relay: RelayProgram) -> None:
    """A key exchange or a keepalive never waits for answers, and all bytes stay in order."""
    with listening() as server, opened(relay, server) as far:
        for number in range(1, 5):
            relay.put(Kind.DATA, 1, number, b"%d" % number, AFTER_ANSWER if 1 < number < 4 else AT_ONCE)
        seen = b""
        while len(seen) < 4:
            seen += far.recv(100)
        assert seen == b"1234"
        relay.put(Kind.DATA, 1, 5, b"5", AFTER_ANSWER)
        far.send(b"reply")
        assert far.recv(100) == b"5"


def test_the_report_of_a_request_comes_with_its_reply(relay: RelayProgram) -> None:
    """Not before: a packet of its own would cost as much as the reply."""
    with listening() as server, opened(relay, server) as far:
        relay.put(Kind.DATA, 1, 1, b"request")
        assert far.recv(100) == b"request"
        far.send(b"reply")
        received(relay, 1, 5)
        assert [frame.kind for frame in relay.seen()] == [Kind.SENT]


def test_a_ping_reads_the_clocks_of_the_vantage(relay: RelayProgram) -> None:
    """In the order of a node-side program: REALTIME, RAW, MONOTONIC, BOOTTIME, RAW, REALTIME."""
    before_ns = raw_ns()
    real_in, raw_in, mono, boot, raw_out, real_out = relay.ping(7)
    after_ns = raw_ns()
    assert before_ns - ROUNDING_NS <= raw_in <= raw_out <= after_ns + ROUNDING_NS
    assert real_in <= real_out
    assert boot >= mono
    assert relay.hello.program.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_a_frame_is_one_segment(relay: RelayProgram) -> None:
    """All of it is there when the node reads for the first time."""
    with listening() as server, opened(relay, server) as far:
        relay.put(Kind.DATA, 1, 1, bytes(1400))
        assert len(far.recv(4096)) == 1400


def test_a_stream_that_stalls_holds_up_no_other(relay: RelayProgram) -> None:
    """Neither one whose node does not read, nor one whose node sends more than is taken."""
    with listening() as server:
        deaf, loud, third = (opened(relay, server, stream) for stream in (1, 2, 3))
        with deaf, loud, third:
            for number in range(1, WINDOW_BYTES // FRAME_BYTES_MAX + 1):
                relay.put(Kind.DATA, 1, number, bytes(FRAME_BYTES_MAX))
            loud.setblocking(False)
            with suppress(BlockingIOError):
                while loud.send(bytes(1 << 16)):
                    pass
            assert sum(len(frame.payload) for frame in received(relay, 2, WINDOW_BYTES)) == WINDOW_BYTES
            for number in range(1, 11):
                relay.put(Kind.DATA, 3, number, b"x")
                assert third.recv(10) == b"x"
            assert not [frame for frame in relay.seen() if frame.stream == 2]
            relay.put(Kind.WINDOW, 2, 1000)
            assert sum(len(frame.payload) for frame in received(relay, 2, 1000)) == 1000


def test_more_bytes_than_the_window_end_the_stream(relay: RelayProgram) -> None:
    """The relay's memory does not depend on the good will of the other side."""
    with listening() as server, opened(relay, server) as far:
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for number in range(1, 1000):
            relay.put(Kind.DATA, 1, number, bytes(FRAME_BYTES_MAX))
        closed = relay.next(lambda frame: frame.kind is Kind.CLOSE)
        assert closed.payload == b"too many bytes in flight"
        relay.ping(1)


def test_all_bytes_pass_in_order(relay: RelayProgram) -> None:
    """A megabyte each way, with the window kept."""
    sent = os.urandom(1 << 20)
    with listening() as server, opened(relay, server) as far:
        back = bytearray()
        for number, at in enumerate(range(0, len(sent), FRAME_BYTES_MAX), 1):
            part = sent[at : at + FRAME_BYTES_MAX]
            relay.put(Kind.DATA, 1, number, part)
            there = bytearray()
            while len(there) < len(part):
                there += far.recv(1 << 16)
            assert there == part
            far.sendall(there)
            got = b"".join(frame.payload for frame in received(relay, 1, len(part)))
            relay.put(Kind.WINDOW, 1, len(got))
            back += got
    assert back == sent


def test_ends_of_connections_are_reported(relay: RelayProgram) -> None:
    """The node's end, with the last bytes before it; and a place where nothing listens."""
    with listening() as server:
        with opened(relay, server) as far:
            far.send(b"last words")
        received(relay, 1, 10)
        assert relay.next(lambda frame: frame.kind is Kind.CLOSE).payload == b"closed by the node"
        target = target_of(server)
    assert relay.ask(target, 2).payload == b"Connection refused"
    assert relay.ask(b"127.0.0.1 0", 3).payload == b"not an address and a port"
    odd = (b"127.0.0.1 \xc2\xb2", b"127.0.0.1 " + b"9" * 5_000)
    for stream, target in enumerate((b"", b"\n", b"22", b"a" * 10_000, b"127.0.0.1 99999", *odd), 4):
        assert relay.ask(target, stream).payload == b"not an address and a port", target
    for stream, target in enumerate((b"\xff\xfe 22", b"a..b 22", b"x" * 300 + b" 22"), 20):
        assert relay.ask(target, stream).payload == b"the name does not resolve", target


def test_a_connection_can_be_closed(relay: RelayProgram) -> None:
    """The node sees the end."""
    with listening() as server, opened(relay, server) as far:
        relay.put(Kind.CLOSE, 1)
        assert far.recv(10) == b""


def test_names_are_looked_up_on_the_vantage(relay: RelayProgram) -> None:
    """By a child, so that a slow name server holds up no other stream."""
    with listening() as server:
        port = server.getsockname()[1]
        assert relay.ask(b"localhost %d" % port, 1).kind is Kind.OPEN
        assert relay.ask(b"absent.invalid %d" % port, 2).payload == b"the name does not resolve"


def test_garbage_opens_nothing_and_ends_nothing(relay: RelayProgram) -> None:
    """Ten megabytes of it; then the start line again, and it serves as before."""
    survive(relay, 10_000_000)


@pytest.mark.prove
def test_a_hundred_megabytes_of_garbage(relay: RelayProgram) -> None:
    """The same in full."""
    survive(relay, 100_000_000)


def survive(relay: RelayProgram, size: int) -> None:
    """Send garbage to a relay with a connection, and compare its memory."""
    with listening() as server, opened(relay, server) as far:
        before = relay.resident_bytes()
        piece = os.urandom(1 << 20)
        for _ in range(size >> 20):
            relay.send(piece)
        assert relay.next(lambda frame: frame.kind is Kind.CLOSE).payload == b"lost the thread"
        assert far.recv(10) == b""
        relay.start()
        relay.ping(1)
        with opened(relay, server, stream=2):
            assert relay.resident_bytes() < before + (1 << 20)


@pytest.mark.parametrize("shell", [("dash",), ("bash",), ("busybox", "sh")], ids=lambda shell: shell[0])
@pytest.mark.parametrize("rung", WITHOUT)
def test_every_posix_shell_starts_the_relay(rung: str, shell: tuple[str, ...]) -> None:
    """The script as it is sent."""
    path = shutil.which(shell[0])
    assert path, f"install {shell[0]}"
    with running_relay(rung, [path, *shell[1:]]) as running:
        running.start()
        assert len(running.ping(1)) == 6


@pytest.mark.parametrize("rung", WITHOUT)
def test_a_relay_without_descriptors_refuses_a_node_and_goes_on(rung: str) -> None:
    """By address or by name; connections that stand are served, and once one ends the next is made."""
    command = ["/bin/sh", "-c", "ulimit -n 14; exec /bin/sh"]
    with running_relay(rung, command) as running, listening() as server:
        running.start()
        target = target_of(server)
        answers = [running.ask(target, stream) for stream in range(1, 15)]
        kinds = [answer.kind for answer in answers]
        full = kinds.index(Kind.CLOSE)
        assert full > 1
        assert {answer.payload for answer in answers[full:]} == {b"Too many open files"}
        assert running.ask(b"localhost " + target.split()[1], 20).payload == b"Too many open files"
        running.ping(1)
        running.put(Kind.CLOSE, 1)
        assert running.ask(target, 21).kind is Kind.OPEN


@pytest.mark.parametrize("python", [path for path in PYTHONS if "python3" in path])
def test_every_python_can_relay(python: str, tmp_path: Path) -> None:
    """All that are installed; 3.3 and later are promised."""
    place = tmp_path / "python"
    place.mkdir()
    (place / "python3").symlink_to(python)
    with running_relay("python3", ["/bin/sh"], first=place) as running, listening() as server:
        running.start()
        with opened(running, server) as far:
            running.put(Kind.DATA, 1, 1, b"request")
            assert far.recv(100) == b"request"


def test_the_relay_ends_with_its_input(relay: RelayProgram) -> None:
    """As it does when its SSH channel ends; connections end with it."""
    with listening() as server, opened(relay, server) as far:
        assert relay.process.stdin
        relay.process.stdin.close()
        assert relay.process.wait(PATIENCE_S) == 0
        assert far.recv(10) == b""
