"""The simulated nodes of ``demo`` in a process of their own: started, watched and ended."""

import asyncio
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skewmon.errors import SkewmonError

#: A thousand host keys and servers take a few seconds on a slow machine.
START_TIMEOUT_S = 60.0

#: Ending closes sockets and removes a directory.
END_TIMEOUT_S = 5.0


class DemoError(SkewmonError):
    """The simulated nodes did not start, or ended on their own."""


@dataclass(frozen=True, slots=True)
class DemoNodes:
    """The simulated nodes, each with its story, and the configuration that reaches them."""

    config_file: str
    stories: tuple[tuple[str, str], ...]
    _process: asyncio.subprocess.Process
    _log: Path

    async def broken(self) -> None:
        """Wait for ever; raise DemoError if the nodes end."""
        await self._process.wait()
        raise _ended(self._log)


@asynccontextmanager
async def demo_nodes(nodes: int, listen: str, *, site: bool) -> AsyncIterator[DemoNodes]:
    """Start nodes, yield them once all listen, and leave neither process nor file behind."""
    directory = Path(tempfile.mkdtemp(prefix="skewmon-demo-"))
    log = directory / "nodes.log"
    process = None
    try:
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *_command(nodes, directory, listen, site=site),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is for the parent, which ends the nodes in its own time
            )
        first = await _first_line(process, log)
        stories = tuple((one["name"], one["story"]) for one in first["nodes"])
        yield DemoNodes(first["config"], stories, process, log)
    finally:
        if process is not None:
            await _end(process)
        shutil.rmtree(directory, ignore_errors=True)


def _command(nodes: int, directory: Path, listen: str, *, site: bool) -> list[str]:
    """Return the command; the child has this process's module path, without the current directory."""
    code = f"import sys; sys.path[:] = {sys.path!r}; from skewmon.demo.__main__ import main; sys.exit(main())"
    options = ["--nodes", str(nodes), "--directory", str(directory), "--listen", listen, "--until-eof"]
    return [sys.executable, "-P", "-c", code, *options, *(["--site"] if site else ())]


async def _first_line(process: asyncio.subprocess.Process, log: Path) -> dict[str, Any]:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            line = await process.stdout.readline()
        first: dict[str, Any] = json.loads(line)
    except TimeoutError:
        raise DemoError(f"The simulated nodes did not start within {START_TIMEOUT_S:g} s.") from None
    except ValueError:
        raise _ended(log) from None
    return first


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(END_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _ended(log: Path) -> DemoError:
    words = log.read_text(errors="replace").strip().splitlines()
    return DemoError(f"The simulated nodes ended: {words[-1] if words else 'they gave no reason'}.")
