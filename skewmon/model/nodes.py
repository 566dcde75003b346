"""Clusters and nodes: how each node is reached, and the thresholds in force."""

from collections.abc import Hashable
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cached_property
from typing import Literal, NamedTuple

#: The login name by default, and that of the restricted account, which answers skewmon alone.
DEFAULT_USER = "skewmon"


@dataclass(frozen=True, slots=True)
class SshSettings:
    """How one node is reached; already merged from defaults, cluster and node."""

    user: str | None = None
    port: int = 22
    identities: tuple[str, ...] = ()
    known_hosts: tuple[str, ...] = ()
    jump: tuple[str, ...] = ()  # hops as [user@]host[:port], first hop first
    agent: bool = False
    identities_only: bool = False  # of the agent's keys, only those whose public half is among identities
    connect_timeout_s: float = 10.0
    host_key_alias: str | None = None
    legacy: bool = False  # also algorithms with SHA-1, which old servers need
    bastions: tuple["SshSettings", ...] = ()  # each hop's own; without them a hop has those of the node
    proxy_command: str | None = None  # carries the connection to the node, or to its first hop
    certificates: tuple[str, ...] = ()  # of identities or of keys of the agent
    agent_socket: str | None = None  # instead of that of SSH_AUTH_SOCK
    known_hosts_command: tuple[str, ...] = ()  # prints more lines of known_hosts
    host_key_algorithms: tuple[str, ...] = ()  # only these, if there are any
    login: str = field(default="", compare=False)  # the command by which a user logs in with these settings
    advice_user: str | None = field(default=None, compare=False)  # a person's login, for advised commands
    refusal: str = ""  # why these settings cannot be used; then nothing is tried
    vantage: str = "auto"  # the machine that stamps: auto (the last hop), none, or [user@]host[:port]
    vantage_ssh: "SshSettings | None" = None  # its own; without them it has those of the node
    _hash: int = field(default=0, init=False, repr=False, compare=False)

    def __hash__(self) -> int:
        """Return the hash, computed once: a node is looked up a dozen times in each round."""
        if not self._hash:
            values = [getattr(self, one.name) for one in fields(self) if one.compare]
            object.__setattr__(self, "_hash", hash(tuple(values)))
        return self._hash


def parse_hop(text: str) -> tuple[str | None, str, int]:
    """Return user, address and port of ``[user@]host[:port]``."""
    user, _, place = text.rpartition("@")
    if place.startswith("["):
        address, _, port = place[1:].partition("]")
        port = port.removeprefix(":")
    else:
        address, _, port = place.partition(":") if place.count(":") == 1 else (place, "", "")
    return user or None, address, int(port or 22)


#: By which a node is measured; for ``ntp`` only the port of its SSH settings counts.
Transport = Literal["ssh", "ntp"]


class Endpoint(NamedTuple):
    """How a node is reached. Nodes with the same endpoint are one machine, measured once."""

    address: str
    ssh: SshSettings
    transport: Transport = "ssh"


@dataclass(frozen=True, slots=True)
class Node:
    """One machine: its name and its address; ``endpoint`` is how it is reached."""

    name: str
    address: str
    ssh: SshSettings = SshSettings()
    transport: Transport = "ssh"
    endpoint: Endpoint = field(init=False, repr=False, compare=False)  # looked up a dozen times each round

    def __post_init__(self) -> None:
        object.__setattr__(self, "endpoint", Endpoint(self.address, self.ssh, self.transport))


class ThresholdKind(StrEnum):
    """The quantity or state that a threshold is about."""

    SKEW = "skew"  # the largest pair offset
    AHEAD = "ahead"  # one node against the reference
    BEHIND = "behind"
    DRIFT = "drift"  # a node's rate, in ns/s
    STEP = "step"  # the size of a jump
    UTC = "utc"  # one node against UTC, either way
    UNSYNCHRONIZED = "unsynchronized"  # this and the next two are states, without a limit
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Threshold:
    """One line that a quantity may pass; ``kind`` names the quantity, ``limit_ns`` is in its unit.

    A state has the limit 0.
    """

    severity: Literal["warning", "critical"]
    limit_ns: int
    kind: ThresholdKind = ThresholdKind.SKEW
    for_s: float = 0.0
    clear_for_s: float = 0.0


@dataclass(frozen=True, slots=True)
class RejectedEntry:
    """An entry of a live inventory that is not measured, and the reason."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """A live source of nodes at its last refresh.

    ``nodes`` and the rejected entries are those of the last successful reading; ``error`` is the reason why
    the source could not be read since. Only the first rejected entries are named. ``key`` identifies the
    source and the settings that its nodes start from.
    """

    name: str  # kind and location, without secrets
    key: Hashable
    nodes: tuple[Node, ...] = ()
    rejected: tuple[RejectedEntry, ...] = ()
    rejected_count: int = 0
    error: str = ""
    read_wall_ns: int | None = field(default=None, compare=False)  # the last successful reading


@dataclass(frozen=True)  # without slots, for the cached property
class Cluster:
    """Nodes that must agree on the time, how often they are measured, and every threshold in force.

    ``config_file`` is that of the daemon which measures it, for commands that are to find it again.
    ``total_nodes`` counts the nodes of all shards; 0 if all of them are here.
    """

    name: str
    nodes: tuple[Node, ...]
    interval_s: float = 15.0
    status_interval_s: float = 60.0
    samples: int | None = None  # of each burst; None: as many as the question needs
    thresholds: tuple[Threshold, ...] = ()
    config_file: str = ""
    inventories: tuple[Inventory, ...] = ()
    total_nodes: int = 0

    @cached_property
    def identities(self) -> frozenset[str]:
        """The private keys of all logins; gathered once, as the commands of thousands of alerts need them."""
        return frozenset(path for node in self.nodes for path in node.ssh.identities)
