"""Threshold profiles: lines that real systems draw, each with its source and what crosses it breaks.

A profile holds only numbers that its system itself uses or publishes. Where the system compares a node with
something outside the cluster (true time, a client, a kernel figure), ``breaks`` says how the line was carried over.
"""

from dataclasses import dataclass
from typing import Literal

from skewmon.model import NS_PER_S, Threshold

#: What the system itself compares: two of its nodes, one node with the time it trusts (early, late, or either
#: way), a jump of one clock, or the error that the kernel admits to.
Semantic = Literal["pair", "ahead", "behind", "step", "maxerror", "offset"]

#: How the number is known: read in the system's source code, published by its vendor, said by its maintainers.
Evidence = Literal["source code", "vendor document", "issue thread"]

NS_PER_MS = 1_000_000

#: A warning waits this long, so that a clock which its daemon is about to correct wakes nobody.
WARNING_FOR_S = 60.0

#: A line counts as left only after this long below it, so that a clock at the line does not flap.
CLEAR_FOR_S = 60.0


@dataclass(frozen=True, slots=True)
class Profile:
    """The lines of one system, what they compare, what breaks beyond them and where they come from."""

    name: str
    thresholds: tuple[Threshold, ...]
    semantic: Semantic
    breaks: str
    source: str
    evidence: Evidence


def warning(limit_ns: int, kind: str = "skew") -> Threshold:
    """Return a line that warns once it was passed for a minute."""
    return Threshold("warning", limit_ns, kind, WARNING_FOR_S, CLEAR_FOR_S)


def critical(limit_ns: int, kind: str = "skew") -> Threshold:
    """Return a line that alerts at once, for beyond it the system acts by itself."""
    return Threshold("critical", limit_ns, kind, 0.0, CLEAR_FOR_S)


_DEFAULT = Profile(
    "default",
    (warning(50 * NS_PER_MS), critical(1 * NS_PER_S)),
    "pair",
    "At 50 ms node-mixin calls a clock wrong; at 1 s etcd logs a warning about its peer, and log lines of two "
    "nodes no longer tell which event came first.",
    "prometheus/node_exporter docs/node-mixin/alerts (NodeClockSkewDetected); etcd-io/etcd "
    "server/etcdserver/api/rafthttp/probing_status.go",
    "source code",
)

_ALL = (_DEFAULT,)

#: Every profile by its name, as ``profile:`` of a cluster and ``--profile`` take it.
PROFILES: dict[str, Profile] = {profile.name: profile for profile in _ALL}
