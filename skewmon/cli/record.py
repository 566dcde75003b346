"""``skewmon record``: verify the seals of the record, and print its size; the daemon may run."""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

#: Exit code if the record was changed.
EXIT_CHANGED = 2


def _options(function: "Callable[..., Any]") -> "Callable[..., Any]":
    """Add the options that name the record."""
    for option in (
        click.option(
            "--state-directory", metavar="DIRECTORY", help="The state directory; not the configured one."
        ),
        click.option(
            "--config.file",
            "config_file",
            metavar="FILE",
            help="It names the state directory.",
        ),
    ):
        function = option(function)
    return function


@click.group()
def command() -> None:
    """Verify the record of offsets and skew, and print its size."""


@command.command()
@_options
@click.option("--seal", metavar="SEAL", multiple=True, help="A seal that was kept elsewhere; repeatable.")
def verify(config_file: str | None, state_directory: str | None, seal: tuple[str, ...]) -> int:
    """Check every seal and row; end with exit code 2 if one was changed, added or removed.

    The newest seal is compared with the one that the journal has. A record that was forged as a whole is
    found with a seal that was kept elsewhere: the daemon logs one each day.

    \b
    Examples:
      skewmon record verify
      skewmon record verify --seal "$(cat seal-that-was-kept)"
    """
    from skewmon.cli.state_directory import state_directory as locate
    from skewmon.journal.record import reading
    from skewmon.journal.record.rows import FILE_NAME
    from skewmon.model import NS_PER_S
    from skewmon.text import harmless, rfc3339

    directory = locate(config_file, state_directory, FILE_NAME)
    found = reading.verification(directory, seal)
    for fault in found.faults:
        click.echo(harmless(fault), err=True)
    if not found.is_whole:
        click.echo("The record was changed after it was sealed.", err=True)
        return EXIT_CHANGED
    if found.newest is None:
        click.echo("No hour is sealed yet.")
        return 0
    click.echo(
        f"Nothing was changed: {found.sealed} seals, the rows of {found.hours} hours "
        f"and the minutes of {found.minutes_of}."
    )
    click.echo(f"Newest seal, of {rfc3339(found.newest.start_s * NS_PER_S, 0)}: {found.newest.seal}")
    return 0


@command.command()
@_options
def size(config_file: str | None, state_directory: str | None) -> None:
    """Print the size of the record, for each node and year.

    \b
    Example:
      skewmon record size
    """
    from skewmon.cli.state_directory import state_directory as locate
    from skewmon.journal.record import reading
    from skewmon.journal.record.rows import FILE_NAME

    for line in reading.size(locate(config_file, state_directory, FILE_NAME)).lines():
        click.echo(line)
