"""Due times of queued alerts, and the effect of failures; the clock is a number."""

import json
import random
from dataclasses import replace

import pytest

from skewmon.notify import queues
from skewmon.notify.queues import BACKOFF, BATCH_MAX, CHANGE_KEPT_S, RESOLVED_KEPT_S, FifoQueue, ResendQueue
from skewmon.notify.receiver import Delivery, DeliveryReason, Result
from tests.notify.tools import by_key, ended, firing

OK = Delivery(Result.OK)
RETRY = Delivery(Result.RETRY, DeliveryReason.SERVER_ERROR)
GIVE_UP = Delivery(Result.GIVE_UP, DeliveryReason.REFUSED)


def repeating() -> ResendQueue:
    """Return a queue for an Alertmanager."""
    return ResendQueue(random.Random(1))


def once() -> FifoQueue:
    """Return a queue for a webhook."""
    return FifoQueue(random.Random(1))


def test_a_change_is_due_at_once_and_again_each_minute() -> None:
    """It is repeated while the alert fires."""
    queue, alert = repeating(), firing()
    queue.submit([alert], by_key(alert), 0.0)
    for now_s in (0.0, 60.0, 120.0):
        assert queue.due_at_s() == now_s
        assert queue.batch(now_s) == (alert,)
        queue.settle([alert], OK, now_s)
        assert queue.batch(now_s + 59.0) == ()


def test_an_end_is_repeated_for_a_quarter_of_an_hour_and_then_forgotten() -> None:
    """A receiver that restarts meanwhile still gets the end."""
    queue, alert = repeating(), firing()
    over = ended(alert)
    queue.submit([alert], by_key(alert), 0.0)
    queue.submit([over], {}, 10.0)
    now_s, sent = 10.0, 0
    while (due_s := queue.due_at_s()) is not None:
        now_s = max(now_s, due_s)
        assert queue.batch(now_s) == (over,)
        queue.settle([over], OK, now_s)
        sent += 1
    assert sent == 1 + RESOLVED_KEPT_S / 60
    assert now_s == 10.0 + RESOLVED_KEPT_S


def test_an_end_that_was_never_delivered_outlives_the_quarter_of_an_hour() -> None:
    """The receiver was down all the time: it gets the end when it is back."""
    queue, alert = repeating(), firing()
    queue.submit([ended(alert)], {}, 0.0)
    now_s = 0.0
    while now_s < 2 * RESOLVED_KEPT_S:
        now_s = queue.due_at_s() or 0.0
        queue.settle(queue.batch(now_s), RETRY, now_s)
    assert queue.batch(queue.due_at_s() or 0.0) == (ended(alert),)


def test_new_texts_do_not_make_an_alert_due() -> None:
    """Numbers change each round; receivers get the newest each minute."""
    queue, alert = repeating(), firing()
    queue.submit([alert], by_key(alert), 0.0)
    queue.settle([alert], OK, 0.0)
    newer = replace(alert, description="At least 71 s.")
    queue.submit([], by_key(newer), 15.0)
    assert queue.due_at_s() == 60.0
    assert queue.batch(60.0) == (newer,)


def test_a_resend_queue_corrects_itself_from_the_firing_alerts() -> None:
    """An unknown alert is sent, and one that no longer fires is not."""
    queue = repeating()
    queue.submit([], by_key(firing("a"), firing("b")), 0.0)
    queue.submit([], by_key(firing("b")), 1.0)
    assert queue.batch(1.0) == (firing("b"),)


def test_a_change_on_the_way_is_not_lost() -> None:
    """The alert ends while its beginning is being sent: the end is due by itself."""
    queue, alert = repeating(), firing()
    queue.submit([alert], by_key(alert), 0.0)
    batch = queue.batch(0.0)
    queue.submit([ended(alert)], {}, 0.5)
    queue.settle(batch, OK, 1.0)
    assert queue.batch(1.0) == (ended(alert),)


