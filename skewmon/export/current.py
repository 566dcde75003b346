"""What is published now; every handler looks here, once a request."""

import asyncio
from concurrent.futures import Executor

from skewmon.export.collector import PairExport
from skewmon.export.facts import DaemonFacts
from skewmon.export.publication import Publication
from skewmon.model import Snapshot


class Current:
    """The newest publication; replaced whole, so that no answer mixes two rounds."""

    def __init__(self, executor: Executor, pairs: PairExport) -> None:
        self.executor = executor
        self.pairs = pairs
        self.publication = Publication(Snapshot(wall_ns=0), DaemonFacts(), pairs, 0.0, executor)
        self.ready = False

    def replace(self, snapshot: Snapshot, facts: DaemonFacts) -> None:
        """Put a new snapshot in the place of the last."""
        now_s = asyncio.get_running_loop().time()
        self.publication = Publication(snapshot, facts, self.pairs, now_s, self.executor)
        self.ready = True

    @property
    def age_s(self) -> float:
        """How long ago the newest snapshot was published."""
        return asyncio.get_running_loop().time() - self.publication.published_s
