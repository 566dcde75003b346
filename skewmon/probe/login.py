"""One login: the options that asyncssh is given, and why a server refused it."""

from collections.abc import Mapping
from typing import Any

import asyncssh

from skewmon.errors import NodeError
from skewmon.model import SshSettings
from skewmon.probe import algorithms, host_keys, identity
from skewmon.probe.faults import algorithm_error, forward_error
from skewmon.probe.host_certificates import certificate_error
from skewmon.probe.metering import Meter

#: A dead peer is noticed after three unanswered keepalives; each is one packet, so they are not frequent.
KEEPALIVE_INTERVAL_S = 15
KEEPALIVE_COUNT = 3


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


def options_of(
    ssh: SshSettings, offered: identity.Identity, known: host_keys.Known, address: str
) -> dict[str, Any]:
    """Return the options of asyncssh for one login."""
    return {
        "username": ssh.user or (),
        "client_keys": offered.keys,
        "agent_path": None,
        "known_hosts": lambda *_: known.found,
        "host_key_alias": (ssh.host_key_alias or address).lower(),  # principals have no other case for ssh(1)
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
