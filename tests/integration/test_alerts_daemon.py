"""The real daemon, real clocks and real Alertmanagers: the notifications of the person on call."""

import asyncio
import re
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from skewmon.model import NS_PER_S
from tests.fleet.relay import Relay, Way
from tests.fleet.sshd import Fleet
from tests.integration.recipient import (
    INTERVAL_S,
    LINES,
    PATIENCE_S,
    configured,
    healthy,
    identity_of,
    in_order,
    running_recipient,
    until,
)
from tests.integration.running import Running
from tests.notify.tools import Receiver, raw_server, receiver

JUMP_NS = 70 * NS_PER_S
CLEAR_FOR_S = 2.0

#: How long the delay stays on one side: some rounds.
LOPSIDED_FOR_S = 3.0

#: The alerts of one jump of n3 beyond every line: each line once, and the step itself.
SKEW_WARNING = ("SkewmonSkewHigh", "fleet", "n3", "warning")
SKEW_CRITICAL = ("SkewmonSkewHigh", "fleet", "n3", "critical")
STEPPED = ("SkewmonClockStepped", "fleet", "n3", "warning")
JUMPED = {SKEW_WARNING, SKEW_CRITICAL, STEPPED}
UNKNOWN = ("SkewmonSkewUnknown", "fleet", None, "warning")
UNREACHABLE_N1 = ("SkewmonNodeUnreachable", "fleet", "n1", "warning")
UNREACHABLE = ("SkewmonNodeUnreachable", "fleet", "n3", "warning")

#: The daemon, with two seconds instead of ten minutes until an unknown skew alerts; it is not configurable.
IMPATIENT = """\
from dataclasses import replace
from skewmon.alert import thresholds
thresholds.UNKNOWN = replace(thresholds.UNKNOWN, for_s=2.0)
from skewmon.cli.main import main
main()
"""

#: The daemon on a slow disk: a notification could be faster than the saved state.
SLOW_DISK = """\
import time
from skewmon.journal.store import JournalFile
write = JournalFile.write
def slowly(*arguments):
    time.sleep(0.3)
    write(*arguments)
JournalFile.write = slowly
from skewmon.cli.main import main
main()
"""


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).astimezone(UTC).timestamp()


async def test_a_jump_alerts_within_a_round_and_a_restart_repeats_nothing(tmp_path: Path) -> None:
    """Two Alertmanagers hear of it once; no SIGTERM, SIGKILL or reload repeats, ends or forgets it."""
    async with (
        Fleet(3) as fleet,
        running_recipient(tmp_path / "1") as one,
        running_recipient(tmp_path / "2") as two,
        receiver() as hook,
    ):
        urls = [one.alertmanager.url, two.alertmanager.url]
        path = configured(fleet, tmp_path, {"alertmanagers": urls, "webhooks": [{"url": hook.url}]})
        async with Running(path) as daemon:
            await healthy(daemon, 3)
            jumped_s, jumped_base_s = time.time(), time.monotonic()
            fleet["n3"].clock.step(JUMP_NS)
            began = await one.holds(*JUMPED)
            assert time.monotonic() - jumped_base_s <= INTERVAL_S + 1
            assert await two.holds(*JUMPED) == began
            assert all(jumped_s - 0.001 <= _seconds(start) for start in began.values())
            await one.receives("firing", *JUMPED)
            await two.receives("firing", *JUMPED)
            told = daemon.metric("skewmon_rounds_total")  # the state is on disk by then
            await daemon.until(lambda: daemon.metric("skewmon_rounds_total") >= told + 2)
            daemon.send(signal.SIGKILL)
        async with Running(path) as daemon:
            await healthy(daemon, 3)
            assert await one.firing() == await two.firing() == began
            await daemon.end()
        async with Running(path) as daemon:
            await healthy(daemon, 3)
            daemon.send(signal.SIGHUP)
            await daemon.until(lambda: "event=reloaded" in daemon.log)
            await healthy(daemon, 3)
            assert daemon.metric("skewmon_alert_firing") == len(JUMPED)
            assert await one.firing() == await two.firing() == began
            assert [one.received("resolved"), two.received("resolved")] == [[], []]
            right_s = time.time()
            fleet["n3"].clock.step(-JUMP_NS)
            await one.receives("resolved", SKEW_WARNING, SKEW_CRITICAL)
            await two.receives("resolved", SKEW_WARNING, SKEW_CRITICAL)
            assert time.time() - right_s >= CLEAR_FOR_S
            assert set(await one.holds(STEPPED)) == set(await two.holds(STEPPED))
            await daemon.end()
        assert one.received("firing") == two.received("firing") == in_order(JUMPED)
    changes = [alert for body in hook.bodies for alert in body["alerts"]]
    heard = [(one["name"], one["cluster"], one["node"], one["severity"], one["status"]) for one in changes]
    assert sorted(heard) == sorted(
        [(*one, "firing") for one in JUMPED] + [(*one, "resolved") for one in (SKEW_WARNING, SKEW_CRITICAL)]
    )


