"""A simulated node speaks the words that skewmon understands, and hears nothing but them."""

import pytest

from skewmon.demo.clock import ClockOrigin
from skewmon.demo.nodes import simulated_nodes
from skewmon.demo.session import MAX_LINE_BYTES, Request, RequestParser, Start, hello, reply
from skewmon.demo.status_output import UPDATE_AGE_S, status_output
from skewmon.model import NS_PER_S
from skewmon.probe import programs, wire
from skewmon.timesync import script as sheets
from skewmon.timesync.status import assemble

ORIGIN = ClockOrigin(base_ns=0, real_ns=1_795_000_000 * NS_PER_S)
NODES = {node.name: node for node in simulated_nodes(7, ORIGIN)}
NONCE = "0123456789abcdef"


def test_of_the_whole_ladder_only_the_greeting_is_heard():
    """The text that skewmon sends to a shell starts one session and requests nothing."""
    heard = RequestParser().feed(programs.clock_script(NONCE).encode())
    assert heard == [Start(NONCE, "clock")]


def test_requests_are_heard_however_they_are_cut():
    """Pieces of any size make the same requests."""
    whole = wire.greeting(NONCE, "clock").encode() + wire.request(NONCE, 1) + wire.request(NONCE, 2)
    expected = [Start(NONCE, "clock"), Request(NONCE, "1"), Request(NONCE, "2")]
    for size in (1, 7, len(whole)):
        listener = RequestParser()
        pieces = (whole[at : at + size] for at in range(0, len(whole), size))
        assert [said for piece in pieces for said in listener.feed(piece)] == expected


@pytest.mark.parametrize(
    "line", [b"otherother 1", b"0123456789abcdef x", b"0123456789abcdef 1 2", b"\xff\x00"]
)
def test_other_lines_are_not_heard(line):
    """Requests with another nonce, without a number or with too many words are noise."""
    listener = RequestParser()
    listener.feed(wire.greeting(NONCE, "clock").encode())
    assert listener.feed(line + b"\n") == []


def test_a_line_without_end_does_not_grow_for_ever():
    """Of an endless line only the last 64 KiB are kept."""
    listener = RequestParser()
    for _ in range(20):
        listener.feed(b"x" * 16_384)
    assert len(listener._pending) == MAX_LINE_BYTES


@pytest.mark.parametrize("name", ["n1", "n7"])
def test_skewmon_understands_hello_and_reply(name):
    """The simulated words parse as those of the real program; bash has one clock in microseconds."""
    node = NODES[name]
    lines = hello(NONCE, node).splitlines()
    program = wire.parse_hello(NONCE, lines[-1])
    assert program is not None
    assert program.probe == node.program
    now = node.clock.read(123_456_789)
    reading = wire.parse_reply(NONCE, program, reply(Request(NONCE, "4"), node, now, now).rstrip())
    assert reading is not None
    assert reading.ident == 4
    if name == "n7":
        assert (reading.raw_in_ns, reading.mono_ns) == (None, None)
        assert 0 <= now.real_ns - reading.real_in_ns < 1000
    else:
        assert (reading.real_in_ns, reading.raw_out_ns) == (now.real_ns, now.raw_ns)


def test_nodes_have_boot_ids_of_their_own():
    """Two nodes are never taken for one machine."""
    programs_of = [wire.parse_hello(NONCE, hello(NONCE, node).strip()) for node in NODES.values()]
    assert len({program.boot_id for program in programs_of if program}) == len(NODES)


@pytest.mark.parametrize("name", sorted(NODES))
def test_status_output_has_the_claims_of_the_daemon(name):
    """Each sheet is complete, wholly understood, and agrees with the clock as it was set."""
    node = NODES[name]
    text = status_output(NONCE, node, node.clock.read(40 * NS_PER_S))
    assert sheets.is_complete(NONCE, text)
    status = assemble(sheets.split(NONCE, text))
    assert status.unparsed == status.suspects == status.failures == ()
    assert status.daemon == node.daemon
    if node.daemon != "none":
        assert status.synchronized is True
        assert status.last_update_s == pytest.approx(UPDATE_AGE_S, abs=1)
        assert status.offset_s == pytest.approx(node.clock.offset_ns / NS_PER_S, abs=1e-6)
        assert len(status.peers) == 4
