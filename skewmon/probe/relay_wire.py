"""The frames between skewmon and the relay on a vantage; pure text and bytes, no effects.

skewmon → relay    ``: SKEWMON1 NONCE relay``       once, as for a node-side program
relay → skewmon    ``SKEWMON1 NONCE hello …``       the hello of a node-side program, and ``relay=any|listed``
skewmon → relay    ``NONCE start``                  everything before it is skipped; then frames, both ways

The head of ``programs/relay_python3.py`` lists the frames.
"""

import struct
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from skewmon.errors import ProbeError, Reason
from skewmon.model import Exchange, Program
from skewmon.probe import wire

#: Kind, stream, number, stamp, length of the payload.
_HEADER = struct.Struct(">cIIQI")

#: The relay takes no longer frame.
FRAME_BYTES_MAX = 16384

#: The relay reads 4 KiB at once; a longer frame is not one of its own.
RECEIVED_BYTES_MAX = 65536

#: Bytes of one stream that may wait at the relay, each way.
WINDOW_BYTES = 65536


#: The turns of data: at once, after the answer to the data before it, and once few bursts are under way.
AT_ONCE, AFTER_ANSWER, BEGINS_BURST = 0, 1, 2

#: Further exchanges cost nothing if they make a round trip longer by no more than this part of it.
PART_OF_ROUND_TRIP = 8


class Kind(Enum):
    """The kinds of frames."""

    OPEN = b"O"
    DATA = b"D"
    SENT = b"S"
    WINDOW = b"W"
    CLOSE = b"C"
    PING = b"P"
    NTP = b"N"


class Frame(NamedTuple):
    """One frame of the relay."""

    kind: Kind
    stream: int
    number: int
    stamp_ns: int
    payload: bytes


class Hello(NamedTuple):
    """The relay's introduction: its clocks, whether it relays only to listed targets, and its abilities.

    Installed relays of earlier versions send no datagrams, or know no turns.
    """

    program: Program
    is_listed: bool
    sends_datagrams: bool = False
    knows_turns: bool = False


def start(nonce: str) -> bytes:
    """Return the line after which frames follow."""
    return f"\n{nonce} start\n".encode()


def frame(kind: Kind, stream: int, number: int = 0, payload: bytes = b"", turn: int = 0) -> bytes:
    """Return one frame to the relay, which passes data on in its ``turn``."""
    return _HEADER.pack(kind.value, stream, number, turn, len(payload)) + payload


def fitting(wanted: int, last: Exchange | None, left_ns: int) -> int:
    """Return how many of so many requests a vantage can pass on one by one in the time that is left, or 1.

    By the last exchange of the session: its round trip, and the part of it between the vantage and the node.
    """
    if last is None or last.vantage is None:
        return 1
    each_ns = max(1, last.vantage.received_ns - last.vantage.sent_ns)
    spare_ns = max(left_ns - last.round_trip_ns, last.round_trip_ns // PART_OF_ROUND_TRIP)
    return min(wanted, 1 + spare_ns // each_ns)


def turns_of_burst(count: int) -> list[int]:
    """Return the turns of so many requests that follow each other."""
    return [BEGINS_BURST] + [AFTER_ANSWER] * (count - 1)


def parse_hello(nonce: str, line: str) -> Hello | None:
    """Return a relay's introduction, or None if the line is noise.

    Raises ProbeError if the vantage cannot run the relay, if the relay refuses to serve, or if the hello is
    not understood.
    """
    words = line.split()
    if words[:2] != ["SKEWMON1", nonce]:
        return None
    if words[2:] == ["none"]:
        raise ProbeError(
            Reason.NO_PROGRAM,
            "It has neither python3 nor perl on its PATH, or they cannot read its clocks.",
            "Install one of them there, or set ssh.vantage: none.",
        )
    if words[2:3] == ["refused"]:
        raise ProbeError(
            Reason.SESSION_REFUSED,
            f"Its relay refuses to serve: {' '.join(words[3:])[:200]!r}.",
            "Make the list of targets again: skewmon keys authorize --relay",
        )
    program = wire.parse_hello(nonce, line)
    if program is None or program.raw is None or not {"relay=any", "relay=listed"} & {*words}:
        raise ProbeError(
            Reason.GARBLED_REPLY,
            f"Its relay introduced itself in words that are not understood: {line[:200]!r}.",
            "If the vantage runs an installed program, install the one of this version.",
        )
    return Hello(program, "relay=listed" in words, "ntp=1" in words, "turns=1" in words)


class Frames:
    """Takes the relay's bytes as they come and yields whole frames."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that these bytes complete; raise ProbeError if they are not of a relay."""
        data = self._pending + data
        at = 0
        try:
            while len(data) - at >= _HEADER.size:
                kind, stream, number, stamp_ns, length = _HEADER.unpack_from(data, at)
                end = at + _HEADER.size + length
                if length > RECEIVED_BYTES_MAX:
                    raise ValueError(length)
                if end > len(data):
                    break
                payload = data[at + _HEADER.size : end]
                at = end
                yield Frame(Kind(kind), stream, number, stamp_ns, payload)
        except ValueError:
            raise ProbeError(
                Reason.GARBLED_REPLY,
                "Its relay sent bytes that are not a frame.",
                "Something else writes to this session's output; look at the rc files of the vantage.",
            ) from None
        finally:
            self._pending = data[at:]