async def test_alerts_survive_a_kill_during_notification(tmp_path: Path) -> None:
    """The process ends before the first notification is answered; the next sends the same start."""
    daemons: list[Running] = []

    async def kill(request: web.Request) -> web.StreamResponse:
        daemons[-1].send(signal.SIGKILL)
        return web.Response()

    async with Fleet(3) as fleet, receiver() as webhook:
        webhook.answers.append(kill)
        path = configured(fleet, tmp_path, {"alertmanagers": [webhook.url]})
        async with Running(path, program=("-c", SLOW_DISK)) as daemon:
            daemons.append(daemon)
            await healthy(daemon, 3)
            fleet["n3"].clock.step(JUMP_NS)
            assert await asyncio.to_thread(daemon.process.wait, PATIENCE_S) == -signal.SIGKILL
        webhook.answers.clear()
        before = len(webhook.bodies)
        async with Running(path) as daemon:
            await daemon.until(lambda: len(webhook.bodies) > before)
    starts = [{identity_of(one["labels"]): one["startsAt"] for one in body} for body in webhook.bodies]
    assert set(starts[0]) == JUMPED
    assert starts[before] == starts[0]


async def test_two_lines_of_one_name_are_two_alerts_and_one_series(tmp_path: Path) -> None:
    """A clock that is wrong and runs wrong passes a line on skew and one on drift."""
    lines = [LINES[0], {"severity": "warning", "drift": "20ppm"}]
    async with Fleet(3) as fleet, running_recipient(tmp_path / "1") as recipient:
        path = configured(fleet, tmp_path, {"alertmanagers": [recipient.alertmanager.url]}, thresholds=lines)
        fleet["n3"].clock.drift(80)
        async with Running(path) as daemon:
            await healthy(daemon, 3)
            fleet["n3"].clock.step(JUMP_NS)

            async def kinds() -> set[tuple[str, str]]:
                found = [one["labels"] for one in await recipient.alertmanager.alerts()]
                return {(one["alertname"], one["kind"]) for one in found if one.get("node") == "n3"}

            async def both() -> bool:
                return {("SkewmonSkewHigh", "skew"), ("SkewmonSkewHigh", "drift")} <= await kinds()

            await until(both, kinds)
            text = daemon.metrics()
    series = [line for line in text.splitlines() if line.startswith("skewmon_alert_firing{")]
    assert len([line for line in series if 'alert="SkewmonSkewHigh"' in line and 'node="n3"' in line]) == 1
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


async def test_an_alertmanager_that_is_away_misses_neither_beginning_nor_end(tmp_path: Path) -> None:
    """It is stopped while an alert begins, and again while it ends; its peer hears of both meanwhile."""
    async with (
        Fleet(3) as fleet,
        running_recipient(tmp_path / "1") as one,
        running_recipient(tmp_path / "2") as two,
    ):
        urls = [one.alertmanager.url, two.alertmanager.url]
        async with Running(configured(fleet, tmp_path, {"alertmanagers": urls})) as daemon:
            await healthy(daemon, 3)
            await one.alertmanager.stop()
            fleet["n3"].clock.step(JUMP_NS)
            began = await two.holds(*JUMPED)
            await one.alertmanager.start()
            assert await one.holds(*JUMPED) == began
            await one.receives("firing", *JUMPED)
            await one.alertmanager.stop()
            fleet["n3"].clock.step(-JUMP_NS)
            await two.receives("resolved", SKEW_WARNING, SKEW_CRITICAL)
            await one.alertmanager.start()
            await one.receives("resolved", SKEW_WARNING, SKEW_CRITICAL)
            failed = _failures(daemon)
    assert failed["alertmanager", "connection"] >= 1


