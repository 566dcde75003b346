"""Queues of alerts for one receiver, with due times and back-off. Time is an argument.

A ``ResendQueue`` mirrors the firing alerts: each is due at once when it changes, and again each resend
interval; a receiver that was down gets the current state only. A ``FifoQueue`` delivers each change once, in
order.
"""

import math
import random
from collections import Counter, OrderedDict, deque
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from operator import itemgetter
from typing import Any, Protocol

from skewmon.alert.alerts import Alert, Key
from skewmon.alert.saved_state import alert_from_json, alert_to_json
from skewmon.notify.alertmanager import RESEND_S
from skewmon.notify.receiver import Delivery, DeliveryReason, Result
from skewmon.runtime.backoff import Backoff

#: Alerts in one request; an Alertmanager takes thousands, a chat service a screenful.
BATCH_MAX = 64

#: Changes, or ends of alerts, queued for a dead receiver: one for each of 10,000 nodes. Beyond it the oldest
#: matter least. Alerts that fire are as many as the alert machine has.
QUEUE_MAX = 10_000

#: An ended alert is resent for this long, so that a receiver that restarts still gets the end.
RESOLVED_KEPT_S = 900.0

#: A change that could not be delivered in a day is out of date; the journal has it.
CHANGE_KEPT_S = 86_400.0

#: The limit is the resend interval: a receiver that comes back gets its alerts within a minute.
BACKOFF = Backoff(first_s=1.0, limit_s=RESEND_S)


class Queue(Protocol):
    """The queued alerts of one receiver."""

    dropped: Counter[DeliveryReason]

    def submit(self, changed: Sequence[Alert], firing: Mapping[Key, Alert], now_s: float) -> None:
        """Queue changes, and follow the firing alerts."""
        ...

    def due_at_s(self) -> float | None:
        """Return the instant of the next batch, or None if the queue is empty."""
        ...

    def batch(self, now_s: float) -> tuple[Alert, ...]:
        """Return the alerts that are due, at most BATCH_MAX."""
        ...

    def settle(self, batch: Sequence[Alert], delivery: Delivery, now_s: float) -> None:
        """Process the result of a batch."""
        ...

    def to_json(self, now_s: float) -> Any:
        """Return the content that the next process needs as JSON values, without instants of the base."""
        ...

    def restore(self, data: Any, now_s: float) -> None:
        """Load the values of ``to_json``; raise KeyError, TypeError or ValueError on anything else."""
        ...


