"""``skewmon events``: read the journal, whether the daemon runs or not."""

import json
import time
from typing import TYPE_CHECKING

import click

from skewmon.cli.state_directory import state_directory as locate
from skewmon.text import harmless

if TYPE_CHECKING:
    from skewmon.model import Event

#: More than a person reads; ``--limit`` raises it.
DEFAULT_LIMIT = 1000

#: More than a journal keeps.
LIMIT_MAX = 1_000_000

#: Also events from before 1970, which an admin box with a wrong clock may have written.
EVER = "all"
EVER_NS = -(2**63)


@click.command()
@click.option(
    "--since", default="2d", metavar="DURATION", show_default=True, help="No older events; all for every one."
)
@click.option("--node", metavar="NODE", help="Only events of this node.")
@click.option("--cluster", metavar="NAME", help="Only events of this cluster.")
@click.option("--kind", metavar="KIND", help="Only events of this kind, such as step.")
@click.option(
    "--limit", type=click.IntRange(1, LIMIT_MAX), default=DEFAULT_LIMIT, metavar="N", show_default=True
)
@click.option("-o", "--output", type=click.Choice(("table", "json")), default="table", help="How to print.")
@click.option(
    "--config.file", "config_file", metavar="FILE", help="The configuration that names the state directory."
)
@click.option("--state-directory", metavar="DIRECTORY", help="The state directory; not the configured one.")
def command(
    since: str,
    node: str | None,
    cluster: str | None,
    kind: str | None,
    limit: int,
    output: str,
    config_file: str | None,
    state_directory: str | None,
) -> int:
    """Read the journal: steps, alerts, outages and restarts, oldest first. Times are in UTC.

    Kinds: step, leap-second, oscillator-jump, suspend, reboot, alert-firing, alert-resolved, not-measured,
    measured-again, culprits, started, stopped, reloaded, reload-refused, inventory, admin-box-paused,
    events-lost, journal-restarted.

    \b
    Examples:
      skewmon events
      skewmon events --since 1h --node n3
      skewmon events --since all --kind step -o json
    """
    from skewmon.journal.read import FILE_NAME, read
    from skewmon.model import EventQuery

    since_ns = EVER_NS if since == EVER else time.time_ns() - _duration_ns(since)
    directory = locate(config_file, state_directory, FILE_NAME)
    query = EventQuery(limit, since_ns, _storable(node), _storable(kind), _storable(cluster))
    events = read(directory, query)[::-1]
    if output == "json":
        click.echo(json.dumps({"schema": 1, "events": [event.to_json() for event in events]}, indent=2))
    elif events:
        for event in events:
            click.echo(_line(event))
        if len(events) == limit:
            click.echo(f"Only the newest {limit} are shown; --limit raises that.", err=True)
    else:
        narrowed = "".join(f" of {one}" for one in (query.kind, query.node, query.cluster) if one)
        span = "at all" if since == EVER else f"in the last {since}"
        click.echo(f"No events {span}{narrowed}.", err=True)
    return 0


def _storable(text: str | None) -> str | None:
    """Return a text that can be compared with stored ones; bytes that are no text match none of them."""
    return None if text is None else text.encode(errors="backslashreplace").decode()


def _duration_ns(text: str) -> int:
    from skewmon.config.duration import parse_duration_ns

    try:
        return parse_duration_ns(text)
    except ValueError as fault:
        raise click.BadParameter(str(fault), param_hint="--since") from None


def _line(event: "Event") -> str:
    """Return one event as one line; text of nodes cannot move the cursor."""
    shown = event.to_json()
    place = "/".join(part for part in (event.cluster, event.node) if part) or "-"
    text = f"{shown['time']}  {event.kind:<14}  {place}  {event.message}"
    return harmless(text)
