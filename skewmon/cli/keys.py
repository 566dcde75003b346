"""``skewmon keys``: the restricted key and the host keys, for a person to put in place."""

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from skewmon.cli import check
from skewmon.cli.main import EXIT_UNUSABLE
from skewmon.errors import ConfigError, Fault, MissingFileError, echoed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from skewmon.model import Cluster, Node
    from skewmon.probe.scan import Scan

#: The same as in config/schema.py and probe/programs, repeated so that --help loads neither.
DEFAULT_IDENTITY = "/etc/skewmon/ssh/id_ed25519"
DEFAULT_PATH = "/usr/local/lib/skewmon/node"
DEFAULT_RELAY_PATH = "/usr/local/lib/skewmon/relay"

#: The nodes, by the options of ``check``; keys and logins are not needed to see a host key.
OF_CHECK = frozenset({"config_file", "cluster", "nodes", "port", "known_hosts"})
REACHING = [parameter for parameter in check.command.params if parameter.name in OF_CHECK]

#: An RSA key of 16,384 bits has less than 3 KB.
PUBLIC_KEY_BYTES_MAX = 16 * 1024

#: A public key in one line, without its comment.
_PUBLIC = re.compile(r"((?:ssh|ecdsa)-[a-z0-9-]+(?:@openssh\.com)? [A-Za-z0-9+/]+=*)(?: .*)?")

#: The patterns of from="…" in sshd(8): names, addresses, CIDR, wildcards, negation.
_FROM = re.compile(r"[A-Za-z0-9.:*?!,/_-]+")

#: sshd passes the command to the login shell: no character in it may be special there.
_PATH = re.compile(r"/[A-Za-z0-9._/+-]+")

#: Keys whose lines must not get into known_hosts by a redirection.
UNSAFE = frozenset({"different", "revoked"})

DIFFERENT = (
    "skewmon: a node shows another key than known_hosts has. Find out whether it was reinstalled or another "
    "machine answers; then remove the old key with ssh-keygen -R"
)

_STEPS = """\
# Three steps on every node, as root. First the program, owned by root:
#   skewmon keys authorize --program | ssh root@NODE 'install -D -m 0755 /dev/stdin {path}'
# Then an account that owns nothing and has no password, with a shell that can start the program:
#   useradd --system --create-home --shell /bin/sh --password '*' skewmon
# Then this line in ~skewmon/.ssh/authorized_keys. The key can do nothing but ask for clocks and status:
"""

_RELAY_STEPS = """\
# Four steps on the vantage, as root. First the program, owned by root:
#   skewmon keys authorize --relay --program | ssh root@VANTAGE 'install -D -m 0755 /dev/stdin {path}'
# Then the list of the nodes that it may connect to; make it again when nodes change:
#   skewmon keys authorize --relay --targets | ssh root@VANTAGE 'install -m 0644 /dev/stdin {path}.targets'
# Then an account that owns nothing and has no password, with a shell that can start the program:
#   useradd --system --create-home --shell /bin/sh --password '*' skewmon
# Then this line in ~skewmon/.ssh/authorized_keys. The key can ask for clocks and status, and reach that list:
"""


@click.group()
def command() -> None:
    """Set up the restricted key and the host keys."""


@command.command()
@click.option(
    "-i", "--identity", default=DEFAULT_IDENTITY, show_default=True, metavar="FILE", help="Key of skewmon."
)
@click.option("--from", "origin", metavar="PATTERN", help="Addresses the key may come from, as in sshd(8).")
@click.option("--path", metavar="PATH", help=f"Of the program ({DEFAULT_PATH}, {DEFAULT_RELAY_PATH}).")
@click.option("--program", is_flag=True, help="Print the program to install, and nothing else.")
@click.option("--script", is_flag=True, help="Print a script that does all three steps on a node.")
@click.option("--relay", is_flag=True, help="For a vantage: a machine that stamps for the nodes near it.")
@click.option("--targets", is_flag=True, help="With --relay: print the list of nodes that it may connect to.")
@click.option("--config.file", "config_file", metavar="FILE", help="With --targets: the nodes of this file.")
@click.argument("nodes", nargs=-1, metavar="[NODES]...")
def authorize(
    identity: str,
    origin: str | None,
    path: str | None,
    *,
    program: bool,
    script: bool,
    relay: bool,
    targets: bool,
    **selection: Any,
) -> int:
    """Print the line for authorized_keys on the nodes, or the program that it names.

    With --relay the same for a vantage, whose key may also connect to the nodes in a list: --targets prints
    it for NODES, or for those of a configuration. No file is changed. The output is a file with comments, or
    a script.

    \b
    Examples:
      skewmon keys authorize --from 10.0.0.5
      skewmon keys authorize --program > node
      skewmon keys authorize --script | ssh root@n1 sh
      skewmon keys authorize --relay --targets n[1-5] > relay.targets
    """
    path = path or (DEFAULT_RELAY_PATH if relay else DEFAULT_PATH)
    _check(_PATH, path, "--path", "an absolute path of letters, digits and . _ - + /")
    if targets:
        return _targets(relay=relay, **selection)
    if any(selection.values()):
        raise ConfigError(Fault("NODES and --config.file go with --relay --targets"))
    if script and relay:
        raise ConfigError(Fault("--script sets up a node; a relay needs a list of targets as well"))
    if program:
        from skewmon.probe import programs

        click.echo(programs.installed_relay(path) if relay else programs.installed(path), nl=False)
        return 0
    options = f'restrict,command="{path}"'
    if origin is not None:
        _check(_FROM, origin, "--from", "addresses or patterns with commas between, such as 10.0.0.5,admin.*")
        options += f',from="{origin}"'
    key = _public_key(identity)
    line = f"{options} {key} skewmon"
    if script:
        from skewmon.probe.programs import account

        click.echo(account(line, key, path), nl=False)
        return 0
    click.echo(f"{(_RELAY_STEPS if relay else _STEPS).format(path=path)}{line}")
    return 0


