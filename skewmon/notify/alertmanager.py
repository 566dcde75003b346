"""Alertmanager, API v2: every firing alert again each minute, every ended one for a quarter of an hour.

The numbers are Prometheus's own (rules/alerting.go), so that an Alertmanager cannot tell the two apart.
"""

import time
from collections.abc import Sequence
from typing import Any

import aiohttp
import structlog
from yarl import URL

from skewmon.alert.alerts import Alert
from skewmon.model import NS_PER_S
from skewmon.notify.http import post
from skewmon.notify.receiver import Delivery, Origin, ReceiverConfig, identity_of, shown
from skewmon.text import rfc3339

#: A firing alert is sent again this often.
RESEND_S = 60.0

#: A firing alert that is not repeated ends by itself after this many intervals.
ENDS_AFTER_INTERVALS = 4

#: A difference of clocks that no end of an alert notices; the Date header is whole seconds.
CLOCK_TOLERANCE_NS = 30 * NS_PER_S


class Alertmanager:
    """One Alertmanager; of a group of peers each is a receiver of its own."""

    name = "alertmanager"
    repeats = True

    def __init__(self, target: ReceiverConfig, origin: Origin, session: aiohttp.ClientSession) -> None:
        self.receiver = shown(target.url)
        self.identity = identity_of(target)
        self._url = str(URL(target.url) / "api" / "v2" / "alerts") if target.url else ""
        self._origin = origin
        self._session = session
        self._ahead_ns = 0
        self._log = structlog.get_logger("skewmon.notify")

    async def send(self, alerts: Sequence[Alert], now: int) -> Delivery:
        """Send alerts in one request; see ``Notifier``. Of a batch refused with 400 the valid ones are kept.

        Alertmanager compares our instants with its own clock. If the Date header shows that the two clocks
        differ by more than the tolerance, the alerts are sent again at once with instants of its clock.
        """
        assumed_ns = self._ahead_ns
        delivery = await self._send(alerts, now)
        return delivery if self._ahead_ns == assumed_ns else await self._send(alerts, now)

    async def _send(self, alerts: Sequence[Alert], now_ns: int) -> Delivery:
        sent_s = time.monotonic()
        reply = await post(self._session, self._url, [self._payload(alert, now_ns) for alert in alerts])
        if reply.date_ns is not None:
            took_ns = round((time.monotonic() - sent_s) * NS_PER_S)
            self._compare(now_ns + took_ns - reply.date_ns)
        return reply.delivery

    def _compare(self, ahead_ns: int) -> None:
        """Take in how far our wall clock is ahead of the receiver's."""
        if abs(ahead_ns - self._ahead_ns) <= CLOCK_TOLERANCE_NS:
            return
        self._ahead_ns = ahead_ns if abs(ahead_ns) > CLOCK_TOLERANCE_NS else 0
        self._log.warning(
            "the wall clocks of Alertmanager and of this machine differ"
            if self._ahead_ns
            else "the wall clocks of Alertmanager and of this machine agree again",
            receiver=self.receiver,
            ahead_s=self._ahead_ns // NS_PER_S,
        )

    def _payload(self, alert: Alert, now_ns: int) -> dict[str, Any]:
        lasting_ns = round(ENDS_AFTER_INTERVALS * max(self._origin.interval_s, RESEND_S) * NS_PER_S)
        ends_ns = now_ns + lasting_ns if alert.ended_wall_ns is None else alert.ended_wall_ns
        annotations = {
            "summary": alert.summary,
            "description": alert.description,
            "next": alert.next,
            "runbook_url": self._origin.runbook(alert),
        }
        return {
            "labels": alert.key.labels,
            "annotations": {name: text for name, text in annotations.items() if text},
            "startsAt": rfc3339(alert.started_wall_ns - self._ahead_ns),
            "endsAt": rfc3339(ends_ns - self._ahead_ns),
            "generatorURL": self._origin.page_url,
        }
