"""The admin box's own status sheet: while its time daemon is synchronized, its clock has a vote."""

import asyncio
import contextlib
import os
import signal

from skewmon.model import SyncStatus
from skewmon.probe import wire
from skewmon.probe.time_status import GRACE_S
from skewmon.timesync import script
from skewmon.timesync.status import assemble


async def own_status() -> SyncStatus | None:
    """Return what the admin box's time daemons claim; None where they cannot be asked or do not end.

    A sheet that ends before its last mark, as where memory ran out, tells nothing of the tools that it lacks.
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
        async with asyncio.timeout(script.SHEET_LIMIT_S + GRACE_S):
            text, _ = await shell.communicate(script.script(nonce).encode())
    except TimeoutError:
        return None
    finally:
        if shell.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)  # its tools are of its own session
            await shell.wait()
    told = text.decode("utf-8", "replace")
    return assemble(script.split(nonce, told)) if script.is_complete(nonce, told) else None
