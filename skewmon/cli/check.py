"""``skewmon check``: measure once and report the proven skew."""

import sys
from typing import Any

import click

from skewmon.cli.main import EXIT_UNUSABLE

#: Long enough to distinguish a dead host from a slow one, short enough for a person and for Nagios (60 s).
DEFAULT_TIMEOUT = "25s"

#: For more rounds there is the daemon.
MAX_ROUNDS = 100

#: Shorter than this, no SSH login succeeds.
MIN_TIMEOUT_S = 1.0

OUTPUTS = ("table", "json", "nagios", "prometheus")


@click.command()
@click.argument("nodes", nargs=-1, metavar="[NODES]...")
@click.option(
    "--config.file", "config_file", metavar="FILE", help="Measure the clusters of this configuration."
)
@click.option("--cluster", metavar="NAME", help="Only this cluster of the configuration.")
@click.option("-l", "--user", metavar="USER", help="Log in as this user.")
@click.option("-p", "--port", type=click.IntRange(1, 65535), metavar="PORT", help="Port of the SSH servers.")
@click.option(
    "-i", "--identity", "identities", multiple=True, metavar="FILE", help="Private key; may repeat."
)
@click.option("--known-hosts", multiple=True, metavar="FILE", help="Host keys to trust; may repeat.")
@click.option(
    "-J", "--jump", metavar="[USER@]HOST[:PORT]", help="Bastions, first first, with commas between."
)
@click.option(
    "--vantage",
    metavar="auto|none|[USER@]HOST[:PORT]",
    help="Machine that stamps for the nodes; auto is the last bastion.",
)
@click.option("-w", "--warning", metavar="DURATION", help="Warn if the skew is proven above this.")
@click.option("-c", "--critical", metavar="DURATION", help="Critical if the skew is proven above this.")
@click.option("--profile", metavar="NAME", help="Lines of a known system; see skewmon profiles.")
@click.option(
    "--reference",
    "references",
    multiple=True,
    metavar="HOST[:PORT]",
    help="NTP server to query for UTC; three or more can confirm it.",
)
@click.option("--samples", type=click.IntRange(1, 64), metavar="N", help="Exchanges a node and round (8).")
@click.option(
    "--rounds", type=click.IntRange(1, MAX_ROUNDS), default=1, metavar="N", help="Rounds to measure (1)."
)
@click.option(
    "--timeout", default=DEFAULT_TIMEOUT, metavar="DURATION", help=f"Give up after this ({DEFAULT_TIMEOUT})."
)
@click.option("-o", "--output", type=click.Choice(OUTPUTS), default="table", help="How to print the result.")
def command(rounds: int, timeout: str, output: str, **selection: Any) -> int:
    """Measure the clocks of NODES against each other, once, and report the proven skew.

    NODES are names and ranges such as n[1-5], each [user@]host[:port]. Without a configuration file, skewmon
    reaches them as ssh would: ~/.ssh/config, the agent and known_hosts count; host keys are always verified.

    \b
    Exit code: 0 in order, 1 warning proven, 2 critical proven,
    3 unknown, ambiguous or unusable input.

    \b
    Examples:
      skewmon check n[1-5]
      skewmon check -w 10ms -c 100ms root@db[1-3].example.com:2222
      skewmon check --reference ntp1.example.com --reference 192.0.2.7 n[1-5]
      skewmon check --config.file /etc/skewmon/skewmon.yml -o nagios --cluster db
    """
    from skewmon.cli import targets
    from skewmon.cli.outputs import show
    from skewmon.cli.progress import progress
    from skewmon.monitor.check import check
    from skewmon.runtime import containment

    timeout_s = targets.duration_ns("--timeout", timeout) / 1e9
    if timeout_s < MIN_TIMEOUT_S:
        raise click.BadParameter("expected 1s or more", param_hint="--timeout")
    selected = targets.Selection(**selection)
    clusters, references = targets.clusters_of(selected), targets.references_of(selected)
    with progress(sys.stderr) as show_progress:
        snapshot = containment.run(check(clusters, rounds, timeout_s, show_progress, references))
    code = show(snapshot, output)
    return code if snapshot.clusters else EXIT_UNUSABLE
