"""The host keys that a server shows to whoever asks: candidates for known_hosts, which a person verifies."""

import asyncio
from dataclasses import dataclass

import asyncssh

from skewmon.containment import Where, node_error, translated
from skewmon.errors import ConnectError, NodeError, Reason
from skewmon.model import Failed, Node
from skewmon.probe import known_hosts
from skewmon.probe.faults import dial_error, login_error, place, scan_command

#: One question for each, because a server shows only the key of the algorithm that both sides settle on.
ALGORITHMS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
)

#: Nodes asked at a time; each question is a whole key exchange.
AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class HostKey:
    """One key as it would stand in known_hosts, and its fingerprint as ssh-keygen(1) prints it."""

    listed: str
    text: str
    algorithm: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Scan:
    """What one node showed."""

    node: Node
    keys: tuple[HostKey, ...]
    known: bool
    failure: Failed | None = None


async def scan(nodes: tuple[Node, ...]) -> list[Scan]:
    """Ask every node for its host keys; nothing is trusted and nothing is written."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(node: Node) -> Scan:
        async with turns:
            try:
                with translated(Where.NODE, node_error, node=node.name):
                    return await _scan(node)
            except NodeError as error:
                return Scan(node, (), known=False, failure=error.failed)

    return list(await asyncio.gather(*(one(node) for node in nodes)))


async def _scan(node: Node) -> Scan:
    if node.ssh.jump:
        raise ConnectError(
            Reason.JUMP_FAILED,
            f"{node.name} is behind {', '.join(node.ssh.jump)}, which is not asked on its behalf.",
            f"Ask there: {scan_command(node.address, node.ssh)}",
        )
    found = [await _key(node, algorithm) for algorithm in ALGORITHMS]
    if not any(found):
        raise ConnectError(
            Reason.NOT_SSH,
            f"{place(node.address, node.ssh.port)} answers, but shows no host key.",
            f"Look at what it says: ssh -vv -p {node.ssh.port} {node.address}",
        )
    name = node.ssh.host_key_alias or node.address
    listed = name if node.ssh.port == 22 else f"[{name}]:{node.ssh.port}"
    keys = tuple(_host_key(listed, key) for key in found if key is not None)
    return Scan(node, keys, known_hosts.is_known(node.ssh.known_hosts, name, node.ssh.port))


async def _key(node: Node, algorithm: str) -> asyncssh.SSHKey | None:
    """Return the node's key of one algorithm, or None where it has none."""
    try:
        async with asyncio.timeout(node.ssh.connect_timeout_s):
            return await asyncssh.get_server_host_key(
                node.address,
                node.ssh.port,
                server_host_key_algs=[algorithm],
                options=asyncssh.SSHClientConnectionOptions(config=None, **known_hosts.NO_CERTIFICATES),
            )
    except (asyncssh.KeyExchangeFailed, asyncssh.ConnectionLost, ConnectionResetError):
        return None  # servers say so, or just hang up, where they have no key of this algorithm
    except asyncssh.Error as error:
        raise login_error(error, node.name, node.address, node.ssh) from None
    except OSError as error:
        raise dial_error(error, node.address, node.ssh) from None


def _host_key(listed: str, key: asyncssh.SSHKey) -> HostKey:
    text = " ".join(key.export_public_key().decode().split()[:2])
    return HostKey(listed, text, key.get_algorithm(), key.get_fingerprint())
