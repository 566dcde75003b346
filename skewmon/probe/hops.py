"""The bastions on the way to a node."""

from collections.abc import Iterator
from dataclasses import replace

from skewmon.model import SshSettings

#: A bastion's address and how it is reached.
HopKey = tuple[str, SshSettings]


def hop_keys(ssh: SshSettings) -> Iterator[HopKey]:
    """Yield the bastions on the way to a node, each with the way to it."""
    for count, hop in enumerate(ssh.jump):
        user, address, port = parse_hop(hop)
        own = replace(ssh, user=user or ssh.user, port=port, jump=ssh.jump[:count], host_key_alias=None)
        yield address, ssh.bastions[count] if ssh.bastions else own


def parse_hop(text: str) -> tuple[str | None, str, int]:
    """Return user, address and port of ``[user@]host[:port]``."""
    user, _, place = text.rpartition("@")
    if place.startswith("["):
        address, _, port = place[1:].partition("]")
        port = port.removeprefix(":")
    else:
        address, _, port = place.partition(":") if place.count(":") == 1 else (place, "", "")
    return user or None, address, int(port or 22)
