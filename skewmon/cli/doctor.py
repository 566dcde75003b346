"""``skewmon doctor``: walk the whole way from the configuration to the receivers, a line each."""

from typing import TYPE_CHECKING

import click

from skewmon.cli.main import DEFAULT_CONFIG, EXIT_UNUSABLE

if TYPE_CHECKING:
    from skewmon.cli.diagnosis import Check

#: As of ``check``: a node that does not answer costs this once, however many there are.
DEFAULT_TIMEOUT = "25s"


@click.command()
@click.option("--config.file", "path", metavar="FILE", default=DEFAULT_CONFIG, show_default=True)
@click.option(
    "--timeout", default=DEFAULT_TIMEOUT, show_default=True, metavar="DURATION", help="For the nodes."
)
def command(path: str, timeout: str) -> int:
    """Check the configuration, the keys as the service reads them, every node, the page, every receiver.

    Faults come first, each with its cure. Run it as root where skewmon runs as a service. Nothing is
    changed, and receivers get no alert: skewmon alerts test sends one.

    \b
    Exit code: 0 all is in order or only warnings are left, 3 there is a fault.

    \b
    Example:
      skewmon doctor --config.file /etc/skewmon/skewmon.yml
    """
    from skewmon.cli.diagnosis import CheckState
    from skewmon.cli.targets import duration_ns
    from skewmon.runtime import containment, logs
    from skewmon.text import harmless

    logs.configure(logs.SILENT)
    found = containment.run(_examined(path, duration_ns("--timeout", timeout) / 1e9))
    for check in sorted(found, key=lambda one: one.state.value):
        click.echo(harmless(str(check)))
    return EXIT_UNUSABLE if any(check.state is CheckState.FAULT for check in found) else 0


async def _examined(path: str, timeout_s: float) -> "list[Check]":
    """Return the results of all checks, in the order of the way."""
    from skewmon.cli import doctor_page, doctor_service
    from skewmon.cli.config_warnings import warnings
    from skewmon.cli.diagnosis import fault, ok, warn
    from skewmon.cli.doctor_nodes import node_checks
    from skewmon.cli.doctor_unit import installed_unit
    from skewmon.config.loader import load
    from skewmon.errors import ConfigError
    from skewmon.export.tls import make_context
    from skewmon.export.web_config import load_web_config

    tls = None
    try:
        config = load(path)
        web = load_web_config(config.web.config_file) if config.web.config_file else None
        if web and (tls := web.tls):
            make_context(tls)
    except ConfigError as error:
        return [fault("configuration", str(one)) for one in error.faults]
    return [
        ok("configuration", f"{path} is valid."),
        *(
            warn("configuration", f"{text}.")
            for text in warnings(config, with_password=bool(web and web.users))
        ),
        *doctor_service.without_service(config),
        *doctor_service.service_checks(config, path, tls, await installed_unit()),
        *[one async for one in node_checks(config, timeout_s)],
        *[one async for one in doctor_page.page_checks(config)],
        *[one async for one in doctor_page.receiver_checks(config)],
    ]
