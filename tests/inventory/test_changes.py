"""A change of the configuration is described."""

import pytest

from skewmon.inventory.changes import cluster_changes
from skewmon.model import Cluster, Node


def _cluster(name: str, *nodes: str, interval_s: float = 15.0, address: str = "") -> Cluster:
    return Cluster(name, tuple(Node(node, address or node) for node in nodes), interval_s)


@pytest.mark.parametrize(
    ("before", "after", "description"),
    [
        ([_cluster("a", "n1")], [_cluster("a", "n1")], "the clusters and their nodes are the same"),
        (
            [_cluster("a", "n1", "n2")],
            [_cluster("b", "n1", "n2"), _cluster("c", "n1")],
            "cluster b was added, with 2 nodes; cluster c was added, with 1 node; cluster a was removed",
        ),
        ([_cluster("a", "n1", "n2")], [_cluster("a", "n2", "n3")], "n3 joined a; n1 left a"),
        ([_cluster("a", "n1")], [_cluster("a")], "n1 left a"),
        (
            [_cluster("a")],
            [_cluster("a", *(f"n{number}" for number in range(1, 9)))],
            "n1, n2, n3, n4, n5 and 3 more joined a",
        ),
        ([_cluster("a", "n1")], [_cluster("a", "n1", interval_s=5)], "settings of a changed"),
        ([_cluster("a", "n1")], [_cluster("a", "n1", address="h")], "n1 of a will be reached otherwise"),
    ],
)
def test_a_change_is_described(before: list[Cluster], after: list[Cluster], description: str) -> None:
    """Clusters and nodes that came and went, and other changes."""
    assert cluster_changes(before, after) == description
