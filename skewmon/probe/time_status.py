"""The status output of a node, over SSH, and of the admin box itself.

Over SSH it has a session of its own, so that a hanging tool cannot hold up the clock's.
"""

import asyncio
import contextlib
import os
import signal
from dataclasses import replace
from typing import Final

import asyncssh

from skewmon.errors import NodeError, ProbeError, Reason
from skewmon.model import SyncStatus
from skewmon.probe import programs, wire
from skewmon.probe.connection import WINDOW_BYTES, Connection
from skewmon.probe.faults import quoted
from skewmon.probe.metering import STATUS
from skewmon.runtime.containment import Where, node_error, translated
from skewmon.runtime.tasks import retrieved
from skewmon.timesync import script
from skewmon.timesync.status import assemble

#: Beyond the script's own limit: the login shell, its rc files and the way back.
GRACE_S = 5.0

#: Noise before the first mark: banners and rc files. Standard error has nothing else, and is dropped.
NOISE_BYTES = 64 * 1024

#: Reported for truncated status output: the tools after the cut are missing.
CUT_OFF = "status sheet: cut off before its end"

#: Status scripts in flight: each starts a dozen short processes on its node, and one task here.
SHEETS_AT_ONCE = 32


#: The name and the limit of each kind of data.
_LIMITS: Final[dict[asyncssh.DataType, tuple[str, int]]] = {
    None: ("output", script.OUTPUT_LIMIT_BYTES + NOISE_BYTES),
    asyncssh.EXTENDED_DATA_STDERR: ("standard error", NOISE_BYTES),
}


async def read_text(connection: Connection) -> tuple[str, str]:
    """Return the nonce and the raw status output of one node.

    Raises NodeError if the node opens no second session, floods it, or does not end it in time.
    """
    nonce = wire.new_nonce()
    connection.meter.allow(STATUS)
    try:
        async with asyncio.timeout(script.SCRIPT_LIMIT_S + GRACE_S):
            sheet = _Sheet()
            with connection.opening_session():
                channel, _ = await connection.ssh.create_session(
                    lambda: sheet, programs.COMMAND, encoding=None, window=WINDOW_BYTES
                )
            try:
                channel.write((wire.greeting(nonce, "status") + script.script(nonce)).encode())
                channel.write_eof()
                text = await sheet.text
            finally:
                channel.close()
    except TimeoutError:
        raise ProbeError(
            Reason.NO_REPLY,
            "The node's time tools did not end in time, although each has a limit of its own.",
        ) from None
    except (asyncssh.Error, OSError) as error:
        raise (connection.fault or _refused(error)) from None
    if connection.fault:  # its output ended for this reason
        raise connection.fault
    return nonce, text


async def read_status(connection: Connection) -> SyncStatus:
    """Return the claims of a node's time daemons; raises as ``read_text`` does."""
    nonce, text = await read_text(connection)
    status = assemble(script.split(nonce, text))
    if script.is_complete(nonce, text):
        return status
    return replace(status, failures=(*status.failures, CUT_OFF))


async def read_or_explain(connection: Connection) -> SyncStatus:
    """Return the claims of a node's time daemons, or a status with the reason if there are none."""
    try:
        with translated(Where.STATUS, node_error):
            return await read_status(connection)
    except NodeError as error:
        return SyncStatus("unknown", failures=(error.detail,))


async def own_status() -> SyncStatus | None:
    """Return the claims of the admin box's time daemons; None if they cannot be queried or do not end.

    Truncated output, as after a lack of memory, is dropped: it says nothing about the tools after the cut.
    """
    nonce = wire.new_nonce()
    try:
        shell = await asyncio.create_subprocess_exec(
            "/bin/sh",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return None
    try:
        async with asyncio.timeout(script.SCRIPT_LIMIT_S + GRACE_S):
            text, _ = await shell.communicate(script.script(nonce).encode())
    except TimeoutError:
        return None
    finally:
        if shell.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)  # its tools are of its own session
            await shell.wait()
    output = text.decode("utf-8", "replace")
    return assemble(script.split(nonce, output)) if script.is_complete(nonce, output) else None


def _refused(error: Exception) -> ProbeError:
    return ProbeError(
        Reason.SESSION_REFUSED,
        f"sshd opened no second session for the time tools: {quoted(error)}.",
        "Look at MaxSessions on the node; skewmon needs two.",
    )


class _Sheet(asyncssh.SSHClientSession[bytes]):
    """The callbacks of the channel that reads status output; ``text`` is there at its end.

    A process of asyncssh with its streams would be a cycle of 5 KiB, which is found and freed hours later.
    """

    def __init__(self) -> None:
        self.text: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.text.add_done_callback(retrieved)
        self._pieces: list[bytes] = []
        self._counts = dict.fromkeys(_LIMITS, 0)

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """Keep output; count the standard error, which shares its window, and drop it."""
        if self.text.done():
            return
        self._counts[datatype] += len(data)
        name, limit = _LIMITS[datatype]
        if datatype is None:
            self._pieces.append(data)
        if self._counts[datatype] > limit:
            self.text.set_exception(
                ProbeError(
                    Reason.TOO_MUCH_OUTPUT,
                    f"The {name} of the time tools is longer than {limit // 1024} KiB.",
                    "Look at the node's rc files.",
                )
            )

    def eof_received(self) -> bool:
        """Note the end of the output."""
        self.connection_lost(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end of the channel."""
        if self.text.done():
            return
        if exc:
            self.text.set_exception(exc)
        else:
            self.text.set_result(b"".join(self._pieces).decode("utf-8", "replace"))
