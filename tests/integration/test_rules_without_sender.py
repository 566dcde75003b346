"""The shipped rules while skewmon is killed: a real Prometheus, Alertmanager and webhook report no recovery.

Time is shortened by a factor: rules look back WINDOW instead of five minutes, and so is the hour of silence.
"""

import asyncio
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from skewmon.cli.rules import render
from skewmon.model import NS_PER_S
from tests.fleet.node import free_port
from tests.fleet.sshd import Fleet
from tests.integration.recipient import Recipient, healthy, running_recipient, until
from tests.integration.running import Running
from tests.integration.scraper import Prometheus, prometheus
from tests.integration.test_rules_real import WINDOW, shortened

JUMP_NS = 70 * NS_PER_S

#: An hour, shortened as the window of the rules is.
HOUR_S = 3600.0 * float(WINDOW.removesuffix("s")) / 300

CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["{alertmanager}"]}}]}}]}}
scrape_configs:
  - job_name: skewmon
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""

#: Prometheus repeats firing alerts each minute and lets them last for four times that: in a test less, but
#: longer than a busy machine holds up Prometheus itself.
RESEND = "--rules.alert.resend-delay=10s"

#: An alert by its name and severity.
Alert = tuple[str, str]

CRITICAL: Alert = ("SkewmonSkewHigh", "critical")
WARNING: Alert = ("SkewmonSkewHigh", "warning")
DOWN: Alert = ("SkewmonDown", "critical")


def _notified(recipient: Recipient, status: str) -> Counter[Alert]:
    """Return how often the webhook behind Alertmanager was notified of each alert."""
    alerts = [one for body in recipient.webhook.bodies for one in body["alerts"] if one["status"] == status]
    return Counter((one["labels"]["alertname"], one["labels"]["severity"]) for one in alerts)


async def _receives(recipient: Recipient, status: str, *wanted: Alert) -> None:
    """Wait until the webhook was notified of all of these."""

    async def now() -> Counter[Alert]:
        return _notified(recipient, status)

    async def so() -> bool:
        return set(wanted) <= (await now()).keys()

    await until(so, now)


async def _ended(recipient: Recipient, alert: Alert) -> None:
    """Wait until Alertmanager has no such alert, as before the first scrape."""

    async def now() -> list[str]:
        return [one["labels"]["alertname"] for one in await recipient.alertmanager.alerts()]

    async def so() -> bool:
        return alert[0] not in await now()

    await until(so, now)


async def _watched(stack: AsyncExitStack, folder: Path, port: int) -> tuple[Prometheus, Recipient]:
    """Run Prometheus with the shipped rules, and an Alertmanager and a webhook behind it."""
    recipient = await stack.enter_async_context(running_recipient(folder / "alertmanager"))
    place = folder / "prometheus"
    place.mkdir()
    rules = place / "rules.yml"
    rules.write_text(shortened(render(None)))
    config = CONFIG.format(
        rules=rules, alertmanager=recipient.alertmanager.url.removeprefix("http://"), port=port
    )
    return await stack.enter_async_context(prometheus(place, config, RESEND)), recipient


def _frozen(daemon: Running) -> None:
    """Let the daemon hang: it takes connections, and its scrapes run into their time limit."""
    daemon.send(signal.SIGSTOP)


def _killed(daemon: Running) -> None:
    daemon.send(signal.SIGKILL)


@pytest.mark.parametrize(
    ("fail", "silence_s"),
    [
        pytest.param(_killed, HOUR_S / 6, id="killed"),
        pytest.param(
            _killed, HOUR_S, id="killed for an hour", marks=[pytest.mark.prove, pytest.mark.timeout(400)]
        ),
        pytest.param(_frozen, HOUR_S / 6, id="frozen", marks=pytest.mark.prove),
    ],
)
async def test_a_daemon_that_dies_ends_no_alert_of_the_rules_and_is_reported(
    fail: Callable[[Running], None], silence_s: float, tmp_path: Path
) -> None:
    """SkewmonDown and no end; no end by the next daemon, either; and an end once a recovery is measured."""
    async with AsyncExitStack() as stack:
        fleet, port = await stack.enter_async_context(Fleet(3)), free_port("127.0.0.1")
        path = fleet.write_config(
            tmp_path / "skewmon.yml",
            web={"listen": f"127.0.0.1:{port}"},
            state_directory=str(tmp_path / "state"),
        )
        async with Running(path) as daemon:
            await healthy(daemon, 3)
            server, recipient = await _watched(stack, tmp_path, port)
            fleet["n3"].clock.step(JUMP_NS)
            await _receives(recipient, "firing", CRITICAL, WARNING)
            await _ended(recipient, DOWN)
            recipient.webhook.bodies.clear()
            fail(daemon)
            await _receives(recipient, "firing", DOWN)
            await asyncio.sleep(silence_s)  # the time in which nothing may end
            assert not {CRITICAL, WARNING, DOWN} & _notified(recipient, "resolved").keys()
            active = {one["labels"]["alertname"] for one in await recipient.alertmanager.alerts()}
            assert active >= {"SkewmonSkewHigh", "SkewmonDown"}
            assert await server.query("up == 0")
        async with Running(path) as daemon:
            await _receives(recipient, "resolved", DOWN)
            await healthy(daemon, 3)
            await server.until("min_over_time(up[8s]) == 1 and count_over_time(up[8s]) > 6")
            assert not {CRITICAL, WARNING} & _notified(recipient, "resolved").keys()
            fleet["n3"].clock.step(-JUMP_NS)
            await _receives(recipient, "resolved", CRITICAL, WARNING)
        assert not {CRITICAL, WARNING} & _notified(recipient, "firing").keys()
