"""The whole way of an alert inside the daemon: views in, requests out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from skewmon.alert.alerts import Cause
from skewmon.model import NS_PER_S, ClusterView
from skewmon.notify.alerting import STATE, Alerting
from skewmon.notify.outbox import MemoryStore
from skewmon.notify.settings import Origin, Target
from tests.alert.views import S, named, offsets
from tests.notify.tools import Receiver, receiver

WRONG = offsets(named("c"), a=0, b=0, c=70 * S)
RIGHT = offsets(a=0, b=0, c=0)


@asynccontextmanager
async def _running(alerting: Alerting) -> AsyncIterator[Alerting]:
    task = asyncio.create_task(alerting.run())
    await asyncio.sleep(0)  # a task that never began would not end, either
    try:
        yield alerting
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _until(server: Receiver, count: int) -> None:
    """Wait until a receiver has been sent so many requests."""
    async with asyncio.timeout(10):
        while len(server.bodies) < count:
            await asyncio.sleep(0.005)


async def _counted(alerting: Alerting, count: int) -> None:
    """Wait until the webhook's answers to so many alerts have been heard."""
    async with asyncio.timeout(10):
        while alerting.counts.total["webhook"] < count:
            await asyncio.sleep(0.005)


def _rounds(alerting: Alerting, view: ClusterView, *seconds: int) -> list[tuple[str, Cause]]:
    """Take in a view at these instants; return what changed."""
    found = [one for second in seconds for one in alerting.take(view, second * NS_PER_S)]
    return [(one.alert.key.severity, one.cause) for one in found]


async def test_a_wrong_clock_is_told_and_taken_back() -> None:
    """Critical at once, warning after a minute, and both ends after another."""
    async with receiver() as server, _running(Alerting(MemoryStore())) as alerting:
        alerting.configure([Target("webhook", server.url)], Origin())
        assert _rounds(alerting, WRONG, 0) == [("critical", Cause.PROVEN_FOR)]
        assert _rounds(alerting, WRONG, 30, 60) == [("warning", Cause.PROVEN_FOR)]
        assert [alert.key.severity for alert in alerting.firing] == ["critical", "warning"]
        assert len(_rounds(alerting, RIGHT, 70, 130)) == 2
        await _counted(alerting, 4)
        (body,) = server.bodies
        told = [(one["status"], one["severity"], one["node"]) for one in body["alerts"]]
    assert sorted(told) == [
        ("firing", "critical", "c"),
        ("firing", "warning", "c"),
        ("resolved", "critical", "c"),
        ("resolved", "warning", "c"),
    ]
    assert alerting.counts.total["webhook"] == 4


async def test_a_restart_neither_repeats_nor_forgets() -> None:
    """The second process tells a webhook nothing new, and ends what the first began."""
    store = MemoryStore()
    async with receiver() as server:
        targets = [Target("webhook", server.url)]
        async with _running(Alerting(store)) as first:
            first.configure(targets, Origin())
            _rounds(first, WRONG, 0)
            await _counted(first, 1)  # an answer that was not heard would be asked for again
        async with _running(Alerting(store)) as second:
            second.configure(targets, Origin())
            assert _rounds(second, WRONG, 5, 6) == []
            assert _rounds(second, RIGHT, 10, 70) == [("critical", Cause.CLEAR_FOR)]
            await _until(server, 2)
        assert [body["alerts"][0]["status"] for body in server.bodies] == ["firing", "resolved"]


async def test_an_alertmanager_is_told_of_what_fires_after_a_restart() -> None:
    """It wants repetition, so silence would be an end."""
    store = MemoryStore()
    async with receiver() as server:
        async with _running(Alerting(store)) as first:
            _rounds(first, WRONG, 0)
        async with _running(Alerting(store)) as second:
            second.configure([Target("alertmanager", server.url)], Origin())
            await _until(server, 1)
    assert server.bodies[0][0]["labels"]["node"] == "c"


async def test_a_reload_changes_receivers_while_alerts_fire() -> None:
    """The new Alertmanager learns at once of what fires already."""
    async with receiver() as old, receiver() as new, _running(Alerting(MemoryStore())) as alerting:
        alerting.configure([Target("alertmanager", old.url)], Origin())
        _rounds(alerting, WRONG, 0)
        await _until(old, 1)
        alerting.configure([Target("alertmanager", new.url)], Origin())
        await _until(new, 1)
        assert len(old.bodies) == 1


async def test_a_reload_without_a_change_interrupts_nothing() -> None:
    """Live inventories change often, and receivers do not."""
    async with _running(Alerting(MemoryStore())) as alerting:
        alerting.configure([Target("log")], Origin())
        before = alerting._outbox
        alerting.configure([Target("log")], Origin())
        assert alerting._outbox is before
        alerting.configure([Target("log")], Origin(interval_s=60.0))
        assert alerting._outbox is not before


async def test_a_cluster_that_is_gone_is_taken_back() -> None:
    """After a reload without the cluster its alerts end."""
    async with receiver() as server, _running(Alerting(MemoryStore())) as alerting:
        alerting.configure([Target("webhook", server.url)], Origin())
        _rounds(alerting, WRONG, 0)
        (gone,) = alerting.retain([], wall_ns=2**61)
        assert gone.cause is Cause.WITHDRAWN
        await _until(server, 1)
        assert alerting.firing == ()


async def test_without_receivers_the_log_tells() -> None:
    """Nobody configured is no reason for silence."""
    with structlog.testing.capture_logs() as lines:
        async with _running(Alerting(MemoryStore())) as alerting:
            alerting.configure([], Origin())
            _rounds(alerting, WRONG, 0)
            async with asyncio.timeout(10):
                while not lines:
                    await asyncio.sleep(0.005)
    assert (lines[0]["event"], lines[0]["node"]) == ("alert fires", "c")


async def test_a_dry_run_tells_what_it_would_tell_and_leaves_no_trace() -> None:
    """No request, and not a byte in the store."""
    store, said = MemoryStore(), list[str]()
    async with receiver() as server, _running(Alerting(store, said.append)) as alerting:
        alerting.configure([Target("webhook", server.url)], Origin())
        _rounds(alerting, WRONG, 0)
        async with asyncio.timeout(10):
            while not said:
                await asyncio.sleep(0.005)
        assert server.bodies == []
    assert store.saved == {}


async def test_a_healthy_cluster_costs_no_write() -> None:
    """Thousands of rounds a day are not thousands of writes."""
    store = MemoryStore()
    async with _running(Alerting(store)) as alerting:
        _rounds(alerting, RIGHT, 0)
        first = store.saved[STATE]
        _rounds(alerting, RIGHT, 15, 30)
        assert store.saved[STATE] is first


async def test_a_damaged_memory_begins_anew_and_says_so() -> None:
    """A state of the future, or of a broken disk."""
    store = MemoryStore()
    store.save(STATE, {"version": 99})
    with structlog.testing.capture_logs() as lines:
        async with _running(Alerting(store)) as alerting:
            assert alerting.firing == ()
    assert lines[0]["event"] == "alerts begin anew"
