"""One snapshot on its way out: every body is rendered once, in a thread, however many ask for it."""

import asyncio
import gzip
from collections.abc import Callable, Hashable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from skewmon.export.collector import PairExport
from skewmon.export.document import Status
from skewmon.export.facts import DaemonFacts
from skewmon.export.status import status
from skewmon.model import Snapshot

#: Metrics and JSON shrink to a tenth at any level; the lowest costs a third of the time.
GZIP_LEVEL = 1


@dataclass(frozen=True, slots=True, eq=False)
class Publication:
    """A snapshot, the daemon's facts beside it, how and when both were published, and what was rendered.

    ``published_s`` is on the clock of the event loop, which no step of the admin box's wall clock moves.
    """

    snapshot: Snapshot
    facts: DaemonFacts
    pairs: PairExport
    published_s: float
    _executor: Executor
    _bodies: dict[Hashable, asyncio.Future[bytes]] = field(default_factory=dict)
    _documents: list[Status] = field(default_factory=list)

    @property
    def document(self) -> Status:
        """The JSON contract; made at the first use, which is in a thread."""
        if not self._documents:
            self._documents.append(status(self.snapshot))
        return self._documents[0]

    async def body(self, key: Hashable, render: Callable[[], bytes]) -> bytes:
        """Return the body of this name, rendered now or before; a client that leaves stops nobody else's."""
        body = self._bodies.get(key)
        if body is None:
            body = asyncio.get_running_loop().run_in_executor(self._executor, render)
            self._bodies[key] = body
        return await asyncio.shield(body)

    async def compressed(self, key: Hashable, render: Callable[[], bytes]) -> bytes:
        """Return the body of this name, compressed by gzip."""
        body = await self.body(key, render)
        return await self.body((key, "gzip"), lambda: gzip.compress(body, GZIP_LEVEL, mtime=0))
