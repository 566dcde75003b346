"""Sends marked test alerts to every receiver, once, and returns the answers."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from skewmon.alert.alerts import Alert, Key, Severity
from skewmon.model import ThresholdKind
from skewmon.notify.receiver import Delivery, Origin, ReceiverConfig
from skewmon.notify.registry import build
from skewmon.runtime import client

#: No cluster of a configuration is measured under this name, so the alert has no real cluster.
TEST_CLUSTER = "skewmon-test"


@dataclass(frozen=True, slots=True)
class ReceiverAnswer:
    """The answer of one receiver."""

    notifier: str
    receiver: str
    delivery: Delivery


def make_test_alert(now_ns: int, severity: Severity) -> Alert:
    """Return an alert that is clearly a test; its origin does not resend, so that it ends by itself."""
    return Alert(
        Key(TEST_CLUSTER, ThresholdKind.SKEW, severity),
        now_ns,
        None,
        "This is a test of skewmon's alerts.",
        "It was sent by `skewmon alerts test`. No clock is wrong, and no action is needed.",
    )


async def send_test_alerts(
    targets: Sequence[ReceiverConfig], origin: Origin, severities: Sequence[Severity]
) -> list[ReceiverAnswer]:
    """Send an alert of each severity to every receiver; return the answers in the order of the targets."""
    now_ns = time.time_ns()
    async with client.session() as session:
        notifiers = build(targets, replace(origin, resends=False), session)
        alerts = [make_test_alert(now_ns, severity) for severity in severities]
        deliveries = await asyncio.gather(*(notifier.send(alerts, now_ns) for notifier in notifiers))
    return [
        ReceiverAnswer(notifier.name, notifier.receiver, delivery)
        for notifier, delivery in zip(notifiers, deliveries, strict=True)
    ]
