"""What every notifier takes and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from skewmon.alert.alerts import Alert


class Result(StrEnum):
    """What became of one sending."""

    OK = "ok"
    RETRY = "retry"
    GIVE_UP = "give-up"


class Reason(StrEnum):
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


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a receiver said; ``detail`` is for a person and holds no secret.

    ``refused`` names the alerts of a batch that the receiver would not have although it took the others.
    """

    result: Result
    reason: Reason | None = None
    detail: str = ""
    refused: tuple[Alert, ...] = ()


class Notifier(Protocol):
    """One receiver of alerts.

    ``name`` is the family and the ``notifier`` label, ``receiver`` says which one without any secret,
    ``identity`` tells receivers apart across restarts. ``repeats`` is true where the receiver wants every
    firing alert again and again, and false where it wants each change once.
    """

    name: str
    receiver: str
    identity: str
    repeats: bool

    async def send(self, alerts: Sequence[Alert], now: int) -> Delivery:
        """Send alerts; ``now`` is the wall clock in nanoseconds. Raises nothing but cancellation."""
        ...
