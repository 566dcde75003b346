"""The nodes that the inventories of a configuration list, and the entries and sources that cannot be used."""

from collections.abc import Iterator

from skewmon.config.schema import Config
from skewmon.errors import InventoryError
from skewmon.inventory.resolve import resolve
from skewmon.model import Cluster, Inventory, Node
from skewmon.runtime import containment, logs
from skewmon.text import harmless


def resolution(config: Config) -> tuple[str, InventoryError | None]:
    """Read all sources; return their nodes as text, and an error if a source cannot be read."""
    logs.configure(logs.SILENT)
    clusters = containment.run(resolve(config, keep_going=True))
    text = "\n".join(line for cluster in clusters for line in _cluster(cluster))
    failed = [
        f"cluster {cluster.name}, {one.name}: {one.error}"
        for cluster in clusters
        for one in cluster.inventories
        if one.error
    ]
    return text, InventoryError("\n".join(failed)) if failed else None


def _cluster(cluster: Cluster) -> Iterator[str]:
    yield f"{harmless(cluster.name)}: {_count(len(cluster.nodes), 'node')}"
    yield from (f"  {_node(node)}" for node in cluster.nodes)
    for one in cluster.inventories:
        yield from _inventory(one)


def _node(node: Node) -> str:
    """Return a node with its login, and the reason if its settings cannot be used."""
    user = f"{node.ssh.user}@" if node.ssh.user else ""
    host = f"[{node.address}]" if ":" in node.address else node.address
    transport = "  by NTP" if node.transport == "ntp" else ""
    refusal = f"  cannot be used: {node.ssh.refusal}" if node.ssh.refusal else ""
    return harmless(f"{node.name}  {user}{host}:{node.ssh.port}{transport}{refusal}")


def _inventory(inventory: Inventory) -> Iterator[str]:
    nodes, rejected = len(inventory.nodes), inventory.rejected_count
    state = "cannot be read" if inventory.error else f"{_count(nodes, 'node')}, {rejected} rejected"
    yield harmless(f"  {inventory.name}: {state}")
    yield from (harmless(f"    rejected: {one.name}: {one.reason}") for one in inventory.rejected)
    if rejected > len(inventory.rejected):
        yield f"    and {rejected - len(inventory.rejected)} more"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
