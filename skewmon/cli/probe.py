"""``skewmon probe``: one node with its whole transcript."""

from typing import Any

import click

from skewmon.cli import check
from skewmon.cli.main import EXIT_UNUSABLE
from skewmon.clock.sampling import WHOLE_BURST

#: The options of ``check`` on how a node is reached and measured.
OF_CHECK = frozenset(
    {
        *("config_file", "cluster", "user", "port", "identities", "known_hosts", "jump", "vantage"),
        *("samples", "timeout"),
    }
)
REACHING = [parameter for parameter in check.command.params if parameter.name in OF_CHECK]


@click.command(params=REACHING)
@click.argument("node")
@click.option("-v", "--verbose", is_flag=True, help="Show every line, stamp, interval and tool.")
def command(node: str, timeout: str, verbose: bool, **selection: Any) -> int:
    """Measure NODE once and show how.

    With -v: how it was reached, every line of the conversation, every exchange with its stamps and its
    interval, how they add up, and the output of the time daemons.

    \b
    Exit code: 0 measured, 3 not measured.

    \b
    Examples:
      skewmon probe db1
      skewmon probe -v root@db1.example.com:2222
    """
    from skewmon.cli import targets
    from skewmon.cli.transcript import brief, full
    from skewmon.monitor.probe import probe_node
    from skewmon.runtime import containment

    timeout_s = targets.duration_ns("--timeout", timeout) / 1e9
    clusters = targets.clusters_of(targets.Selection(nodes=(node,), **selection))
    nodes = list(dict.fromkeys(one for cluster in clusters for one in cluster.nodes))
    if len(nodes) != 1:
        raise click.BadParameter(f"expected one node, found {len(nodes)}", param_hint="NODE")
    found = containment.run(probe_node(nodes[0], clusters[0].samples or WHOLE_BURST, timeout_s))
    for line in full(found) if verbose else brief(found):
        click.echo(line)
    return 0 if found.estimate else EXIT_UNUSABLE
