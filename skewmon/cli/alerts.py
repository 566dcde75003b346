"""`skewmon alerts`: prove that alerts arrive before they are needed."""

from typing import TYPE_CHECKING

import click

from skewmon.cli.main import DEFAULT_CONFIG, EXIT_UNUSABLE

if TYPE_CHECKING:
    from skewmon.alert.alerts import Severity
    from skewmon.notify.test_alert import ReceiverAnswer

#: The exit code of ``alerts test`` if a receiver did not accept an alert.
EXIT_NOT_TAKEN = 1


@click.group()
def command() -> None:
    """Send test alerts."""


@command.command()
@click.option("--config.file", "path", metavar="FILE", default=DEFAULT_CONFIG, show_default=True)
@click.option(
    "--severity",
    type=click.Choice(["warning", "critical"]),
    help="Send only a test alert of this severity; by default one of each.",
)
def test(path: str, severity: "Severity | None") -> int:
    """Send marked test alerts to every receiver, and print the answer of each.

    Receivers often route by severity, so an alert of each is sent: a critical one may page.
    Exits with 0 if all receivers accepted them, 1 if one did not, 3 if none is configured.

    \b
    Example:
      skewmon alerts test --config.file /etc/skewmon/skewmon.yml
    """
    import asyncio

    from skewmon.config.loader import load
    from skewmon.notify.receiver import Origin, targets_of
    from skewmon.notify.test_alert import send_test_alerts

    targets = targets_of(load(path).alerts)
    if not targets:
        click.echo(f"skewmon: {path} names no receiver; add one under alerts:", err=True)
        return EXIT_UNUSABLE
    severities: tuple[Severity, ...] = (severity,) if severity else ("warning", "critical")
    answers = asyncio.run(send_test_alerts(targets, Origin(), severities))
    for answer in answers:
        click.echo(_line(answer))
    return 0 if all(_taken(answer) for answer in answers) else EXIT_NOT_TAKEN


def _taken(answer: "ReceiverAnswer") -> bool:
    return answer.delivery.reason is None


def _line(answer: "ReceiverAnswer") -> str:
    """Return one receiver's answer as a line."""
    name, delivery = f"{answer.notifier} {answer.receiver}", answer.delivery
    if delivery.reason is None:
        return f"{name}: taken" + (f" ({delivery.detail})" if delivery.detail else "")
    return f"{name}: not taken, {delivery.reason.value}: {delivery.detail}"
