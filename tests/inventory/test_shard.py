"""The nodes of a cluster are shared out over several admin boxes, each to one."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skewmon.config.loader import loads
from skewmon.inventory.resolve import resolve
from skewmon.inventory.shard import of_shard, shard_of
from skewmon.model import Node


@pytest.mark.parametrize(
    ("name", "shards", "shard"),
    [("n1", 3, 1), ("db1.example.com", 7, 2), ("", 5, 3)],
)
def test_the_hash_is_that_of_prometheus(name: str, shards: int, shard: int) -> None:
    """The last eight bytes of the MD5 sum, as an unsigned number; it must never change."""
    assert shard_of(name, shards) == shard


@given(st.lists(st.text(min_size=1), unique=True), st.integers(1, 9))
def test_every_node_is_in_one_shard(names: list[str], shards: int) -> None:
    """Whatever the other nodes are, and in the order of the inventory."""
    nodes = [Node(name, name) for name in names]
    shares = [of_shard(nodes, index, shards) for index in range(shards)]
    assert Counter(node.name for share in shares for node in share) == Counter(names)
    for index, share in enumerate(shares):
        assert [node for node in nodes if shard_of(node.name, shards) == index] == list(share)


def test_shards_are_of_about_one_size() -> None:
    """180 nodes on three boxes."""
    sizes = Counter(shard_of(f"n{number}", 3) for number in range(180))
    assert len(sizes) == 3
    assert min(sizes.values()) > 40


async def test_a_box_measures_its_share_of_every_source(tmp_path: Path) -> None:
    """Nodes of the file and of an inventory; the total is that of all boxes."""
    (tmp_path / "targets.json").write_text('[{"targets": ["x1", "x2", "x3", "x4"]}]')
    shares = []
    for index in range(3):
        text = (
            f"shard: {{index: {index}, of: 3}}\n"
            f"clusters: {{c: {{nodes: ['n[1-8]'], inventory: [{{file_sd: {tmp_path}/targets.json}}]}}}}"
        )
        (cluster,) = await resolve(loads(text, "skewmon.yml"))
        assert cluster.total_nodes == 12
        shares.append([node.name for node in cluster.nodes])
    names = [*(f"n{k}" for k in range(1, 9)), *(f"x{k}" for k in range(1, 5))]
    assert sorted(name for share in shares for name in share) == names
    assert all(shares)
    (whole,) = await resolve(loads("clusters: {c: {nodes: ['n[1-8]']}}", "skewmon.yml"))
    assert (len(whole.nodes), whole.total_nodes) == (8, 8)
