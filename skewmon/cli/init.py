"""``skewmon init``: from nothing to a configuration that the service can use."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skewmon.cli.config import NAMED, summary, write_new
from skewmon.cli.main import DEFAULT_CONFIG

if TYPE_CHECKING:
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
        click.echo(f"{path} exists and is left as it is.")
    else:
        write_new(path, text)
        Path(path).chmod(0o644)
        click.echo(f"Wrote {path}.")
    click.echo(_made_key(ssh / "id_ed25519"))
    known_hosts = ssh / "known_hosts"
    if not known_hosts.exists():
        known_hosts.touch()
        known_hosts.chmod(0o644)
    click.echo(f"{summary(load(path))}\n\n{_steps(nodes, path, ssh, is_service=is_service)}")


def _make_directory(path: Path) -> None:
    """Make a directory that the service's user can enter, whatever the mask of root's shell."""
    if not path.exists():
        path.mkdir(parents=True)
        path.chmod(DIRECTORY_MODE)


def _made_key(path: Path) -> str:
    """Make a key, readable by its owner alone, unless there is one; return the result in words."""
    if path.exists():
        return f"{path} exists and is left as it is."
    from skewmon.probe.new_key import make_key

    make_key(path)
    return f"Wrote {path}, a new key."


def _in_url(target: "Target") -> str:
    """Return a target's host and port as ssh:// takes them."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    return f"{host}:{target.port}" if target.port else host


def _steps(nodes: tuple[str, ...], path: str, ssh: Path, *, is_service: bool) -> str:
    """Return the commands that are left to type, in their order."""
    from skewmon.config.targets import expand

    targets = [target for text in nodes for target in expand(text)]
    with_ports = any(target.port for target in targets)
    places = [_in_url(target) if with_ports else target.host for target in targets]
    hosts = " ".join(dict.fromkeys(map(shlex.quote, places)))
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
