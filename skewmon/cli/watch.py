"""``skewmon watch``: a cluster live in the terminal."""

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from skewmon.cli import check
from skewmon.cli.signals import EXIT_TERMINATED, cancel_on

if TYPE_CHECKING:
    from rich.console import Console

    from skewmon.cli.screen.sources import Source

#: Twice this and the eye loses the connection between cause and effect; half of it and it sees only flicker.
DEFAULT_INTERVAL = "2s"

#: Rounds of distant nodes would overlap.
MIN_INTERVAL_S = 1.0

#: Options of ``check`` without a use for ``watch``.
NOT_OF_CHECK = frozenset({"rounds", "timeout", "output"})

#: Options that a running daemon can satisfy: its clusters are those of the file.
OF_DAEMON = frozenset({"config_file", "cluster"})

#: The options of ``check`` on the nodes and on their thresholds.
SELECTION = [parameter for parameter in check.command.params if parameter.name not in NOT_OF_CHECK]


@click.command(params=SELECTION)
@click.option("--url", metavar="URL", help="Show what a running daemon measures, such as http://admin:10061.")
@click.option("--ca-file", metavar="FILE", help="Authority of the daemon's certificate, as PEM.")
@click.option("--measure", is_flag=True, help="Measure, even if a daemon of this configuration runs here.")
@click.option("--interval", default=DEFAULT_INTERVAL, metavar="DURATION", show_default=True)
@click.option("--once", is_flag=True, help="Show one round and exit as check does.")
def command(
    url: str | None, ca_file: str | None, measure: bool, interval: str, once: bool, **selection: Any
) -> int:
    """Watch NODES, the clusters of a configuration, or a daemon, live.

    If a daemon of the configuration runs on this machine, its rounds are shown, else this command measures.

    On a terminal, arrow keys select a node and Enter shows all about it; m shows the matrix of pairs, e the
    events, ? the other keys, q quits. A sparkline shows how far each node was from its cluster. Without a
    terminal it prints a table whenever something changes, and every 15 seconds when nothing does.

    \b
    Examples:
      skewmon watch n[1-5]
      skewmon watch --config.file /etc/skewmon/skewmon.yml
      skewmon watch --url http://127.0.0.1:10061
      skewmon watch --url https://skewmon.example.com --ca-file ca.pem
    """
    from skewmon.cli import render, targets
    from skewmon.runtime import client, containment, logs

    interval_s = targets.duration_ns("--interval", interval) / 1e9
    if interval_s < MIN_INTERVAL_S:
        raise click.BadParameter("expected 1s or more", param_hint="--interval")
    if url is not None and (measure or any(selection.values())):
        raise click.UsageError(
            "--url shows what a daemon measures; it goes with no node and no other option."
        )
    logs.configure(logs.SILENT)
    if ca_file is not None:
        client.trust(ca_file)
    if once:
        return _once(url, selection)
    source = _source(url, selection, interval_s, measure=measure)
    with suppress(asyncio.CancelledError):  # by SIGTERM; the terminal has its cursor back
        containment.run(_watch(render.console(), source))
        return 0
    return EXIT_TERMINATED


def _once(url: str | None, selection: dict[str, Any]) -> int:
    from skewmon.cli import daemon_client
    from skewmon.cli.outputs import exit_code, table

    if url is None:
        context = click.get_current_context()
        return int(context.invoke(check.command, **selection))
    document = asyncio.run(daemon_client.status(daemon_client.base_of(url)))
    table(document)
    return exit_code(document)


def _source(url: str | None, selection: dict[str, Any], interval_s: float, *, measure: bool) -> "Source":
    """Return the daemon at the URL, or that of the configuration if it runs here, else a measurement."""
    from skewmon.cli import daemon_client, targets
    from skewmon.cli.screen.sources import DaemonSource, Measurement

    if url is not None:
        return DaemonSource(daemon_client.base_of(url), interval_s)
    given = {name for name, value in selection.items() if value}
    if not measure and given <= OF_DAEMON:
        running = _running(selection["config_file"], selection["cluster"])
        if running is not None:
            base, clusters = running
            return DaemonSource(base, interval_s, clusters)
    selected = targets.Selection(**selection)
    clusters_of, references = targets.clusters_of(selected), targets.references_of(selected)
    return Measurement(clusters_of, references, interval_s)


def _running(config_file: str | None, cluster: str | None) -> tuple[str, tuple[str, ...]] | None:
    """Return the URL of the daemon that measures this configuration here, and the clusters to show."""
    from skewmon.cli import targets
    from skewmon.cli.screen.sources import daemon_at

    config = targets.configured(config_file)
    assert config is not None, "no node was named"
    wanted = tuple(config.clusters) if cluster is None else (cluster,)
    if not set(wanted) <= set(config.clusters):
        return None  # the measurement reports the wrong name
    base = asyncio.run(daemon_at(targets.pages_of(config), wanted))
    return None if base is None else (base, wanted)


async def _watch(console: "Console", source: "Source") -> None:
    from skewmon.cli.screen.screen import Screen, is_interactive

    cancel_on(signal.SIGTERM)
    if is_interactive(console):
        await Screen(console, source).run()
    else:
        await _print(console, source)


async def _print(console: "Console", source: "Source") -> None:
    """Show rounds without keys: in their place on a terminal, else one after the other."""
    from contextlib import aclosing

    from skewmon.cli.watch_display import display

    async with aclosing(source.rounds()) as rounds:
        first = await anext(rounds)
        with display(console) as shown:
            shown.show(*first)
            async for document, fault in rounds:
                shown.show(document, fault)
