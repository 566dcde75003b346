"""Real Alertmanagers as receivers of the daemon, while other receivers misbehave."""

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from skewmon.alert.alerts import Alert
from skewmon.model import NS_PER_S
from skewmon.notify import alertmanager, http, queues
from skewmon.notify.alerting import Alerting
from skewmon.notify.dispatcher import MemoryStore
from skewmon.notify.receiver import DeliveryReason, Origin, ReceiverConfig, Result
from skewmon.notify.registry import build
from skewmon.runtime.backoff import Backoff
from tests.alert.views import S, named, offsets
from tests.notify.tools import NOW_NS, Receiver, ended, firing, raw_server, receiver

DEADLINE_S = 30

WRONG = offsets(named("c"), a=0, b=0, c=70 * S)
RIGHT = offsets(a=0, b=0, c=0)

EXAMPLE = Path(__file__).parents[2] / "config" / "alertmanager" / "alertmanager.example.yml"

#: Sends every notification at once, so that the test waits for skewmon and not for grouping.
CONFIG = """\
route: {{receiver: pager, group_by: [...], group_wait: 0s, group_interval: 1s}}
receivers:
  - name: pager
    webhook_configs: [{{url: "{pager}"}}]
"""


@dataclass
class Running:
    """An Alertmanager as a process that can be stopped, frozen and started again at its old address."""

    folder: Path
    pager: str
    session: aiohttp.ClientSession
    port: int
    config: str = CONFIG
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        (self.folder / "alertmanager.yml").write_text(self.config.format(pager=self.pager))
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                "prometheus-alertmanager",
                f"--config.file={self.folder / 'alertmanager.yml'}",
                f"--storage.path={self.folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--cluster.listen-address=",
                stdout=log,
                stderr=log,
            )
        await until(self._ready)

    async def stop(self) -> None:
        """End it, if it runs."""
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()

    def freeze(self) -> None:
        """Let it hang: it takes connections and does not answer."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    async def alerts(self) -> list[dict[str, Any]]:
        """Return its active alerts."""
        async with self.session.get(f"{self.url}/api/v2/alerts") as answer:
            found: list[dict[str, Any]] = await answer.json()
        return found

    async def _ready(self) -> bool:
        try:
            async with self.session.get(f"{self.url}/-/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False


async def until(condition: Callable[[], Any]) -> Any:
    """Wait until an asynchronous condition holds, and return its result."""
    async with asyncio.timeout(DEADLINE_S):
        while not (found := await condition()):
            await asyncio.sleep(0.05)
    return found


@asynccontextmanager
async def running(folder: Path, pager: str, config: str = CONFIG) -> AsyncIterator[Running]:
    """Run an Alertmanager on a free port."""
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with aiohttp.ClientSession() as session:
        one = Running(folder, pager, session, port, config)
        try:
            await one.start()
            yield one
        finally:
            if one.process is not None and one.process.returncode is None:
                one.thaw()
            await one.stop()


@asynccontextmanager
async def telling(*targets: ReceiverConfig, store: MemoryStore | None = None) -> AsyncIterator[Alerting]:
    """Run the alerting of a daemon."""
    alerting = Alerting(store or MemoryStore())
    alerting.configure(targets, Origin())
    task = asyncio.create_task(alerting.run())
    await asyncio.sleep(0)  # a task that never began would not end, either
    try:
        yield alerting
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat each second instead of each minute, and wait a second for an answer instead of ten."""
    for module in (alertmanager, queues):
        monkeypatch.setattr(module, "RESEND_S", 1.0)
    monkeypatch.setattr(queues, "BACKOFF", Backoff(1.0, 1.0))
    monkeypatch.setattr(http, "REQUEST_TIMEOUT_S", 1.0)


def _target(one: Running) -> ReceiverConfig:
    return ReceiverConfig("alertmanager", one.url)


async def _holds(one: Running, count: int) -> list[dict[str, Any]]:
    """Wait until an Alertmanager has so many active alerts."""

    async def there() -> list[list[dict[str, Any]]]:
        found = await one.alerts()
        return [found] if len(found) == count else []

    found: list[list[dict[str, Any]]] = await until(there)
    return found[0]


