"""A real Alertmanager with a webhook behind it, and a configuration of the daemon that alerts at once."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fleet.sshd import Fleet
from tests.integration import test_alertmanager as real
from tests.integration.running import Running
from tests.notify.tools import Receiver, receiver

INTERVAL_S = 1.0

#: Half a minute covers every pause after a failure that these tests provoke, twice.
PATIENCE_S = 40.0

LINES: Sequence[dict[str, Any]] = (
    {"severity": "warning", "skew": "50ms", "for": "0s", "clear_for": "2s"},
    {"severity": "critical", "skew": "1s", "for": "0s", "clear_for": "2s"},
    {"severity": "warning", "unreachable": True, "for": "1s", "clear_for": "1s"},
)

#: The address of the page for people, used in links of alerts.
PAGE_URL = "https://skewmon.example.com/ops/"

#: Name, cluster, node and severity of an alert.
Identity = tuple[str, str, str | None, str]


def identity_of(labels: dict[str, str]) -> Identity:
    """Return the identity of an alert for a person."""
    return labels["alertname"], labels["cluster_name"], labels.get("node"), labels["severity"]


def in_order(identities: Iterable[Identity]) -> list[Identity]:
    """Return identities in an order of their own; a node may be None."""
    return sorted(identities, key=str)


@dataclass
class Recipient:
    """An Alertmanager and the webhook that receives its notifications."""

    alertmanager: real.Running
    webhook: Receiver

    async def firing(self) -> dict[Identity, str]:
        """Return the active alerts of Alertmanager, each with its start."""
        return {identity_of(alert["labels"]): alert["startsAt"] for alert in await self.alertmanager.alerts()}

    async def holds(self, *identities: Identity) -> dict[Identity, str]:
        """Wait until exactly these are active."""

        async def so() -> dict[Identity, str]:
            found = await self.firing()
            return found if set(found) == set(identities) else {}

        found: dict[Identity, str] = await until(so, self.firing)
        return found

    async def until_firing(self, identity: Identity, *, gone: bool = False) -> None:
        """Wait until an alert is active, or no longer is."""

        async def so() -> bool:
            return (identity in await self.firing()) is not gone

        await until(so, self.firing)

    def received(self, status: str) -> list[Identity]:
        """Return the received notifications, with repetitions."""
        alerts = [alert for body in self.webhook.bodies for alert in body["alerts"]]
        return in_order(identity_of(alert["labels"]) for alert in alerts if alert["status"] == status)

    async def receives(self, status: str, *identities: Identity) -> None:
        """Wait until each of these was received once, and no other."""

        async def so() -> bool:
            return self.received(status) == in_order(identities)

        async def now() -> list[Identity]:
            return self.received(status)

        await until(so, now)


async def until(condition: Callable[[], Any], shown: Callable[[], Any]) -> Any:
    """Wait until an asynchronous condition holds; fail with the result of ``shown`` if it never does."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := await condition()):
        assert time.monotonic() < deadline, await shown()
        await asyncio.sleep(0.05)
    return found


@asynccontextmanager
async def running_recipient(folder: Path) -> AsyncIterator[Recipient]:
    """Run an Alertmanager that notifies a webhook of each alert at once."""
    async with receiver() as webhook, real.running(folder, webhook.url) as alertmanager:
        yield Recipient(alertmanager, webhook)


def configured(fleet: Fleet, folder: Path, alerts: dict[str, Any], **cluster: Any) -> Path:
    """Write a daemon's configuration that decides in every round."""
    return fleet.write_config(
        folder / "skewmon.yml",
        cluster={"interval": f"{INTERVAL_S:g}s", "thresholds": [*LINES], **cluster},
        web={"listen": "127.0.0.1:0", "external_url": PAGE_URL},
        state_directory=str(folder / "state"),
        alerts=alerts,
    )


async def healthy(daemon: Running, nodes: int) -> None:
    """Wait until every node was measured."""
    await daemon.until(lambda: len(daemon.measured()) == nodes)
