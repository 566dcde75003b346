"""``skewmon demo``: a simulated cluster with everything on."""

import asyncio
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from skewmon.cli.demo_process import DemoNodes

DEFAULT_NODES = 7

#: The limit of ``python -m skewmon.demo``, repeated so that --help need not load it.
MAX_NODES = 1_000

#: The usual port of skewmon.
USUAL_PORT = 10061

ADDRESS = "127.0.0.1"

#: The daemon measures every two seconds; a table twice as often is never more than a second behind.
REFRESH_S = 1.0

#: Stories of the first nodes are printed one by one; the rest are healthy.
STORIES_SHOWN = 7

#: Names of the second site's nodes begin with this.
SITE_PREFIX = "s"


@click.command()
@click.option(
    "--nodes", type=click.IntRange(1, MAX_NODES), default=DEFAULT_NODES, show_default=True, metavar="N"
)
@click.option("--duration", metavar="DURATION", help="End after this; by default it runs until Ctrl-C.")
@click.option("--rounds", type=click.IntRange(min=1), metavar="N", help="End after this many rounds.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help=f"Port of the page; {USUAL_PORT}, or a free one if that is taken.",
)
@click.option("--no-table", is_flag=True, help="Print the addresses only.")
@click.option("--no-site", is_flag=True, help="Without the second site behind a bastion.")
def command(
    nodes: int, duration: str | None, rounds: int | None, port: int | None, no_table: bool, no_site: bool
) -> int:
    """Start a simulated cluster and the daemon that watches it.

    The nodes are real SSH servers on this machine with clocks of their own: one jumps 70 s ahead, one
    drifts, one is far away, one is down, and a second site stands behind a slow bastion. Nothing else is
    needed, and nothing stays behind.

    \b
    Examples:
      skewmon demo
      skewmon demo --nodes 50 --duration 1m
    """
    from skewmon.cli import render, targets
    from skewmon.runtime import logs

    duration_s = targets.duration_ns("--duration", duration) / 1e9 if duration is not None else None
    logs.configure("error")  # the table shows the rest
    console = render.console()
    with suppress(asyncio.CancelledError):  # by a signal
        asyncio.run(_run_all(console, nodes, port, duration_s, rounds, table=not no_table, site=not no_site))
    console.print("The demo is over. Its nodes and files are gone.")
    return 0


async def _run_all(
    console: "Console",
    nodes: int,
    port: int | None,
    duration_s: float | None,
    rounds: int | None,
    *,
    table: bool,
    site: bool,
) -> None:
    from skewmon.cli.demo_process import demo_nodes
    from skewmon.cli.signals import cancel_on

    cancel_on(signal.SIGTERM, signal.SIGINT)  # until the daemon listens to them itself
    chosen = port or usual_or_free_port()
    async with demo_nodes(nodes, f"{ADDRESS}:{chosen}", site=site) as simulated:
        _introduce(console, simulated, chosen, asked=port is not None)
        try:
            async with asyncio.timeout(duration_s) as limit:
                await _run(console, simulated, chosen, rounds, table=table)
        except TimeoutError:
            if not limit.expired():
                raise


async def _run(
    console: "Console", simulated: "DemoNodes", port: int, rounds: int | None, *, table: bool
) -> None:
    """Run the daemon, the table beside it, until it is stopped, the rounds are over or the nodes end."""
    from skewmon.config.loader import load
    from skewmon.daemon.daemon import Options, run

    beside = [asyncio.create_task(simulated.broken())]
    if table or rounds is not None:
        beside.append(asyncio.create_task(_show(console if table else None, port, rounds)))
    running = asyncio.create_task(run(Options(simulated.config_file), load(simulated.config_file)))
    try:
        done, _ = await asyncio.wait([running, *beside], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task
    finally:
        for task in (running, *beside):
            task.cancel()
        await asyncio.gather(running, *beside, return_exceptions=True)


async def _show(console: "Console | None", port: int, rounds: int | None) -> None:
    """Show the daemon's document, as any other client gets it, until so many rounds are over."""
    from contextlib import nullcontext

    from skewmon.cli import daemon_client
    from skewmon.cli.watch_display import display
    from skewmon.errors import SkewmonError

    base, seen = f"http://{ADDRESS}:{port}", set[str]()
    with nullcontext() if console is None else display(console) as shown:
        while True:
            try:
                document = await daemon_client.status(base)
            except SkewmonError:  # not listening yet; a daemon that fails ends the demo by itself
                document = None
            if document and document["clusters"]:
                if shown:
                    shown.show(document)
                seen.add(document["clusters"][0]["round"]["at"])
                if rounds is not None and len(seen) >= rounds:
                    return
            await asyncio.sleep(REFRESH_S)


def usual_or_free_port() -> int:
    """Return the usual port, or a free one if another program has it."""
    for port in (USUAL_PORT, 0):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((ADDRESS, port))
            except OSError:
                continue
            free: int = trial.getsockname()[1]
            return free
    return USUAL_PORT  # not even port 0: the daemon will say why


def _introduce(console: "Console", simulated: "DemoNodes", port: int, *, asked: bool) -> None:
    base = f"http://{ADDRESS}:{port}"
    console.print(f"{len(simulated.stories)} simulated nodes, each behind an SSH server of its own:")
    far = [one for one in simulated.stories if one[0].startswith(SITE_PREFIX)]
    near = [one for one in simulated.stories if one not in far]
    for name, story in (*near[:STORIES_SHOWN], *far):
        console.print(f"  {name}  {story}")
    if len(near) > STORIES_SHOWN:
        console.print(f"  and {len(near) - STORIES_SHOWN} more healthy ones")
    if port != USUAL_PORT and not asked:
        console.print(f"Port {USUAL_PORT} is taken; this daemon listens at {port}.")
    console.print(f"Page     {base}/\nMetrics  {base}/metrics\nJSON     {base}/api/v1/status")
    console.print(f"Watch    skewmon watch --url {base}")
    console.print("The commands advised below are for real nodes: these know the demo's own key alone.")
    console.print("Ctrl-C ends it.")
