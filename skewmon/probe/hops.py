"""The bastions on the way to a node, and the machine that stamps its exchanges."""

from collections.abc import Iterator
from dataclasses import replace

from skewmon.model import SshSettings
from skewmon.model.nodes import parse_hop

#: A bastion's address and how it is reached.
HopKey = tuple[str, SshSettings]

#: Values of ``SshSettings.vantage`` that are not a machine.
AUTO, NONE = "auto", "none"


def hop_keys(ssh: SshSettings) -> Iterator[HopKey]:
    """Yield the bastions on the way to a node, each with the way to it."""
    for count, hop in enumerate(ssh.jump):
        user, address, port = parse_hop(hop)
        own = replace(ssh, user=user or ssh.user, port=port, jump=ssh.jump[:count], host_key_alias=None)
        yield address, _unstamped(ssh.bastions[count] if ssh.bastions else own)


def vantage_key(ssh: SshSettings) -> HopKey | None:
    """Return the machine whose relay stamps a node's exchanges: the last bastion or a named one; or None."""
    hops = list(hop_keys(ssh))
    if ssh.vantage == AUTO:
        return hops[-1] if hops else None
    if ssh.vantage == NONE:
        return None
    user, address, port = parse_hop(ssh.vantage)
    way = ssh.bastions or tuple(hop for _, hop in hops)  # a vantage's user is not that of its bastions
    for count, (hop_address, hop) in enumerate(hops):
        if (hop_address, hop.port) == (address, port):
            if user in (None, hop.user):
                return hop_address, hop
            # Another user of a bastion is reached as that bastion is, and not through it.
            own = replace(ssh.vantage_ssh or hop, user=user, jump=hop.jump, bastions=way[:count])
            return address, _unstamped(replace(own, proxy_command=hop.proxy_command))
    own = replace(ssh, user=user or ssh.user, port=port, bastions=way, host_key_alias=None)
    return address, _unstamped(ssh.vantage_ssh or own)


def all_keys(ssh: SshSettings) -> Iterator[HopKey]:
    """Yield every machine that a node's connection needs: its bastions, its vantage and the way to that."""
    yield from hop_keys(ssh)
    vantage = vantage_key(ssh)
    if vantage is not None:
        yield from hop_keys(vantage[1])
        yield vantage


def _unstamped(ssh: SshSettings) -> SshSettings:
    """Return the settings of a hop: nodes with different vantages share it."""
    return replace(ssh, vantage=NONE, vantage_ssh=None)