async def _paged(pager: Receiver, status: str) -> list[dict[str, Any]]:
    """Wait until the webhook behind Alertmanager was notified."""

    async def told() -> list[dict[str, Any]]:
        return [one for body in pager.bodies for one in body["alerts"] if one["status"] == status]

    found: list[dict[str, Any]] = await until(told)
    return found


async def test_a_clock_of_two_clusters_is_one_page(tmp_path: Path) -> None:
    """By the shipped example's route to the pager; each cluster keeps its alert."""
    example = yaml.safe_load(EXAMPLE.read_text())
    paging = next(route for route in example["route"]["routes"] if route["receiver"] == "pager")
    shared = {
        **{name: (example["route"] | paging)[name] for name in ("group_by", "receiver")},
        "group_wait": "3s",
    }
    receivers = [{"name": "pager", "webhook_configs": [{"url": "{pager}"}]}]
    text = yaml.safe_dump({"route": shared, "receivers": receivers}).replace("{}", "{{}}")
    async with (
        receiver() as pager,
        running(tmp_path / "1", pager.url, text) as one,
        telling(_target(one)) as alerting,
    ):
        for name in ("etcd", "kubernetes"):
            cluster = replace(WRONG.cluster, name=name)
            # Alertmanager does not wait for others of a group if an alert started long ago.
            alerting.take([replace(WRONG, cluster=cluster, at_wall_ns=time.time_ns())], 0)
        await _holds(one, 2)
        await _paged(pager, "firing")
        (page,) = pager.bodies
    assert {alert["labels"]["cluster_name"] for alert in page["alerts"]} == {"etcd", "kubernetes"}


async def test_a_wrong_clock_and_its_correction_are_notified(tmp_path: Path) -> None:
    """Fires on every peer, is repeated with a later end, and resolves."""
    async with (
        receiver() as pager,
        running(tmp_path / "1", pager.url) as one,
        running(tmp_path / "2", pager.url) as two,
        telling(_target(one), _target(two)) as alerting,
    ):
        alerting.take([WRONG], 0)
        (alert,) = await _holds(one, 1)
        await _holds(two, 1)
        assert alert["labels"] == {
            "alertname": "SkewmonSkewHigh",
            "cluster_name": "prod",
            "kind": "skew",
            "node": "c",
            "severity": "critical",
        }
        assert "at least 69.99 s" in alert["annotations"]["description"]
        paged = await _paged(pager, "firing")
        assert paged[0]["annotations"]["summary"] == "The clock of c is wrong."

        async def later() -> bool:
            return (await one.alerts())[0]["endsAt"] > alert["endsAt"]

        await until(later)
        alerting.take([RIGHT], 0)
        alerting.take([RIGHT], 60 * NS_PER_S)
        await _paged(pager, "resolved")
        await _holds(one, 0)
        await _holds(two, 0)


async def test_an_alertmanager_receives_firing_alerts_after_an_outage(tmp_path: Path) -> None:
    """Nothing is lost while it is stopped, and its peer is notified meanwhile."""
    async with (
        receiver() as pager,
        running(tmp_path / "1", pager.url) as one,
        running(tmp_path / "2", pager.url) as two,
        telling(_target(one), _target(two)) as alerting,
    ):
        await one.stop()
        alerting.take([WRONG], 0)
        await _holds(two, 1)
        await one.start()
        await _holds(one, 1)
        assert alerting.counts.failed["alertmanager", "connection"] >= 1


async def test_an_alertmanager_that_hung_learns_of_the_end(tmp_path: Path) -> None:
    """The alert ends while Alertmanager does not answer; it is notified once it does."""
    async with (
        receiver() as pager,
        running(tmp_path / "1", pager.url) as one,
        telling(_target(one)) as alerting,
    ):
        alerting.take([WRONG], 0)
        await _holds(one, 1)
        one.freeze()
        alerting.take([RIGHT], 0)
        alerting.take([RIGHT], 60 * NS_PER_S)

        async def timed_out() -> bool:
            return alerting.counts.failed["alertmanager", "timeout"] >= 1

        await until(timed_out)
        one.thaw()
        await _holds(one, 0)
        await _paged(pager, "resolved")


