"""The host keys that a server shows to any client: candidates for known_hosts, which a person verifies."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import asyncssh

from skewmon.errors import ConnectError, NodeError, Reason
from skewmon.model import Failed, Node
from skewmon.model.commands import scan_command, verbose_login
from skewmon.probe import algorithms, host_keys, known_hosts_command
from skewmon.probe.clocks import ArrivalClock
from skewmon.probe.connect import Dialer
from skewmon.probe.faults import (
    algorithm_error,
    host_port,
    login_error,
    refusal,
)
from skewmon.probe.proxy import Proxy
from skewmon.runtime.containment import Where, node_error, translated

#: Algorithms of one kind of key. Each kind is queried by itself, because a server shows only the key of the
#: algorithm that both sides agree on.
RSA = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")

#: Nodes queried at a time; each query is a whole key exchange.
AT_ONCE = 16


class KeyMatch(StrEnum):
    """A key compared with known_hosts."""

    NEW = "new"  # known_hosts has no key of this kind for the node
    SAME = "same"
    DIFFERENT = "different"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class HostKey:
    """One key as it would be in known_hosts, and its fingerprint as ssh-keygen(1) prints it."""

    listed: str
    text: str
    algorithm: str
    fingerprint: str
    match: KeyMatch = KeyMatch.NEW


@dataclass(frozen=True, slots=True)
class Scan:
    """The keys that one node showed; ``certified`` if known_hosts has an authority for it."""

    node: Node
    keys: tuple[HostKey, ...]
    certified: bool = False
    failure: Failed | None = None


async def scan(nodes: tuple[Node, ...]) -> list[Scan]:
    """Query the host keys of every node; trust nothing and write nothing."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(node: Node) -> Scan:
        async with turns:
            try:
                with translated(Where.NODE, node_error, node=node.name):
                    return await _scan(node)
            except NodeError as error:
                return Scan(node, (), failure=error.failed)

    return list(await asyncio.gather(*(one(node) for node in nodes)))


async def _scan(node: Node) -> Scan:
    if node.ssh.refusal:
        raise refusal(node)
    if node.ssh.jump:
        raise ConnectError(
            Reason.JUMP_FAILED,
            f"{node.name} is behind {', '.join(node.ssh.jump)}, and skewmon sends no scan through it.",
            f"Ask there: {scan_command(node.address, node.ssh)}",
        )
    dialer = Dialer(ArrivalClock())
    found = [await _key(dialer, node, algs) for algs in _offers(node)]
    shown = [one for one in found if isinstance(one, asyncssh.SSHKey)]
    if not shown:
        refused = next((one for one in found if isinstance(one, asyncssh.KeyExchangeFailed)), None)
        if refused:
            raise login_error(refused, node.name, node.address, node.ssh)
        if fault := next((one for one in found if isinstance(one, NodeError)), None):
            raise fault
        if isinstance(await _key(dialer, node, algorithms.LEGACY_SIGNATURES), asyncssh.SSHKey):
            raise algorithm_error("host key", algorithms.LEGACY_SIGNATURES, node.name, node.address, node.ssh)
        raise ConnectError(
            Reason.NOT_SSH,
            f"{host_port(node.address, node.ssh.port)} answers, but shows no host key.",
            f"Look at its first lines: {verbose_login(node.address, node.ssh)}",
        )
    name = node.ssh.host_key_alias or node.address
    listed = name if node.ssh.port == 22 else f"[{name}]:{node.ssh.port}"
    printed = await known_hosts_command.lines(node.ssh.known_hosts_command)
    known = host_keys.keys_of(node.ssh.known_hosts, name, node.ssh.port, printed)
    keys = tuple(_host_key(listed, key, _compared(key, shown, known)) for key in shown)
    return Scan(node, keys, certified=bool(known.authorities))


def _compared(key: asyncssh.SSHKey, shown: Sequence[asyncssh.SSHKey], known: host_keys.Known) -> KeyMatch:
    """Return how a key compares with known_hosts.

    A key of a kind that known_hosts does not have is new, unless the node shows none of its known keys.
    """
    if key in known.revoked:
        return KeyMatch.REVOKED
    if key in known.trusted:
        return KeyMatch.SAME
    kinds = {one.get_algorithm() for one in known.trusted}
    replaced = bool(known.trusted) and set(known.trusted).isdisjoint(shown)
    return KeyMatch.DIFFERENT if replaced or key.get_algorithm() in kinds else KeyMatch.NEW


def _offers(node: Node) -> list[tuple[str, ...]]:
    """Return the algorithms to offer, kind by kind; RSA is one kind of key with several signatures."""
    allowed = algorithms.signatures(legacy=node.ssh.legacy)
    rsa = tuple(one for one in allowed if one in RSA)
    return [*((one,) for one in allowed if one not in RSA), rsa]


async def _key(
    dialer: Dialer, node: Node, algs: Sequence[str]
) -> asyncssh.SSHKey | asyncssh.Error | NodeError:
    """Return the node's key for these algorithms, or the reason if it shows none."""
    offered = algorithms.offered(legacy=node.ssh.legacy)
    proxy: Proxy | None = None
    if node.ssh.proxy_command:
        proxy = await Proxy.start(node.name, node.address, node.ssh, ArrivalClock(enabled=False))
    socket = proxy.stamps if proxy else await dialer.dial(node.address, node.ssh)
    try:
        async with asyncio.timeout(node.ssh.connect_timeout_s):
            key = await asyncssh.get_server_host_key(
                node.address,
                node.ssh.port,
                sock=socket,
                server_host_key_algs=algs,
                kex_algs=offered.pop("kex_algs"),
                options=asyncssh.SSHClientConnectionOptions(
                    config=None, **offered, **host_keys.NO_CERTIFICATES
                ),
            )
        return key or asyncssh.ConnectionLost("it showed none")
    except asyncssh.KeyExchangeFailed as error:
        return error  # a server without a key of this algorithm sends this, or just hangs up
    except (asyncssh.ConnectionLost, ConnectionResetError) as error:
        if proxy:
            return await proxy.explained(login_error(error, node.name, node.address, node.ssh))
        return asyncssh.ConnectionLost(str(error))
    except (asyncssh.Error, OSError) as error:
        raise login_error(error, node.name, node.address, node.ssh) from None
    finally:
        socket.close()
        if proxy:
            await proxy.serve(None)


def _host_key(listed: str, key: asyncssh.SSHKey, match: KeyMatch) -> HostKey:
    text = " ".join(key.export_public_key().decode().split()[:2])
    return HostKey(listed, text, key.get_algorithm(), key.get_fingerprint(), match)
