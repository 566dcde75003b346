"""A daemon that dies while alerts fire: its Alertmanagers must not report a recovery that no round measured.

Time is shortened by a factor: the resend interval and the time for which an alert is held, in the daemon, and
the hour for which the test waits.
"""

import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from skewmon.alert.alerts import WATCHDOG
from skewmon.notify.alertmanager import HELD_S, RESEND_S
from tests.fleet.sshd import Fleet
from tests.integration.recipient import (
    PAGE_URL,
    Identity,
    Recipient,
    configured,
    healthy,
    identity_of,
    in_order,
    running_recipient,
    until,
)
from tests.integration.running import Running
from tests.integration.test_alerts_daemon import JUMP_NS, JUMPED, SKEW_CRITICAL, SKEW_WARNING
from tests.notify.tools import receiver

HOUR_S = 3_600.0

#: The daemon, with shorter times of its Alertmanager notifications.
SHORTENED = """\
from skewmon.notify import alertmanager, queues
alertmanager.RESEND_S = queues.RESEND_S = {resend_s}
alertmanager.HELD_S = {held_s}
from skewmon.cli.main import main
main()
"""


def _program(factor: float) -> tuple[str, str]:
    return "-c", SHORTENED.format(resend_s=RESEND_S / factor, held_s=HELD_S / factor)


def _is_watchdog(labels: dict[str, str]) -> bool:
    return labels["alertname"] == WATCHDOG


async def _alerts(recipient: Recipient) -> dict[Identity, str]:
    """Return the active alerts with their starts, without the watchdog."""
    alerts = await recipient.alertmanager.alerts()
    return {identity_of(one["labels"]): one["startsAt"] for one in alerts if not _is_watchdog(one["labels"])}


async def _watchdog(recipient: Recipient) -> bool:
    return any(_is_watchdog(one["labels"]) for one in await recipient.alertmanager.alerts())


def _notified(recipient: Recipient, status: str) -> list[Identity]:
    """Return the notifications of one status behind an Alertmanager, without those of the watchdog."""
    alerts = [one for body in recipient.webhook.bodies for one in body["alerts"] if one["status"] == status]
    return in_order(identity_of(one["labels"]) for one in alerts if not _is_watchdog(one["labels"]))


async def _hold(recipients: list[Recipient], *identities: Identity) -> list[dict[Identity, str]]:
    """Wait until exactly these alerts are active everywhere; return them with their starts."""

    async def now() -> list[dict[Identity, str]]:
        return [await _alerts(recipient) for recipient in recipients]

    async def so() -> list[dict[Identity, str]]:
        found = await now()
        return found if all(set(one) == set(identities) for one in found) else []

    found: list[dict[Identity, str]] = await until(so, now)
    return found


async def _watchdogs(recipients: list[Recipient], *, fire: bool) -> None:
    """Wait until the watchdog fires everywhere, or nowhere."""

    async def now() -> list[bool]:
        return [await _watchdog(recipient) for recipient in recipients]

    async def so() -> bool:
        return await now() == [fire] * len(recipients)

    await until(so, now)


@pytest.mark.parametrize(
    ("count", "factor"),
    [
        (2, 720.0),
        pytest.param(1, 720.0, marks=pytest.mark.prove),
        pytest.param(2, 60.0, marks=[pytest.mark.prove, pytest.mark.timeout(400)]),
    ],
)
async def test_alerts_of_a_killed_daemon_stay_and_its_watchdog_ends(
    tmp_path: Path, count: int, factor: float
) -> None:
    """No end for an hour, no repetition by the next daemon, and ends once a recovery is measured."""
    async with AsyncExitStack() as stack:
        fleet = await stack.enter_async_context(Fleet(3))
        hook = await stack.enter_async_context(receiver())
        recipients = [
            await stack.enter_async_context(running_recipient(tmp_path / str(one))) for one in range(count)
        ]
        urls = [recipient.alertmanager.url for recipient in recipients]
        alerts = {"alertmanagers": urls, "webhooks": [{"url": hook.url}], "watchdog": True}
        path = configured(fleet, tmp_path, alerts)
        async with Running(path, program=_program(factor)) as daemon:
            await healthy(daemon, 3)
            fleet["n3"].clock.step(JUMP_NS)
            began = await _hold(recipients, *JUMPED)
            links = {alert["generatorURL"] for alert in await recipients[0].alertmanager.alerts()}
            assert links == {PAGE_URL}
            await _watchdogs(recipients, fire=True)
            daemon.send(signal.SIGKILL)
        await _watchdogs(recipients, fire=False)
        await asyncio.sleep(HOUR_S / factor)  # the time in which nothing may happen
        assert await _hold(recipients, *JUMPED) == began
        async with Running(path, program=_program(factor)) as daemon:
            await healthy(daemon, 3)
            await _watchdogs(recipients, fire=True)
            assert await _hold(recipients, *JUMPED) == began
            await daemon.end()
        await _watchdogs(recipients, fire=False)
        for recipient in recipients:
            assert (_notified(recipient, "firing"), _notified(recipient, "resolved")) == (
                in_order(JUMPED),
                [],
            )
        assert not [one for body in hook.bodies for one in body["alerts"] if one["status"] == "resolved"]
        fleet["n3"].clock.step(-JUMP_NS)
        async with Running(path, program=_program(factor)):
            await _hold(recipients, *JUMPED - {SKEW_CRITICAL, SKEW_WARNING})


@pytest.mark.prove
async def test_alerts_withdrawn_while_no_daemon_runs_end_with_the_next_one(tmp_path: Path) -> None:
    """The daemon is killed, its configuration loses the node, and Alertmanager is down at the start."""
    async with Fleet(4) as fleet, running_recipient(tmp_path / "1") as recipient:
        alerts = {"alertmanagers": [recipient.alertmanager.url]}
        path = configured(fleet, tmp_path, alerts)
        async with Running(path) as daemon:
            await healthy(daemon, 4)
            fleet["n3"].clock.step(JUMP_NS)
            await _hold([recipient], *JUMPED)
            daemon.send(signal.SIGKILL)
        left = [
            {"name": one.name, "address": one.address, "port": one.port} for one in fleet if one.name != "n3"
        ]
        configured(fleet, tmp_path, alerts, nodes=left)
        recipient.alertmanager.freeze()
        async with Running(path) as daemon:
            await healthy(daemon, 3)
            await daemon.until(lambda: daemon.metric("skewmon_alert_firing") == 0)
            rounds = daemon.metric("skewmon_rounds_total")
            await daemon.until(lambda: daemon.metric("skewmon_rounds_total") >= rounds + 2)
            daemon.send(signal.SIGKILL)
        recipient.alertmanager.thaw()
        assert set(await recipient.firing()) == JUMPED
        async with Running(path):
            await _hold([recipient])
