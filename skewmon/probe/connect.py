"""Authenticated SSH connections over stamped sockets, through bastions."""

import asyncio
import errno
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncssh

from skewmon.errors import ConnectError, NodeError, Reason
from skewmon.model import Node, SshSettings
from skewmon.probe import algorithms, host_keys, identity, known_hosts_command
from skewmon.probe.clocks import ArrivalClock
from skewmon.probe.faults import (
    algorithm_error,
    dial_error,
    forward_error,
    login_error,
    lookup_error,
    lost_error,
    refusal,
)
from skewmon.probe.hops import HopKey, hop_keys
from skewmon.probe.host_certificates import certificate_error
from skewmon.probe.metering import BASTION_SCALE, LOGIN, Allowance, Meter
from skewmon.probe.proxy import Proxy
from skewmon.probe.stamped_socket import StampedSocket
from skewmon.runtime.containment import Where, node_error, translated
from skewmon.runtime.resolver import resolver
from skewmon.runtime.tasks import Turns, retrieved

#: A dead peer is noticed after three unanswered keepalives; each is one packet, so they are not frequent.
KEEPALIVE_INTERVAL_S = 15
KEEPALIVE_COUNT = 3

#: A packet buffer for a program that never sends more than lines of a hundred bytes.
WINDOW_BYTES = 256 * 1024

#: A handshake keeps the event loop busy for some 5 ms; many more at once would make each other time out, many
#: fewer would let a few hosts that never answer hold up the others.
HANDSHAKES_AT_ONCE = 64


@dataclass
class Connection:
    """An authenticated connection and the socket that stamps its bytes (behind bastions, the first hop's)."""

    ssh: asyncssh.SSHClientConnection
    stamps: StampedSocket
    via: "Connection | None" = None
    meter: Meter = field(default_factory=Meter)

    @property
    def fault(self) -> NodeError | None:
        """The reason if this connection, or a hop before it, was closed for its cost, else None."""
        return self.meter.fault or (self.via.fault if self.via else None)

    @property
    def is_open(self) -> bool:
        """Whether the connection and every hop before it are open."""
        return not self.ssh.is_closed() and (self.via is None or self.via.is_open)

    @contextmanager
    def opening_session(self) -> Iterator[None]:
        """Open a session in the body; raise NodeError if the connection ends, which asyncssh may fail at."""
        try:
            yield
        except Exception as error:
            if self.is_open:
                raise
            raise self.fault or lost_error(self.meter.lost or error) from None

    def abort(self) -> None:
        """Drop the connection at once; hops are shared and stay."""
        self.ssh.abort()


