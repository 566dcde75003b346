"""Exceptions of the network and of asyncssh, translated once into reason, sentence and advice."""

import errno
import re
import socket
from collections.abc import Sequence
from ipaddress import IPv6Address

import asyncssh

from skewmon.errors import ConnectError, ProbeError, Reason
from skewmon.model import Node, SshSettings
from skewmon.model.commands import on_bastion, removal, scan_command, verbose_login
from skewmon.probe import algorithms, host_keys
from skewmon.probe.exhaustion import out_of_files
from skewmon.probe.identity import Identity
from skewmon.runtime.resolver import LookupTimeoutError
from skewmon.text import harmless

#: OpenSSH's message once it refused as many keys as MaxAuthTries allows; a protocol error by its number.
TOO_MANY_KEYS = "Too many authentication failures"

#: How asyncssh reports that both sides have no algorithm of one kind in common.
_NO_MATCH = re.compile(r"No matching (?P<kind>.+?) algorithm found, sent .* and received (?P<received>.*)")

#: Added if an RSA key was refused: old servers do not list the signatures that they accept.
_RSA_HINT = (
    " A server before OpenSSH 7.2 takes RSA keys only with ssh.legacy: true; Ed25519 keys need nothing."
)

#: The keyword of sshd_config for the algorithms of each kind, by asyncssh's names.
_DIRECTIVES = {"key exchange": "KexAlgorithms", "host key": "HostKeyAlgorithms", "MAC": "MACs"}

NO_KEYS = Identity()

#: Characters of a server's own text that are repeated.
MAX_QUOTED = 200


def quoted(text: object) -> str:
    """Return text that a server may have chosen, cut, and harmless to a terminal, a log and a reader."""
    return harmless((str(text) or type(text).__name__)[:MAX_QUOTED])