async def test_an_end_that_was_decided_and_not_sent_is_sent_after_a_restart(tmp_path: Path) -> None:
    """The process ends in between; the next one knows the end from the saved state of the alert."""
    store = MemoryStore()
    async with receiver() as pager, running(tmp_path / "1", pager.url) as one:
        async with telling(_target(one), store=store) as first:
            first.take([WRONG], 0)
            await _holds(one, 1)
        first.take([RIGHT], 0)
        first.take([RIGHT], 60 * NS_PER_S)
        assert len(await one.alerts()) == 1
        async with telling(_target(one), store=store):
            await _holds(one, 0)
            await _paged(pager, "resolved")


async def test_an_alert_that_is_sent_no_more_ends_when_its_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installation that was abandoned does not leave its alerts behind for ever."""
    monkeypatch.setattr(alertmanager, "HELD_S", 3.0)
    async with receiver() as pager, running(tmp_path / "1", pager.url) as one:
        async with telling(_target(one)) as alerting:
            alerting.take([WRONG], 0)
            await _holds(one, 1)
        await _paged(pager, "resolved")


async def test_alertmanager_takes_the_good_ones_of_a_batch(tmp_path: Path) -> None:
    """One alert that ends before it starts makes the answer a 400; the others are there all the same."""
    bad = replace(ended(firing("bad")), ended_wall_ns=1)
    batch: list[Alert] = [firing("n1"), bad, firing("n2"), firing("n3")]
    async with receiver() as pager, running(tmp_path / "1", pager.url) as one:
        (notifier,) = build([_target(one)], Origin(), one.session)
        delivery = await notifier.send(batch, NOW_NS)
        assert (delivery.result, delivery.reason) == (Result.GIVE_UP, DeliveryReason.REFUSED)
        found = await _holds(one, 3)
    assert {alert["labels"]["node"] for alert in found} == {"n1", "n2", "n3"}


@pytest.mark.parametrize("wrong_s", [-3_600, 3_600])
async def test_an_admin_box_with_a_wrong_clock_still_pages(tmp_path: Path, wrong_s: int) -> None:
    """An hour early or late, the alert is there, and its end ends it."""
    now_ns = time.time_ns() + wrong_s * NS_PER_S
    alert = replace(firing(), started_wall_ns=now_ns)
    async with receiver() as pager, running(tmp_path / "1", pager.url) as one:
        (notifier,) = build([_target(one)], Origin(), one.session)
        await notifier.send([alert], now_ns)
        await _holds(one, 1)
        await notifier.send([replace(alert, ended_wall_ns=now_ns)], now_ns)
        await _holds(one, 0)


async def _hang(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def test_receivers_that_misbehave_delay_no_other(tmp_path: Path) -> None:
    """Five webhooks fail in five ways; Alertmanager pages, and each failure has its reason."""
    async with AsyncExitStack() as stack:
        pager, broken, hanging, moved, picky = [await stack.enter_async_context(receiver()) for _ in range(5)]
        closing = await stack.enter_async_context(raw_server(b""))
        broken.answer_with(500)
        hanging.answers.append(_hang)
        moved.answer_with(302, headers={"Location": pager.url})
        picky.answer_with(400)
        webhooks = [
            ReceiverConfig("webhook", url) for url in (broken.url, hanging.url, moved.url, picky.url, closing)
        ]
        one = await stack.enter_async_context(running(tmp_path / "1", pager.url))
        alerting = await stack.enter_async_context(telling(*webhooks, _target(one)))
        alerting.take([WRONG], 0)
        await _paged(pager, "firing")
        failed = alerting.counts.failed

        async def all_counted() -> bool:
            reasons = ("server-error", "timeout", "redirected", "refused", "connection")
            return all(failed["webhook", reason] for reason in reasons)

        await until(all_counted)
        assert failed["webhook", "redirected"] == 1
        assert failed["webhook", "refused"] == 1
        assert not any(failed["alertmanager", reason.value] for reason in DeliveryReason)
