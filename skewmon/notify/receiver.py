"""A receiver of alerts: its settings, its interface and its answers."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from yarl import URL

from skewmon.alert.alerts import RUNBOOK_URL, Alert
from skewmon.config.receivers import AlertsSpec


@dataclass(frozen=True, slots=True)
class ReceiverConfig:
    """One receiver as the configuration names it; ``kind`` is a key of NOTIFIERS.

    Files are paths or ``credential:NAME``; their content is read when it is needed and never kept.
    """

    kind: str
    url: str = ""
    url_file: str = ""
    headers_file: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """The sender of every notification, as its receivers need to know it.

    ``resends`` is false for a test alert, which nothing ends. ``on_time`` reports whether rounds are on
    schedule; with it, Alertmanager gets a heartbeat.
    """

    page_url: str = ""
    runbook_url: str = RUNBOOK_URL
    resends: bool = True
    on_time: Callable[[], bool] | None = None

    def runbook(self, alert: Alert) -> str:
        """Return the address of an alert's runbook section."""
        return f"{self.runbook_url}#{alert.key.name.lower()}"


def identity_of(target: ReceiverConfig) -> str:
    """Return a name for a receiver that stays the same across restarts and contains no secret."""
    return f"{target.kind}-{hashlib.sha256(repr(target).encode()).hexdigest()[:16]}"


def shown(url: str) -> str:
    """Return a URL without user, password, path and query: chat services put their secrets there."""
    try:
        parsed = URL(url)
        return str(parsed.origin()) if parsed.absolute else "an unusable URL"
    except ValueError:
        return "an unusable URL"


def targets_of(alerts: AlertsSpec) -> tuple[ReceiverConfig, ...]:
    """Return every receiver of a configuration."""
    return (
        *(
            ReceiverConfig("alertmanager", one)
            if isinstance(one, str)
            else ReceiverConfig("alertmanager", one.url, headers_file=one.headers_file or "")
            for one in alerts.alertmanagers
        ),
        *(
            ReceiverConfig("webhook", hook.url or "", hook.url_file or "", hook.headers_file or "")
            for hook in alerts.webhooks
        ),
        *(ReceiverConfig("apprise", url_file=service.url_file) for service in alerts.apprise),
    )


class Result(StrEnum):
    """The result of one delivery."""

    OK = "ok"
    RETRY = "retry"
    GIVE_UP = "give-up"


class DeliveryReason(StrEnum):
    """Why a sending failed; the ``reason`` label of ``skewmon_notifications_failed_total``."""

    TIMEOUT = "timeout"
    CONNECTION = "connection"
    TLS = "tls"
    SERVER_ERROR = "server-error"
    RATE_LIMITED = "rate-limited"
    REFUSED = "refused"
    REDIRECTED = "redirected"
    GARBLED_REPLY = "garbled-reply"
    SECRET_UNREADABLE = "secret-unreadable"  # noqa: S105 - the name of a failure, not a secret
    NOT_INSTALLED = "not-installed"
    QUEUE_FULL = "queue-full"
    EXPIRED = "expired"
    INTERNAL_ERROR = "internal-error"


@dataclass(frozen=True, slots=True)
class Delivery:
    """The answer of a receiver; ``detail`` is for a person and holds no secret.

    ``refused`` are the alerts of a batch that the receiver refused although it accepted the others.
    """

    result: Result
    reason: DeliveryReason | None = None
    detail: str = ""
    refused: tuple[Alert, ...] = ()


class Notifier(Protocol):
    """One receiver of alerts.

    ``name`` is the family and the ``notifier`` label, ``receiver`` identifies one of a family without any
    secret, ``identity`` does so across restarts. ``repeats`` is true if the receiver wants firing alerts
    resent, and false if it wants each change once. ``heartbeat`` is true if a request is due each resend
    interval even when no alert is; it carries no alerts then.
    """

    name: str
    receiver: str
    identity: str
    repeats: bool
    heartbeat: bool

    async def send(self, alerts: Sequence[Alert], now: int) -> Delivery:
        """Send alerts; ``now`` is the wall clock in nanoseconds. Raises nothing but cancellation."""
        ...
