"""Delivery under virtual time: hours of outage pass in milliseconds."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog

from skewmon.notify.dispatcher import SEND_TIMEOUT_S, STORE_TIMEOUT_S, Counts, Dispatcher, MemoryStore
from skewmon.notify.queues import BATCH_MAX
from skewmon.notify.receiver import Delivery, DeliveryReason, Notifier, Result
from tests.notify.tools import NOW_NS, Scripted, by_key, ended, firing

pytestmark = pytest.mark.looptime

DOWN = Delivery(Result.RETRY, DeliveryReason.CONNECTION, "connection refused")
OK = Delivery(Result.OK)


def _dispatcher(
    *notifiers: Notifier, store: MemoryStore | None = None, counts: Counts | None = None
) -> Dispatcher:
    return Dispatcher(
        notifiers,
        store or MemoryStore(),
        counts or Counts(),
        rng=random.Random(1),
        wall_clock=lambda: NOW_NS,
        base_clock=asyncio.get_running_loop().time,
    )


@asynccontextmanager
async def _running(dispatcher: Dispatcher) -> AsyncIterator[None]:
    task = asyncio.create_task(dispatcher.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_alert_is_sent_at_once() -> None:
    """No polling: a new alert wakes the queue."""
    scripted = Scripted()
    dispatcher = _dispatcher(scripted)
    async with _running(dispatcher):
        await asyncio.sleep(1000)
        dispatcher.submit([firing()], by_key(firing()))
        await asyncio.sleep(0.001)
    assert scripted.sent == [(1000.0, (firing(),))]


class SlowStore(MemoryStore):
    """A disk that takes its time."""

    def __init__(self, takes_s: float) -> None:
        super().__init__()
        self._takes_s = takes_s

    async def flush(self) -> bool:
        """See ``Store``."""
        await asyncio.sleep(self._takes_s)
        return True


class CountingStore(MemoryStore):
    """Counts how often a queue is saved."""

    saves = 0

    def save(self, name: str, data: object) -> None:
        """See ``Store``."""
        self.saves += 1
        super().save(name, data)


async def test_a_long_queue_is_not_saved_batch_by_batch() -> None:
    """At the change, every ten seconds, and when it is delivered; nothing of it is left then."""
    store, slow = CountingStore(), Scripted(takes_s=1.0)
    dispatcher = _dispatcher(slow, store=store)
    async with _running(dispatcher):
        dispatcher.submit([firing(f"n{number}") for number in range(20 * BATCH_MAX)], {})
        await asyncio.sleep(19.5)
        assert store.saves == 2
        assert len(store.saved[slow.identity]) == 10 * BATCH_MAX
        await asyncio.sleep(1)
    assert (len(slow.sent), store.saved[slow.identity]) == (20, [])


async def test_the_end_of_the_daemon_saves_the_deliveries_so_far() -> None:
    """A restart repeats none of them."""
    store, slow = MemoryStore(), Scripted(takes_s=1.0)
    dispatcher = _dispatcher(slow, store=store)
    async with _running(dispatcher):
        dispatcher.submit([firing(f"n{number}") for number in range(9 * BATCH_MAX)], {})
        await asyncio.sleep(3.5)
    assert len(store.saved[slow.identity]) == 6 * BATCH_MAX


@pytest.mark.parametrize(("takes_s", "sent_s"), [(0.25, 0.25), (3_600.0, STORE_TIMEOUT_S)])
async def test_alerts_are_on_disk_before_they_are_sent(takes_s: float, sent_s: float) -> None:
    """A process that is killed in between remembers; a disk that hangs delays a page by a second at most."""
    scripted = Scripted()
    dispatcher = _dispatcher(scripted, store=SlowStore(takes_s))
    async with _running(dispatcher):
        began_s = asyncio.get_running_loop().time()
        dispatcher.submit([firing()], by_key(firing()))
        await asyncio.sleep(10.0)
    assert [at_s - began_s for at_s, _ in scripted.sent] == [pytest.approx(sent_s)]


async def test_a_dead_receiver_delays_no_other() -> None:
    """One hangs, one refuses, and the third gets its alerts without delay."""
    hanging = Scripted(identity="1", takes_s=3_600.0)
    dead = Scripted(identity="2", answers=[DOWN])
    alive = Scripted(identity="3")
    dispatcher = _dispatcher(hanging, dead, alive)
    async with _running(dispatcher):
        for number in range(3):
            dispatcher.submit([firing(f"n{number}")], {})
            await asyncio.sleep(1)
    assert [at_s for at_s, _ in alive.sent] == [0.0, 1.0, 2.0]
    assert len(hanging.sent) == 1


async def test_an_outage_loses_nothing() -> None:
    """An hour of refused connections, and then both changes arrive in order."""
    scripted = Scripted(answers=[DOWN] * 70 + [OK])
    dispatcher = _dispatcher(scripted)
    async with _running(dispatcher):
        dispatcher.submit([firing()], by_key(firing()))
        await asyncio.sleep(30)
        dispatcher.submit([ended(firing())], {})
        await asyncio.sleep(6_000)
    assert scripted.sent[-1][1] == (firing(), ended(firing()))
    assert scripted.sent[-1][0] > 1_800


async def test_a_receiver_that_never_answers_is_given_up_each_time() -> None:
    """The time limit of one sending ends it, and it is tried again."""
    counts = Counts()
    hanging = Scripted(takes_s=1e9)
    dispatcher = _dispatcher(hanging, counts=counts)
    async with _running(dispatcher):
        dispatcher.submit([firing()], {})
        await asyncio.sleep(SEND_TIMEOUT_S * 3)
    assert len(hanging.sent) == 3
    assert counts.failed["scripted", "timeout"] == 2


async def test_attempts_and_failures_are_counted_by_reason() -> None:
    """Two failures and a success of two alerts; a rate has a series before the first."""
    counts = Counts()
    dispatcher = _dispatcher(
        Scripted(answers=[DOWN, DOWN, OK]), Scripted("idle", identity="2"), counts=counts
    )
    assert counts.total == {"scripted": 0, "idle": 0}
    async with _running(dispatcher):
        dispatcher.submit([firing("a"), firing("b")], {})
        await asyncio.sleep(60)
    assert counts.total["scripted"] == 6
    reasons = {(name, reason.value) for name in ("scripted", "idle") for reason in DeliveryReason}
    assert set(counts.failed) == reasons
    assert +counts.failed == {("scripted", "connection"): 4}


async def test_a_refused_alert_is_counted_and_the_others_are_not() -> None:
    """One of a batch of two."""
    counts = Counts()
    partly = Delivery(Result.OK, DeliveryReason.REFUSED, "HTTP 400", (firing("bad"),))
    dispatcher = _dispatcher(Scripted(answers=[partly]), counts=counts)
    async with _running(dispatcher):
        dispatcher.submit([firing("bad"), firing("good")], {})
        await asyncio.sleep(60)
    assert (counts.total["scripted"], counts.failed["scripted", "refused"]) == (2, 1)


async def test_dropped_alerts_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that is too short for an outage shows in the metric."""
    monkeypatch.setattr("skewmon.notify.queues.QUEUE_MAX", 2)
    counts = Counts()
    dispatcher = _dispatcher(Scripted(), counts=counts)
    dispatcher.submit([firing("a"), firing("b"), firing("c")], {})
    async with _running(dispatcher):
        await asyncio.sleep(1)
    assert counts.failed["scripted", "queue-full"] == 1


