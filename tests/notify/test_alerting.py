"""Alerting of the daemon, from views to requests."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import structlog

from skewmon.alert.alerts import Cause, Texts
from skewmon.journal.detect import alert_events
from skewmon.model import NS_PER_S, ClusterView, NodeView
from skewmon.notify.alerting import FEW_ALERTS, STATE, Alerting
from skewmon.notify.dispatcher import MemoryStore
from skewmon.notify.receiver import Origin, ReceiverConfig
from skewmon.text import rfc3339
from tests.alert.views import UNDETERMINED, S, missing, named, node, offsets, view
from tests.notify.tools import Receiver, receiver

WRONG = offsets(named("c"), a=0, b=0, c=70 * S)
RIGHT = offsets(a=0, b=0, c=0)


@asynccontextmanager
async def _running(alerting: Alerting) -> AsyncIterator[Alerting]:
    task = asyncio.create_task(alerting.run())
    await asyncio.sleep(0)  # a task that has not started does not clean up
    try:
        yield alerting
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _closed(alerting: Alerting) -> None:
    """Close the connections of an alerting that was never run."""
    async with _running(alerting):
        pass


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
    """Process a view at these instants; return the severities and causes of the changes."""
    found = [one for second in seconds for one in alerting.take([view], second * NS_PER_S)]
    return [(one.alert.key.severity, one.cause) for one in found]


async def test_a_wrong_clock_fires_and_is_resolved() -> None:
    """Critical at once, warning after a minute, and both ends after another."""
    async with receiver() as server, _running(Alerting(MemoryStore())) as alerting:
        alerting.configure([ReceiverConfig("webhook", server.url)], Origin())
        assert _rounds(alerting, WRONG, 0) == [("critical", Cause.PROVEN_FOR)]
        assert _rounds(alerting, WRONG, 30, 60) == [("warning", Cause.PROVEN_FOR)]
        assert [key.severity for key in alerting.firing] == ["critical", "warning"]
        assert len(_rounds(alerting, RIGHT, 70, 130)) == 2
        await _counted(alerting, 4)
        (body,) = server.bodies
        sent = [(one["status"], one["severity"], one["node"]) for one in body["alerts"]]
    assert sorted(sent) == [
        ("firing", "critical", "c"),
        ("firing", "warning", "c"),
        ("resolved", "critical", "c"),
        ("resolved", "warning", "c"),
    ]
    assert alerting.counts.total["webhook"] == 4


async def test_a_restart_neither_repeats_nor_forgets() -> None:
    """The second process repeats nothing, and ends the alert of the first."""
    store = MemoryStore()
    async with receiver() as server:
        targets = [ReceiverConfig("webhook", server.url)]
        async with _running(Alerting(store)) as first:
            first.configure(targets, Origin())
            _rounds(first, WRONG, 0)
            await _counted(first, 1)  # without an answer it would be sent again
        async with _running(Alerting(store)) as second:
            second.configure(targets, Origin())
            assert _rounds(second, WRONG, 5, 6) == []
            assert _rounds(second, RIGHT, 10, 70) == [("critical", Cause.CLEAR_FOR)]
            await _until(server, 2)
        assert [body["alerts"][0]["status"] for body in server.bodies] == ["firing", "resolved"]


async def test_an_alertmanager_gets_firing_alerts_after_a_restart() -> None:
    """It may have restarted, too, and have lost them."""
    store = MemoryStore()
    async with receiver() as server:
        async with _running(Alerting(store)) as first:
            _rounds(first, WRONG, 0)
        async with _running(Alerting(store)) as second:
            second.configure([ReceiverConfig("alertmanager", server.url)], Origin())
            await _until(server, 1)
    assert server.bodies[0][0]["labels"]["node"] == "c"


@pytest.mark.parametrize("withdrawn", [False, True], ids=["clear", "withdrawn"])
async def test_an_end_that_was_not_delivered_before_a_restart_is_sent_after_it(*, withdrawn: bool) -> None:
    """Otherwise the alert would stay in Alertmanager for a day, also if its cluster is configured no more."""
    store = MemoryStore()
    async with receiver() as server:
        alertmanager = ReceiverConfig("alertmanager", server.url)
        first = Alerting(store)  # not running: it dies before it sends anything
        first.configure([alertmanager], Origin())
        _rounds(first, WRONG, 0)
        _rounds(first, RIGHT, 10)
        (gone,) = first.retain([], 2**61) if withdrawn else first.take([RIGHT], 70 * NS_PER_S)
        async with _running(Alerting(store)) as second:
            second.configure([alertmanager], Origin())
            await _until(server, 1)
        await _closed(first)
        (over,) = server.bodies[0]
        assert over["labels"]["node"] == "c"
        assert over["endsAt"] == rfc3339(gone.alert.ended_wall_ns or 0)


async def test_an_alert_that_fires_again_is_not_ended_by_a_saved_end() -> None:
    """The end waits for Alertmanager, the alert fires again, and the process dies."""
    store = MemoryStore()
    async with receiver() as server:
        alertmanager = ReceiverConfig("alertmanager", server.url)
        first = Alerting(store)
        first.configure([alertmanager], Origin())
        _rounds(first, WRONG, 0)
        _rounds(first, RIGHT, 10, 70)
        assert _rounds(first, WRONG, 80) == [("critical", Cause.PROVEN_AGAIN)]
        async with _running(Alerting(store)) as second:
            second.configure([alertmanager], Origin())
            await _until(server, 1)
        await _closed(first)
        (alert,) = server.bodies[0]
        assert alert["endsAt"] > rfc3339(time.time_ns())


async def test_a_reload_keeps_what_waits_for_a_receiver_that_stays() -> None:
    """Also the end of a cluster's alert that this reload removed."""
    async with receiver() as server, _running(Alerting(MemoryStore())) as alerting:
        alertmanager = ReceiverConfig("alertmanager", server.url)
        alerting.configure([alertmanager], Origin())
        _rounds(alerting, WRONG, 0)
        await _until(server, 1)
        (gone,) = alerting.retain([], wall_ns=2**61)
        alerting.configure([alertmanager, ReceiverConfig("webhook", "http://127.0.0.1:9/")], Origin())
        await _until(server, 2)
    (over,) = server.bodies[1]
    assert over["labels"] == gone.alert.key.labels
    assert over["endsAt"] == rfc3339(2**61)


