"""``skewmon init``: from nothing to a configuration that the service can use."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skewmon.cli.config import NAMED, summary, write_new
from skewmon.cli.main import DEFAULT_CONFIG

if TYPE_CHECKING:
    from skewmon.config.schema import Config
    from skewmon.config.targets import Target

#: The service runs as a user of its own, which has to read known_hosts; the key stays root's.
DIRECTORY_MODE = 0o755


@click.command()
@click.argument("nodes", nargs=-1, required=True)
@click.option(
    "--config.file",
    "path",
    metavar="FILE",
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The configuration to write; the key is made in ssh/ beside it.",
)
@NAMED
def command(nodes: tuple[str, ...], path: str, cluster: str) -> None:
    """Make the key and the configuration to measure NODES, and print the steps that are left.

    Nothing is asked, and no file that exists is changed. Nodes are not contacted.

    \b
    Examples:
      skewmon init etcd[1-3].example.com
      skewmon init --config.file ./skewmon.yml --cluster db root@db[1-3]:2222
    """
    from skewmon.config.loader import load, loads
    from skewmon.config.template import SERVICE_KEY, first_configuration

    ssh = Path(path).absolute().parent / "ssh"
    is_service = path == DEFAULT_CONFIG
    identity = SERVICE_KEY if is_service else str(ssh / "id_ed25519")
    text = first_configuration(nodes, cluster, path, identity, str(ssh / "known_hosts"))
    loads(text, "arguments")
    _make_directory(ssh.parent)
    _make_directory(ssh)
    if Path(path).exists():
        click.echo("\n".join((f"{path} exists and is left as it is.", *_missing(nodes, load(path), path))))
    else:
        write_new(path, text)
        Path(path).chmod(0o644)
        click.echo(f"Wrote {path}.")
    click.echo(_made_key(ssh / "id_ed25519"))
    known_hosts = ssh / "known_hosts"
    if not known_hosts.exists():
        known_hosts.touch()
        known_hosts.chmod(0o644)
    config = load(path)
    click.echo(f"{summary(config)}\n\n{_steps(config, path, ssh, is_service=is_service)}")


def _make_directory(path: Path) -> None:
    """Make a directory that the service's user can enter, whatever the mask of root's shell."""
    from skewmon.errors import ConfigError, Fault

    try:
        if not path.exists():
            path.mkdir(parents=True)
            path.chmod(DIRECTORY_MODE)
    except PermissionError:
        hint = "run this as root, or name a file of your own with --config.file"
        raise ConfigError(Fault("permission denied", str(path), hint=hint)) from None


def _made_key(path: Path) -> str:
    """Make a key, readable by its owner alone, unless there is one; return the result in words."""
    if path.exists():
        return f"{path} exists and is left as it is."
    from skewmon.probe.new_key import make_key

    make_key(path)
    return f"Wrote {path}, a new key."


def _logins(config: "Config") -> "dict[Target, None]":
    """Return host and port of the logins that a configuration lists; no port is the usual one."""
    from skewmon.config.effective import effective
    from skewmon.config.schema import DEFAULT_PORT, NodeSpec
    from skewmon.config.targets import Target, expand

    found = list[tuple[str, int | None]]()
    for spec in effective(config).clusters.values():
        for entry in spec.nodes:
            if not isinstance(entry, NodeSpec):
                found += ((target.host, target.port or spec.ssh.port) for target in expand(entry))
            elif entry.transport == "ssh":
                found.append((entry.address or entry.name, entry.ssh.port))
    return {Target(host, port=None if port == DEFAULT_PORT else port): None for host, port in found}


def _missing(nodes: tuple[str, ...], config: "Config", path: str) -> list[str]:
    """Return a line about the NODES that a configuration from before does not list."""
    from skewmon.config.schema import NodeSpec
    from skewmon.config.targets import expand, folded

    entries = [entry for spec in config.clusters.values() for entry in spec.nodes]
    listed = {target.host for one in entries if not isinstance(one, NodeSpec) for target in expand(one)}
    listed |= {
        name for one in entries if isinstance(one, NodeSpec) for name in (one.name, one.address) if name
    }
    absent = [target.host for text in nodes for target in expand(text) if target.host not in listed]
    return [f"It does not list {folded(absent)}; add that below nodes: in {path}."] if absent else []


def _in_url(target: "Target") -> str:
    """Return a target's host and port as ssh:// takes them."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    return f"{host}:{target.port}" if target.port else host


def _steps(config: "Config", path: str, ssh: Path, *, is_service: bool) -> str:
    """Return the commands that are left to type, in their order."""
    logins = _logins(config)
    with_ports = any(login.port for login in logins)
    places = [_in_url(login) if with_ports else login.host for login in logins]
    hosts = " ".join(map(shlex.quote, places or ["NODE"]))  # those of an inventory are not known here
    login = '"ssh://root@$node"' if with_ports else 'root@"$node"'
    option = "" if is_service else f" --config.file {shlex.quote(path)}"
    key = shlex.quote(str(ssh / "id_ed25519"))
    started = "systemctl enable --now skewmon" if is_service else f"skewmon run{option}"
    as_root = ", as root" if is_service else ""
    return f"""\
Left to do{as_root}:
 1. Give every node the account that answers skewmon and can do nothing else:
      for node in {hosts}; do
        skewmon keys authorize --script -i {key} | ssh {login} sh
      done
 2. Add the host keys, after you compared their fingerprints with those of the nodes:
      skewmon keys scan{option} >>{shlex.quote(str(ssh / "known_hosts"))}
 3. Check the whole way:
      skewmon doctor{option}
 4. Start:
      {started}"""