async def test_unreachable_nodes_alert_and_end_no_other_alert(tmp_path: Path) -> None:
    """A wrong clock falls silent, then the majority is lost, then no node is left to compare with."""
    async with Fleet(3) as fleet, running_recipient(tmp_path / "1") as recipient:
        path = configured(fleet, tmp_path, {"alertmanagers": [recipient.alertmanager.url]})
        async with Running(path, program=("-c", IMPATIENT)) as daemon:
            await healthy(daemon, 3)
            fleet["n3"].clock.step(JUMP_NS)
            began = await recipient.holds(*JUMPED)
            fleet["n3"].stop()
            now = await recipient.holds(*JUMPED, UNREACHABLE)
            assert {one: now[one] for one in JUMPED} == began
            fleet["n3"].start()
            await healthy(daemon, 3)
            fleet["n1"].stop()  # one against one: no node could be blamed any more
            now = await recipient.holds(*JUMPED, UNREACHABLE_N1)
            assert {one: now[one] for one in JUMPED} == began
            assert daemon.cluster()["verdict"] == "critical"
            fleet["n3"].stop()
            now = await recipient.holds(*JUMPED, UNREACHABLE, UNREACHABLE_N1, UNKNOWN)
            assert {one: now[one] for one in JUMPED} == began
            assert daemon.cluster()["verdict"] == "unknown"
        assert not set(recipient.received("resolved")) & JUMPED


async def test_doubt_does_not_end_an_alert(tmp_path: Path) -> None:
    """The clock is put right while skewmon is down and the path is slow: nothing is proven until it mends."""
    async with AsyncExitStack() as stack:
        fleet = await stack.enter_async_context(Fleet(3))
        n3 = fleet["n3"]
        relay = stack.enter_context(Relay.before(fleet, n3))
        recipient = await stack.enter_async_context(running_recipient(tmp_path / "1"))
        nodes = [{"name": one.name, "address": one.address, "port": one.port} for one in fleet]
        nodes[2] = {"name": n3.name, "address": relay.address, "port": relay.port}
        alerts = {"alertmanagers": [recipient.alertmanager.url]}
        path = configured(fleet, tmp_path, alerts, nodes=nodes, samples=3)
        async with Running(path) as daemon:
            await healthy(daemon, 3)
            n3.clock.step(JUMP_NS)
            began = await recipient.holds(*JUMPED)
            await daemon.end()
        relay.delay("backward", delay_s=0.15)
        n3.clock.step(-JUMP_NS)
        async with Running(path) as daemon:
            await healthy(daemon, 3)
            await recipient.holds(
                SKEW_WARNING, STEPPED
            )  # the line at 1 s is proven to be kept, that at 50 ms not
            assert daemon.cluster()["verdict"] == "ambiguous"
            assert (await recipient.firing())[SKEW_WARNING] == began[SKEW_WARNING]
            relay.delay("backward", delay_s=0.0)
            await recipient.holds(STEPPED)


async def _endure(daemon: Running, relay: Relay, hook: Receiver, seconds: float) -> float:
    """Delay one direction or the other, at random, and see no alert; return the longest round trip."""
    longest_s = 0.0
    ways: tuple[Way, Way] = ("forward", "backward")
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        slow, fast = ways
        relay.delay(fast, delay_s=0.0)
        relay.delay(slow, delay_s=0.0, jitter_s=0.2)
        ways = (fast, slow)
        await asyncio.sleep(LOPSIDED_FOR_S)
        trips = [node["round_trip_seconds"] or 0.0 for node in daemon.cluster()["nodes"]]
        longest_s = max(longest_s, *trips)
        assert hook.bodies == []
        assert daemon.metric("skewmon_alert_firing") == 0
    return longest_s


@pytest.mark.parametrize(
    "seconds",
    [30, pytest.param(600, marks=[pytest.mark.prove, pytest.mark.timeout(700)])],
    ids=["30s", "10min"],
)
async def test_a_lopsided_path_raises_no_alert_and_hides_none(tmp_path: Path, seconds: float) -> None:
    """Just below the line, up to 200 ms on one side: nothing. Then beyond line and width: at once."""
    async with AsyncExitStack() as stack:
        fleet = await stack.enter_async_context(Fleet(3, offsets_ns=(0, 0, 49_900_000)))
        n3 = fleet["n3"]
        relay = stack.enter_context(Relay.before(fleet, n3))
        hook = await stack.enter_async_context(receiver())
        nodes = [{"name": one.name, "address": one.address, "port": one.port} for one in fleet]
        nodes[2] = {"name": n3.name, "address": relay.address, "port": relay.port}
        path = configured(fleet, tmp_path, {"webhooks": [{"url": hook.url}]}, nodes=nodes, samples=3)
        daemon = await stack.enter_async_context(Running(path))
        await healthy(daemon, 3)
        assert await _endure(daemon, relay, hook, seconds) > 0.02
        n3.clock.step(201_000_000)  # 49.9 ms + 201 ms: more than the line and the widest possible interval
        began_s = time.monotonic()
        await daemon.until(lambda: daemon.metric("skewmon_alert_firing") > 0)
        assert time.monotonic() - began_s <= 2 * INTERVAL_S + 1  # the slow burst may have begun before


