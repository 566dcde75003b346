"""The NTP codec: what a request gives away, what a reply says, and that no bytes can hurt."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skewmon.model import NS_PER_S, ReferenceFault
from skewmon.timesync.ntp_packet import (
    NTP_TO_UNIX_S,
    PIVOT_S,
    NtpReply,
    kiss_of,
    not_a_reference,
    parse,
    request,
    unix_ns,
)

NONCE = bytes(range(8))

#: An instant of 2027 as a timestamp.
NOW = (PIVOT_S + 40_000_000 + NTP_TO_UNIX_S) << 32


def packet(
    *,
    leap: int = 0,
    version: int = 4,
    mode: int = 4,
    stratum: int = 2,
    precision: int = -23,
    delay: int = 66,
    dispersion: int = 66,
    refid: bytes = bytes([192, 0, 2, 1]),
    reference: int = NOW - (8 << 32),
    receive: int = NOW,
    transmit: int = NOW + 1000,
) -> bytes:
    """Return a server's reply, good unless told otherwise."""
    head = struct.pack("!BBbb", leap << 6 | version << 3 | mode, stratum, 6, precision)
    return head + struct.pack("!II4sQ8sQQ", delay, dispersion, refid, reference, NONCE, receive, transmit)


def good(**changes: object) -> NtpReply:
    """Return the parsed reply."""
    reply = parse(packet(**changes))
    assert reply is not None
    return reply


def test_a_request_gives_nothing_away() -> None:
    """Version 4, mode 3, the random timestamp, and 39 zeroes."""
    assert request(NONCE) == b"\x23" + bytes(39) + NONCE


def test_a_good_reply_is_a_reference() -> None:
    """With its upstream, and the claim: 1 ms of delay by two, 1 ms of dispersion, 8 s at 15 ppm."""
    reply = good()
    assert not_a_reference(reply) is None
    assert (reply.origin, reply.source, reply.stratum) == (NONCE, "192.0.2.1", 2)
    assert 1_600_000 < reply.root_distance_ns < 1_700_000
    assert reply.quantum_ns == 120


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"stratum": 0, "refid": b"DENY"}, ReferenceFault.KISS_DENY),
        ({"stratum": 0, "refid": b"RSTR"}, ReferenceFault.KISS_RSTR),
        ({"stratum": 0, "refid": b"RATE"}, ReferenceFault.KISS_RATE),
        ({"stratum": 0, "refid": b"NTSN"}, ReferenceFault.KISS_OTHER),
        ({"stratum": 0, "refid": b"INIT", "leap": 3}, ReferenceFault.UNSYNCHRONIZED),
        ({"stratum": 16}, ReferenceFault.STRATUM_16),
        ({"leap": 3}, ReferenceFault.UNSYNCHRONIZED),
        ({"refid": bytes([127, 127, 1, 1])}, ReferenceFault.FREE_RUNNING),
        ({"transmit": (NTP_TO_UNIX_S << 32) + 5, "receive": NTP_TO_UNIX_S << 32}, ReferenceFault.WRONG_ERA),
        ({"dispersion": 2**31}, ReferenceFault.TOO_FAR),
        ({"transmit": 0}, ReferenceFault.MALFORMED),
    ],
)
def test_each_bad_reply_has_its_own_reason(changes: dict[str, object], fault: ReferenceFault) -> None:
    """By the server's own word."""
    assert not_a_reference(good(**changes)) is fault


@pytest.mark.parametrize("data", [b"", bytes(47), packet(mode=3), packet(mode=5), packet(version=1)])
def test_what_is_not_a_reply_is_not_read(data: bytes) -> None:
    """Too short, another mode, another version."""
    assert parse(data) is None


@pytest.mark.parametrize(
    ("seconds", "year_s"),
    [(0, 2_085_978_496), (2**32 - 1, 2_085_978_495), (NTP_TO_UNIX_S, 0), (NTP_TO_UNIX_S + PIVOT_S, PIVOT_S)],
    ids=["2036, after the turn", "2036, before it", "1970", "2026"],
)
def test_the_era_is_that_nearest_to_the_program(seconds: int, year_s: int) -> None:
    """The count of seconds begins again on 7 February 2036; a clock that was never set is still 1970's."""
    assert unix_ns(seconds << 32) == year_s * NS_PER_S


def test_smears_are_recognized_by_their_identifiers() -> None:
    """Ntpd's and chronyd's; a stratum 1 server may be called anything."""
    assert good(refid=bytes([254, 1, 2, 3])).is_smearing
    smoothed = good(refid=bytes([127, 127, 1, 255]))
    assert smoothed.is_smearing
    assert not_a_reference(smoothed) is None
    assert not good(stratum=1, refid=bytes([254, 1, 2, 3])).is_smearing


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    """Whatever a hostile server sends has an answer of ours."""
    for sent in (data, packet()[:3] + data.ljust(45, b"\xff")):
        reply = parse(sent)
        if reply is not None:
            not_a_reference(reply)
            kiss_of(reply)
            assert reply.root_distance_ns >= 0
            assert reply.source
            assert 1 <= reply.quantum_ns <= NS_PER_S + 1