def test_an_alert_that_fires_again_is_news() -> None:
    """The end that is still being repeated gives way."""
    queue, alert = repeating(), firing()
    queue.submit([ended(alert)], {}, 0.0)
    queue.submit([alert], by_key(alert), 1.0)
    assert queue.batch(1.0) == (alert,)


def test_a_batch_that_is_refused_for_good_is_sent_again_after_a_minute() -> None:
    """A 404 of a wrong prefix ends when the operator mends the proxy."""
    queue, alert = repeating(), firing()
    queue.submit([alert], by_key(alert), 0.0)
    queue.settle([alert], GIVE_UP, 0.0)
    assert queue.due_at_s() == 60.0


def test_changes_are_delivered_once_and_in_order() -> None:
    """A webhook gets start and end, one after the other."""
    queue, alert = once(), firing()
    queue.submit([alert], by_key(alert), 0.0)
    queue.submit([ended(alert)], {}, 1.0)
    assert queue.batch(1.0) == (alert, ended(alert))
    queue.settle([alert, ended(alert)], OK, 1.0)
    assert queue.due_at_s() is None


@pytest.mark.parametrize("answer", [OK, GIVE_UP])
def test_settled_changes_are_removed_and_new_ones_stay(answer: Delivery) -> None:
    """A final refusal settles a change, too."""
    queue = once()
    queue.submit([firing("a")], {}, 0.0)
    batch = queue.batch(0.0)
    queue.submit([firing("b")], {}, 0.0)
    queue.settle(batch, answer, 0.0)
    assert queue.batch(0.0) == (firing("b"),)


def test_a_resend_queue_pauses_like_any_other() -> None:
    """Nothing is due before the pause is over."""
    queue, alert = repeating(), firing()
    queue.submit([alert], by_key(alert), 0.0)
    queue.settle([alert], RETRY, 0.0)
    assert queue.batch(0.0) == ()
    assert queue.batch(queue.due_at_s() or 0.0) == (alert,)


def test_pauses_grow_to_a_minute_and_start_again() -> None:
    """Exponential, with jitter, inside the resend interval."""
    queue = once()
    queue.submit([firing()], {}, 0.0)
    now_s, pauses = 0.0, []
    for _ in range(10):
        queue.settle(queue.batch(now_s), RETRY, now_s)
        assert queue.batch(now_s) == ()
        pauses.append((queue.due_at_s() or 0.0) - now_s)
        now_s = queue.due_at_s() or 0.0
    for number, pause_s in enumerate(pauses):
        longest_s = min(BACKOFF.limit_s, 2.0**number)
        assert longest_s / 2 <= pause_s <= longest_s
    assert len(set(pauses)) == len(pauses)
    queue.settle(queue.batch(now_s), OK, now_s)
    queue.submit([firing()], {}, now_s)
    assert queue.batch(now_s)


def test_a_heartbeat_is_due_each_minute_also_without_alerts() -> None:
    """Any request carries it, and a failure delays it like any other."""
    queue, alert = repeating(), firing()
    queue.heartbeat = True
    assert (queue.due_at_s() or 0.0) <= 0.0
    assert queue.batch(0.0) == ()
    queue.settle((), OK, 0.0)
    assert queue.due_at_s() == 60.0
    queue.submit([alert], by_key(alert), 30.0)
    queue.settle(queue.batch(30.0), OK, 30.0)
    assert queue.due_at_s() == 90.0
    queue.settle(queue.batch(90.0), RETRY, 90.0)
    assert 90.0 < (queue.due_at_s() or 0.0) <= 90.0 + BACKOFF.limit_s


def test_ends_survive_a_restart_and_firing_alerts_are_left_to_the_machine() -> None:
    """Through JSON; the next process sends the end for a full period."""
    queued, again = repeating(), repeating()
    queued.submit([ended(firing("a")), firing("b")], by_key(firing("b")), 0.0)
    again.restore(json.loads(json.dumps(queued.to_json(800.0))), 5.0)
    assert again.batch(5.0) == (ended(firing("a")),)
    again.settle(again.batch(5.0), OK, 5.0)
    assert again.due_at_s() == 65.0