class Dialer:
    """Opens connections; hops are opened once and shared by all nodes behind them."""

    def __init__(self, arrivals: ArrivalClock) -> None:
        self._arrivals = arrivals
        self._handshakes = asyncio.Semaphore(HANDSHAKES_AT_ONCE)
        self._turns = Turns()
        self._hops: dict[HopKey, asyncio.Task[Connection]] = {}
        self._allowances: dict[HopKey, Allowance] = {}
        self._hop_allowances: dict[HopKey, Allowance] = {}
        self._proxies: set[asyncio.Task[None]] = set()

    async def connect(self, node: Node) -> Connection:
        """Return an authenticated connection to a node.

        Raises ConnectError, with reason, detail and advice.
        """
        if node.ssh.refusal:
            raise refusal(node)
        via = await self._hop_chain(node) if node.ssh.jump else None
        allowance = self._allowances.setdefault((node.address, node.ssh), Allowance())
        return await self._open(node.name, node.address, node.ssh, via, allowance)

    def retain(self, nodes: Iterable[Node]) -> None:
        """Drop every hop that leads to none of these nodes, and all other allowances."""
        nodes = list(nodes)
        wanted = {key for node in nodes for key in hop_keys(node.ssh)}
        for key in set(self._allowances) - {(node.address, node.ssh) for node in nodes}:
            del self._allowances[key]
        for key in set(self._hop_allowances) - wanted:
            del self._hop_allowances[key]
        for key in set(self._hops) - wanted:
            hop = self._hops.pop(key)
            hop.cancel()
            hop.add_done_callback(_let_go)  # it may stand already, or in spite of that

    async def close(self) -> None:
        """Close every hop and end every proxy command."""
        hops = list(self._hops.values())
        self.retain(())
        await asyncio.gather(*hops, return_exceptions=True)
        for proxy in list(self._proxies):
            proxy.cancel()
        await asyncio.gather(*self._proxies, return_exceptions=True)

    async def _hop_chain(self, node: Node) -> Connection:
        """Return the connection to the last bastion before a node."""
        via: Connection | None = None
        for hop, key in zip(node.ssh.jump, hop_keys(node.ssh), strict=True):
            try:
                with translated(Where.NODE, node_error, node=node.name):
                    via = await self._hop(key, f"bastion {hop}", via)
            except NodeError as error:
                # The reason decides how long to wait before the bastion is tried again.
                reason = error.reason if error.reason is Reason.FLOOD else Reason.JUMP_FAILED
                raise ConnectError(reason, f"Through {hop}: {error.detail}", error.advice) from None
        assert via is not None
        return via

    async def _hop(self, key: HopKey, name: str, via: Connection | None) -> Connection:
        """Return the connection to one bastion; all nodes behind it wait for the same attempt.

        So a bastion that does not answer delays its nodes by one time limit, and not by one each.
        """
        hop = self._hops.get(key)
        if hop is None or (hop.done() and not _stands(hop)):
            hop = self._hops[key] = asyncio.create_task(
                self._open(name, *key, via, self._hop_allowances.setdefault(key, Allowance(BASTION_SCALE)))
            )
            hop.add_done_callback(retrieved)
        return await asyncio.shield(hop)

    async def _open(
        self, name: str, address: str, ssh: SshSettings, via: Connection | None, allowance: Allowance
    ) -> Connection:
        await self._turns.next()  # thousands of nodes may be due at once
        printed = await known_hosts_command.lines(ssh.known_hosts_command)
        known = host_keys.keys_of(ssh.known_hosts, ssh.host_key_alias or address, ssh.port, printed)
        offered = await identity.load(ssh)
        server = _Server(name, allowance, via.meter if via else None)
        server.allow(LOGIN)
        stamps: StampedSocket | None = None
        options: dict[str, Any] = {}
        proxy: Proxy | None = None
        connection: asyncssh.SSHClientConnection | None = None
        try:
            options = _options(ssh, offered, known)
            if via or not ssh.proxy_command:
                stamps = via.stamps if via else await self.dial(address, ssh)
            async with self._handshakes, asyncio.timeout(ssh.connect_timeout_s):
                if stamps is None:
                    proxy = await Proxy.start(name, address, ssh, self._arrivals)
                    stamps = proxy.stamps
                connection = await asyncssh.connect(
                    address,
                    ssh.port,
                    sock=None if via else stamps,
                    tunnel=via.ssh if via else None,
                    config=None,
                    client_factory=lambda: server,
                    **options,
                )
        except BaseException as error:
            if stamps and not via:
                stamps.close()  # asyncssh closes it, but not if this was canceled while waiting for a turn
            if isinstance(error, asyncssh.Error | OSError | ValueError):  # TimeoutError is an OSError
                fault = server.failure(error, options, known, address, ssh)
                fault = fault or login_error(error, name, address, ssh, offered)
                raise (await proxy.explained(fault) if proxy else fault) from None
            raise
        finally:
            offered.close()
            if proxy:
                self._serve(proxy, connection)
        assert connection is not None
        server.logged_in()
        return Connection(connection, stamps, via, server)

    def _serve(self, proxy: Proxy, connection: asyncssh.SSHClientConnection | None) -> None:
        """Keep a proxy command running as long as its connection."""
        task = asyncio.create_task(proxy.serve(connection))
        self._proxies.add(task)
        task.add_done_callback(self._proxies.discard)

    async def dial(self, address: str, ssh: SshSettings) -> StampedSocket:
        """Return a connected socket to the first of the address's addresses that answers.

        Raises ConnectError.
        """
        try:
            places = await resolver().places(address, ssh.port, ssh.connect_timeout_s)
        except (OSError, UnicodeError) as error:
            raise lookup_error(error, address, ssh) from None
        last: OSError = OSError(errno.EADDRNOTAVAIL, "The name has no address")
        for family, place in places:
            try:
                # A share for each, so that an address that drops packets leaves time for the others.
                async with asyncio.timeout(ssh.connect_timeout_s / len(places)):
                    return await self._connected(family, place)
            except OSError as error:
                last = error
        raise dial_error(last, address, ssh)

    async def _connected(self, family: int, place: Any) -> StampedSocket:
        stamps = StampedSocket(family, self._arrivals)
        try:
            await asyncio.get_running_loop().sock_connect(stamps, place)
        except BaseException:
            stamps.close()
            raise
        return stamps


class _Server(Meter):
    """Meters the connection; keeps the server's algorithms and host key, which can explain a failed login.

    OpenSSH hangs up if no algorithm of one kind is in common, often before this end has compared them.
    """

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """Keep the host key as it was shown; asyncssh's error has neither the dates nor the names in it."""
        super().connection_made(conn)
        self._shown = b""
        validate = conn.validate_server_host_key

        def validate_server_host_key(key_data: bytes) -> asyncssh.SSHKey:
            self._shown = key_data
            return validate(key_data)

        conn.validate_server_host_key = validate_server_host_key  # type: ignore[method-assign]

    def failure(
        self,
        error: Exception,
        options: Mapping[str, Any],
        known: host_keys.Known,
        address: str,
        ssh: SshSettings,
    ) -> NodeError | None:
        """Return the reason if it is a flood, no algorithm of one kind in common, or a host certificate."""
        if self.connection is None and self.is_behind_bastion and isinstance(error, TimeoutError):
            return forward_error(address, ssh)
        found = algorithms.unmet(getattr(self.connection, "_server_kexinit", b""), options)
        if self.fault is None and found:
            return algorithm_error(*found, self.name, address, ssh)
        if self.fault is None and isinstance(error, asyncssh.HostKeyNotVerifiable):
            return certificate_error(self._shown, known, self.name, address, ssh)
        return self.fault


def _stands(hop: "asyncio.Task[Connection]") -> bool:
    return not hop.cancelled() and hop.exception() is None and hop.result().is_open


def _let_go(hop: "asyncio.Task[Connection]") -> None:
    if _stands(hop):
        hop.result().abort()


def _options(ssh: SshSettings, offered: identity.Identity, known: host_keys.Known) -> dict[str, Any]:
    return {
        "username": ssh.user or (),
        "client_keys": offered.keys,
        "agent_path": None,
        "known_hosts": lambda *_: known.found,
        "host_key_alias": ssh.host_key_alias,
        "server_host_key_algs": algorithms.host_keys(
            known.trusted, authority=bool(known.authorities), ssh=ssh
        ),
        **host_keys.NO_CERTIFICATES,
        "preferred_auth": ("publickey",),
        "password_auth": False,
        "kbdint_auth": False,
        "gss_host": None,
        **algorithms.offered(legacy=ssh.legacy),
        "compression_algs": ("none",),
        "keepalive_interval": KEEPALIVE_INTERVAL_S,
        "keepalive_count_max": KEEPALIVE_COUNT,
        "login_timeout": 0,  # the whole handshake has one limit, set by the caller
    }
