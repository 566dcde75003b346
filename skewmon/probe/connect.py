"""Authenticated SSH connections over stamped sockets, through bastions."""

import asyncio
import errno
from collections.abc import Iterable
from itertools import chain, count
from typing import Any

import asyncssh

from skewmon.errors import ConnectError, NodeError, Reason
from skewmon.model import Node, SshSettings
from skewmon.probe import host_keys, identity, known_hosts_command
from skewmon.probe.clocks import ArrivalClock
from skewmon.probe.connection import Connection
from skewmon.probe.faults import dial_error, forward_error, host_port, login_error, lookup_error, refusal
from skewmon.probe.hops import AUTO, HopKey, all_keys, hop_keys, vantage_key
from skewmon.probe.login import LoginMeter, log_in, options_of
from skewmon.probe.metering import BASTION_SCALE, LOGIN, Allowance
from skewmon.probe.proxy import Proxy
from skewmon.probe.relay import Relay
from skewmon.probe.retry import has_detour
from skewmon.probe.stamped_socket import StampedSocket
from skewmon.probe.vantage import Tunnel, Vantage
from skewmon.runtime.containment import Where, node_error, translated
from skewmon.runtime.resolver import resolver
from skewmon.runtime.tasks import Turns, retrieved

#: A handshake keeps the event loop busy for some 5 ms; many more at once would make each other time out, many
#: fewer would let a few hosts that never answer hold up the others. A relay looks up no more names at once.
HANDSHAKES_AT_ONCE = 64