def test_a_change_is_sent_before_alerts_that_are_repeated() -> None:
    """Three batches are due again, and one of these alerts ends: its end is not sent after the others."""
    queue, alerts = repeating(), [firing(f"n{number}") for number in range(3 * BATCH_MAX)]
    queue.submit(alerts, by_key(*alerts), 0.0)
    while queue.due_at_s() == 0.0:
        queue.settle(queue.batch(0.0), OK, 0.0)
    last, new = alerts[-1], firing("another")
    queue.submit([ended(last), new], by_key(*alerts[:-1], new), 61.0)
    assert queue.batch(61.0) == (ended(last), new, *alerts[: BATCH_MAX - 2])
    sent = 0
    while (queue.due_at_s() or 0.0) <= 61.0:
        batch = queue.batch(61.0)
        queue.settle(batch, OK, 61.0)
        sent += len(batch)
    assert sent == len(alerts) + 1


def test_a_batch_is_bounded() -> None:
    """A thousand alerts go in portions."""
    for queue in (once(), repeating()):
        many = [firing(f"n{number}") for number in range(BATCH_MAX * 2 + 1)]
        queue.submit(many, by_key(*many), 0.0)
        sizes = []
        while batch := queue.batch(0.0):
            sizes.append(len(batch))
            queue.settle(batch, OK, 0.0)
        assert sizes == [BATCH_MAX, BATCH_MAX, 1]


def test_a_full_queue_drops_the_oldest_and_counts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, and losses show in a metric."""
    monkeypatch.setattr(queues, "QUEUE_MAX", 3)
    for queue in (once(), repeating()):
        queue.submit([ended(firing(f"n{number}")) for number in range(5)], {}, 0.0)
        assert [alert.key.node for alert in queue.batch(0.0)] == ["n2", "n3", "n4"]
        assert queue.dropped == {DeliveryReason.QUEUE_FULL: 2}


def test_an_overflow_while_sending_takes_nothing_else_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The front of the batch was dropped while it was on its way."""
    monkeypatch.setattr(queues, "QUEUE_MAX", 2)
    queue = once()
    queue.submit([firing("a"), firing("b")], {}, 0.0)
    batch = queue.batch(0.0)
    queue.submit([firing("c")], {}, 0.0)
    queue.settle(batch, OK, 0.0)
    assert queue.batch(0.0) == (firing("c"),)


def test_a_change_that_was_not_accepted_in_a_day_is_dropped() -> None:
    """Old news is counted, not delivered."""
    queue = once()
    queue.submit([firing("old")], {}, 0.0)
    queue.submit([firing("new")], {}, 10.0)
    queue.settle(queue.batch(CHANGE_KEPT_S), RETRY, CHANGE_KEPT_S)
    assert queue.batch(queue.due_at_s() or 0.0) == (firing("new"),)
    assert queue.dropped == {DeliveryReason.EXPIRED: 1}


def test_changes_survive_a_restart() -> None:
    """Through JSON and onto another clock, with their ages, before newer ones."""
    alert = firing()
    queued, again = once(), once()
    queued.submit([alert, ended(alert)], {}, 0.0)
    again.submit([firing("newer")], {}, 5.0)
    again.restore(json.loads(json.dumps(queued.to_json(1.0))), 5.0)
    assert again.batch(5.0) == (alert, ended(alert), firing("newer"))


@pytest.mark.parametrize("data", [3, [{}], [{"alert": {}, "waited_s": 1}], ["x"]])
def test_a_damaged_saved_queue_is_refused(data: object) -> None:
    """With one of the errors that the dispatcher expects."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        once().restore(data, 0.0)
