"""Measures nodes in a process of its own, whose clock the test controls.

``python -m tests.integration.measure_process ROUNDS`` reads nodes as JSON from its standard input, measures
them and prints, for each round and node, the common instant and the interval, in nanoseconds of the base.
"""

import asyncio
import json
import sys

from skewmon.model import Measured, Node, SshSettings
from skewmon.monitor.check import opened
from skewmon.probe.sweep import Sweeper


async def measure(nodes: list[Node], rounds: int) -> list[list[object]]:
    """Return each round's result for each node, and the admin box's own clock."""
    found: list[list[object]] = []
    async with opened(nodes, 20.0) as links:
        sweeper = Sweeper()
        for _ in range(rounds):
            sweep = await sweeper.sweep(links, 8)
            for node, outcome in zip(nodes, sweep.outcomes.values(), strict=True):
                admin = [sweep.admin.lower_ns, sweep.admin.upper_ns]
                if isinstance(outcome, Measured):
                    wall = outcome.estimate.wall
                    found.append([node.name, sweep.at_ns, wall.lower_ns, wall.upper_ns, *admin])
                else:
                    found.append(
                        [node.name, sweep.at_ns, None, f"{outcome.reason}: {outcome.detail}", *admin]
                    )
    return found


def main() -> None:
    """Read, measure, print."""
    nodes = [
        Node(
            one["name"],
            one["address"],
            SshSettings(one["user"], one["port"], tuple(one["identities"]), tuple(one["known_hosts"])),
        )
        for one in json.load(sys.stdin)
    ]
    print(json.dumps(asyncio.run(measure(nodes, int(sys.argv[1])))))


if __name__ == "__main__":
    main()
