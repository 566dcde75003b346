"""A receiver for a dry run: prints each alert instead of sending it."""

from collections.abc import Callable, Sequence

from skewmon.alert.alerts import Alert
from skewmon.notify.receiver import Delivery, Notifier, Result

#: Prints one sentence; a logger's method or click.echo.
Print = Callable[[str], object]


class DryRun:
    """Replaces a notifier, prints each alert and sends nothing."""

    def __init__(self, notifier: Notifier, print_: Print) -> None:
        self.name = notifier.name
        self.receiver = notifier.receiver
        self.identity = notifier.identity
        self.repeats = notifier.repeats
        self.heartbeat = False
        self._print = print_

    async def send(self, alerts: Sequence[Alert], now: int) -> Delivery:
        """Print alerts; see ``Notifier``."""
        for alert in alerts:
            labels = ", ".join(f"{name}={value}" for name, value in alert.key.labels.items())
            state = "firing" if alert.firing else "resolved"
            to = f"{self.name} at {self.receiver}"
            self._print(f"would send to {to}: {state} {{{labels}}} {alert.description}")
        return Delivery(Result.OK)