#: A label does not repeat the port of SSH.
DEFAULT_PORT = 22


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
        self._vantages: dict[HopKey, Vantage] = {}

    async def connect(self, node: Node) -> Connection:
        """Return an authenticated connection to a node: through the relay of its vantage, or around that.

        Raises ConnectError, with reason, detail and advice.
        """
        if node.ssh.refusal:
            raise refusal(node)
        auto = node.ssh.vantage == AUTO
        if auto and node.ssh.jump:
            await self._hop_chain(node.name, node.ssh)  # its failure is the node's, and not the vantage's
        relay = await self.relay(node.ssh)
        if relay is None:
            return await self._plain(node)
        if auto:
            await self._permitted(node)
        try:
            return await self.relayed(node, relay)
        except NodeError as fault:
            if not has_detour(fault.reason, auto=auto):
                raise
            return await self._around(node, fault)

    async def relayed(self, node: Node, relay: Relay) -> Connection:
        """Return an authenticated connection through a relay; raise NodeError if there is none."""
        try:
            own, tunnel = self._allowance(node), Tunnel(relay)
            return await self._open(node.name, node.address, node.ssh, relay.connection, own, tunnel)
        except NodeError as error:
            if relay.failure or error.reason is Reason.JUMP_FAILED:
                raise relay.failure or error from None
            detail = f"Through the relay on {relay.label}: {error.detail}"
            raise ConnectError(error.reason, detail, error.advice) from None

    async def _around(self, node: Node, fault: NodeError) -> Connection:
        """Return a connection without the relay; the relay's fault counts if a user named the vantage."""
        try:
            connection = await self._plain(node)
        except ConnectError:
            if node.ssh.vantage == AUTO:
                raise
            raise fault from None
        connection.detour = fault.failed
        return connection

    async def _plain(self, node: Node) -> Connection:
        via = await self._hop_chain(node.name, node.ssh) if node.ssh.jump else None
        return await self._open(node.name, node.address, node.ssh, via, self._allowance(node))

    async def _permitted(self, node: Node) -> None:
        """Raise ConnectError unless the last bastion forwards to a node, which its policy may forbid.

        Asked once for each connection to the bastion, because its sshd reads its configuration as often.
        """
        bastion, place = await self._hop_chain(node.name, node.ssh), (node.address, node.ssh.port)
        if place in bastion.forwards:
            return
        try:
            async with asyncio.timeout(node.ssh.connect_timeout_s):
                channel, _ = await bastion.ssh.create_connection(asyncssh.SSHTCPSession, *place)
        except TimeoutError:
            raise bastion.fault or forward_error(node.address, node.ssh) from None
        except (asyncssh.Error, OSError) as error:
            raise bastion.fault or login_error(error, node.name, node.address, node.ssh) from None
        channel.abort()
        bastion.forwards.add(place)

    def _allowance(self, node: Node) -> Allowance:
        return self._allowances.setdefault((node.address, node.ssh), Allowance())

    async def relay(self, ssh: SshSettings) -> Relay | None:
        """Return the relay that is to stamp a node's exchanges, started if needed; None if there is none."""
        vantage = self.vantage(ssh)
        return await vantage.start(lambda: self._machine(vantage)) if vantage else None

    def vantage(self, ssh: SshSettings) -> Vantage | None:
        """Return the machine that is to stamp a node's exchanges, shared by all of its nodes."""
        key = vantage_key(ssh)
        if key is None:
            return None
        if key not in self._vantages:
            self._vantages[key] = Vantage(self._label(key), key)
        return self._vantages[key]

    def _label(self, key: HopKey) -> str:
        """Return a name for a vantage that no other has: its address, with the user or a number if needed."""
        address, ssh = key
        place = address if ssh.port == DEFAULT_PORT else host_port(address, ssh.port)
        taken = {vantage.label for vantage in self._vantages.values()}
        numbered = (f"{ssh.user}@{place}#{number}" for number in count(2))
        return next(name for name in chain((place, f"{ssh.user}@{place}"), numbered) if name not in taken)

    async def _machine(self, vantage: Vantage) -> Connection:
        """Return the connection to a vantage, which may be a bastion that is connected already."""
        ssh = vantage.key[1]
        via = await self._hop_chain(vantage.label, ssh) if ssh.jump else None
        return await self._hop(vantage.key, f"vantage {vantage.label}", via)

    def retain(self, nodes: Iterable[Node]) -> None:
        """Drop every hop that leads to none of these nodes, and all other allowances."""
        nodes = list(nodes)
        wanted = {key for node in nodes for key in all_keys(node.ssh)}
        for key in set(self._allowances) - {(node.address, node.ssh) for node in nodes}:
            del self._allowances[key]
        for key in set(self._hop_allowances) - wanted:
            del self._hop_allowances[key]
        for key in set(self._vantages) - {vantage_key(node.ssh) for node in nodes}:
            self._vantages.pop(key).close()
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

    async def _hop_chain(self, name: str, ssh: SshSettings) -> Connection:
        """Return the connection to the last bastion before a node or a vantage."""
        via: Connection | None = None
        for hop, key in zip(ssh.jump, hop_keys(ssh), strict=True):
            try:
                with translated(Where.NODE, node_error, node=name):
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
        self,
        name: str,
        address: str,
        ssh: SshSettings,
        via: Connection | None,
        allowance: Allowance,
        tunnel: Tunnel | None = None,
    ) -> Connection:
        """Return an authenticated connection, through ``via`` or through the tunnel on it."""
        await self._turns.next()  # thousands of nodes may be due at once
        printed = await known_hosts_command.lines(ssh.known_hosts_command)
        known = host_keys.keys_of(ssh.known_hosts, ssh.host_key_alias or address, ssh.port, printed)
        offered = await identity.load(ssh)
        server = LoginMeter(name, allowance, via.meter if via else None)
        server.allow(LOGIN)
        stamps: Any = None
        proxy: Proxy | None = None
        connection: asyncssh.SSHClientConnection | None = None
        try:
            if via or not ssh.proxy_command:
                stamps = via.stamps if via else await self.dial(address, ssh)
            async with self._handshakes, asyncio.timeout(ssh.connect_timeout_s):
                if stamps is None:
                    proxy = await Proxy.start(name, address, ssh, self._arrivals)
                    stamps = proxy.stamps
                options = options_of(ssh, offered, known, address)
                connection = await log_in(ssh, options, server, tunnel or (via and via.ssh), stamps)
        except BaseException as error:
            if stamps and not via:
                stamps.close()  # asyncssh closes it, but not if this was canceled while waiting for a turn
            if isinstance(error, asyncssh.Error | OSError | ValueError):  # TimeoutError is an OSError
                fault = server.failure(error, known, address, ssh)
                fault = fault or login_error(error, name, address, ssh, offered)
                raise (await proxy.explained(fault) if proxy else fault) from None
            raise
        finally:
            offered.close()
            if proxy:
                self._serve(proxy, connection)
        assert connection is not None
        server.logged_in()
        if tunnel is None:
            return Connection(connection, stamps, via, server)
        assert tunnel.stream is not None
        return Connection(connection, tunnel.stream, via, server, tunnel.label)

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


def _stands(hop: "asyncio.Task[Connection]") -> bool:
    return not hop.cancelled() and hop.exception() is None and hop.result().is_open


def _let_go(hop: "asyncio.Task[Connection]") -> None:
    if _stands(hop):
        hop.result().abort()
