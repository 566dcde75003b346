"""The hosts that an OpenSSH client configuration names; ssh itself evaluates their settings."""

import asyncio
import glob
import re
import shlex
from fnmatch import fnmatchcase
from pathlib import Path

from skewmon.config.schema import SourceSpec
from skewmon.config.targets import check_host
from skewmon.errors import ConfigError, InventoryError, echoed
from skewmon.inventory.listing import Listing
from skewmon.inventory.openssh import OpenSsh
from skewmon.inventory.settings import Context
from skewmon.inventory.ssh_login import UNSET, UNSET_HOP, Given, SshLogin
from skewmon.model import SshSettings
from skewmon.runtime.files import read_bytes

#: A configuration of more than this is another file.
MAX_FILE_BYTES = 1024 * 1024

#: Files that include each other: a directory with one file a host has some hundred.
MAX_FILES = 10_000

_LINE = re.compile(r'\s*"?(host|include)"?(?:\s*=\s*|\s+)(.*)', re.IGNORECASE)


async def read(spec: SourceSpec, context: Context) -> Listing:
    """Return the hosts that the file names and the pattern matches.

    A single host that ssh refuses is a node with the reason; if ssh refuses all, the file cannot be used.
    """
    assert spec.ssh_config is not None
    names = await asyncio.to_thread(hosts, spec.ssh_config, (spec.hosts or "*").split(","))
    listing = Listing()
    usable = []
    for name in names:
        with listing.entry(name, f"{spec.ssh_config}: "):
            usable.append(check_host(name))
    login = SshLogin(OpenSsh(_configuration(spec.ssh_config, context.ssh)), context.ssh)
    listing.nodes += await login.nodes((name, Given()) for name in usable)
    if listing.nodes and all(node.ssh.refusal for node in listing.nodes):
        raise InventoryError(listing.nodes[0].ssh.refusal)
    return listing.checked()


def _configuration(path: str, base: SshSettings) -> str:
    """Return a configuration of the file, followed by the cluster's settings as defaults."""
    if re.search(r'["\\\n]', path):
        raise InventoryError(f"ssh cannot include a file of the name {echoed(path)}")
    return "\n".join(
        (
            'Include "{}"'.format(re.sub(r"([*?\[])", r"\\\1", path)),
            "Match all",
            *(() if base.user is None else (f"User {base.user}",)),
            f"Port {base.port}",
            f"IdentityFile {UNSET}",
            f"UserKnownHostsFile {UNSET}",
            "GlobalKnownHostsFile none",
            f"ProxyJump {UNSET_HOP}",
            "",
        )
    )


def hosts(path: str, patterns: list[str]) -> list[str]:
    """Return the named hosts that match, in the order of the file and its includes."""
    named: dict[str, None] = {}
    seen: set[str] = set()
    waiting = [path]
    while waiting:
        current = waiting.pop(0)
        if current in seen or len(seen) >= MAX_FILES:
            continue
        seen.add(current)
        for keyword, words in _lines(current):
            if keyword == "host":
                named |= dict.fromkeys(word for word in words if not set(word) & set("*?!"))
            else:
                waiting += [found for word in words for found in _included(word)]
    found = [host for host in named if _matches(host, patterns)]
    if not found:
        raise InventoryError(f"no Host of {path} matches {','.join(patterns)}")
    return found


def _lines(path: str) -> list[tuple[str, list[str]]]:
    """Return the lines of one file that name hosts or files."""
    try:
        data = read_bytes(path, MAX_FILE_BYTES)
    except ConfigError as error:
        raise InventoryError(str(error)) from None
    found = []
    for number, text in enumerate(data.decode(errors="surrogateescape").split("\n"), start=1):
        line = _LINE.fullmatch(text.rstrip())
        try:
            if line is not None:
                found.append((line[1].lower(), shlex.split(line[2], comments=True)))
        except ValueError as error:
            raise InventoryError(f"{path}:{number}: {str(error).lower()}") from None
    return found


def _included(pattern: str) -> list[str]:
    """Return the files of an Include; like ssh, a relative one is of ~/.ssh, and none is not a fault."""
    try:
        files = Path("~/.ssh").expanduser() / Path(pattern).expanduser()
    except (RuntimeError, ValueError):  # the home of an unknown user, or a NUL
        return []
    found = sorted(glob.glob(str(files)))  # noqa: PTH207  Path.glob takes no absolute pattern
    return [path for path in found if Path(path).is_file()]


def _matches(host: str, patterns: list[str]) -> bool:
    """Return whether one pattern of * and ? matches and no negated one does."""
    hits = [one for one in patterns if fnmatchcase(host, one.removeprefix("!").replace("[", "[[]"))]
    return bool(hits) and not any(one.startswith("!") for one in hits)
