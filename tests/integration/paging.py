"""A real Alertmanager with a person behind it, and a daemon's configuration that tells them at once."""

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

#: Where people find the page, which links of alerts lead to.
PAGE_URL = "https://skewmon.example.com/ops/"

#: Name, cluster, node and severity of an alert.
Identity = tuple[str, str, str | None, str]


def identity_of(labels: dict[str, str]) -> Identity:
    """Return what tells an alert from others, for a person."""
    return labels["alertname"], labels["cluster_name"], labels.get("node"), labels["severity"]


def in_order(identities: Iterable[Identity]) -> list[Identity]:
    """Return identities in an order of their own; a node may be None."""
    return sorted(identities, key=str)


@dataclass
class Pager:
    """An Alertmanager and the person behind it."""

    alertmanager: real.Running
    phone: Receiver

    async def firing(self) -> dict[Identity, str]:
        """Return what Alertmanager holds as active, each with its start."""
        return {identity_of(alert["labels"]): alert["startsAt"] for alert in await self.alertmanager.alerts()}

    async def holds(self, *identities: Identity) -> dict[Identity, str]:
        """Wait until exactly these are active."""

        async def so() -> dict[Identity, str]:
            found = await self.firing()
            return found if set(found) == set(identities) else {}

        found: dict[Identity, str] = await until(so, self.firing)
        return found

    def told(self, status: str) -> list[Identity]:
        """Return what the person was told, once for each time."""
        alerts = [alert for body in self.phone.bodies for alert in body["alerts"]]
        return in_order(identity_of(alert["labels"]) for alert in alerts if alert["status"] == status)

    async def is_told(self, status: str, *identities: Identity) -> None:
        """Wait until the person was told of each of these once, and of nothing else."""

        async def so() -> bool:
            return self.told(status) == in_order(identities)

        async def now() -> list[Identity]:
            return self.told(status)

        await until(so, now)


async def until(condition: Callable[[], Any], shown: Callable[[], Any]) -> Any:
    """Wait until an asynchronous condition holds; fail with what ``shown`` finds where it never does."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := await condition()):
        assert time.monotonic() < deadline, await shown()
        await asyncio.sleep(0.05)
    return found


@asynccontextmanager
async def paging(folder: Path) -> AsyncIterator[Pager]:
    """Run an Alertmanager that tells a person of each alert at once."""
    async with receiver() as phone, real.running(folder, phone.url) as alertmanager:
        yield Pager(alertmanager, phone)


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
