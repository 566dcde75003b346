"""A TCP relay with a delay, jitter, rate, stall and drop of its own for each direction.

It runs in a process of its own, so that a busy test cannot delay it, and delays to about a tenth of a
millisecond: never less than asked, and never out of order.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from tests.fleet.processes import end_tree
from tests.fleet.sshd import Fleet, FleetNode

Way = Literal["forward", "backward"]

NS_PER_S = 1_000_000_000

PROGRAM = str(Path(__file__).with_name("relay_process.py"))


class Relay:
    """Passes connections to ``address``:``port`` on to a target; ``forward`` is towards the target.

    Settings hold for the bytes that are read after they are set, in old connections and new ones.
    """

    def __init__(
        self,
        target_address: str,
        target_port: int,
        *,
        address: str = "127.0.2.1",
        on_start: Callable[[Self], None] = lambda _: None,
    ) -> None:
        self.address = address
        self.port = 0
        self._target = (target_address, str(target_port))
        self._on_start = on_start

    @classmethod
    def before(cls, fleet: Fleet, node: FleetNode, *, address: str = "127.0.2.1") -> Self:
        """Return a relay in front of a node, whose key known_hosts then accepts at the relay's address."""
        return cls(
            node.address,
            node.port,
            address=address,
            on_start=lambda relay: fleet.trust(relay.address, relay.port, node),
        )

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, "-I", PROGRAM, self.address, *self._target],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._commands, self._answers = self._process.stdin, self._process.stdout
        self.port = int(self._answer())
        self._on_start(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end_tree(self._process)
        self._commands.close()
        self._answers.close()

    def delay(self, way: Way, *, delay_s: float, jitter_s: float = 0.0) -> None:
        """Hold every chunk back by ``delay_s`` and up to ``jitter_s`` more, evenly distributed."""
        self._tell({way: {"delay_ns": round(delay_s * NS_PER_S), "jitter_ns": round(jitter_s * NS_PER_S)}})

    def limit(self, way: Way, bytes_per_s: int) -> None:
        """Let at most so many bytes pass a second; 0 ends it."""
        self._tell({way: {"bytes_per_s": bytes_per_s}})

    def stall(self, way: Way, *, on: bool) -> None:
        """Hold everything back until the stall ends; nothing is lost."""
        self._tell({way: {"stalled": on}})

    def drop(self, way: Way, *, on: bool) -> None:
        """Drop all data, as a firewall that forgot the connection; both sides keep it open."""
        self._tell({way: {"dropping": on}})

    def cut(self) -> None:
        """Reset every connection at once."""
        self._tell({"cut": True})

    def _tell(self, command: dict[str, object]) -> None:
        self._commands.write(json.dumps(command).encode() + b"\n")
        answer = self._answer()
        assert answer == "ok", answer

    def _answer(self) -> str:
        return self._answers.readline().decode().strip()
