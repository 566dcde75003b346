"""Changes by a reload or a live inventory, as text for the journal."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from skewmon.model import Cluster
from skewmon.text import names


def cluster_changes(before: Sequence[Cluster], after: Sequence[Cluster]) -> str:
    """Return the nodes and clusters that came and went, as the second half of a sentence."""
    return "; ".join(_changes(before, after)) or "the clusters and their nodes are the same"


def _changes(before: Sequence[Cluster], after: Sequence[Cluster]) -> Iterator[str]:
    old, new = (
        {cluster.name: without_inventories(cluster) for cluster in clusters} for clusters in (before, after)
    )
    for name in sorted(new.keys() - old.keys()):
        yield f"cluster {name} was added, with {_count(len(new[name].nodes))}"
    for name in sorted(old.keys() - new.keys()):
        yield f"cluster {name} was removed"
    for name in sorted(old.keys() & new.keys()):
        if old[name] != new[name]:
            yield from _changes_of(old[name], new[name])


def _changes_of(before: Cluster, after: Cluster) -> Iterator[str]:
    old, new = ({node.name: node for node in cluster.nodes} for cluster in (before, after))
    came, went = sorted(new.keys() - old.keys()), sorted(old.keys() - new.keys())
    reached_otherwise = sorted(name for name in old.keys() & new.keys() if old[name] != new[name])
    if came:
        yield f"{names(came)} joined {after.name}"
    if went:
        yield f"{names(went)} left {after.name}"
    if reached_otherwise:
        yield f"{names(reached_otherwise)} of {after.name} will be reached otherwise"
    if not (came or went or reached_otherwise):
        yield f"settings of {after.name} changed"


def without_inventories(cluster: Cluster) -> Cluster:
    """Return a cluster as it is measured, without the state of the sources that its nodes come from."""
    return replace(cluster, inventories=())


def _count(nodes: int) -> str:
    return f"{nodes} node{'' if nodes == 1 else 's'}"
