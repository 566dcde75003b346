"""The replies of a simulated node: the protocol of an installed node-side program."""

import hashlib
import re
import uuid
from dataclasses import dataclass, field

from skewmon.demo.clock import ClockReading
from skewmon.demo.nodes import SimulatedNode

#: skewmon sends some 10 KiB in a few lines before its first request, and never a longer line.
MAX_LINE_BYTES = 64 * 1024

_GREETING = re.compile(rb": SKEWMON1 ([0-9A-Za-z]{1,64}) (clock|status)")
_REQUEST = re.compile(rb"([0-9A-Za-z]{1,64}) ([0-9]{1,20})")


@dataclass(frozen=True, slots=True)
class Start:
    """The greeting: skewmon requests the clock or the status output."""

    nonce: str
    mode: str


@dataclass(frozen=True, slots=True)
class Request:
    """One request for the clocks."""

    nonce: str
    ident: str


@dataclass
class RequestParser:
    """Splits the input into lines and skips those that are not for the program."""

    nonce: bytes = b""
    _pending: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> list[Start | Request]:
        """Return the requests that are complete by now."""
        *lines, rest = (self._pending + data).split(b"\n")
        self._pending = bytearray(rest[-MAX_LINE_BYTES:])
        return [parsed for line in lines if (parsed := self._parse(bytes(line))) is not None]

    def _parse(self, line: bytes) -> Start | Request | None:
        if not self.nonce:
            greeting = _GREETING.fullmatch(line)
            if greeting is None:
                return None
            self.nonce = greeting[1]
            return Start(greeting[1].decode(), greeting[2].decode())
        request = _REQUEST.fullmatch(line)
        if request is None or request[1] != self.nonce:
            return None
        return Request(request[1].decode(), request[2].decode())


def hello(nonce: str, node: SimulatedNode) -> str:
    """Return the first line of the node's program."""
    clocks = "real=0,1 raw=0,1 mono=0,1 boot=0,1" if node.program == "python3" else "real=0,1000"
    kernel = f"boot_id={boot_id(node.name)} clocksource=tsc"
    return f"\nSKEWMON1 {nonce} hello probe={node.program} {clocks} {kernel}\n"


def reply(request: Request, node: SimulatedNode, before: ClockReading, after: ClockReading) -> str:
    """Return the clocks, read before and after, as the node's program prints them."""
    if node.program == "bash":  # one clock, in whole microseconds
        real = before.real_ns // 1000 * 1000
        return f"{request.nonce} {request.ident} {real} - - - - {real}\n"
    return (
        f"{request.nonce} {request.ident} {before.real_ns} {before.raw_ns} {before.mono_ns} {before.boot_ns} "
        f"{after.raw_ns} {after.real_ns}\n"
    )


def boot_id(name: str) -> str:
    """Return a boot id that no other node has."""
    return str(uuid.UUID(bytes=hashlib.sha256(name.encode()).digest()[:16], version=4))
