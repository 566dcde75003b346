"""``skewmon run``: the daemon."""

from typing import TYPE_CHECKING

import click

from skewmon.cli.main import DEFAULT_CONFIG

if TYPE_CHECKING:
    from skewmon.runtime.logs import Format

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("logfmt", "json", "console")


@click.command()
@click.option("--config.file", "config_file", metavar="FILE", default=DEFAULT_CONFIG, show_default=True)
@click.option(
    "--web.listen-address",
    "listen",
    multiple=True,
    metavar="HOST:PORT",
    help="Instead of web.listen; may repeat.",
)
@click.option("--web.config.file", "web_config_file", metavar="FILE", help="TLS and passwords of the page.")
@click.option("--log.level", "level", type=click.Choice(LEVELS), default="info", show_default=True)
@click.option(
    "--log.format", "style", type=click.Choice(FORMATS), help="By default console on a terminal, else logfmt."
)
@click.option("--dry-run", is_flag=True, help="Log what would be sent to receivers instead of sending it.")
def command(
    config_file: str,
    listen: tuple[str, ...],
    web_config_file: str | None,
    level: str,
    style: "Format | None",
    dry_run: bool,
) -> int:
    """Run the daemon: measure on schedule, export metrics, serve the page, alert.

    SIGHUP reloads the configuration; SIGTERM ends within seconds.

    Exit code: 78 unusable configuration, 1 a cause that may pass, such as a port in use.

    \b
    Examples:
      skewmon run --config.file /etc/skewmon/skewmon.yml
      skewmon run --config.file skewmon.yml --dry-run --log.level debug
    """
    from skewmon.config.address import parse_listen
    from skewmon.config.loader import load
    from skewmon.daemon.daemon import Options, run
    from skewmon.runtime import containment, logs

    for address in listen:
        try:
            parse_listen(address)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--web.listen-address") from None
    config = load(config_file)
    logs.configure(level, style)
    options = Options(config_file, listen, web_config_file, dry_run)
    containment.run(run(options, config))
    return 0