async def test_a_reload_changes_receivers_while_alerts_fire() -> None:
    """The new Alertmanager gets at once the alerts that fire already."""
    async with receiver() as old, receiver() as new, _running(Alerting(MemoryStore())) as alerting:
        alerting.configure([ReceiverConfig("alertmanager", old.url)], Origin())
        _rounds(alerting, WRONG, 0)
        await _until(old, 1)
        alerting.configure([ReceiverConfig("alertmanager", new.url)], Origin())
        await _until(new, 1)
        assert len(old.bodies) == 1


async def test_a_reload_without_a_change_interrupts_nothing() -> None:
    """Live inventories change often, and receivers do not."""
    async with _running(Alerting(MemoryStore())) as alerting:
        alerting.configure([ReceiverConfig("log")], Origin())
        before = alerting._dispatcher
        alerting.configure([ReceiverConfig("log")], Origin())
        assert alerting._dispatcher is before
        alerting.configure([ReceiverConfig("log")], Origin(page_url="https://skewmon.example.com/"))
        assert alerting._dispatcher is not before


async def test_alerts_of_a_cluster_that_is_gone_end() -> None:
    """After a reload without the cluster its alerts end."""
    async with receiver() as server, _running(Alerting(MemoryStore())) as alerting:
        alerting.configure([ReceiverConfig("webhook", server.url)], Origin())
        _rounds(alerting, WRONG, 0)
        (gone,) = alerting.retain([], wall_ns=2**61)
        assert gone.cause is Cause.WITHDRAWN
        await _until(server, 1)
        assert not alerting.firing


APART = offsets(UNDETERMINED, a=0, b=70 * S)


