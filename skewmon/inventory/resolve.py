"""From the clusters of a configuration to the nodes that are measured."""

import asyncio
import importlib
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace

from skewmon.config.limits import MAX_NODES
from skewmon.config.schema import ClusterSpec, Config, NodeSpec, SourceSpec
from skewmon.config.targets import expand, parse_target
from skewmon.errors import InventoryError
from skewmon.inventory.settings import Context, merged, with_login
from skewmon.model import NS_PER_S, Cluster, Node, SshSettings
from skewmon.runtime.containment import Where, translated

#: The signature of the family: what the file says and what its nodes start from, to nodes.
Source = Callable[[SourceSpec, Context], Awaitable[list[Node]]]

#: The live sources by their key in the file; imported at use, for http_sd alone takes 0.3 s to load.
INVENTORIES = {
    "ansible": "skewmon.inventory.ansible",
    "file_sd": "skewmon.inventory.file_sd",
    "http_sd": "skewmon.inventory.http_sd",
    "ssh_config": "skewmon.inventory.ssh_config",
}


async def resolve(config: Config) -> tuple[Cluster, ...]:
    """Return every cluster with its nodes; raise InventoryError where a live source cannot be read."""
    clusters = (_cluster(name, spec, config) for name, spec in config.clusters.items())
    found = await asyncio.gather(*clusters, return_exceptions=True)  # so that none is left running
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return tuple(one for one in found if isinstance(one, Cluster))


async def _cluster(name: str, spec: ClusterSpec, config: Config) -> Cluster:
    """Return one cluster with the nodes of all its sources."""
    ssh = merged(config.ssh, spec.ssh)
    nodes = [node for entry in spec.nodes for node in static_nodes(entry, ssh, config, spec)]
    for source in spec.inventory:
        try:
            with translated(Where.INVENTORY, InventoryError, cluster=name):
                nodes += await _reader(source)(source, Context(ssh))
        except InventoryError as error:
            raise type(error)(f"cluster {name}, {source.choice}: {error}") from None
    if len(nodes) > MAX_NODES:
        raise InventoryError(f"cluster {name} has {len(nodes)} nodes; at most {MAX_NODES} are allowed")
    return Cluster(
        name=name,
        nodes=distinct(nodes),
        interval_s=spec.interval_ns / NS_PER_S,
        status_interval_s=spec.status_interval_ns / NS_PER_S,
        samples=spec.samples,
        thresholds=spec.lines,
    )


def static_nodes(entry: str | NodeSpec, ssh: SshSettings, config: Config, spec: ClusterSpec) -> list[Node]:
    """Return the nodes of one entry under ``nodes:``."""
    if isinstance(entry, str):
        return [
            Node(target.host, target.host, with_login(ssh, target.user, target.port))
            for target in expand(entry)
        ]
    own = merged(config.ssh, spec.ssh, entry.ssh)
    target = parse_target(entry.name if entry.address is None else entry.address)
    own = with_login(own, target.user, target.port if entry.port is None else entry.port)
    return [Node(entry.name, target.host, own)]


def distinct(nodes: list[Node]) -> tuple[Node, ...]:
    """Return each machine once, the first entry counting, and every name once.

    Machines of one name at several places, such as ports of one host, are named after their place.
    """
    first: dict[tuple[str, str, int], Node] = {}
    for node in nodes:
        first.setdefault((node.name, node.address, node.ssh.port), node)
    times = Counter(name for name, _, _ in first)
    return tuple(node if times[node.name] == 1 else _named_by_place(node) for node in first.values())


def _named_by_place(node: Node) -> Node:
    """Return a node under its address and port."""
    host = f"[{node.address}]" if ":" in node.address else node.address
    return replace(node, name=f"{host}:{node.ssh.port}")


def _reader(source: SourceSpec) -> Source:
    """Return the function that reads one source."""
    reader: Source = importlib.import_module(INVENTORIES[source.choice]).read
    return reader
