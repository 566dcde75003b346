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

    from skewmon.model import Cluster, TimeServer

#: Twice this and the eye loses the connection between cause and effect; half of it and it sees only flicker.
DEFAULT_INTERVAL = "2s"

#: Rounds of distant nodes would overlap.
MIN_INTERVAL_S = 1.0

#: Options of ``check`` without a use for ``watch``.
NOT_OF_CHECK = frozenset({"rounds", "timeout", "output"})

#: The options of ``check`` on the nodes and on their thresholds.
SELECTION = [parameter for parameter in check.command.params if parameter.name not in NOT_OF_CHECK]


@click.command(params=SELECTION)
@click.option("--url", metavar="URL", help="Show what a running daemon measures, such as http://admin:10061.")
@click.option("--interval", default=DEFAULT_INTERVAL, metavar="DURATION", show_default=True)
@click.option("--once", is_flag=True, help="Show one round and exit as check does.")
def command(url: str | None, interval: str, once: bool, **selection: Any) -> int:
    """Watch NODES, the clusters of a configuration, or a daemon, live.

    Without a terminal it prints a table whenever something changes, and every 15 seconds when nothing does.

    \b
    Examples:
      skewmon watch n[1-5]
      skewmon watch --config.file /etc/skewmon/skewmon.yml
      skewmon watch --url http://127.0.0.1:10061
    """
    from skewmon.cli import daemon_client, render, targets
    from skewmon.runtime import containment, logs

    interval_s = targets.duration_ns("--interval", interval) / 1e9
    if interval_s < MIN_INTERVAL_S:
        raise click.BadParameter("expected 1s or more", param_hint="--interval")
    if url is not None and any(selection.values()):
        raise click.UsageError(
            "--url shows what a daemon measures; it goes with no node and no other option."
        )
    logs.configure(logs.SILENT)
    if once:
        return _once(url, selection)
    console = render.console()
    if url is not None:
        watching = _watch_daemon(console, daemon_client.base_of(url), interval_s)
    else:
        selected = targets.Selection(**selection)
        clusters, references = targets.clusters_of(selected), targets.references_of(selected)
        watching = _watch_nodes(console, clusters, references, interval_s)
    with suppress(asyncio.CancelledError):  # by SIGTERM; the terminal has its cursor back
        containment.run(watching)
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


async def _watch_daemon(console: "Console", base: str, interval_s: float) -> None:
    from contextlib import aclosing

    from skewmon.cli import daemon_client
    from skewmon.cli.watch_display import display

    cancel_on(signal.SIGTERM)
    async with aclosing(daemon_client.rounds(base, interval_s)) as published:
        first = await anext(published)
        with display(console) as shown:
            shown.show(*first)
            async for document, fault in published:
                shown.show(document, fault)


async def _watch_nodes(
    console: "Console",
    clusters: "tuple[Cluster, ...]",
    references: "tuple[TimeServer, ...]",
    interval_s: float,
) -> None:
    from contextlib import aclosing

    from skewmon.cli.watch_display import display
    from skewmon.export.status import status
    from skewmon.monitor.watch import rounds

    cancel_on(signal.SIGTERM)
    with display(console) as shown:
        async with aclosing(rounds(clusters, interval_s, references)) as measured:
            async for snapshot in measured:
                shown.show(status(snapshot))
