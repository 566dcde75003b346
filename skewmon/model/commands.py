"""Commands that a person types on the admin box to reach a node; advice is built from them."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from skewmon.model.nodes import DEFAULT_USER, Cluster, Node, SshSettings, parse_hop

#: Files below these only root can read or change, so a command that needs one begins with sudo.
ROOTS_OWN = ("/run/credentials/", "/etc/")


@dataclass(frozen=True, slots=True)
class Access:
    """How a person reaches one node; ``config_file`` is the configuration that names it, if there is one."""

    node: Node
    config_file: str = ""

    @property
    def probe(self) -> str:
        """The command that prints the node's transcript."""
        if not self.config_file and self.node.ssh.login:
            return self.node.ssh.login.replace("ssh", "skewmon probe -v", 1)
        return by_configuration(
            self.config_file, self.node.ssh.identities, "probe", *_verbose(self.node.name)
        )

    def run(self, command: str, *, terminal: bool = False) -> str:
        """Return the line that runs a command on the node, or the probe of a node without a login.

        With a ``terminal`` the command may ask for a password, as sudo does. Root needs no sudo, and may have
        none.
        """
        if self.node.transport == "ntp":
            return self.probe
        if self._user == "root":
            command, terminal = command.replace("sudo ", ""), False
        return f"{self._login(terminal=terminal)} {command}"

    @property
    def _user(self) -> str | None:
        ssh = self.node.ssh
        return ssh.user if ssh.login else _person(ssh, ssh.user)

    def _login(self, *, terminal: bool) -> str:
        ssh, start = self.node.ssh, "ssh -t" if terminal else "ssh"
        if ssh.login:
            return ssh.login.replace("ssh", start, 1)
        return " ".join((start, *_way(ssh), _at(_person(ssh, ssh.user), self.node.address)))


def by_configuration(config_file: str, identities: Iterable[str], command: str, *words: str) -> str:
    """Return a command of skewmon for a configuration; as root if only root can read one of its keys.

    Without the file, ``check`` and ``probe`` would log in like the reader's own ssh.
    """
    if not config_file:
        return shlex.join(("skewmon", command, *words))
    return shlex.join((*_sudo(identities), "skewmon", command, "--config.file", config_file, *words))


def probe(cluster: Cluster, name: str) -> str:
    """Return the command that prints the transcript of a node of a configured cluster."""
    return by_configuration(cluster.config_file, cluster.identities, "probe", *_verbose(name))


def check(cluster: Cluster) -> str:
    """Return the command that measures a configured cluster once."""
    return by_configuration(cluster.config_file, cluster.identities, "check", "--cluster", cluster.name)


def verbose_login(address: str, ssh: SshSettings) -> str:
    """Return the command that logs in as skewmon does, step by step, or by the name that the user gave."""
    if ssh.login:
        return ssh.login.replace("ssh", "ssh -vv", 1)
    key = tuple(word for path in ssh.identities[:1] for word in ("-i", shlex.quote(path)))
    through = ("-J", ",".join(ssh.jump)) if ssh.jump else ()
    words = ("ssh", "-vv", *key, *through, "-p", str(ssh.port), _at(ssh.user, address))
    return " ".join((*_sudo(ssh.identities[:1]), *words))


def on_bastion(ssh: SshSettings, command: str) -> str:
    """Return the line that runs a command on the last bastion, or on the vantage, before a node."""
    *before, last = ssh.jump or (ssh.vantage,)
    user, host, port = parse_hop(last)
    through = f" -J {','.join(_hop(ssh, hop) for hop in before)}" if before else ""
    gate = f" -p {port}" if port != 22 else ""
    return f"ssh{through}{gate} {_at(_person(ssh, user), host)} {command}"


def removal(listed: str, file: str) -> str:
    """Return the command that removes a key from a file of host keys."""
    return shlex.join((*_sudo((file,)), "ssh-keygen", "-R", listed, "-f", file))


def scan_command(address: str, ssh: SshSettings) -> str:
    """Return the command that shows the host keys of a machine; behind a bastion only the bastion has one.

    A user who has an alias for the machine gives the alias as its address.
    """
    if ssh.jump:
        return on_bastion(ssh, f"ssh-keyscan -p {ssh.port} {address}")
    if ssh.login:
        return f"skewmon keys scan {address}"
    files = (word for path in ssh.known_hosts for word in ("--known-hosts", path))
    host = f"[{address}]" if ":" in address else address
    target = address if ssh.port == 22 else f"{host}:{ssh.port}"
    return shlex.join(("skewmon", "keys", "scan", *files, target))


def _sudo(paths: Iterable[str]) -> tuple[str, ...]:
    return ("sudo",) if any(path.startswith(ROOTS_OWN) for path in paths) else ()


def _verbose(name: str) -> tuple[str, ...]:
    return ("-v", "--", name) if name.startswith("-") else (name, "-v")


def _person(ssh: SshSettings, user: str | None) -> str | None:
    """Return a person's login: none instead of the restricted account, so that ssh takes the reader's own."""
    return ssh.advice_user or (None if user == DEFAULT_USER else user)


def _hop(ssh: SshSettings, hop: str) -> str:
    """Return a bastion with the login of a person."""
    user, _, place = hop.rpartition("@")
    return _at(_person(ssh, user or None), place)


def _way(ssh: SshSettings) -> tuple[str, ...]:
    """Return the options of ssh for the way to a node."""
    return (
        *(("-p", str(ssh.port)) if ssh.port != 22 else ()),
        *(("-J", ",".join(_hop(ssh, hop) for hop in ssh.jump)) if ssh.jump else ()),
        *(("-o", shlex.quote(f"ProxyCommand={ssh.proxy_command}")) if ssh.proxy_command else ()),
    )


def _at(user: str | None, place: str) -> str:
    return f"{user}@{place}" if user else place
