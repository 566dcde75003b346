"""A real daemon in a process of its own: its log, its API, its resources, its end."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

#: How long anything that the daemon does by itself may take on a busy machine.
PATIENCE_S = 60.0


class Running:
    """``skewmon run`` with a configuration; ``async with`` ends it."""

    def __init__(
        self,
        config: Path,
        *,
        environment: dict[str, str] | None = None,
        arguments: Sequence[str] = (),
        program: Sequence[str] = ("-m", "skewmon"),
    ) -> None:
        self.config = config
        self._command = [sys.executable, *program, "run", "--config.file", str(config), *arguments]
        self._environment = environment or {}
        self._log = config.with_suffix(".log")
        self.address = ""

    async def __aenter__(self) -> Self:
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._environment},
            )
        await self.until(lambda: re.search(r'event(=|": ")started', self.log))
        match = re.search(r'addresses(?:="?|": ")([^" ]+)', self.log)
        assert match, self.log
        self.address = match[1].rstrip(",")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE_S)
        if error is not None:
            print(self.log[-10_000:])  # the directory may be gone when a person looks at the failure

    @property
    def log(self) -> str:
        """Everything that the daemon wrote."""
        return self._log.read_text(errors="replace")

    async def until(self, holds: Any, patience_s: float = PATIENCE_S, every_s: float = 0.05) -> None:
        """Wait until something holds; fail with the log if it never does."""
        deadline = time.monotonic() + patience_s
        while not holds():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            await asyncio.sleep(every_s)

    def send(self, number: signal.Signals) -> None:
        """Send the daemon a signal."""
        self.process.send_signal(number)

    async def end(self) -> float:
        """Send SIGTERM and return how many seconds the daemon took to end in good order."""
        began = time.monotonic()
        self.send(signal.SIGTERM)
        code = await asyncio.to_thread(self.process.wait, PATIENCE_S)
        assert code == 0, self.log
        return time.monotonic() - began

    def status(self) -> dict[str, Any]:
        """Return the status of the API."""
        with urllib.request.urlopen(f"http://{self.address}/api/v1/status", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def events(self) -> list[dict[str, Any]]:
        """Return the newest events of the journal from the API."""
        with urllib.request.urlopen(f"http://{self.address}/api/v1/events", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["events"]
        return found

    def cluster(self, name: str = "fleet") -> dict[str, Any]:
        """Return one cluster of the status, empty before its first round."""
        return next((one for one in self.status()["clusters"] if one["name"] == name), {"nodes": []})

    def measured(self, name: str = "fleet") -> list[str]:
        """Return the nodes that the last round measured."""
        return [node["name"] for node in self.cluster(name)["nodes"] if node["measured"]]

    def metrics(self) -> str:
        """Return the metrics, as Prometheus scrapes them."""
        with urllib.request.urlopen(f"http://{self.address}/metrics", timeout=10) as answer:
            text: str = answer.read().decode()
        return text

    def metric(self, name: str) -> float:
        """Return the value of a metric without labels, or the sum over its labels."""
        lines = self.metrics().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if re.match(rf"{name}(\{{| )", line))

    # --- resources -----------------------------------------------------------------------------------

    def descriptors(self) -> int:
        """Return how many files and sockets the daemon has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def threads(self) -> int:
        """Return how many threads it has."""
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    def resident_bytes(self) -> int:
        """Return how much memory it holds."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def cpu_s(self) -> float:
        """Return how much processor time it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
