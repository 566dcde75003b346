"""Alertmanager, API v2: every firing alert again each minute, every ended one for a quarter of an hour.

The numbers are Prometheus's own (rules/alerting.go), so that an Alertmanager cannot tell the two apart.
"""

from collections.abc import Sequence
from typing import Any

import aiohttp
from yarl import URL

from skewmon.alert.alerts import Alert
from skewmon.model import NS_PER_S
from skewmon.notify.delivery import Delivery
from skewmon.notify.http import post, send_isolating
from skewmon.notify.settings import Origin, Target, identity_of, rfc3339, shown

#: A firing alert is sent again this often.
RESEND_S = 60.0

#: A firing alert that is not repeated ends by itself after this many intervals.
ENDS_AFTER_INTERVALS = 4


class Alertmanager:
    """One Alertmanager; of a group of peers each is a receiver of its own."""

    name = "alertmanager"
    repeats = True

    def __init__(self, target: Target, origin: Origin, session: aiohttp.ClientSession) -> None:
        self.receiver = shown(target.url)
        self.identity = identity_of(target)
        self._url = str(URL(target.url) / "api" / "v2" / "alerts") if target.url else ""
        self._origin = origin
        self._session = session

    async def send(self, alerts: Sequence[Alert], now: int) -> Delivery:
        """Send alerts in one request; see ``Notifier``."""

        async def send(part: Sequence[Alert]) -> tuple[int | None, Delivery]:
            return await post(self._session, self._url, [self._payload(alert, now) for alert in part])

        return await send_isolating(send, alerts)

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
            "startsAt": rfc3339(alert.started_wall_ns),
            "endsAt": rfc3339(ends_ns),
            "generatorURL": self._origin.page_url,
        }