async def test_queued_changes_survive_a_restart() -> None:
    """The next process delivers the changes that the last one could not."""
    store = MemoryStore()
    dispatcher = _dispatcher(Scripted(answers=[DOWN]), store=store)
    async with _running(dispatcher):
        dispatcher.submit([firing()], by_key(firing()))
        await asyncio.sleep(10)
    after = Scripted()
    async with _running(_dispatcher(after, store=store)):
        await asyncio.sleep(1)
    assert [alerts for _, alerts in after.sent] == [(firing(),)]
    assert store.saved["scripted-1"] == []


async def test_delivered_changes_are_not_repeated_after_a_restart() -> None:
    """A webhook gets each change once."""
    store = MemoryStore()
    dispatcher = _dispatcher(Scripted(), store=store)
    async with _running(dispatcher):
        dispatcher.submit([firing()], by_key(firing()))
        await asyncio.sleep(1)
    after = Scripted()
    restarted = _dispatcher(after, store=store)
    restarted.submit([], by_key(firing()))
    async with _running(restarted):
        await asyncio.sleep(100)
    assert after.sent == []


async def test_a_damaged_saved_queue_is_dropped_and_logged() -> None:
    """Nothing else is harmed by it."""
    store = MemoryStore()
    store.save("scripted-1", [{"nonsense": 1}])
    scripted = Scripted()
    with structlog.testing.capture_logs() as lines:
        dispatcher = _dispatcher(scripted, store=store)
    assert lines[0]["event"] == "saved notifications are unreadable and were dropped"
    async with _running(dispatcher):
        dispatcher.submit([firing()], {})
        await asyncio.sleep(1)
    assert len(scripted.sent) == 1