class Pause:
    """The pause of one receiver after consecutive failures."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._failures = 0
        self.until_s = 0.0

    def failed(self, now_s: float) -> None:
        """Start a pause, longer than the previous one."""
        self.until_s = now_s + BACKOFF.pause_s(self._failures, self._rng)
        self._failures += 1

    def worked(self) -> None:
        """End the pause; the next one has the first length again."""
        self._failures = 0
        self.until_s = 0.0


@dataclass(slots=True)
class _Entry:
    """One alert of a resend queue: its next due time, and if it has ended the alert and when it did."""

    due_s: float
    ended: Alert | None = None
    ended_s: float = 0.0


class ResendQueue:
    """Mirrors the firing alerts. Ends are saved until they are delivered; the alert machine saves the rest.

    An end that is lost would leave the alert in Alertmanager until its distant ``endsAt``. With ``heartbeat``
    a batch is due each resend interval, even an empty one. The entries that are due come first, the newest
    changes before all, and the others follow in the order of their due times.
    """

    def __init__(self, rng: random.Random) -> None:
        self.dropped: Counter[DeliveryReason] = Counter()
        self.heartbeat = False
        self._heartbeat_due_s = -math.inf
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._firing: Mapping[Key, Alert] = {}
        self._pause = Pause(rng)

    def submit(self, changed: Sequence[Alert], firing: Mapping[Key, Alert], now_s: float) -> None:
        """Send changes at once; add unknown alerts that fire."""
        self._firing = firing
        unknown = [key for key in firing if key not in self._entries or self._entries[key].ended]
        entries = {alert.key: _Entry(now_s, None if alert.firing else alert, now_s) for alert in changed}
        entries |= {key: _Entry(now_s) for key in unknown}
        for key in reversed(entries):
            self._entries[key] = entries[key]
            self._entries.move_to_end(key, last=False)
        self._forget(firing)
        self._drop_oldest_ends()

    def _drop_oldest_ends(self) -> None:
        ended = [(entry.ended_s, key) for key, entry in self._entries.items() if entry.ended]
        for _, key in sorted(ended, key=itemgetter(0))[: max(0, len(ended) - QUEUE_MAX)]:
            del self._entries[key]
            self.dropped[DeliveryReason.QUEUE_FULL] += 1

    def _forget(self, firing: Container[Key]) -> None:
        """Drop alerts that no longer fire but whose end was not submitted; they expire at the receiver."""
        for key in [key for key, entry in self._entries.items() if not entry.ended and key not in firing]:
            del self._entries[key]

    def due_at_s(self) -> float | None:
        """See ``Queue``."""
        due_s = [entry.due_s for entry in islice(self._entries.values(), 1)]
        if self.heartbeat:
            due_s.append(self._heartbeat_due_s)
        return max(min(due_s), self._pause.until_s) if due_s else None

    def batch(self, now_s: float) -> tuple[Alert, ...]:
        """See ``Queue``."""
        if now_s < self._pause.until_s:
            return ()
        first = islice(self._entries.items(), BATCH_MAX)
        due = takewhile(lambda one: one[1].due_s <= now_s, first)
        return tuple(entry.ended or self._firing[key] for key, entry in due)

    def settle(self, batch: Sequence[Alert], delivery: Delivery, now_s: float) -> None:
        """Schedule alerts that were accepted or finally refused after the resend interval."""
        if delivery.result is Result.RETRY:
            self._pause.failed(now_s)
            return
        self._pause.worked()
        self._heartbeat_due_s = now_s + RESEND_S
        for alert in batch:
            entry = self._entries.get(alert.key)
            if entry is None or (entry.ended is None) != alert.firing:
                continue  # it changed during the request, and is due again
            entry.due_s = now_s + RESEND_S
            self._entries.move_to_end(alert.key)
            if entry.ended and now_s - entry.ended_s >= RESOLVED_KEPT_S:
                del self._entries[alert.key]

    def to_json(self, now_s: float) -> Any:
        """Return the alerts that have ended, as JSON values."""
        return [alert_to_json(entry.ended) for entry in self._entries.values() if entry.ended]

    def restore(self, data: Any, now_s: float) -> None:
        """See ``Queue``; the next process sends the ends for a full period again."""
        ended = [alert_from_json(one) for one in data]
        self._entries.update({alert.key: _Entry(now_s, alert, now_s) for alert in ended})


class FifoQueue:
    """Delivers each change once. Saved, because the alert machine does not keep past changes."""

    def __init__(self, rng: random.Random) -> None:
        self.dropped: Counter[DeliveryReason] = Counter()
        self._queue: deque[tuple[Alert, float]] = deque()
        self._pause = Pause(rng)

    def submit(self, changed: Sequence[Alert], firing: Mapping[Key, Alert], now_s: float) -> None:
        """Queue changes; if the queue is full, drop the oldest."""
        self._queue.extend((alert, now_s) for alert in changed)
        while len(self._queue) > QUEUE_MAX:
            self._queue.popleft()
            self.dropped[DeliveryReason.QUEUE_FULL] += 1

    def due_at_s(self) -> float | None:
        """See ``Queue``."""
        return self._pause.until_s if self._queue else None

    def batch(self, now_s: float) -> tuple[Alert, ...]:
        """See ``Queue``."""
        if now_s < self._pause.until_s:
            return ()
        return tuple(alert for alert, _ in islice(self._queue, BATCH_MAX))

    def settle(self, batch: Sequence[Alert], delivery: Delivery, now_s: float) -> None:
        """Keep alerts that are retried, unless they are too old; drop the others."""
        if delivery.result is not Result.RETRY:
            self._pause.worked()
            self._remove(batch)
            return
        self._pause.failed(now_s)
        while self._queue and now_s - self._queue[0][1] >= CHANGE_KEPT_S:
            self._queue.popleft()
            self.dropped[DeliveryReason.EXPIRED] += 1

    def _remove(self, batch: Iterable[Alert]) -> None:
        """Remove a batch from the front; its first alerts may be gone because of an overflow."""
        for alert in batch:
            if self._queue and self._queue[0][0] == alert:
                self._queue.popleft()

    def to_json(self, now_s: float) -> Any:
        """Return the queue as JSON values; instants become ages."""
        return [
            {"waited_s": max(0.0, now_s - since_s), "alert": alert_to_json(alert)}
            for alert, since_s in self._queue
        ]

    def restore(self, data: Any, now_s: float) -> None:
        """See ``Queue``."""
        kept = [(alert_from_json(one["alert"]), now_s - float(one["waited_s"])) for one in data]
        self._queue.extendleft(reversed(kept))
