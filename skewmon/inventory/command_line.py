"""Nodes that are named on the command line, reached as ssh would reach them."""

from collections.abc import Iterable
from dataclasses import replace

from skewmon.config.limits import MAX_NODES
from skewmon.config.targets import Target, expand
from skewmon.errors import ConfigError, Fault
from skewmon.inventory.resolve import distinct
from skewmon.inventory.ssh_config import settings_for
from skewmon.inventory.ssh_surroundings import Given, Surroundings
from skewmon.model import Node


def command_line_nodes(
    expressions: Iterable[str], given: Given | None = None, around: Surroundings | None = None
) -> tuple[Node, ...]:
    """Return the nodes of several expressions; user and port of an expression beat those of ``given``."""
    given, around = given or Given(), around or Surroundings.here()
    targets: list[Target] = []
    faults: list[Fault] = []
    for expression in expressions:
        try:
            targets += expand(expression)
        except ValueError as error:
            faults.append(Fault(str(error)))
    if len(targets) > MAX_NODES:
        faults.append(Fault(f"{len(targets)} nodes are named; at most {MAX_NODES} are allowed"))
    if faults:
        raise ConfigError(*faults)
    nodes = []
    for target in targets:
        own = replace(given, user=target.user or given.user, port=target.port or given.port)
        address, settings = settings_for(target.host, around, own)
        nodes.append(Node(target.host, address, settings))
    return distinct(nodes)