def _failures(daemon: Running) -> Counter[tuple[str, str]]:
    """Return the daemon's own count of failed notifications by notifier and reason, without zeros."""
    pattern = r'skewmon_notifications_failed_total\{notifier="([^"]+)",reason="([^"]+)"\} (\S+)'
    return +Counter(
        {(kind, reason): int(float(count)) for kind, reason, count in re.findall(pattern, daemon.metrics())}
    )


async def _hang(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


def _picky(seen: list[int]) -> Callable[[web.Request], Any]:
    """Return an answer that refuses every batch with a critical alert in it."""

    async def answer(request: web.Request) -> web.StreamResponse:
        alerts = (await request.json())["alerts"]
        bad = any(alert["severity"] == "critical" for alert in alerts)
        seen.append(0 if bad else len(alerts))
        return web.Response(status=400 if bad else 200)

    return answer


async def test_receivers_that_misbehave_are_counted_by_reason(tmp_path: Path) -> None:
    """Errors, silence and closed connections are tried again, refusals are final, a page still arrives."""
    async with AsyncExitStack() as stack:
        fleet = await stack.enter_async_context(Fleet(3))
        recipient = await stack.enter_async_context(running_recipient(tmp_path / "1"))
        broken, hanging, moved, picky = [await stack.enter_async_context(receiver()) for _ in range(4)]
        closing = await stack.enter_async_context(raw_server(b""))
        broken.answer_with(500, 500, 200)
        hanging.answers.append(_hang)
        moved.answer_with(302, headers={"Location": broken.url})
        taken: list[int] = []
        picky.answers.append(_picky(taken))
        urls = [broken.url, hanging.url, moved.url, picky.url, closing]
        alerts = {"alertmanagers": [recipient.alertmanager.url], "webhooks": [{"url": url} for url in urls]}
        daemon = await stack.enter_async_context(Running(configured(fleet, tmp_path, alerts)))
        await healthy(daemon, 3)
        fleet["n3"].clock.step(JUMP_NS)
        await recipient.holds(*JUMPED)
        reasons = {"server-error", "timeout", "redirected", "refused", "connection"}
        await daemon.until(lambda: {reason for _, reason in _failures(daemon)} >= reasons, PATIENCE_S)
        failed = _failures(daemon)
        assert failed["webhook", "redirected"] == len(JUMPED)  # final: never tried again
        assert failed["webhook", "refused"] == 1  # the one critical alert of the batch
        assert sum(taken) == len(JUMPED) - 1
        assert len(broken.bodies) == 3
        assert failed["webhook", "server-error"] == 2 * len(JUMPED)
        assert len(moved.bodies) == 1
        assert not any(kind == "alertmanager" for kind, _ in failed)


def _remembered(folder: Path) -> list[tuple[str, str]]:
    """Return every state that is kept across restarts."""
    file = folder / "state/journal.db"
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT key, value FROM state ORDER BY key").fetchall()


async def test_a_dry_run_logs_notifications_and_changes_nothing(tmp_path: Path) -> None:
    """No receiver gets it, and the saved state of the real daemon stays unchanged."""
    async with Fleet(3) as fleet, receiver() as hook:
        path = configured(fleet, tmp_path, {"webhooks": [{"url": hook.url}]})
        async with Running(path) as daemon:
            await healthy(daemon, 3)
            fleet["n2"].clock.step(JUMP_NS)
            await daemon.until(lambda: daemon.metric("skewmon_alert_firing") == len(JUMPED))
            await daemon.until(lambda: len([one for body in hook.bodies for one in body["alerts"]]) == 3)
            await daemon.end()
        before, heard = _remembered(tmp_path), len(hook.bodies)
        assert "n2" in dict(before)["alerts"]
        async with Running(path, arguments=("--dry-run",)) as daemon:
            await healthy(daemon, 3)
            fleet["n2"].clock.step(-JUMP_NS)
            fleet["n3"].clock.step(JUMP_NS)
            printed = r"would send to webhook at .*: firing .*node=n3"
            await daemon.until(lambda: re.search(printed, daemon.log))
            await daemon.end()
        assert len(hook.bodies) == heard
        assert _remembered(tmp_path) == before
