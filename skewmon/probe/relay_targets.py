"""The places that a restricted relay may connect to, as it compares them: numeric text."""

from collections.abc import Iterable
from typing import NamedTuple

from skewmon.model import Node
from skewmon.probe.faults import lookup_error
from skewmon.runtime.resolver import resolver


class Targets(NamedTuple):
    """The places of nodes, ``ADDRESS PORT``, and the nodes without one."""

    places: list[str]
    faults: list[str]


async def places(nodes: Iterable[Node]) -> Targets:
    """Look up every node and return its places, sorted and each once."""
    found, faults = set[str](), list[str]()
    for node in nodes:
        try:
            answers = await resolver().places(node.address, node.ssh.port, node.ssh.connect_timeout_s)
        except (OSError, UnicodeError) as error:
            fault = lookup_error(error, node.address, node.ssh)
            faults.append(f"{node.name}: {fault.detail} {fault.advice}")
        else:
            found |= {target(place[0], node.ssh.port) for _, place in answers}
    return Targets(sorted(found), faults)


def target(address: str, port: int) -> str:
    """Return a place as the relay is asked for it."""
    return f"{address} {port}"
