"""``skewmon doctor``: the inventories, and every node as a round would reach it."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator

from skewmon import __version__
from skewmon.cli.diagnosis import Check, fault, ok, warn
from skewmon.config.schema import Config
from skewmon.config.targets import folded
from skewmon.errors import ConfigError, InventoryError
from skewmon.inventory.resolve import resolve
from skewmon.model import Cluster, ClusterView, Failed, Measured
from skewmon.monitor.check import check


async def node_checks(config: Config, timeout_s: float) -> AsyncIterator[Check]:
    """Yield the results of the inventories and of every node."""
    try:
        clusters = await resolve(config, keep_going=True)
    except (ConfigError, InventoryError) as error:
        yield fault("inventory", str(error))
        return
    for cluster in clusters:
        for one in _inventory_checks(cluster):
            yield one
    populated = [cluster for cluster in clusters if cluster.nodes]
    snapshot = await check(populated, 1, timeout_s) if populated else None
    for view in snapshot.clusters if snapshot else ():
        for one in _cluster_checks(view):
            yield one


def _inventory_checks(cluster: Cluster) -> Iterator[Check]:
    for source in cluster.inventories:
        subject = f"inventory {source.name}"
        for entry in source.rejected:
            yield warn(subject, f"{entry.name} cannot be a node: {entry.reason}.")
        cure = "Correct inventory in the configuration, or what it names."
        yield (
            fault(subject, f"{source.error}.", cure)
            if source.error
            else ok(subject, f"{_nodes(len(source.nodes))}.")
        )
    if not cluster.nodes:
        yield fault(
            f"cluster {cluster.name}", "It has no nodes.", "Add nodes, or an inventory that has some."
        )


def _cluster_checks(view: ClusterView) -> Iterator[Check]:
    """Yield a check of each kind of failure, and one of the nodes that were measured."""
    failed: dict[Failed, list[str]] = defaultdict(list)
    measured, outdated = list[str](), list[str]()
    for node in view.nodes:
        if isinstance(node.outcome, Failed):
            failed[node.outcome].append(node.name)
            continue
        measured.append(node.name)
        if _is_outdated(node.outcome):
            outdated.append(node.name)
    for failure, names in failed.items():
        subject = f"cluster {view.name}, node {folded(names)}"
        yield fault(subject, f"{failure.reason}: {failure.detail}", failure.advice)
    if outdated:
        yield warn(
            f"cluster {view.name}, node {folded(outdated)}",
            f"The installed program is not that of skewmon {__version__}.",
            "Install it again on each: skewmon keys authorize --script | ssh root@NODE sh",
        )
    if measured:
        yield ok(f"cluster {view.name}", f"{_nodes(len(measured))} of {len(view.nodes)} measured.")


def _is_outdated(outcome: Measured) -> bool:
    installed = outcome.burst.program.installed
    return bool(installed) and installed != __version__


def _nodes(count: int) -> str:
    return f"{count} node{'' if count == 1 else 's'}"
