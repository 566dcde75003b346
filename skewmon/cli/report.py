"""``skewmon report``: the past of clusters, with proofs; the daemon may run."""

import time
from typing import TYPE_CHECKING

import click

from skewmon.cli.main import DEFAULT_CONFIG

if TYPE_CHECKING:
    from skewmon.journal.record.figures import JournalEvents, Report
    from skewmon.journal.record.seal import Verification
    from skewmon.journal.record.sums import SpanSums

#: Events of the span that are read; the journal itself keeps 100,000.
EVENTS_MAX = 20_000

#: Exit code if the record was changed after it was sealed; the report is printed all the same.
EXIT_CHANGED = 2

FORMS = ("html", "csv", "json")


@click.command()
@click.option("--since", default="7d", metavar="TIME", show_default=True, help="How long ago, or an instant.")
@click.option("--until", metavar="TIME", help="How long ago, or an instant; now by default.")
@click.option("--cluster", metavar="NAME", help="Only this cluster.")
@click.option("-o", "--output", type=click.Choice(FORMS), default="html", show_default=True, help="The form.")
@click.option(
    "--config.file", "config_file", metavar="FILE", help="The configuration: state directory and profiles."
)
@click.option("--state-directory", metavar="DIRECTORY", help="The state directory; not the configured one.")
def command(
    since: str,
    until: str | None,
    cluster: str | None,
    output: str,
    config_file: str | None,
    state_directory: str | None,
) -> int:
    """Print a report on clusters: worst proven divergence, time beyond each line, steps, verified seals.

    TIME is a duration such as 7d, or an instant in UTC such as 2026-11-28 or 2026-11-28T14:05. The report is
    one file without outside requests. The exit code is 2 if the record was changed after it was sealed.

    \b
    Examples:
      skewmon report > report.html
      skewmon report --since 2h --cluster etcd > incident.html
      skewmon report --since 365d -o csv > year.csv
    """
    from skewmon.cli.state_directory import state_directory as locate
    from skewmon.journal.record.reading import excerpt
    from skewmon.journal.record.rows import FILE_NAME
    from skewmon.journal.record.sums import SpanSums

    now_s = int(time.time())
    since_s, until_s = _instant(since, "--since", now_s), now_s
    if until is not None:
        until_s = min(now_s, _instant(until, "--until", now_s))
    if since_s >= until_s:
        raise click.BadParameter("expected a time before --until and before now", param_hint="--since")
    directory = locate(config_file, state_directory, FILE_NAME)
    sums = SpanSums(since_s, until_s, cluster)
    found, is_readable = excerpt(directory, since_s, until_s, sums.add)
    if is_readable:
        text = _text(_report(sums, found, directory, config_file), output)
        click.echo(text.encode(errors="backslashreplace"), nl=False)
    else:
        click.echo("skewmon: The record was changed, so that no report can be made of it.", err=True)
    for fault in found.faults:
        click.echo(f"skewmon: {fault}", err=True)
    return 0 if found.is_whole else EXIT_CHANGED


def _text(report: "Report", output: str) -> str:
    """Return a report in one of FORMS."""
    from skewmon.cli.reporting import document, html, table
    from skewmon.text import harmless_json

    if output == "html":
        return html.page(report)
    if output == "csv":
        return table.table(report)
    import json

    return harmless_json(json.dumps(document.document(report), indent=2)) + "\n"


def _instant(text: str, option: str, now_s: int) -> int:
    """Return an instant in whole seconds: so long ago, or as written, in UTC unless it says otherwise."""
    from datetime import UTC, datetime

    from skewmon.config.duration import parse_duration_ns
    from skewmon.model import NS_PER_S

    try:
        written = datetime.fromisoformat(text)
    except ValueError:
        try:
            return max(0, now_s - parse_duration_ns(text) // NS_PER_S)
        except ValueError as fault:
            advice = f"{fault}; or an instant such as 2026-11-28T14:05"
            raise click.BadParameter(advice, param_hint=option) from None
    return max(0, int((written if written.tzinfo else written.replace(tzinfo=UTC)).timestamp()))


def _report(
    sums: "SpanSums", verification: "Verification", directory: str, config_file: str | None
) -> "Report":
    """Return the figures of a span; raise JournalError if nothing was recorded in it."""
    from skewmon import __version__
    from skewmon.errors import JournalError
    from skewmon.journal.record.figures import Report

    events = _events(directory, sums)
    clusters = sums.figures(events, _profiles(config_file))
    if not clusters and verification.is_whole:
        of = f" of a cluster {sums.cluster}" if sums.cluster else ""
        raise JournalError(f"The record in {directory} has nothing{of} in this span.")
    return Report(
        sums.since_s,
        sums.until_s,
        sums.set_back_s,
        time.time_ns(),
        __version__,
        clusters,
        tuple(event for event in events.events if event.cluster is None),
        events.from_ns,
        verification,
    )


def _events(directory: str, sums: "SpanSums") -> "JournalEvents":
    """Return the events of the span, and since when none are missing: the journal is shorter."""
    from pathlib import Path

    from skewmon.journal.read import FILE_NAME, oldest_ns, read
    from skewmon.journal.record.figures import JournalEvents
    from skewmon.model import NS_PER_S, EventQuery

    until_ns = sums.until_s * NS_PER_S
    if not (Path(directory) / FILE_NAME).exists():
        return JournalEvents(from_ns=until_ns)
    found = read(directory, EventQuery(EVENTS_MAX, sums.since_s * NS_PER_S))
    from_ns = found[-1].wall_ns if len(found) >= EVENTS_MAX else oldest_ns(directory)
    inside = [event for event in reversed(found) if event.wall_ns < until_ns]
    if from_ns is None:
        return JournalEvents(inside, until_ns)
    is_whole = len(found) < EVENTS_MAX and from_ns <= sums.first_end_s * NS_PER_S
    return JournalEvents(inside, None if is_whole else min(from_ns, until_ns))


def _profiles(config_file: str | None) -> dict[str, str]:
    """Return the profile of each cluster in the configuration, if there is one."""
    from pathlib import Path

    from skewmon.alert.thresholds import effective_profile
    from skewmon.config.loader import load
    from skewmon.errors import ConfigError

    if config_file is None and not Path(DEFAULT_CONFIG).exists():
        return {}
    try:
        clusters = load(config_file or DEFAULT_CONFIG).clusters
    except ConfigError:
        if config_file is not None:
            raise
        # The record is whole however the configuration was edited since.
        click.echo(f"skewmon: {DEFAULT_CONFIG} cannot be used, so that profiles are not known", err=True)
        return {}
    named = {name: effective_profile(spec.profile, spec.own_lines) for name, spec in clusters.items()}
    return {name: profile for name, profile in named.items() if profile is not None}