async def test_a_failure_is_logged_when_it_changes_and_not_each_time() -> None:
    """Twenty refusals are one line, the recovery another."""
    scripted = Scripted(answers=[DOWN] * 20 + [OK])
    dispatcher = _dispatcher(scripted)
    with structlog.testing.capture_logs() as lines:
        async with _running(dispatcher):
            dispatcher.submit([firing()], {})
            await asyncio.sleep(3_600)
    assert [line["event"] for line in lines] == ["notification failed", "notifications work again"]


async def test_a_repeating_receiver_gets_firing_alerts_each_minute() -> None:
    """For three hours, without drifting by more than the time that sending takes."""
    scripted = Scripted(repeats=True)
    dispatcher = _dispatcher(scripted)
    async with _running(dispatcher):
        dispatcher.submit([firing()], by_key(firing()))
        for _ in range(720):
            await asyncio.sleep(15)
            dispatcher.submit([], by_key(firing()))
    assert [at_s for at_s, _ in scripted.sent[:180]] == [60.0 * minute for minute in range(180)]


async def test_a_heartbeat_is_sent_each_minute_and_its_failure_is_counted_and_logged() -> None:
    """So a dead Alertmanager is noticed before the first alert."""
    counts = Counts()
    scripted = Scripted(repeats=True, heartbeat=True, answers=[OK, OK, DOWN])
    with structlog.testing.capture_logs() as lines:
        async with _running(_dispatcher(scripted, counts=counts)):
            await asyncio.sleep(120.25)
    assert scripted.sent == [(0.0, ()), (60.0, ()), (120.0, ())]
    assert (counts.total["scripted"], counts.failed["scripted", "connection"]) == (3, 1)
    assert [line["event"] for line in lines] == ["notification failed"]


async def test_a_heartbeat_that_is_configured_later_starts_with_the_kept_queue() -> None:
    """A reload keeps the queue of a receiver that stays."""
    before = _dispatcher(Scripted(repeats=True))
    scripted = Scripted(repeats=True, heartbeat=True)
    after = Dispatcher(
        [scripted], MemoryStore(), Counts(), before, base_clock=asyncio.get_running_loop().time
    )
    async with _running(after):
        await asyncio.sleep(1)
    assert scripted.sent == [(0.0, ())]


async def test_without_receivers_nothing_runs() -> None:
    """And nothing is queued."""
    dispatcher = _dispatcher()
    dispatcher.submit([firing()], by_key(firing()))
    await dispatcher.run()
