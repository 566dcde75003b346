"""Several admin boxes, joined by a real Prometheus and a real Alertmanager: a pair, and three shards.

Rules look back some seconds instead of minutes, as in ``test_rules_real``.
"""

import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from skewmon.cli.rules import render
from skewmon.inventory.shard import shard_of
from skewmon.model import NS_PER_S
from tests.fleet.node import free_port
from tests.fleet.sshd import Fleet
from tests.integration.recipient import (
    Recipient,
    configured,
    in_order,
    running_recipient,
    until,
)
from tests.integration.running import Running
from tests.integration.scraper import Prometheus, prometheus
from tests.integration.simple_references import references
from tests.integration.test_alerts_daemon import JUMPED, SKEW_CRITICAL, SKEW_WARNING
from tests.integration.test_rules_real import shortened
from tests.integration.test_rules_without_sender import RESEND

JUMP_NS = 70 * NS_PER_S
STEP_NS = 300_000_000

CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["{alertmanager}"]}}]}}]}}
scrape_configs:
  - job_name: skewmon
    static_configs: [{{targets: {targets}}}]
"""

#: Evaluations of the records before the step, and after it was proven.
EVALUATIONS = 4

#: The limit of a scrape: one that began so long before may have read what came after.
SCRAPE_S = 1.0

#: Of the 300 ms: the clocks are 80 ms apart, and UTC is known within 20 ms.
PROVEN_S = 0.2

#: Some scrapes.
WINDOW = "4s"

#: Everything that looks back does so this long; a longer silence proves that nothing ends by itself.
SILENCE_S = 1.25 * float(WINDOW.removesuffix("s"))

#: With a second's patience these depend on how busy this machine is, and on its own time daemon.
LEFT_OUT = frozenset({"SkewmonRoundsStale", "SkewmonTimeSyncBroken", "SkewmonAmbiguousForLong"})

LOWER = "cluster_name:skewmon_skew_lower_seconds:fleet"
UPPER = "cluster_name:skewmon_skew_upper_seconds:fleet"

#: An alert by its name, severity and the label that tells it from others.
Alert = tuple[str, str, str]

CRITICAL: Alert = ("SkewmonSkewHigh", "critical", "")
WARNING: Alert = ("SkewmonSkewHigh", "warning", "")


def notified(recipient: Recipient, status: str) -> Counter[Alert]:
    """Return how often the webhook was notified of each alert, once Prometheus has scraped its targets."""
    labels = [
        one["labels"]
        for body in recipient.webhook.bodies
        for one in body["alerts"]
        if one["status"] == status
    ]
    return Counter(
        (one["alertname"], one["severity"], one.get("node", one.get("instance", "")))
        for one in labels
        if one["alertname"] not in LEFT_OUT and (one["alertname"] != "SkewmonDown" or "instance" in one)
    )


async def receives(recipient: Recipient, status: str, *wanted: Alert) -> None:
    """Wait until the webhook was notified of all of these."""

    async def now() -> Counter[Alert]:
        return notified(recipient, status)

    async def so() -> bool:
        return set(wanted) <= (await now()).keys()

    await until(so, now)


def boxes_of(fleet: Fleet, folder: Path, count: int, **top: object) -> list[tuple[Path, str]]:
    """Write the configurations of some boxes; return each with the address that it listens at."""
    written = []
    for index in range(count):
        listen = f"127.0.0.1:{free_port('127.0.0.1')}"
        own = {
            "web": {"listen": listen},
            "state_directory": str(folder / f"state-{index}"),
            **({"shard": {"index": index, "of": count}} if "references" in top else {}),
        }
        path = fleet.write_config(folder / f"box-{index}.yml", **own, **top)
        written.append((path, listen))
    return written


async def joined(stack: AsyncExitStack, folder: Path, targets: Iterable[str]) -> tuple[Prometheus, Recipient]:
    """Run Prometheus with the shipped rules for all boxes, and an Alertmanager and a webhook behind it."""
    recipient = await stack.enter_async_context(running_recipient(folder / "alertmanager"))
    place = folder / "prometheus"
    place.mkdir()
    rules = place / "rules.yml"
    rules.write_text(shortened(render(None), WINDOW))
    config = CONFIG.format(
        rules=rules,
        alertmanager=recipient.alertmanager.url.removeprefix("http://"),
        targets=json.dumps(list(targets)),
    )
    return await stack.enter_async_context(prometheus(place, config, RESEND)), recipient


async def measured(boxes: Sequence[Running], counts: Sequence[int]) -> None:
    """Wait until each box has measured its nodes."""
    for box, count in zip(boxes, counts, strict=True):
        await box.until(lambda box=box, count=count: len(box.measured()) == count)


async def test_a_pair_notifies_once_and_the_death_of_one_closes_nothing(tmp_path: Path) -> None:
    """Both measure the same nodes; the other box ends the alert when the clock is corrected."""
    async with AsyncExitStack() as stack:
        fleet = await stack.enter_async_context(Fleet(3))
        boxes = boxes_of(fleet, tmp_path, 2)
        running = [await stack.enter_async_context(Running(path)) for path, _ in boxes]
        await measured(running, [3, 3])
        server, recipient = await joined(stack, tmp_path, [listen for _, listen in boxes])
        await server.until("count(up == 1) == 2")
        fleet["n3"].clock.step(JUMP_NS)
        stepped: Alert = ("SkewmonClockStepped", "warning", "n3")
        await receives(recipient, "firing", CRITICAL, WARNING, stepped)
        assert notified(recipient, "firing") == Counter((CRITICAL, WARNING, stepped))
        running[0].send(signal.SIGKILL)
        down: Alert = ("SkewmonDown", "critical", boxes[0][1])
        await receives(recipient, "firing", down)
        await asyncio.sleep(SILENCE_S)
        assert notified(recipient, "firing") == Counter((CRITICAL, WARNING, stepped, down))
        assert not {CRITICAL, WARNING} & notified(recipient, "resolved").keys()
        fleet["n3"].clock.step(-JUMP_NS)
        await receives(recipient, "resolved", CRITICAL, WARNING)
        assert notified(recipient, "firing")[CRITICAL] == notified(recipient, "resolved")[CRITICAL] == 1


def spread_ns(fleet: Fleet) -> int:
    """Return the true skew of a fleet now."""
    at_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    offsets = [node.clock.truth_offset_at(at_ns) for node in fleet]
    return max(offsets) - min(offsets)


#: The ends of the joined skew by the instant of their evaluation; None if the upper end is absent.
Records = dict[float, tuple[float, float | None]]


async def records(server: Prometheus) -> Records:
    """Return the joined skew of every evaluation since Prometheus began."""
    lower, upper = [await raw(server, f'{name}{{cluster_name="fleet"}}') for name in (LOWER, UPPER)]
    most = dict(one for series in upper for one in series)
    return {at_s: (value, most.get(at_s)) for series in lower for at_s, value in series}


async def raw(server: Prometheus, selector: str) -> list[list[tuple[float, float]]]:
    """Return the samples of series as they were scraped or recorded, by their time."""
    found = await server.query(f"{selector}[1h]")
    return [[(at_s, float(value)) for at_s, value in one["values"]] for one in found]  # type: ignore[attr-defined]


async def unmeasured(server: Prometheus) -> list[tuple[float, float]]:
    """Return the spans of time in which a node was not measured, as Prometheus saw it.

    The upper end is that of the measured nodes, and on a busy machine a round may miss one.
    """
    return [
        (at_s, later[1][0])  # an evaluation may have begun before the next scrape was stored
        for series in await raw(server, "skewmon_node_success")
        for (at_s, value), later in zip(series, tails(series), strict=False)
        if value == 0 and len(later) > 1
    ]


def tails(series: Sequence[tuple[float, float]]) -> Iterable[Sequence[tuple[float, float]]]:
    """Yield the samples after each one."""
    return (series[number:] for number in range(1, len(series)))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("nodes", [9, pytest.param(60, marks=pytest.mark.prove)])
async def test_the_joined_skew_of_shards_contains_the_truth_and_a_dead_shard_closes_nothing(
    nodes: int, tmp_path: Path
) -> None:
    """One clock steps by 300 ms; then the box that measures it is killed."""
    offsets_ns = [number * 31_676_000 % 80_000_000 for number in range(nodes)]
    async with AsyncExitStack() as stack:
        places = await stack.enter_async_context(references())
        fleet = await stack.enter_async_context(Fleet(nodes, offsets_ns=offsets_ns))
        lines = [{"severity": "warning", "skew": "100ms", "clear_for": "1s"}]
        cluster = {"thresholds": lines, "interval": f"{max(1, nodes // 12)}s"}
        boxes = boxes_of(fleet, tmp_path, 3, references=places, cluster=cluster)
        running = [await stack.enter_async_context(Running(path)) for path, _ in boxes]
        shares = Counter(shard_of(node.name, 3) for node in fleet)
        await measured(running, [shares[index] for index in range(3)])
        server, recipient = await joined(stack, tmp_path, [listen for _, listen in boxes])
        await recorded(server)
        victim = fleet[f"n{nodes}"]
        before_ns, stepped_s = spread_ns(fleet), time.time()
        victim.clock.step(STEP_NS)
        stepped: Alert = ("SkewmonClockStepped", "warning", victim.name)
        await receives(recipient, "firing", WARNING, stepped)
        await server.until(f"{LOWER} > {PROVEN_S}")
        proven_s = min(at_s for at_s, (lower, _) in (await records(server)).items() if lower > PROVEN_S)
        await recorded(server, proven_s)
        dead = shard_of(victim.name, 3)
        running[dead].send(signal.SIGKILL)
        silent_until = time.monotonic() + SILENCE_S
        down: Alert = ("SkewmonDown", "critical", boxes[dead][1])
        await receives(recipient, "firing", down)
        await asyncio.sleep(silent_until - time.monotonic())
        assert notified(recipient, "firing") == Counter((WARNING, stepped, down))
        assert WARNING not in notified(recipient, "resolved")
        contain(
            await records(server),
            await unmeasured(server),
            (before_ns, stepped_s),
            (spread_ns(fleet), proven_s),
        )


async def recorded(server: Prometheus, after_s: float = 0.0) -> None:
    """Wait for some evaluations with both ends of the joined skew."""

    async def so() -> bool:
        found = await records(server)
        return sum(at_s > after_s and upper is not None for at_s, (_, upper) in found.items()) >= EVALUATIONS

    await until(so, lambda: records(server))


def contain(
    found: Records, partly: Sequence[tuple[float, float]], before: tuple[int, float], after: tuple[int, float]
) -> None:
    """Fail if an evaluation contradicts the true skew before the step, and after it was proven.

    Between them either is right: the newest round of the box may be older than the step.
    """
    (before_ns, stepped_s), (after_ns, proven_s) = before, after
    missing = []
    for at_s, (lower, upper) in found.items():
        truths_ns = {before_ns} if at_s < stepped_s - SCRAPE_S else {before_ns, after_ns}
        truths_ns = {after_ns} if at_s >= proven_s else truths_ns
        most = None if any(begin_s <= at_s <= end_s for begin_s, end_s in partly) else upper
        if not any(
            lower <= truth_ns / NS_PER_S <= (float("inf") if most is None else most) for truth_ns in truths_ns
        ):
            missing.append((at_s, lower, upper))
    assert missing == [], (before, after, found)


@pytest.mark.prove
async def test_built_in_alerts_of_a_pair_are_one_alert(tmp_path: Path) -> None:
    """Alertmanager notifies once; one box is killed, and the other ends the alerts."""
    async with AsyncExitStack() as stack:
        fleet = await stack.enter_async_context(Fleet(3))
        recipient = await stack.enter_async_context(running_recipient(tmp_path / "am"))
        running = []
        for index in range(2):
            folder = tmp_path / f"box-{index}"
            folder.mkdir()
            path = configured(fleet, folder, {"alertmanagers": [recipient.alertmanager.url]})
            running.append(await stack.enter_async_context(Running(path)))
        await measured(running, [3, 3])
        fleet["n3"].clock.step(JUMP_NS)
        await recipient.holds(*JUMPED)
        for box in running:
            await box.until(lambda box=box: box.metric("skewmon_alert_firing") == len(JUMPED))
        running[0].send(signal.SIGKILL)
        rounds = running[1].metric("skewmon_rounds_total")
        await running[1].until(lambda: running[1].metric("skewmon_rounds_total") >= rounds + 3)
        assert set(await recipient.holds(*JUMPED)) == JUMPED
        assert (recipient.received("firing"), recipient.received("resolved")) == (in_order(JUMPED), [])
        fleet["n3"].clock.step(-JUMP_NS)
        await recipient.receives("resolved", SKEW_WARNING, SKEW_CRITICAL)
        assert recipient.received("firing") == in_order(JUMPED)
