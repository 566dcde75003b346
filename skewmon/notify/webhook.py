"""A webhook: each change once, as the JSON that docs/alerting.md describes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import aiohttp

from skewmon import __version__
from skewmon.alert.alerts import Alert
from skewmon.config.secrets import SecretError, read_headers, read_secret
from skewmon.notify.http import Reply, post
from skewmon.notify.receiver import (
    Delivery,
    DeliveryReason,
    Origin,
    ReceiverConfig,
    Result,
    identity_of,
    shown,
)
from skewmon.text import rfc3339

#: Raised when a field changes its meaning or goes away; new fields may come at any time.
SCHEMA = 1

#: Answers to the content of a request: Bad Request, Content Too Large, Unprocessable Content.
_BAD_CONTENT = frozenset({400, 413, 422})


class Webhook:
    """One URL that takes JSON."""

    name = "webhook"
    repeats = False
    heartbeat = False

    def __init__(self, target: ReceiverConfig, origin: Origin, session: aiohttp.ClientSession) -> None:
        self.receiver = shown(target.url) if target.url else f"the URL of {target.url_file}"
        self.identity = identity_of(target)
        self._url = target.url
        self._url_file = target.url_file
        self._headers_file = target.headers_file
        self._origin = origin
        self._session = session

    async def send(self, alerts: Sequence[Alert], now: int) -> Delivery:
        """Send alerts in one request; see ``Notifier``. Secret files are read each time.

        If the content is refused, its halves are sent, so that a bad alert does not stop the others.
        """
        try:
            url = read_secret(self._url_file).strip() if self._url_file else self._url
            headers = read_headers(self._headers_file) if self._headers_file else {}
        except SecretError as fault:
            return Delivery(Result.RETRY, DeliveryReason.SECRET_UNREADABLE, str(fault))
        return await self._send(url, headers, alerts, now)

    async def _send(
        self, url: str, headers: Mapping[str, str], alerts: Sequence[Alert], now: int
    ) -> Delivery:
        reply = await self._post(url, headers, alerts, now)
        if reply.status not in _BAD_CONTENT:
            return reply.delivery
        if len(alerts) == 1:
            return replace(reply.delivery, refused=tuple(alerts))
        middle = len(alerts) // 2
        refused: tuple[Alert, ...] = ()
        for half in (alerts[:middle], alerts[middle:]):
            delivery = await self._send(url, headers, half, now)
            if delivery.result is not Result.OK and not delivery.refused:
                return delivery
            refused += delivery.refused
        result = Result.GIVE_UP if len(refused) == len(alerts) else Result.OK
        return replace(reply.delivery, result=result, refused=refused)

    async def _post(self, url: str, headers: Mapping[str, str], alerts: Sequence[Alert], now: int) -> Reply:
        body = {
            "schema": SCHEMA,
            "version": __version__,
            "time": rfc3339(now),
            "alerts": [self._payload(alert) for alert in alerts],
        }
        return await post(self._session, url, body, headers)

    def _payload(self, alert: Alert) -> dict[str, Any]:
        key = alert.key
        return {
            "status": "firing" if alert.firing else "resolved",
            "name": key.name,
            "cluster": key.cluster,
            "node": key.node,
            "severity": key.severity,
            "kind": key.kind,
            "started_at": rfc3339(alert.started_wall_ns),
            "ended_at": None if alert.ended_wall_ns is None else rfc3339(alert.ended_wall_ns),
            "summary": alert.summary,
            "description": alert.description,
            "next": alert.next or None,
            "runbook_url": self._origin.runbook(alert),
            "page_url": self._origin.page_url or None,
        }
