"""Servers that log a client in and then break the SSH protocol, packet by packet.

A mangler is called with each packet that the server is about to send for a channel or the connection (types
from 80 on) and returns the packets to send instead. Packets are encrypted as usual, so that what is wrong
with them is found by the client's protocol code and by nothing before.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import asyncssh
from asyncssh.packet import Boolean, String, UInt32

from tests.fleet.scripted import Script, ScriptedNode, hang

DISCONNECT, IGNORE, UNIMPLEMENTED, DEBUG = 1, 2, 3, 4
SERVICE_ACCEPT, EXT_INFO = 6, 7
KEXINIT, NEWKEYS, KEX_FIRST = 20, 21, 30
AUTH_FAILURE, AUTH_SUCCESS, AUTH_BANNER = 51, 52, 53
GLOBAL_REQUEST, REQUEST_SUCCESS, REQUEST_FAILURE = 80, 81, 82
OPEN, OPEN_CONFIRMATION, OPEN_FAILURE = 90, 91, 92
WINDOW_ADJUST, DATA, EXTENDED_DATA, EOF, CLOSE = 93, 94, 95, 96, 97
REQUEST, SUCCESS, FAILURE = 98, 99, 100

#: The first type of the connection protocol (RFC 4254).
CONNECTION_PROTOCOL = 80

#: Type and payload.
Packet = tuple[int, bytes]
Mangler = Callable[[Packet], Iterable[Packet]]


class MalformedNode(ScriptedNode):
    """A scripted node whose packets go through a mangler, one for each connection."""

    def __init__(
        self, mangler: Callable[[], Mangler], script: Script = hang, *, address: str, directory: Path
    ) -> None:
        super().__init__(script, address=address, directory=directory)
        self._mangler = mangler
        self._connections: list[asyncssh.SSHServerConnection] = []

    def connected(self, connection: asyncssh.SSHServerConnection) -> None:
        """Put the mangler before the packets of a connection."""
        self._connections.append(connection)
        plain = connection.send_packet
        mangler = self._mangler()

        def send(kind: int, *parts: bytes, handler: Any = None) -> None:
            if kind < CONNECTION_PROTOCOL:
                plain(kind, *parts, handler=handler)
                return
            for packet in mangler((kind, b"".join(parts))):
                plain(*packet)

        connection.send_packet = send

    def drop(self) -> None:
        """End every connection without a word."""
        for connection in self._connections:
            connection.abort()


def request(channel: bytes, name: bytes, *rest: bytes, wants_reply: bool = False) -> Packet:
    """Return a channel request."""
    return REQUEST, channel + String(name) + Boolean(wants_reply) + b"".join(rest)


def opening(kind: bytes, *rest: bytes) -> Packet:
    """Return a request of the server to open a channel."""
    return OPEN, String(kind) + UInt32(7) + UInt32(1 << 20) + UInt32(1 << 15) + b"".join(rest)


def interruptions(channel: bytes) -> dict[str, list[Packet]]:
    """Return packets that come at a wrong time or are wrong themselves, for a channel of the client."""
    address = String(b"127.0.0.1") + UInt32(22)
    return {
        "close": [(CLOSE, channel)],
        "close twice": [(CLOSE, channel), (CLOSE, channel)],
        "close with more": [(CLOSE, channel + b"\0")],
        "eof": [(EOF, channel)],
        "eof twice": [(EOF, channel), (EOF, channel)],
        "eof and close": [(EOF, channel), (CLOSE, channel)],
        "data after eof": [(EOF, channel), (DATA, channel + String(b"x"))],
        "success": [(SUCCESS, channel)],
        "success with more": [(SUCCESS, channel + b"\0")],
        "failure": [(FAILURE, channel)],
        "failure, then success": [(FAILURE, channel), (SUCCESS, channel)],
        "disconnect": [(DISCONNECT, UInt32(2) + String(b"bye") + String(b""))],
        "disconnect of no UTF-8": [(DISCONNECT, UInt32(2) + String(b"\xff\xfe") + String(b"\xff"))],
        "disconnect cut": [(DISCONNECT, UInt32(2) + UInt32(99))],
        "unimplemented cut": [(UNIMPLEMENTED, b"\0")],
        "debug cut": [(DEBUG, b"")],
        "debug of escapes": [(DEBUG, Boolean(True) + String(b"\x1b]0;x\x07\x1b[2J") + String(b""))],
        "ignore cut": [(IGNORE, UInt32(1 << 30))],
        "service accepted again": [(SERVICE_ACCEPT, String(b"ssh-connection"))],
        "extensions cut": [(EXT_INFO, UInt32(9))],
        "no key exchange": [(KEXINIT, b"garbage")],
        "new keys out of turn": [(NEWKEYS, b"")],
        "key exchange out of turn": [(KEX_FIRST, String(b"x"))],
        "logged in again": [(AUTH_SUCCESS, b"")],
        "login failed after all": [(AUTH_FAILURE, String(b"publickey") + Boolean(False))],
        "banner after login": [(AUTH_BANNER, String(b"\xff\x1b[2J") + String(b""))],
        "unknown message": [(192, b"")],
        "message 0": [(0, b"")],
        "message 255": [(255, bytes(64))],
        "a thousand global requests": [(GLOBAL_REQUEST, String(b"x@example") + Boolean(True))] * 1000,
        "global request cut": [(GLOBAL_REQUEST, UInt32(1 << 31))],
        "global request of no ASCII": [(GLOBAL_REQUEST, String(b"\xff\xfe") + Boolean(True))],
        "host keys cut": [(GLOBAL_REQUEST, String(b"hostkeys-00@openssh.com") + Boolean(True) + UInt32(9))],
        "answer to no request": [(REQUEST_SUCCESS, b"")],
        "refusal of no request": [(REQUEST_FAILURE, b"")],
        "opens a session": [opening(b"session")],
        "opens a forwarding": [opening(b"forwarded-tcpip", address, address)],
        "opens X11": [opening(b"x11", address)],
        "opens an agent": [opening(b"auth-agent@openssh.com")],
        "opens no ASCII": [opening(b"\xff")],
        "opening cut": [(OPEN, String(b"session"))],
        "confirms another channel": [(OPEN_CONFIRMATION, UInt32(99) + UInt32(0) * 2 + UInt32(1))],
        "refuses an open channel": [(OPEN_FAILURE, channel + UInt32(1) + String(b"no") + String(b""))],
        "unknown channel": [(DATA, UInt32(4711) + String(b"x"))],
        "no channel": [(DATA, b"\0")],
        "data": [(DATA, channel + String(b"noise\n"))],
        "data cut": [(DATA, channel + UInt32(1000) + b"x")],
        "data with more": [(DATA, channel + String(b"x") + b"more")],
        "data beyond the window": [(DATA, channel + String(bytes(30_000)))] * 12,
        "extended data of no type": [(EXTENDED_DATA, channel + UInt32(99) + String(b"x"))],
        "extended data cut": [(EXTENDED_DATA, channel + UInt32(1))],
        "a window of more than 32 bits": [(WINDOW_ADJUST, channel + UInt32(0xFFFFFFFF))] * 3,
        "window cut": [(WINDOW_ADJUST, channel + b"\0")],
        "exit status": [request(channel, b"exit-status", UInt32(1))],
        "exit status cut": [request(channel, b"exit-status", b"\0")],
        "two exit statuses": [request(channel, b"exit-status", UInt32(1))] * 2,
        "exit signal of no UTF-8": [
            request(channel, b"exit-signal", String(b"\xff"), Boolean(True), String(b"\xff"), String(b"\xff"))
        ],
        "exit signal cut": [request(channel, b"exit-signal", String(b"KILL"))],
        "flow control cut": [request(channel, b"xon-xoff")],
        "request without a name": [(REQUEST, channel)],
        "request of no ASCII": [request(channel, b"\xff", wants_reply=True)],
        "asks the client for a command": [request(channel, b"exec", String(b"id"), wants_reply=True)],
        "asks the client for a terminal": [request(channel, b"pty-req", wants_reply=True)],
        "unknown requests": [request(channel, b"x@example", wants_reply=True)] * 300,
    }


def mutations(packet: Packet) -> dict[str, list[Packet]]:
    """Return other things that a server may send instead of a packet."""
    kind, payload = packet
    return {
        "one byte more": [(kind, payload + b"\0")],
        "one byte less": [(kind, payload[:-1])],
        "half": [(kind, payload[: len(payload) // 2])],
        "nothing in it": [(kind, b"")],
        "twice": [packet, packet],
        "never": [],
        "of another channel": [(kind, UInt32(0xFFFFFFFF) + payload[4:])],
        "all ones": [(kind, payload[:4] + b"\xff" * (len(payload) - 4))],
        "all zeros": [(kind, payload[:4] + bytes(len(payload) - 4))],
    }
