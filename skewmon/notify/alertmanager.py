"""Alertmanager, API v2: resends firing alerts each minute, and ends an alert only by an explicit message.

Alertmanager resolves an alert at its ``endsAt``. Prometheus sets that a few minutes ahead, so that the alerts
of a dead Prometheus resolve. Here a firing alert gets an end far ahead, and an alert that ended gets its real
end: if the daemon dies, its last alerts stay, because nothing has measured a recovery. ``SkewmonWatchdog``,
if configured, ends within minutes of the daemon's death, so that a dead man's switch notices it.
"""

import socket
import time
from collections.abc import Sequence
from typing import Any

import aiohttp
import structlog
from yarl import URL

from skewmon.alert.alerts import WATCHDOG, Alert
from skewmon.config.secrets import SecretError, read_headers
from skewmon.model import NS_PER_S
from skewmon.notify.http import post
from skewmon.notify.receiver import Delivery, DeliveryReason, Origin, ReceiverConfig, Result, identity_of
from skewmon.text import masked_url, rfc3339

#: A firing alert is sent again this often.
RESEND_S = 60.0

#: A firing alert stays this long after the daemon sent it last: enough to repair the admin box the next
#: morning, and short enough that the alerts of an abandoned installation go away.
HELD_S = 86_400.0

#: The watchdog and test alerts end after this many resend intervals, as alerts of Prometheus do.
ENDS_AFTER_INTERVALS = 4

#: A difference of clocks that no end of an alert notices; the Date header is whole seconds.
CLOCK_TOLERANCE_NS = 30 * NS_PER_S


class Alertmanager:
    """One Alertmanager; of a group of peers each is a receiver of its own."""

    name = "alertmanager"
    repeats = True

    def __init__(self, target: ReceiverConfig, origin: Origin, session: aiohttp.ClientSession) -> None:
        self.receiver = masked_url(target.url)
        self.identity = identity_of(target)
        self._url = str(URL(target.url) / "api" / "v2" / "alerts") if target.url else ""
        self._headers_file = target.headers_file
        self._origin = origin
        self._session = session
        self.heartbeat = origin.on_time is not None
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
        try:
            headers = read_headers(self._headers_file) if self._headers_file else {}
        except SecretError as error:
            return Delivery(Result.RETRY, DeliveryReason.SECRET_UNREADABLE, str(error))
        sent_s = time.monotonic()
        payloads = [self._payload(alert, now_ns) for alert in alerts]
        if self._origin.on_time is not None and self._origin.on_time():
            payloads.append(self._watchdog(now_ns))
        reply = await post(self._session, self._url, payloads, headers)
        if reply.date_ns is not None:
            took_ns = round((time.monotonic() - sent_s) * NS_PER_S)
            self._compare(now_ns + took_ns - reply.date_ns)
        return reply.delivery

    def _compare(self, ahead_ns: int) -> None:
        """Remember how far our wall clock is ahead of the receiver's."""
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
        held_s = HELD_S if self._origin.resends else ENDS_AFTER_INTERVALS * RESEND_S
        ends_ns = now_ns + round(held_s * NS_PER_S) if alert.ended_wall_ns is None else alert.ended_wall_ns
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

    def _watchdog(self, now_ns: int) -> dict[str, Any]:
        """Return the alert that always fires; the host's name distinguishes two admin boxes."""
        lasting_ns = round(ENDS_AFTER_INTERVALS * RESEND_S * NS_PER_S)
        return {
            "labels": {"alertname": WATCHDOG, "severity": "none", "instance": socket.gethostname()},
            "annotations": {
                "summary": "skewmon measures.",
                "description": "This alert always fires. If it ends, skewmon no longer measures.",
                "runbook_url": f"{self._origin.runbook_url}#{WATCHDOG.lower()}",
            },
            "startsAt": rfc3339(now_ns - self._ahead_ns),
            "endsAt": rfc3339(now_ns + lasting_ns - self._ahead_ns),
            "generatorURL": self._origin.page_url,
        }
