"""The share of one admin box in the nodes of a cluster, by the hash that Prometheus' ``hashmod`` uses."""

import hashlib
from collections.abc import Sequence

from skewmon.model import Node

#: Of the 16 bytes of an MD5 sum, Prometheus takes the last eight, most significant first.
HASHED_BYTES = 8


def shard_of(name: str, shards: int) -> int:
    """Return the shard of a node, counted from 0. It depends on nothing but the node's name.

    A relabel rule of Prometheus with ``action: hashmod`` and the same modulus gives the same number.
    """
    digest = hashlib.md5(name.encode("utf-8", "surrogateescape"), usedforsecurity=False).digest()
    return int.from_bytes(digest[-HASHED_BYTES:], "big") % shards


def of_shard(nodes: Sequence[Node], index: int, shards: int) -> tuple[Node, ...]:
    """Return the nodes of one shard, in their order."""
    return tuple(node for node in nodes if shard_of(node.name, shards) == index)
