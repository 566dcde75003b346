"""One connection through a relay: frames, windows, stamps and ends."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from skewmon.errors import ProbeError, Reason
from skewmon.model import Exchange, Quantum, VantageStamps
from skewmon.probe.clocks import ArrivalClock
from skewmon.probe.relay_stream import KEPT_STAMPS, RelayStream
from skewmon.probe.relay_wire import (
    AFTER_ANSWER,
    AT_ONCE,
    FRAME_BYTES_MAX,
    WINDOW_BYTES,
    Frames,
    Kind,
    fitting,
    frame,
    parse_hello,
)
from skewmon.probe.stamped_socket import StampedSocket
from tests.clock.simulator import MS


class Reader:
    """The side of an SSH connection."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.ended: list[Exception | None] = []

    def connection_made(self, transport: object) -> None:
        """Nothing is needed of the transport."""

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.append(exc)


class Wired:
    """A stream, its reader, and the frames that it sent."""

    def __init__(self, quantum: Quantum = Quantum()) -> None:  # noqa: B008  a frozen value
        self.frames: list[tuple[Kind, int, int, bytes]] = []
        self.turns: list[int] = []
        self.streams: dict[int, RelayStream] = {}
        outer = StampedSocket(2, ArrivalClock(enabled=False))
        self.outer = outer
        self.stream = self.streams[1] = RelayStream(1, outer, quantum, self._put, self.streams)
        self.reader = Reader()

    def _put(self, kind: Kind, stream: int, number: int = 0, payload: bytes = b"", turn: int = 0) -> None:
        self.frames.append((kind, stream, number, payload))
        self.turns.append(turn)

    def sent(self) -> list[tuple[int, bytes]]:
        """Return the numbers and the bytes of data."""
        return [(number, payload) for kind, _, number, payload in self.frames if kind is Kind.DATA]


@pytest.fixture
def wired() -> Any:
    """Give a stream that has a reader."""
    one = Wired()
    one.stream.attach(one.reader)
    yield one
    one.outer.close()


async def test_everything_written_in_one_turn_is_one_frame(wired: Wired) -> None:
    """As asyncssh writes an ignore packet before each packet of data."""
    wired.stream.write(b"a")
    wired.stream.write(b"b")
    assert wired.sent() == []
    await asyncio.sleep(0)
    assert wired.sent() == [(1, b"ab")]
    with wired.stream.one_segment():
        wired.stream.write(b"c")
        wired.stream.write(b"d")
    assert wired.sent()[1:] == [(2, b"cd")]
    assert wired.stream.frame == 2
    with wired.stream.one_segment(AFTER_ANSWER):
        wired.stream.write(b"e")
    assert wired.sent()[2:] == [(3, b"e")]
    assert wired.turns == [AT_ONCE, AT_ONCE, AFTER_ANSWER]


async def test_no_more_than_the_window_is_on_its_way(wired: Wired) -> None:
    """The rest follows as the relay reports its writes."""
    wired.stream.write(bytes(WINDOW_BYTES * 2))
    await asyncio.sleep(0)
    assert {len(data) for _, data in wired.sent()} == {FRAME_BYTES_MAX}
    assert sum(len(data) for _, data in wired.sent()) == WINDOW_BYTES
    wired.stream.sent(1, 1000)
    assert sum(len(data) for _, data in wired.sent()) == WINDOW_BYTES + FRAME_BYTES_MAX


def test_a_paused_reader_stops_the_relay(wired: Wired) -> None:
    """Bytes wait, no window is opened, and everything follows in order."""
    wired.stream.pause_reading()
    wired.stream.received(b"x" * WINDOW_BYTES, 1)
    assert not wired.reader.data
    assert not wired.frames
    with pytest.raises(ProbeError) as refused:
        wired.stream.received(b"y", 2)
    assert refused.value.reason is Reason.GARBLED_REPLY
    wired.stream.resume_reading()
    assert wired.reader.data == b"x" * WINDOW_BYTES
    assert wired.frames == [(Kind.WINDOW, 1, WINDOW_BYTES, b"")]


def test_bytes_before_there_is_a_reader_wait_for_it() -> None:
    """A server greets at once, before the login has begun."""
    one = Wired()
    one.stream.received(b"SSH-2.0-", 1)
    one.stream.lost(None)
    one.stream.attach(one.reader)
    assert one.reader.ended == [None]
    one.outer.close()


