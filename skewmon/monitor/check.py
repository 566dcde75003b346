"""A fixed number of rounds: the measurement of ``check``."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace

from skewmon.errors import NodeError, Reason
from skewmon.model import Cluster, ClusterView, Endpoint, Failed, Node, Snapshot, TimeServer
from skewmon.monitor.monitor import Monitor
from skewmon.probe.budget import PATIENT, Budget, Patience
from skewmon.probe.clocks import ArrivalClock
from skewmon.probe.connect import Dialer
from skewmon.probe.link import Link
from skewmon.probe.ntp_link import link_to
from skewmon.runtime.containment import Where, contained

#: No single stage (connect, login, hello, reply) may use up the whole time: a node that hangs in one must
#: fail with the reason of that stage while the others can still be measured.
STAGE_SHARE = 0.4

#: Between the rounds of one check; long enough for a stalled path to change, short enough to wait for.
ROUND_GAP_S = 1.0

#: Receives the number of nodes that have answered or failed, and of all.
Progress = Callable[[int, int], None]


async def check(
    clusters: Sequence[Cluster],
    rounds: int,
    timeout_s: float,
    progress: Progress = lambda _done, _all: None,
    references: Sequence[TimeServer] = (),
) -> Snapshot:
    """Measure the clusters ``rounds`` times and return the last snapshot, within about ``timeout_s``."""
    views: tuple[ClusterView, ...] = ()
    nodes = [node for cluster in clusters for node in cluster.nodes]
    async with opened(nodes, timeout_s, progress) as links:
        monitor = Monitor(links, lambda _interval_s: Budget.patient(timeout_s * STAGE_SHARE))
        with closing(monitor):
            monitor.adopt_references(references)
            # Before the first round, so that the nodes' tools cannot disturb it.
            await monitor.query_time_daemons(timeout_s * STAGE_SHARE)
            for number in range(rounds):
                if number:
                    await asyncio.sleep(ROUND_GAP_S)
                views = (await monitor.round(clusters)).complete_views()
    return Snapshot(time.time_ns(), views)


@asynccontextmanager
async def opened(
    nodes: Sequence[Node],
    timeout_s: float,
    progress: Progress = lambda _done, _all: None,
    *,
    kernel_stamps: bool = True,
) -> AsyncIterator[dict[Endpoint, Link]]:
    """Open a link to every node at once and yield them, those that failed with their reasons.

    Without ``kernel_stamps`` arrivals are stamped by this process, for comparison in a benchmark.
    """
    arrivals = ArrivalClock(enabled=kernel_stamps)
    dialer = Dialer(arrivals)
    stage_s = timeout_s * STAGE_SHARE
    patience = Patience(hello_s=stage_s, reply_s=min(PATIENT.reply_s, stage_s))
    links = {node.endpoint: link_to(_hurried(node, stage_s), dialer, arrivals, patience) for node in nodes}
    done = 0

    async def open_one(link: Link) -> None:
        nonlocal done
        try:
            with contained(Where.NODE, passing=(TimeoutError,), node=link.node.name):
                async with asyncio.timeout(timeout_s):
                    await link.open()
        except NodeError:
            pass  # the round reads the reason from the link
        except TimeoutError:
            link.failure = Failed(Reason.NO_ANSWER, f"The connection was not ready within {timeout_s:g} s.")
        done += 1
        progress(done, len(links))

    try:
        progress(done, len(links))
        async with asyncio.TaskGroup() as group:
            for link in links.values():
                group.create_task(open_one(link))
        yield links
    finally:
        for link in links.values():
            link.close()
        with contained(Where.NODE):
            await dialer.close()


def _hurried(node: Node, stage_s: float) -> Node:
    return replace(node, ssh=replace(node.ssh, connect_timeout_s=min(node.ssh.connect_timeout_s, stage_s)))
