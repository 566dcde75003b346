"""Links, state, sweeper and status poller of one process, wired once for run, check and watch."""

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence

from skewmon.model import Cluster, Endpoint, TimeServer
from skewmon.monitor.references import ReferenceAsker
from skewmon.monitor.round import Round, run_round
from skewmon.monitor.state import MonitorState
from skewmon.monitor.status_poller import StatusPoller
from skewmon.probe.budget import Budget
from skewmon.probe.link import Link
from skewmon.probe.sweep import Sweeper


class Monitor:
    """Measures clusters over ``links``, which its owner opens, keeps and closes.

    ``budget_of`` returns the budget of a round from its interval, seconds.
    """

    def __init__(
        self,
        links: Mapping[Endpoint, Link],
        budget_of: Callable[[float], Budget] = Budget.of_interval,
    ) -> None:
        self.state = MonitorState()
        self._links = links
        self._sweeper = Sweeper(budget_of)
        self._poller = StatusPoller(self.state)
        self._references = ReferenceAsker(self.state.references, self.state.axis_references)

    async def round(self, clusters: Sequence[Cluster]) -> Round:
        """Measure every node of these clusters once and evaluate each cluster."""
        return await run_round(clusters, self._links, self._sweeper, self.state, self._references)

    def adopt(self, clusters: Iterable[Cluster]) -> None:
        """Keep the state of these clusters' nodes, and of the vantages of the present links, alone."""
        vantages = {link.vantage for link in self._links.values() if link.vantage is not None}
        self.state.adopt(clusters, {vantage.label for vantage in vantages})

    def adopt_references(self, servers: Iterable[TimeServer]) -> None:
        """Query these time servers for UTC within the rounds from now on."""
        self._references.adopt(servers)

    def close(self) -> None:
        """End the requests to time servers."""
        self._references.close()

    async def query_time_daemons(self, limit_s: float) -> None:
        """Query the time daemons of all connected nodes and of the admin box once, within ``limit_s``."""
        await self._poller.query_all(self._links, limit_s)

    async def first_answers(self, clusters: Iterable[Cluster]) -> None:
        """Wait a moment for the first answers of the clusters' time daemons, while ``polling`` runs."""
        endpoints = {node.endpoint for cluster in clusters for node in cluster.nodes}
        await self._poller.first_answers({endpoint: self._links[endpoint] for endpoint in endpoints})

    def polling(self, clusters: Iterable[Cluster]) -> Iterator[Coroutine[None, None, None]]:
        """Yield the coroutines that query the clusters' time daemons until they are cancelled.

        A node of several clusters is queried at the shortest of their status intervals, the admin box at the
        shortest of all.
        """
        shortest: dict[Endpoint, float] = {}
        for cluster in clusters:
            for node in cluster.nodes:
                known_s = shortest.get(node.endpoint, cluster.status_interval_s)
                shortest[node.endpoint] = min(cluster.status_interval_s, known_s)
        links: dict[float, dict[Endpoint, Link]] = {}
        for endpoint, interval_s in shortest.items():
            links.setdefault(interval_s, {})[endpoint] = self._links[endpoint]
        for interval_s, group in links.items():
            yield self._poller.poll(group, interval_s)
        if links:
            yield self._poller.poll_admin_box(min(links))
