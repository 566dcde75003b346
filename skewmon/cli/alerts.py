"""`skewmon alerts`: prove that alerts arrive before they are needed."""

from typing import TYPE_CHECKING

import click

from skewmon.cli.main import DEFAULT_CONFIG, EXIT_UNUSABLE

if TYPE_CHECKING:
    from skewmon.notify.test_alert import ReceiverAnswer

#: What ``alerts test`` exits with where a receiver did not take the alert.
EXIT_NOT_TAKEN = 1


@click.group()
def command() -> None:
    """Send test alerts."""


@command.command()
@click.option("--config.file", "path", metavar="FILE", default=DEFAULT_CONFIG, show_default=True)
def test(path: str) -> int:
    """Send one marked test alert to every receiver, and say what each answered.

    Exits with 0 if all took it, 1 if one did not, 3 if there is no receiver.

    \b
    Example:
      skewmon alerts test --config.file /etc/skewmon/skewmon.yml
    """
    import asyncio

    from skewmon.config.loader import load
    from skewmon.notify.receiver import Origin, targets_of
    from skewmon.notify.test_alert import send_test_alert

    targets = targets_of(load(path).alerts)
    if not targets:
        click.echo(f"skewmon: {path} names no receiver; add one under alerts:", err=True)
        return EXIT_UNUSABLE
    answers = asyncio.run(send_test_alert(targets, Origin()))
    for answer in answers:
        click.echo(_told(answer))
    return 0 if all(_taken(answer) for answer in answers) else EXIT_NOT_TAKEN


def _taken(answer: "ReceiverAnswer") -> bool:
    return answer.delivery.reason is None


def _told(answer: "ReceiverAnswer") -> str:
    """Return one receiver's answer as a line."""
    name, delivery = f"{answer.notifier} {answer.receiver}", answer.delivery
    if delivery.reason is None:
        return f"{name}: taken" + (f" ({delivery.detail})" if delivery.detail else "")
    return f"{name}: not taken, {delivery.reason.value}: {delivery.detail}"
