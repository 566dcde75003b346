"""A receiver that only says what would be sent."""

from collections.abc import Callable, Sequence

from skewmon.alert.alerts import Alert
from skewmon.notify.receiver import Delivery, Notifier, Result

#: Takes one sentence; a logger's method or click.echo.
Say = Callable[[str], object]


class DryRun:
    """Stands in for a notifier, says each alert and sends nothing."""

    def __init__(self, notifier: Notifier, say: Say) -> None:
        self.name = notifier.name
        self.receiver = notifier.receiver
        self.identity = notifier.identity
        self.repeats = notifier.repeats
        self.heartbeat = False
        self._say = say

    async def send(self, alerts: Sequence[Alert], now: int) -> Delivery:
        """Say alerts; see ``Notifier``."""
        for alert in alerts:
            labels = ", ".join(f"{name}={value}" for name, value in alert.key.labels.items())
            state = "firing" if alert.firing else "resolved"
            self._say(f"would tell {self.name} at {self.receiver}: {state} {{{labels}}} {alert.description}")
        return Delivery(Result.OK)