def host_port(address: str, port: int) -> str:
    """Return ``address:port``, with brackets if the address has colons of its own."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def refusal(node: Node) -> ConnectError:
    """Return the error for a node whose settings cannot be used."""
    sentence = f"{node.ssh.refusal[:1].upper()}{node.ssh.refusal[1:]}."
    return ConnectError(Reason.SSH_CONFIG_UNUSABLE, quoted(sentence), f"Compare with: ssh -G {node.name}")


def lookup_error(error: Exception, address: str, ssh: SshSettings) -> ConnectError:
    """Return the error for a name that was not resolved."""
    if lack := out_of_files(error):
        return lack
    if getattr(error, "errno", None) == errno.EAGAIN:
        return ConnectError(
            Reason.NAME_NOT_RESOLVED,
            f"The name {address} was not looked up: this machine starts no more threads.",
            "Raise the limit on tasks of the process that runs skewmon: TasksMax= of its unit, or ulimit -u.",
        )
    if zone := _absent_zone(address):
        return _no_interface(Reason.NAME_NOT_RESOLVED, zone, address)
    return ConnectError(
        Reason.NAME_NOT_RESOLVED, f"{_lookup_failure(error, address, ssh)}.", _lookup_advice(error, address)
    )


def _no_interface(reason: Reason, zone: str, address: str) -> ConnectError:
    return ConnectError(
        reason,
        f"This machine has no interface {quoted(zone)}, which {quoted(address)} is reached through.",
        "List its interfaces: ip -brief link",
    )


def _absent_zone(address: str) -> str:
    """Return the zone of an IPv6 address if no interface has that name or number, else nothing."""
    plain, _, zone = address.partition("%")
    try:
        IPv6Address(plain)
    except ValueError:
        return ""
    present = {str(word) for pair in socket.if_nameindex() for word in pair}
    return "" if zone in present else zone


def _lookup_failure(error: Exception, address: str, ssh: SshSettings) -> str:
    if isinstance(error, LookupTimeoutError):
        waited = f"The name {address} was not resolved within {ssh.connect_timeout_s:g} s"
        if error.ahead:
            return f"{waited}: its turn did not come, because {error.ahead} earlier lookups hang"
        return f"{waited}: no name server answers"
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return f"The name {address} does not resolve now: no name server gives an answer"
    return f"The name {address} does not resolve"


def _lookup_advice(error: Exception, address: str) -> str:
    attempt = f"Try: getent hosts {address}"
    if isinstance(error, LookupTimeoutError) or getattr(error, "errno", None) == socket.EAI_AGAIN:
        return (
            f"{attempt}; look at the name servers in /etc/resolv.conf. Nodes that are listed in /etc/hosts, "
            "or whose address is given in numbers, need no name server."
        )
    return attempt


def dial_error(error: Exception, address: str, ssh: SshSettings) -> ConnectError:
    """Return the error for a TCP connection that failed."""
    if lack := out_of_files(error):
        return lack
    where = host_port(address, ssh.port)
    number = getattr(error, "errno", None)
    if number == errno.ECONNREFUSED:
        return ConnectError(
            Reason.CONNECTION_REFUSED,
            f"Nothing listens at {where}.",
            "Check the port, and on its console that sshd runs: systemctl status ssh",
        )
    if isinstance(error, TimeoutError) or number == errno.ETIMEDOUT:
        return ConnectError(
            Reason.NO_ANSWER,
            f"{where} did not answer within {ssh.connect_timeout_s:g} s.",
            f"Check that the machine is up and no firewall drops packets: nc -vz {address} {ssh.port}",
        )
    if zone := _absent_zone(address):
        return _no_interface(Reason.NETWORK_UNREACHABLE, zone, address)
    return ConnectError(
        Reason.NETWORK_UNREACHABLE,
        f"{where} cannot be reached: {getattr(error, 'strerror', None) or error}.",
        f"Check the route: ip route get {address}",
    )


def login_error(
    error: Exception, name: str, address: str, ssh: SshSettings, offered: Identity = NO_KEYS
) -> ConnectError:
    """Return the error for a connection that was accepted but whose login failed.

    ``offered`` has the keys for the server, if they were loaded.
    """
    where = host_port(address, ssh.port)
    if isinstance(error, TimeoutError):
        touch = "Touch the security token if it waits for that. " if offered.has_token else ""
        return ConnectError(
            Reason.LOGIN_TIMEOUT,
            f"{where} accepted the connection, but the login took longer than {ssh.connect_timeout_s:g} s.",
            f"{touch}Look at its sshd, DNS and PAM: {verbose_login(address, ssh)}",
        )
    if isinstance(error, asyncssh.HostKeyNotVerifiable) or "host key" in str(error):
        return host_key_error(name, address, ssh)
    if TOO_MANY_KEYS in str(error):
        return _too_many_keys(where, ssh, offered)
    if isinstance(error, asyncssh.PermissionDenied):
        return _keys_refused(where, name, ssh, offered)
    if isinstance(error, asyncssh.ChannelOpenError):
        return ConnectError(
            Reason.JUMP_FAILED,
            f"The bastion could not reach {where}: {quoted(error.reason)}.",
            "Check AllowTcpForwarding on the bastion, and the address as the bastion sees it.",
        )
    return _broken_off(error, where, address, ssh)


def _keys_refused(where: str, name: str, ssh: SshSettings, offered: Identity) -> ConnectError:
    """Return the error for a login in which the server refused every key."""
    cause = f"; {offered.invalid_certificate}" if offered.invalid_certificate else ""
    cure = (
        "Let the authority sign the key again; if that date is wrong, compare this machine's clock: date -u"
        if cause
        else f"Add the public key to that user's authorized_keys on {name}, and look at the log of its sshd."
    )
    return ConnectError(
        Reason.PERMISSION_DENIED,
        f"{where} refused every key that was offered{_for_user(ssh)}{cause}.",
        f"{cure}{'' if ssh.legacy or not offered.has_rsa else _RSA_HINT}",
    )


def _too_many_keys(where: str, ssh: SshSettings, offered: Identity) -> ConnectError:
    """Return the error for a server that ended the login before every key was tried."""
    count = f" before all {len(offered.keys)} keys were tried" if offered.keys else ""
    return ConnectError(
        Reason.PERMISSION_DENIED,
        f"{where} ended the login{_for_user(ssh)}{count}; it said: {TOO_MANY_KEYS}.",
        "Name the right key, so that it is offered first: --identity or ssh.identity, or IdentityFile in "
        "ssh_config; the public half is enough if the agent has the key.",
    )


def _for_user(ssh: SshSettings) -> str:
    return f" for user {ssh.user}" if ssh.user else ""


def forward_error(address: str, ssh: SshSettings) -> ConnectError:
    """Return the error for a bastion that gave no answer to the request to connect to a node.

    It waits for the node itself, and longer than skewmon does.
    """
    return ConnectError(
        Reason.JUMP_FAILED,
        f"The bastion did not reach {host_port(address, ssh.port)} within {ssh.connect_timeout_s:g} s.",
        "Check that the machine is up and that no firewall between the bastion and it drops packets: "
        f"{on_bastion(ssh, f'nc -vz {address} {ssh.port}')}",
    )


def lost_error(error: object) -> ProbeError:
    """Return the error for a connection that ended after the login."""
    return ProbeError(
        Reason.DISCONNECTED,
        f"The connection was lost: {quoted(error)}.",
        "skewmon connects again by itself; if this repeats, look at the node's sshd and network.",
    )


def algorithm_error(
    kind: str, served: Sequence[str], name: str, address: str, ssh: SshSettings
) -> ConnectError:
    """Return the error for a server that has none of the algorithms of one kind that were offered.

    A host key of a kind that skewmon accepts, but that known_hosts does not have, is a changed one.
    """
    if kind == "host key" and not set(served).isdisjoint(algorithms.signatures(legacy=ssh.legacy)):
        return host_key_error(name, address, ssh)
    return _no_common_algorithm(host_port(address, ssh.port), kind, ",".join(served), ssh)


def _no_common_algorithm(where: str, kind: str, received: str, ssh: SshSettings) -> ConnectError:
    """Return the error for a server and a client that share no algorithm of one kind."""
    cures = not ssh.legacy and not algorithms.LEGACY.isdisjoint(received.split(","))
    return ConnectError(
        Reason.NO_COMMON_ALGORITHM,
        f"{where} has no {kind} algorithm that skewmon accepts, only {quoted(received)}.",
        "Upgrade its sshd. Until then, allow older algorithms for this node: ssh.legacy: true in the "
        "configuration, or HostKeyAlgorithms +ssh-rsa in ssh_config."
        if cures
        else f"Allow modern algorithms in its sshd_config: {_DIRECTIVES.get(kind, 'Ciphers')}",
    )


def host_key_error(name: str, address: str, ssh: SshSettings) -> ConnectError:
    """Return the error for a host key that is not trusted: unknown, or changed."""
    alias = ssh.host_key_alias or address
    listed = alias if ssh.port == 22 else f"[{alias}]:{ssh.port}"
    files = ", ".join(ssh.known_hosts)
    unknown = f"in {files}" if files else "known: there is no known_hosts file, such as ~/.ssh/known_hosts"
    if host_keys.is_known(ssh.known_hosts, alias, ssh.port):
        return ConnectError(
            Reason.HOST_KEY_CHANGED,
            f"{name} shows another host key than the one in {files}: the machine was reinstalled, or "
            "another one answers in its place.",
            f"Find out which, then remove the old key: {removal(listed, ssh.known_hosts[0])}",
        )
    return ConnectError(
        Reason.HOST_KEY_UNKNOWN,
        f"The host key of {listed} is not {unknown}.",
        "Compare it over a trusted path, then add its line to known_hosts; this shows it: "
        f"{scan_command(name if ssh.login else address, ssh)}",
    )


def _broken_off(error: Exception, where: str, address: str, ssh: SshSettings) -> ConnectError:
    if lack := out_of_files(error):
        return lack
    if isinstance(error, asyncssh.ConnectionLost | ConnectionError):
        return ConnectError(
            Reason.DISCONNECTED,
            f"{where} closed the connection before the login was done.",
            "Its sshd may limit new connections: look for MaxStartups and PerSourcePenalties in its log.",
        )
    if found := _NO_MATCH.match(str(error)):
        return _no_common_algorithm(where, found["kind"], found["received"], ssh)
    return ConnectError(
        Reason.NOT_SSH,
        f"{where} and skewmon do not understand each other: {quoted(error)}.",
        f"Look at its first lines: {verbose_login(address, ssh)}",
    )


def session_refused(error: Exception) -> ProbeError:
    """Return the error for a login after which no session was opened."""
    return ProbeError(
        Reason.SESSION_REFUSED,
        f"The login succeeded, but sshd opened no session: {quoted(error)}.",
        "Look at MaxSessions, ForceCommand and the account's shell on the node.",
    )