def test_stamps_err_to_the_safe_side() -> None:
    """By the resolution of the vantage's clock; a request without a report has none."""
    one = Wired(Quantum(239, 240))
    one.stream.attach(one.reader)
    with one.stream.one_segment():
        one.stream.write(b"request")
    assert one.stream.vantage_stamps(one.stream.frame) is None
    one.stream.sent(1, 10_000)
    one.stream.received(b"reply", 20_000)
    assert one.stream.vantage_stamps(1) == VantageStamps(10_000 - 239, 20_000 + 240)
    for number in range(2, KEPT_STAMPS + 2):
        one.stream.sent(number, 10_000 + number)
    assert one.stream.vantage_stamps(1) is None
    one.outer.close()


def test_an_end_is_reported_once_and_sends_nothing_more(wired: Wired) -> None:
    """The first reason counts."""
    wired.stream.lost(ConnectionError("gone"))
    wired.stream.lost(None)
    wired.stream.write(b"late")
    wired.stream.abort()
    assert [str(error) for error in wired.reader.ended] == ["gone"]
    assert wired.frames == []


def test_closing_ends_the_connection_at_the_relay(wired: Wired) -> None:
    """Once."""
    wired.stream.close()
    wired.stream.abort()
    assert wired.frames == [(Kind.CLOSE, 1, 0, b"")]
    assert wired.streams == {}
    assert wired.stream.is_closing()


# --- frames ---


def test_frames_come_in_any_pieces() -> None:
    """Byte by byte, or all at once."""
    whole = frame(Kind.DATA, 1, 2, b"abc") + frame(Kind.SENT, 1, 3) + frame(Kind.CLOSE, 4, payload=b"why")
    frames = Frames()
    by_byte = [found for at in range(len(whole)) for found in frames.feed(whole[at : at + 1])]
    assert by_byte == list(Frames().feed(whole))
    assert [(one.kind, one.stream, one.number, one.payload) for one in by_byte] == [
        (Kind.DATA, 1, 2, b"abc"),
        (Kind.SENT, 1, 3, b""),
        (Kind.CLOSE, 4, 0, b"why"),
    ]


@pytest.mark.parametrize(
    "garbage", [b"x" * 30, b"Welcome to the bastion of example.com.\n", b"D" + b"\xff" * 40]
)
def test_bytes_that_are_no_frame_are_garbled(garbage: bytes) -> None:
    """A message of the day in the middle."""
    with pytest.raises(ProbeError) as refused:
        list(Frames().feed(garbage))
    assert refused.value.reason is Reason.GARBLED_REPLY


HELLO = "hello probe=python3 real=0,1 raw=0,1 mono=0,1 boot=0,1 boot_id=x clocksource=tsc"


def test_a_hello_is_understood_or_refused() -> None:
    """With the clocks and the kind of relay; each refusal has a reason."""
    hello = parse_hello("n", f"SKEWMON1 n {HELLO} relay=listed")
    assert hello is not None
    assert hello.is_listed
    assert hello.program.clocksource == "tsc"
    assert parse_hello("n", "SKEWMON1 other hello relay=any") is None
    for line, reason in (
        ("none", Reason.NO_PROGRAM),
        ("refused /x.targets: No such file or directory", Reason.SESSION_REFUSED),
        (HELLO, Reason.GARBLED_REPLY),
        ("hello probe=bash real=0,1 relay=any", Reason.GARBLED_REPLY),
    ):
        with pytest.raises(ProbeError) as refused:
            parse_hello("n", f"SKEWMON1 n {line}")
        assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("round_trip_ns", "there_ns", "left_ns", "count"),
    [
        (80 * MS, 100_000, 1_700 * MS, 8),
        (700 * MS, 100_000, 300 * MS, 8),
        (1_430 * MS, 1_350 * MS, 1_690 * MS, 1),
        (1_430 * MS, 1_350 * MS, -5_000 * MS, 1),
        (380 * MS, 300 * MS, 1_690 * MS, 5),
        (80 * MS, -1_000 * MS, 1_700 * MS, 8),
    ],
    ids=["near", "a path longer than the time", "slow", "late", "rather slow", "forged"],
)
def test_no_more_requests_leave_together_than_end_in_time(
    round_trip_ns: int, there_ns: int, left_ns: int, count: int
) -> None:
    """A node that takes seconds for each reply is measured by few, as it is without a vantage."""
    last = Exchange(0, round_trip_ns, 0, 0, vantage=VantageStamps(0, there_ns))
    assert fitting(8, last, left_ns) == count
    assert fitting(8, None, left_ns) == fitting(8, replace(last, vantage=None), left_ns) == 1
