"""From the clusters of a configuration to the nodes that are measured."""

import asyncio
import importlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from skewmon.config.limits import MAX_NODES
from skewmon.config.references import NTP_PORT
from skewmon.config.schema import ClusterSpec, Config, NodeSpec, SourceSpec
from skewmon.config.targets import expand, parse_target
from skewmon.errors import InventoryError
from skewmon.inventory.listing import Listing
from skewmon.inventory.settings import Context, merged, with_login
from skewmon.inventory.shard import of_shard
from skewmon.model import NS_PER_S, Cluster, Inventory, Node, SshSettings
from skewmon.runtime.containment import Where, translated
from skewmon.text import harmless, masked_text

#: Characters of an error that a finding, an event and the log repeat.
MAX_ERROR = 500

#: The signature of the family: a source of the file and the settings of its nodes, to their listing.
Source = Callable[[SourceSpec, Context], Awaitable[Listing]]

#: The live sources by their key in the file; imported at use, for http_sd alone takes 0.3 s to load.
INVENTORIES = {
    "ansible": "skewmon.inventory.ansible",
    "file_sd": "skewmon.inventory.file_sd",
    "http_sd": "skewmon.inventory.http_sd",
    "ssh_config": "skewmon.inventory.ssh_config",
}


async def resolve(
    config: Config, before: Iterable[Cluster] = (), *, keep_going: bool = False
) -> tuple[Cluster, ...]:
    """Return every cluster with its nodes.

    If a live source cannot be read, its nodes are those of the same source in ``before``. Without such an
    answer, raise InventoryError, or ``keep_going`` without nodes of this source.
    """
    known = {(cluster.name, one.key): one for cluster in before for one in cluster.inventories}

    async def one(name: str, spec: ClusterSpec) -> Cluster:
        reader = _ClusterReader(name, spec, config, keep_going=keep_going)
        return await reader.cluster({key: last for (of, key), last in known.items() if of == name})

    clusters = (one(name, spec) for name, spec in config.clusters.items())
    found = await asyncio.gather(*clusters, return_exceptions=True)  # so that none is left running
    for result in found:
        if isinstance(result, BaseException):
            raise result
    return tuple(result for result in found if isinstance(result, Cluster))


class _ClusterReader:
    """Reads the sources of one cluster."""

    def __init__(self, name: str, spec: ClusterSpec, config: Config, *, keep_going: bool) -> None:
        self._name = name
        self._spec = spec
        self._config = config
        self._ssh = merged(config.ssh, spec.ssh)
        self._keep_going = keep_going

    async def cluster(self, known: dict[object, Inventory]) -> Cluster:
        """Return the cluster with the nodes of all its sources."""
        spec = self._spec
        nodes = [node for entry in spec.nodes for node in static_nodes(entry, self._ssh, self._config, spec)]
        inventories = []
        for source in spec.inventory:
            key = (source, self._ssh)
            inventory = await self._read(source, key, known.get(key), MAX_NODES - len(nodes))
            nodes += inventory.nodes
            inventories.append(inventory)
        every = distinct(nodes)
        shard = self._config.shard
        return Cluster(
            name=self._name,
            nodes=of_shard(every, shard.index, shard.of) if shard else every,
            interval_s=spec.interval_ns / NS_PER_S,
            status_interval_s=spec.status_interval_ns / NS_PER_S,
            samples=None if spec.samples == "auto" else spec.samples,
            thresholds=spec.lines,
            inventories=tuple(inventories),
            total_nodes=len(every),
        )

    async def _read(
        self, source: SourceSpec, key: tuple[SourceSpec, SshSettings], last: Inventory | None, room: int
    ) -> Inventory:
        """Return the present answer of a source, or its last one with the reason."""
        try:
            with translated(Where.INVENTORY, InventoryError, cluster=self._name):
                listing = await _reader(source)(source, Context(self._ssh))
            if len(listing.nodes) > room:
                count = MAX_NODES - room + len(listing.nodes)
                raise InventoryError(f"the cluster has {count} nodes; at most {MAX_NODES} are allowed")
        except InventoryError as error:
            if last is not None:
                return replace(last, error=_shown(error))
            if not self._keep_going:
                raise type(error)(f"cluster {self._name}, {source.choice}: {error}") from None
            return Inventory(source_name(source), key, error=_shown(error))
        return Inventory(
            source_name(source),
            key,
            tuple(listing.nodes),
            tuple(listing.rejected),
            listing.rejected_count,
            read_wall_ns=time.time_ns(),
        )


def _shown(error: InventoryError) -> str:
    """Return an error on one line; it may quote a program or a server at length."""
    return harmless(str(error)[:MAX_ERROR].rstrip("."))


def source_name(source: SourceSpec) -> str:
    """Return the kind and the location of a source, without secrets."""
    return f"{source.choice} {masked_text(getattr(source, source.choice))}"


def static_nodes(entry: str | NodeSpec, ssh: SshSettings, config: Config, spec: ClusterSpec) -> list[Node]:
    """Return the nodes of one entry under ``nodes:``."""
    if isinstance(entry, str):
        return [
            Node(target.host, target.host, with_login(ssh, target.user, target.port))
            for target in expand(entry)
        ]
    if entry.transport == "ntp":
        return [_by_ntp(entry)]
    own = merged(config.ssh, spec.ssh, entry.ssh)
    target = parse_target(entry.name if entry.address is None else entry.address)
    own = with_login(own, target.user, target.port if entry.port is None else entry.port)
    return [Node(entry.name, target.host, own)]


def _by_ntp(entry: NodeSpec) -> Node:
    """Return a node that is measured by NTP: of its SSH settings only the port counts."""
    target = parse_target(entry.name if entry.address is None else entry.address)
    port = entry.port or target.port or NTP_PORT
    return Node(entry.name, target.host, SshSettings(port=port, vantage="none"), "ntp")


def distinct(nodes: list[Node]) -> tuple[Node, ...]:
    """Return each machine once, the first entry counting, and every name once.

    Machines of one name at several endpoints, such as ports of one host, are named after address and port.
    """
    first: dict[tuple[str, str, int], Node] = {}
    for node in nodes:
        first.setdefault((node.name, node.address, node.ssh.port), node)
    times = Counter(name for name, _, _ in first)
    return tuple(node if times[node.name] == 1 else _named_by_address(node) for node in first.values())


def _named_by_address(node: Node) -> Node:
    """Return a node under its address and port."""
    host = f"[{node.address}]" if ":" in node.address else node.address
    return replace(node, name=f"{host}:{node.ssh.port}")


def _reader(source: SourceSpec) -> Source:
    """Return the function that reads one source."""
    reader: Source = importlib.import_module(INVENTORIES[source.choice]).read
    return reader
