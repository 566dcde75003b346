"""Apprise: mail, chat and a hundred other services, by the optional extra ``skewmon[apprise]``.

Apprise is synchronous and its services have their own time limits, or none. Each message is sent in a daemon
thread. A thread that hangs is abandoned: it blocks neither the loop nor the end of the program, and no second
one starts beside it.
"""

import asyncio
import threading
from collections.abc import Sequence

import aiohttp

from skewmon.alert.alerts import Alert
from skewmon.config.secrets import SecretError, read_secret
from skewmon.notify.receiver import (
    Delivery,
    DeliveryReason,
    Origin,
    ReceiverConfig,
    Result,
    identity_of,
)

#: Mail servers are slower than web servers, but a person waits for the alert.
SEND_TIMEOUT_S = 30.0

#: Alerts in one message; most services would cut a longer one.
ALERTS_IN_MESSAGE_MAX = 10


class Apprise:
    """Every service of one URL file."""

    name = "apprise"
    repeats = False
    heartbeat = False

    def __init__(self, target: ReceiverConfig, origin: Origin, session: aiohttp.ClientSession) -> None:
        self.receiver = f"services of {target.url_file}"
        self.identity = identity_of(target)
        self._url_file = target.url_file
        self._origin = origin
        self._thread: threading.Thread | None = None

    async def send(self, alerts: Sequence[Alert], now: int) -> Delivery:
        """Send alerts in one message; see ``Notifier``. The URL file is read again each time."""
        if self._thread is not None and self._thread.is_alive():
            return Delivery(Result.RETRY, DeliveryReason.TIMEOUT, "the previous message is still on its way")
        answer: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()
        title, body, grave = _message(alerts, self._origin)
        self._thread = threading.Thread(
            target=self._work, args=(title, body, grave, answer, asyncio.get_running_loop()), daemon=True
        )
        self._thread.start()
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                return await answer
        except TimeoutError:
            return Delivery(Result.RETRY, DeliveryReason.TIMEOUT, f"not sent within {SEND_TIMEOUT_S:g} s")

    def _work(
        self,
        title: str,
        body: str,
        grave: bool,  # noqa: FBT001 - a thread's arguments have no names
        answer: "asyncio.Future[Delivery]",
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Send in the thread, and pass the answer to the loop if it still runs."""
        try:
            delivery = self._send(title, body, grave=grave)
        except Exception as fault:  # noqa: BLE001 - a hundred third-party services; none may end in a traceback
            name = type(fault).__name__  # the message may quote the URL, and so the secret
            delivery = Delivery(Result.RETRY, DeliveryReason.CONNECTION, f"the service failed with {name}")
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, answer, delivery)

    def _send(self, title: str, body: str, *, grave: bool) -> Delivery:
        try:
            import apprise  # noqa: PLC0415 - an optional extra, and 150 ms that only its users pay
        except ImportError:
            hint = "Apprise is not installed: pip install 'skewmon[apprise]'"
            return Delivery(Result.GIVE_UP, DeliveryReason.NOT_INSTALLED, hint)
        try:
            urls = read_secret(self._url_file).split()
        except SecretError as fault:
            return Delivery(Result.RETRY, DeliveryReason.SECRET_UNREADABLE, str(fault))
        services = apprise.Apprise()
        if not urls or not all(services.add(url) for url in urls):
            return Delivery(
                Result.GIVE_UP, DeliveryReason.REFUSED, "the URL file holds no URL that Apprise knows"
            )
        kind = apprise.NotifyType.FAILURE if grave else apprise.NotifyType.SUCCESS
        if services.notify(title=title, body=body, notify_type=kind):
            return Delivery(Result.OK)
        return Delivery(
            Result.RETRY, DeliveryReason.CONNECTION, "at least one service did not take the message"
        )


def _settle(answer: "asyncio.Future[Delivery]", delivery: Delivery) -> None:
    if not answer.done():
        answer.set_result(delivery)


def _message(alerts: Sequence[Alert], origin: Origin) -> tuple[str, str, bool]:
    """Return title, body and whether anything still fires."""
    firing = sum(alert.firing for alert in alerts)
    title = (
        _line(alerts[0]) if len(alerts) == 1 else f"skewmon: {firing} firing, {len(alerts) - firing} resolved"
    )
    quoted = [_paragraph(alert, origin) for alert in alerts[:ALERTS_IN_MESSAGE_MAX]]
    left = len(alerts) - len(quoted)
    return title, "\n\n".join([*quoted, f"… and {left} more."] if left else quoted), firing > 0


def _line(alert: Alert) -> str:
    return f"[{alert.key.severity if alert.firing else 'resolved'}] {alert.key.cluster}: {alert.summary}"


def _paragraph(alert: Alert, origin: Origin) -> str:
    parts = (
        _line(alert),
        alert.description,
        f"Next: {alert.next}" if alert.next and alert.firing else "",
        origin.runbook(alert),
    )
    return "\n".join(part for part in parts if part)