def _over_ssh(clusters: "Iterable[Cluster]") -> "tuple[Node, ...]":
    """Return the nodes that have host keys: all but those measured by NTP."""
    nodes = (node for cluster in clusters for node in cluster.nodes)
    return tuple(dict.fromkeys(node for node in nodes if node.transport == "ssh"))


def _targets(*, relay: bool, **selection: Any) -> int:
    """Print the places of the nodes, numeric, as a relay compares them."""
    from skewmon.cli import targets
    from skewmon.probe.relay_targets import places
    from skewmon.runtime import containment

    if not relay:
        raise ConfigError(Fault("--targets goes with --relay"))
    from skewmon.model import Node, SshSettings

    selected = targets.Selection(**selection)
    nodes, servers = _over_ssh(targets.clusters_of(selected)), targets.references_of(selected)
    asked = [Node(one.name, one.address, SshSettings(port=one.port)) for one in servers if one.from_vantages]
    found = containment.run(places((*nodes, *asked)))
    click.echo("# Made by skewmon keys authorize --relay --targets. One numeric ADDRESS PORT a line.")
    for one in found.places:
        click.echo(one)
    for fault in found.faults:
        click.echo(f"skewmon: {fault}", err=True)
    return EXIT_UNUSABLE if found.faults else 0


@command.command(params=REACHING)
def scan(**selection: Any) -> int:
    """Print the host keys that NODES show, as lines for known_hosts.

    They are not verified: compare each fingerprint over a trusted path before you add its line. Each key is
    compared with known_hosts; the line of a DIFFERENT KEY is a comment. Nothing is added by this command.

    \b
    Exit code: 0 every node answered, 3 one did not, or it shows a DIFFERENT KEY.

    \b
    Examples:
      skewmon keys scan n[1-5]
      skewmon keys scan --config.file /etc/skewmon/skewmon.yml
    """
    from skewmon.cli import targets
    from skewmon.probe.scan import scan as scan_nodes
    from skewmon.runtime import containment

    clusters = targets.clusters_of(targets.Selection(**selection))
    nodes = _over_ssh(clusters)
    found = containment.run(scan_nodes(nodes))
    click.echo("# Candidates, not verified. On each node: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")
    for one in found:
        for line in _scanned(one):
            click.echo(line)
        if one.failure:
            click.echo(f"skewmon: {one.node.name}: {one.failure.detail} {one.failure.advice}", err=True)
    wrong = [key for one in found for key in one.keys if key.match in UNSAFE]
    if wrong:
        click.echo(DIFFERENT, err=True)
    return EXIT_UNUSABLE if wrong or any(one.failure for one in found) else 0


def _scanned(one: "Scan") -> "Iterator[str]":
    files = ", ".join(one.node.ssh.known_hosts) or "known_hosts"
    words = {
        "new": f"NEW, not in {files}",
        "same": f"same key as in {files}",
        "different": f"DIFFERENT KEY from the one in {files}",
        "revoked": f"REVOKED in {files}",
    }
    if one.certified:
        yield f"# {one.node.name}: {files} also has a certificate authority for this node"
    for key in one.keys:
        line = f"{key.listed} {key.text}"
        yield f"# {one.node.name}  {key.fingerprint}  {key.algorithm}  {words[key.match]}"
        yield f"# {line}" if key.match in UNSAFE else line


def _public_key(identity: str) -> str:
    """Return the public half of the key in a file, read from the file beside it."""
    from skewmon.runtime.files import read_text

    path = Path(identity.removesuffix(".pub") + ".pub").expanduser()
    try:
        text = read_text(str(path), PUBLIC_KEY_BYTES_MAX).strip()
    except MissingFileError:
        key = path.with_suffix("")
        folder = "" if key.parent.is_dir() else f"install -d {shlex.quote(str(key.parent))} && "
        hint = f"make a key: {folder}ssh-keygen -t ed25519 -N '' -C skewmon -f {shlex.quote(str(key))}"
        raise ConfigError(Fault("there is no such public key", str(path), hint=hint)) from None
    public = _PUBLIC.fullmatch(text)
    if public is None:
        raise ConfigError(
            Fault("this is not a public key in one line", str(path), hint="see ssh-keygen -y -f KEY")
        )
    return public[1]


def _check(pattern: re.Pattern[str], text: str, option: str, expected: str) -> None:
    if not pattern.fullmatch(text):
        raise ConfigError(Fault(f"{option}: expected {expected}, found {echoed(text)}"))