@pytest.mark.parametrize("left", [node("a"), missing("a")])
async def test_a_cluster_cut_down_to_one_node_has_no_pair_apart(left: NodeView) -> None:
    """No peer is left, so the alert ends at once, and the event has the cause."""
    alerting = Alerting(MemoryStore())
    assert _rounds(alerting, APART, 0) == [("critical", Cause.PROVEN_FOR)]
    (ended,) = alerting.take([view(left)], 15 * NS_PER_S)
    assert (ended.cause, ended.alert.key.node, len(alerting.firing)) == (Cause.WITHDRAWN, None, 0)
    (event,) = alert_events([ended])
    assert "has ended, for the configuration changed" in event.message
    assert event.detail["cause"] == "withdrawn"


async def test_a_named_node_that_lost_its_peers_to_a_reload_is_no_culprit() -> None:
    """Only the culprit is left: measured or not, it has no peer."""
    alerting = Alerting(MemoryStore())
    _rounds(alerting, WRONG, 0)
    assert _rounds(alerting, view(missing("c")), 15) == [("critical", Cause.WITHDRAWN)]


async def test_a_silent_node_ends_no_alert_of_its_pair() -> None:
    """One of two nodes, or both, cannot be measured: the skew that was proven goes on."""
    alerting = Alerting(MemoryStore())
    _rounds(alerting, APART, 0)
    for silent in (view(node("a"), missing("b")), view(missing("a"), missing("b"))):
        assert not [one for one in _rounds(alerting, silent, *range(15, 7_200, 15)) if one[0] == "critical"]
    assert "SkewmonSkewHigh" in {key.name for key in alerting.firing}


async def test_a_pair_that_lost_a_node_is_judged_by_the_nodes_that_are_left() -> None:
    """Unmeasured, the rest proves nothing and the alert goes on; measured, it ends or names the new pair."""
    alerting = Alerting(MemoryStore())
    _rounds(alerting, offsets(UNDETERMINED, a=0, b=70 * S, c=0), 0)
    assert _rounds(alerting, view(node("a"), missing("c")), 15, 30) == []
    assert len(alerting.firing) == 1
    assert _rounds(alerting, offsets(UNDETERMINED, a=0, c=9 * S), 45) == []
    (alert,) = alerting.firing.values()
    assert "between a and c" in alert.description
    assert ("critical", Cause.CLEAR_FOR) in _rounds(alerting, offsets(a=0, c=0), 60, 120)


async def test_without_receivers_alerts_are_logged() -> None:
    """The log is a receiver that needs no configuration."""
    with structlog.testing.capture_logs() as lines:
        async with _running(Alerting(MemoryStore())) as alerting:
            alerting.configure([], Origin())
            _rounds(alerting, WRONG, 0)
            async with asyncio.timeout(10):
                while not lines:
                    await asyncio.sleep(0.005)
    assert (lines[0]["event"], lines[0]["node"]) == ("alert fires", "c")


async def test_a_dry_run_prints_alerts_and_leaves_no_trace() -> None:
    """No request, and not a byte in the store."""
    store, said = MemoryStore(), list[str]()
    async with receiver() as server, _running(Alerting(store, said.append)) as alerting:
        alerting.configure([ReceiverConfig("webhook", server.url)], Origin())
        _rounds(alerting, WRONG, 0)
        async with asyncio.timeout(10):
            while not said:
                await asyncio.sleep(0.005)
        assert server.bodies == []
    assert store.saved == {}


async def test_a_damaged_saved_state_is_dropped_and_logged() -> None:
    """A state of the future, or of a broken disk."""
    store = MemoryStore()
    store.save(STATE, {"version": 99})
    with structlog.testing.capture_logs() as lines:
        async with _running(Alerting(store)) as alerting:
            assert not alerting.firing
    assert lines[0]["event"] == "the saved alerts are unreadable and were dropped"


class CountingStore(MemoryStore):
    """Counts how often the state of alerts is saved."""

    saves = 0

    def save(self, name: str, data: object) -> None:
        """See ``Store``."""
        self.saves += name == STATE
        super().save(name, data)


