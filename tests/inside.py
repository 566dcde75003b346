"""A whole daemon inside the test's own event loop, for tests that reach into its tasks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import yaml

from skewmon.config.loader import load
from skewmon.daemon.daemon import Daemon, Options
from skewmon.journal import Journal
from skewmon.journal.record import Record
from skewmon.model import Cluster, ClusterView, Failed, Measured, NodeView
from skewmon.monitor.round import Round

#: How long anything that the daemon does by itself may take on a busy machine.
PATIENCE_S = 30.0


class Inside:
    """A running daemon and every view that it reported."""

    def __init__(self, daemon: Daemon, task: "asyncio.Task[None]") -> None:
        self.daemon = daemon
        self.task = task
        self.views: list[ClusterView] = []
        report = daemon._reporter.report

        def record(one: Round) -> None:
            self.views += one.views
            report(one)

        daemon._reporter.report = record  # type: ignore[method-assign]  # and passed on

    async def until(self, holds: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
        """Wait until something holds, while the daemon lives."""
        async with asyncio.timeout(patience_s):
            while not holds():
                if self.task.done():
                    self.task.result()
                    raise AssertionError("the daemon has ended")
                await asyncio.sleep(0.01)

    def nodes(self, *names: str, since: int = 0) -> list[NodeView]:
        """Return these nodes as each round found them, beginning with a view's number."""
        return [node for view in self.views[since:] for node in view.nodes if node.name in names]

    def failures(self, *names: str, since: int = 0) -> list[Failed]:
        """Return why these nodes were not measured, round by round."""
        return [one.outcome for one in self.nodes(*names, since=since) if isinstance(one.outcome, Failed)]

    def durations(self, cluster: str, since: int = 0) -> list[float]:
        """Return how long each round of a cluster took, in seconds, beginning with a view's number."""
        return [view.duration_s for view in self.views[since:] if view.name == cluster]

    def is_measured(self, name: str) -> bool:
        """Return whether the last round that included a node measured it."""
        nodes = self.nodes(name)
        return bool(nodes) and isinstance(nodes[-1].outcome, Measured)


@asynccontextmanager
async def running_inside(directory: Path, *clusters: Cluster) -> AsyncIterator[Inside]:
    """Run a daemon that measures these clusters; it must live until the end of the block."""
    path = directory / "skewmon.yml"
    state = str(directory / "state")
    path.write_text(
        yaml.safe_dump(
            {
                "web": {"listen": "127.0.0.1:0"},
                "state_directory": state,
                "clusters": {"placeholder": {"nodes": ["n1"]}},
            }
        )
    )
    async with Journal.open(state) as journal, Record.open(state, journal) as record:
        daemon = Daemon(Options(str(path)), load(str(path)), clusters, journal, record)
        inside = Inside(daemon, asyncio.create_task(daemon.run()))
        try:
            yield inside
            assert not inside.task.done(), inside.task
        finally:
            daemon._stop.set()
            await asyncio.wait([inside.task], timeout=PATIENCE_S)
            inside.task.cancel()
        await inside.task
