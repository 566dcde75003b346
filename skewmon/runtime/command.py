"""Other programs, run to their end within limits of time and output; none can prompt or outlive its limit."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: The reason for a failure is in the last lines of standard error.
MAX_COMPLAINT_BYTES = 64 * 1024

#: One read of a pipe, whose buffer in the kernel has this size.
CHUNK_BYTES = 65_536


class OutputLimitError(Exception):
    """The program printed more than its limit."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The exit status of a program and its output; the complaint is the end of its standard error."""

    code: int
    output: bytes
    complaint: str

    @property
    def complaints(self) -> list[str]:
        """The lines of the complaint."""
        return [line.strip() for line in self.complaint.splitlines() if line.strip()]


async def run(
    arguments: Sequence[str],
    *,
    timeout_s: float,
    max_bytes: int,
    stdin: int = asyncio.subprocess.DEVNULL,
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Run a program, with these variables besides those of the daemon, and return its output.

    Raises OSError if it cannot be started, TimeoutError or OutputLimitError if it exceeds a limit: then it is
    killed with everything that it started.
    """
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=stdin,
        env={**os.environ, **(environment or {})},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(timeout_s):
            output, complaint = await asyncio.gather(_limited(process, max_bytes), _tail(process.stderr))
            code = await process.wait()
    finally:
        if process.returncode is None:
            kill_group(process.pid)
            await process.communicate()  # a pipe that is not read to its end would never close
    if len(output) > max_bytes:
        raise OutputLimitError
    return Finished(code, output, complaint.decode(errors="replace"))


def kill_group(leader: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal a program and its children, unless all have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, number)


async def _limited(process: asyncio.subprocess.Process, max_bytes: int) -> bytes:
    """Return the standard output, or a little more than the limit of it; end a program that prints more."""
    assert process.stdout is not None
    data = bytearray()
    while chunk := await process.stdout.read(CHUNK_BYTES):
        if len(data) <= max_bytes:
            data += chunk
        if len(data) > max_bytes:
            kill_group(process.pid)
    return bytes(data)


async def _tail(stream: asyncio.StreamReader) -> bytes:
    data = bytearray()
    while chunk := await stream.read(CHUNK_BYTES):
        data += chunk
        del data[:-MAX_COMPLAINT_BYTES]
    return bytes(data)
