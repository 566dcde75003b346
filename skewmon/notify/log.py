"""The log as a receiver: always configured, never fails."""

from collections.abc import Sequence

import aiohttp
import structlog

from skewmon.alert.alerts import Alert
from skewmon.model import NS_PER_S
from skewmon.notify.receiver import Delivery, Origin, ReceiverConfig, Result, identity_of


class Logged:
    """Writes each change as one line of the log."""

    name = "log"
    repeats = False
    heartbeat = False

    def __init__(self, target: ReceiverConfig, origin: Origin, session: aiohttp.ClientSession) -> None:
        self.receiver = "log"
        self.identity = identity_of(target)
        self._origin = origin
        self._log = structlog.get_logger("skewmon.alerts")

    async def send(self, alerts: Sequence[Alert], now: int) -> Delivery:
        """Log alerts; see ``Notifier``."""
        for alert in alerts:
            if alert.ended_wall_ns is None:
                self._log.warning(
                    "alert fires",
                    **alert.key.labels,
                    summary=alert.summary,
                    description=alert.description,
                    next=alert.next,
                    runbook=self._origin.runbook(alert),
                )
            else:
                lasted_s = round((alert.ended_wall_ns - alert.started_wall_ns) / NS_PER_S)
                self._log.info("alert ended", **alert.key.labels, lasted_s=lasted_s)
        return Delivery(Result.OK)