async def test_counted_times_of_many_alerts_are_saved_once_a_minute_and_at_the_end() -> None:
    """Alerts that wait for five minutes are saved five times, and a restart loses none of their time."""
    store = CountingStore()
    silent = view(node("a"), node("b"), *(missing(f"m{number}") for number in range(FEW_ALERTS + 1)))
    async with _running(Alerting(store)) as first:
        assert _rounds(first, silent, *range(0, 300, 15)) == []
        assert store.saves == 5
    second = Alerting(store)
    assert _rounds(second, silent, 1_000) == []
    assert _rounds(second, silent, 1_015) == [("warning", Cause.PROVEN_FOR)] * (FEW_ALERTS + 1)


async def test_a_daemon_that_is_killed_again_and_again_still_alerts() -> None:
    """It lives for two rounds each time, and its node has been silent for five minutes of them."""
    store, silent = MemoryStore(), view(node("a"), node("b"), missing("c"))
    fired = [_rounds(Alerting(store), silent, life * 100, life * 100 + 15) for life in range(20)]
    assert fired == [*[[]] * 19, [("warning", Cause.PROVEN_FOR)]]


async def test_a_kill_does_not_bring_back_time_for_which_an_alert_was_clear() -> None:
    """The clock was right for 45 s, then wrong again: the next process waits for a whole minute."""
    store = MemoryStore()
    killed = Alerting(store)
    assert _rounds(killed, WRONG, 0) == [("critical", Cause.PROVEN_FOR)]
    assert _rounds(killed, RIGHT, 15, 30, 45, 60) == []
    assert _rounds(killed, WRONG, 70) == []
    second = Alerting(store)
    assert _rounds(second, RIGHT, 80, 95, 139) == []
    assert _rounds(second, RIGHT, 140) == [("critical", Cause.CLEAR_FOR)]


async def test_a_kill_does_not_bring_back_time_for_which_a_node_was_silent() -> None:
    """It was silent for four minutes and then answered: the next process waits for five minutes again."""
    store, silent = MemoryStore(), view(node("a"), node("b"), missing("c"))
    killed = Alerting(store)
    assert _rounds(killed, silent, *range(0, 241, 15)) == []
    assert _rounds(killed, RIGHT, 255) == []
    second = Alerting(store)
    assert _rounds(second, silent, *range(300, 600, 15)) == []
    assert _rounds(second, silent, 600) == [("warning", Cause.PROVEN_FOR)]


async def test_a_kill_does_not_bring_back_the_time_of_a_cluster_that_was_gone() -> None:
    """A reload removed it, and the next process has it again: its silent node waits for five minutes."""
    store, silent = MemoryStore(), view(node("a"), node("b"), missing("c"))
    killed = Alerting(store)
    assert _rounds(killed, silent, *range(0, 241, 15)) == []
    assert killed.retain([], 2**61) == ()
    assert _rounds(Alerting(store), silent, *range(300, 600, 15)) == []


async def test_the_end_saves_the_newest_numbers() -> None:
    """The alert began at 70 s, and the clock was 90 s off in the last round: receivers get these first."""
    store = MemoryStore()
    async with receiver() as server:
        async with _running(Alerting(store)) as first:
            _rounds(first, WRONG, 0)
            _rounds(first, offsets(named("c"), a=0, b=0, c=90 * S), 15)
        async with _running(Alerting(store)) as second:
            second.configure([ReceiverConfig("alertmanager", server.url)], Origin())
            await _until(server, 1)
    assert "at least 89.9" in server.bodies[0][0]["annotations"]["description"]


def _faulty() -> Texts:
    raise ZeroDivisionError


async def test_a_text_that_cannot_be_built_holds_up_no_alert() -> None:
    """The alert keeps the texts with which it began."""
    alerting = Alerting(MemoryStore())
    _rounds(alerting, WRONG, 0)
    (key,) = alerting.firing
    alerting._states["prod"] = replace(alerting._states["prod"], texts={key: _faulty})
    assert "at least 69.9" in alerting.firing[key].description


async def test_nothing_is_saved_while_nothing_changes() -> None:
    """An alert that holds with new numbers each round, and a healthy cluster."""
    store = CountingStore()
    alerting = Alerting(store)
    _rounds(alerting, WRONG, 0, 60)
    before = store.saves
    _rounds(alerting, WRONG, *range(75, 600, 15))
    assert store.saves == before
