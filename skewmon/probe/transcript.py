"""The lines of one node's session, recorded as they pass; for ``skewmon probe``.

The recorder is between asyncssh and the same session that the daemon uses, so that the record is exactly the
daemon's view. Its stamps are taken by the socket, before the recorder is called.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import asyncssh

from skewmon.model import Node
from skewmon.probe.clocks import base_ns
from skewmon.probe.connect import Dialer
from skewmon.probe.connection import Connection

#: A session has a few hundred lines; a flood is cut by the session, and until then by this.
MAX_LINES = 2_000

Side = Literal["command", "sent", "received", "error", "end"]


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """One line, its side and its instant on the base."""

    at_ns: int
    side: Side
    text: str


@dataclass
class Transcript:
    """The lines of one session, in order; an unfinished line is kept with the next piece of it."""

    lines: list[TranscriptLine] = field(default_factory=list)
    _pending: dict[Side, str] = field(default_factory=dict)

    def note(self, side: Side, data: bytes | str) -> None:
        """Record data line by line."""
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        *whole, rest = (self._pending.get(side, "") + text).split("\n")
        self._pending[side] = rest
        room = MAX_LINES - len(self.lines)
        self.lines += [TranscriptLine(base_ns(), side, one) for one in whole[:room]]


class RecordingDialer(Dialer):
    """A dialer whose connections record their sessions."""

    transcript: Transcript

    async def connect(self, node: Node) -> Connection:
        """Return an authenticated connection; raises as its parent does."""
        connection = await super().connect(node)
        recorded = cast("asyncssh.SSHClientConnection", _RecordedConnection(connection.ssh, self.transcript))
        return replace(connection, ssh=recorded)


class _RecordedConnection:
    """Passes everything on to an SSH connection, and opens recorded sessions."""

    def __init__(self, ssh: asyncssh.SSHClientConnection, transcript: Transcript) -> None:
        self._ssh = ssh
        self._transcript = transcript

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ssh, name)

    async def create_session(
        self, factory: Callable[[], asyncssh.SSHClientSession[bytes]], command: str, **options: Any
    ) -> tuple["_RecordedChannel", asyncssh.SSHClientSession[bytes]]:
        self._transcript.note("command", f"{command}\n")
        session = factory()
        channel, _ = await self._ssh.create_session(
            lambda: _RecordedSession(session, self._transcript), command, **options
        )
        return _RecordedChannel(channel, self._transcript), session


class _RecordedChannel:
    """Passes everything on to a channel, and records the data that is written."""

    #: As if it were closed, so that no data goes past asyncssh, and with it past the recorder.
    _send_state = _recv_state = "recorded"

    def __init__(self, channel: asyncssh.SSHClientChannel[bytes], transcript: Transcript) -> None:
        self._channel = channel
        self._transcript = transcript

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def write(self, data: bytes) -> None:
        self._channel.write(data)  # first: recording must not delay a request
        self._transcript.note("sent", data)


class _RecordedSession(asyncssh.SSHClientSession[bytes]):
    """Records data, then hands it to the session proper, which may send the next request at once."""

    def __init__(self, session: asyncssh.SSHClientSession[bytes], transcript: Transcript) -> None:
        self._session = session
        self._transcript = transcript

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        self._transcript.note("received" if datatype is None else "error", data)
        self._session.data_received(data, datatype)

    def exit_status_received(self, status: int) -> None:
        self._transcript.note("end", f"exit status {status}\n")
        self._session.exit_status_received(status)

    def eof_received(self) -> bool:
        return bool(self._session.eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        self._session.connection_lost(exc)
