"""A webhook: each change once, as the JSON that docs/alerting.md describes."""

from collections.abc import Sequence
from typing import Any

import aiohttp

from skewmon import __version__
from skewmon.alert.alerts import Alert
from skewmon.notify.http import Reply, post, send_isolating
from skewmon.notify.receiver import (
    Delivery,
    Origin,
    Reason,
    Result,
    SecretError,
    Target,
    identity_of,
    read_secret,
    shown,
)
from skewmon.text import rfc3339

#: Raised when a field changes its meaning or goes away; new fields may come at any time.
SCHEMA = 1


class Webhook:
    """One URL that takes JSON."""

    name = "webhook"
    repeats = False

    def __init__(self, target: Target, origin: Origin, session: aiohttp.ClientSession) -> None:
        self.receiver = shown(target.url) if target.url else f"the URL of {target.url_file}"
        self.identity = identity_of(target)
        self._url = target.url
        self._url_file = target.url_file
        self._headers_file = target.headers_file
        self._origin = origin
        self._session = session

    async def send(self, alerts: Sequence[Alert], now: int) -> Delivery:
        """Send alerts in one request; see ``Notifier``. Secret files are read anew each time."""
        try:
            url = read_secret(self._url_file).strip() if self._url_file else self._url
            headers = read_headers(self._headers_file) if self._headers_file else {}
        except SecretError as fault:
            return Delivery(Result.RETRY, Reason.SECRET_UNREADABLE, str(fault))

        async def send(part: Sequence[Alert]) -> Reply:
            body = {
                "schema": SCHEMA,
                "version": __version__,
                "time": rfc3339(now),
                "alerts": [self._payload(alert) for alert in part],
            }
            return await post(self._session, url, body, headers)

        return await send_isolating(send, alerts)

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


def read_headers(path: str) -> dict[str, str]:
    """Return the headers of a file with one ``Name: value`` a line; faults name the line, not its content."""
    headers: dict[str, str] = {}
    for number, line in enumerate(read_secret(path).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, value = line.partition(":")
        if not colon or not name.strip() or not (name.strip() + value).isprintable():
            raise SecretError(f"line {number} of {path} is not of the form 'Name: value'")
        headers[name.strip()] = value.strip()
    return headers
