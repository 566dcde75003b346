"""One login: the options that asyncssh is given, and why a server refused it."""

import asyncio
import copy
from functools import lru_cache, partial
from typing import Any, Final

import asyncssh

from skewmon.errors import NodeError
from skewmon.model import SshSettings
from skewmon.probe import algorithms, host_keys, identity
from skewmon.probe.faults import algorithm_error, forward_error
from skewmon.probe.host_certificates import certificate_error
from skewmon.probe.metering import Meter
from skewmon.runtime.tasks import Deadline, Flag

#: A round notices a dead peer by itself. Three unanswered keepalives do so between rounds that are minutes
#: apart, and keep the state of firewalls; at shorter intervals none is sent, for each costs as much as an
#: exchange.
KEEPALIVE_INTERVAL_S = 60
KEEPALIVE_COUNT = 3

#: Options are prepared once for each user of nodes, who is one in most configurations.
CACHED_OPTIONS = 64

#: The keys of a host without any, in asyncssh's order.
NO_KEYS: Final = ((),) * 7

_NONE: Final[frozenset[Any]] = frozenset()

#: Attributes of asyncssh's connection that only the login reads.
_AFTER_LOGIN: Final[dict[str, Any]] = {
    "_client_keys": (), "_known_hosts": (), "_server_sig_algs": _NONE, "_waiter": None,
}  # fmt: skip

#: Sets of it that are read at each key exchange, and are empty for most nodes.
_MAY_BE_EMPTY: Final = ("_trusted_ca_keys", "_revoked_host_keys", "_x509_revoked_certs")


class LoginMeter(Meter):
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
        known: host_keys.Known,
        address: str,
        ssh: SshSettings,
    ) -> NodeError | None:
        """Return the reason if it is a flood, no algorithm of one kind in common, or a host certificate."""
        if self.connection is None and self.is_behind_bastion and isinstance(error, TimeoutError):
            return forward_error(address, ssh)
        offers = algorithms.offered(legacy=ssh.legacy)
        offers["server_host_key_algs"] = _host_key_algorithms(known, ssh)
        found = algorithms.unmet(getattr(self.connection, "_server_kexinit", b""), offers)
        if self.fault is None and found:
            return algorithm_error(*found, self.name, address, ssh)
        if self.fault is None and isinstance(error, asyncssh.HostKeyNotVerifiable):
            return certificate_error(self._shown, known, self.name, address, ssh)
        return self.fault


def options_of(
    ssh: SshSettings, offered: identity.Identity, known: host_keys.Known, address: str
) -> asyncssh.SSHClientConnectionOptions:
    """Return the options of asyncssh for one login; raise ValueError for a user that cannot be."""
    options = copy.copy(common(ssh.user, legacy=ssh.legacy))
    vars(options).update(
        host=address,
        port=ssh.port,
        client_keys=offered.keys,
        known_hosts=lambda *_: known.found,
        host_key_alias=(ssh.host_key_alias or address).lower(),  # principals have no other case for ssh(1)
        server_host_key_algs=_host_key_algorithms(known, ssh),
    )
    return options


def _host_key_algorithms(known: host_keys.Known, ssh: SshSettings) -> tuple[str, ...]:
    return algorithms.host_keys(known.trusted, authority=bool(known.authorities), ssh=ssh)


@lru_cache(maxsize=CACHED_OPTIONS)
def common(user: str, *, legacy: bool) -> asyncssh.SSHClientConnectionOptions:
    """Return the options that all connections of a user have in common.

    asyncssh would prepare two hundred values for each login, in another thread, and keep them all.
    """
    return asyncssh.SSHClientConnectionOptions(
        config=None,
        username=user or (),
        client_keys=None,  # each login has its own, and those of the agent among them
        known_hosts=lambda *_: NO_KEYS,
        **host_keys.NO_CERTIFICATES,
        preferred_auth=("publickey",),
        password_auth=False,
        kbdint_auth=False,
        gss_host=None,
        **algorithms.offered(legacy=legacy),
        compression_algs=("none",),
        keepalive_interval=KEEPALIVE_INTERVAL_S,
        keepalive_count_max=KEEPALIVE_COUNT,
        login_timeout=0,  # the whole handshake has one limit, set by the caller
    )


async def log_in(
    ssh: SshSettings,
    options: asyncssh.SSHClientConnectionOptions,
    server: LoginMeter,
    tunnel: Any,
    stamps: Any,
) -> asyncssh.SSHClientConnection:
    """Return an authenticated connection through a tunnel, or on a socket if there is none.

    It is made as ``asyncssh.connect`` makes it, and then holds nothing that was for the login alone.
    """
    loop = asyncio.get_running_loop()
    options.protocol_factory = lambda: server
    options.waiter = loop.create_future()

    def made() -> asyncssh.SSHClientConnection:
        made: Any = asyncssh.SSHClientConnection(loop, options, wait="auth")
        made._auth_methods = [b"publickey"]  # noqa: SLF001  # to ask for none first would cost a round trip
        return made  # type: ignore[no-any-return]

    try:
        if tunnel is None:
            _, connection = await loop.create_connection(made, sock=stamps)
        else:
            _, connection = await tunnel.create_connection(made, options.host, options.port)
        try:
            await options.waiter
        except BaseException:
            options.waiter.cancel()
            connection.abort()
            await connection.wait_closed()
            raise
    finally:
        options.waiter.cancel()
    if not connection.is_closed():  # the server may have ended it since
        _forget_login(connection, common(ssh.user, legacy=ssh.legacy))
        _keep_alive(connection, options.keepalive_interval)
    return connection


def _forget_login(
    connection: asyncssh.SSHClientConnection, options: asyncssh.SSHClientConnectionOptions
) -> None:
    """Free the state of asyncssh that no session and no later key exchange reads, 10 KiB of each node."""
    state: Any = connection
    state._options = options  # noqa: SLF001
    if not (state._kex or state._kexinit_sent):  # noqa: SLF001  # the server may exchange keys again at once
        state._client_kexinit = state._server_kexinit = b""  # noqa: SLF001
    vars(state).pop("validate_server_host_key", None)  # LoginMeter's: a later exchange has the class's own
    for name, value in _AFTER_LOGIN.items():
        setattr(state, name, value)
    for name in _MAY_BE_EMPTY:
        setattr(state, name, getattr(state, name, None) or _NONE)
    state._close_event = Flag()  # noqa: SLF001
    shown, trusted = state._server_host_key, state._trusted_host_keys  # noqa: SLF001
    state._server_host_key = next((key for key in trusted if key == shown), shown)  # noqa: SLF001


def _keep_alive(connection: asyncssh.SSHClientConnection, interval_s: float) -> None:
    """Put off the next keepalive without a new timer, of which asyncssh makes one for each piece of data."""
    state: Any = connection
    state._cancel_keepalive_timer()  # noqa: SLF001
    due = Deadline(state._keepalive_timer_callback)  # noqa: SLF001
    state._reset_keepalive_timer = state._set_keepalive_timer = partial(due.put_off, interval_s)  # noqa: SLF001
    state._cancel_keepalive_timer = due.lift  # noqa: SLF001
    due.put_off(interval_s)
