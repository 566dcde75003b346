"""The status output of a node, over SSH, and of the admin box itself.

Over SSH it has a session of its own, so that a hanging tool cannot hold up the clock's.
"""

import asyncio
import contextlib
import os
import signal
from dataclasses import replace

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


async def read_text(connection: Connection) -> tuple[str, str]:
    """Return the nonce and the raw status output of one node.

    Raises NodeError if the node opens no second session, floods it, or does not end it in time.
    """
    nonce = wire.new_nonce()
    connection.meter.allow(STATUS)
    try:
        async with asyncio.timeout(script.SCRIPT_LIMIT_S + GRACE_S):
            with connection.opening_session():
                process = await connection.ssh.create_process(
                    programs.COMMAND, encoding=None, window=WINDOW_BYTES
                )
            try:
                process.stdin.write((wire.greeting(nonce, "status") + script.script(nonce)).encode())
                process.stdin.write_eof()
                text = await _read_both(process)
            finally:
                process.close()
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


async def _read_both(process: "asyncssh.SSHClientProcess[bytes]") -> str:
    """Return the standard output, reading the standard error beside it: both share one window."""
    errors = asyncio.create_task(_read_limited(process.stderr, NOISE_BYTES, "standard error"))
    output = asyncio.create_task(
        _read_limited(process.stdout, script.OUTPUT_LIMIT_BYTES + NOISE_BYTES, "output")
    )
    for reading in (output, errors):
        reading.add_done_callback(retrieved)
    try:
        done, _ = await asyncio.wait([output, errors], return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for reading in (output, errors):
            reading.cancel()
    for reading in done:
        reading.result()
    return output.result()


async def _read_limited(stream: "asyncssh.SSHReader[bytes]", limit: int, name: str) -> str:
    pieces: list[bytes] = []
    size = 0
    while size <= limit:
        piece = await stream.read(WINDOW_BYTES)
        if not piece:
            return b"".join(pieces).decode("utf-8", "replace")
        pieces.append(piece)
        size += len(piece)
    raise ProbeError(
        Reason.TOO_MUCH_OUTPUT,
        f"The {name} of the time tools is longer than {limit // 1024} KiB.",
        "Look at the node's rc files.",
    )
