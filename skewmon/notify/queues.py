"""Alerts that wait for one receiver: when they are due, and the effect of a failure. Time is an argument.

A ``ResendQueue`` mirrors what fires: each alert is due at once when it changes, and again each resend
interval; a receiver that was away gets the present state, not the past. A ``FifoQueue`` delivers each change
once, in order.
"""

import math
import random
from collections import Counter, OrderedDict, deque
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from skewmon.alert.alerts import Alert, Key
from skewmon.alert.memory import alert_from_json, alert_to_json
from skewmon.notify.alertmanager import RESEND_S
from skewmon.notify.receiver import Delivery, Reason, Result

#: Alerts in one request; an Alertmanager takes thousands, a chat service a screenful.
BATCH_MAX = 64

#: Changes that wait for a dead receiver. At one alert a node and 10,000 nodes the oldest are the least news.
QUEUE_MAX = 10_000

#: An ended alert is repeated this long, so that a receiver that restarts still learns of the end.
RESOLVED_KEPT_S = 900.0

#: A change that could not be delivered in a day is history; the journal has it.
CHANGE_KEPT_S = 86_400.0

#: The first pause after a failure; each further one doubles it …
BACKOFF_FIRST_S = 1.0

#: … up to the resend interval: a receiver that comes back is found within a minute.
BACKOFF_MAX_S = RESEND_S


class Queue(Protocol):
    """What waits for one receiver."""

    dropped: Counter[Reason]

    def submit(self, changed: Sequence[Alert], firing: Sequence[Alert], now_s: float) -> None:
        """Take in what has changed, and everything that fires now."""
        ...

    def due_at_s(self) -> float | None:
        """Return when there is something to send, or None where nothing waits."""
        ...

    def batch(self, now_s: float) -> tuple[Alert, ...]:
        """Return what is due, at most BATCH_MAX of it."""
        ...

    def settle(self, batch: Sequence[Alert], delivery: Delivery, now_s: float) -> None:
        """Take in what became of a batch."""
        ...

    def to_json(self, now_s: float) -> Any:
        """Return what has to survive a restart; instants become ages."""
        ...

    def restore(self, data: Any, now_s: float) -> None:
        """Take in what ``to_json`` returned; raise KeyError, TypeError or ValueError on anything else."""
        ...


class Backoff:
    """Exponential pauses with jitter, so that many senders do not return at the same instant."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._failures = 0
        self.until_s = 0.0

    def failed(self, now_s: float) -> None:
        """Pause longer than last time."""
        pause_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** min(self._failures, 16))
        self._failures += 1
        self.until_s = now_s + pause_s * self._rng.uniform(0.5, 1.0)

    def worked(self) -> None:
        """Begin afresh."""
        self._failures = 0
        self.until_s = 0.0


@dataclass(slots=True)
class _Entry:
    """One alert of a repeating queue: what to say, when next, and until when once it has ended."""

    alert: Alert
    due_s: float
    ended_s: float | None = None


class ResendQueue:
    """Mirrors what fires."""

    def __init__(self, rng: random.Random) -> None:
        self.dropped: Counter[Reason] = Counter()
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._backoff = Backoff(rng)

    def submit(self, changed: Sequence[Alert], firing: Sequence[Alert], now_s: float) -> None:
        """Send changes at once; let what fires update the words of what is known, and mend what is not."""
        for alert in changed:
            self._entries[alert.key] = _Entry(alert, now_s, None if alert.firing else now_s)
        for alert in firing:
            entry = self._entries.get(alert.key)
            if entry is not None and entry.alert.firing:
                entry.alert = alert
            else:
                self._entries[alert.key] = _Entry(alert, now_s)
        self._forget({alert.key for alert in firing})
        while len(self._entries) > QUEUE_MAX:
            self._entries.popitem(last=False)
            self.dropped[Reason.QUEUE_FULL] += 1

    def _forget(self, firing: Container[Key]) -> None:
        """Drop what is said to fire and does not; the receiver lets it end by itself."""
        for key in [key for key, entry in self._entries.items() if entry.alert.firing and key not in firing]:
            del self._entries[key]

    def due_at_s(self) -> float | None:
        """See ``Queue``."""
        earliest = min((entry.due_s for entry in self._entries.values()), default=None)
        return None if earliest in (None, math.inf) else max(earliest, self._backoff.until_s)

    def batch(self, now_s: float) -> tuple[Alert, ...]:
        """See ``Queue``."""
        if now_s < self._backoff.until_s:
            return ()
        due = (entry.alert for entry in self._entries.values() if entry.due_s <= now_s)
        return tuple(alert for alert, _ in zip(due, range(BATCH_MAX), strict=False))

    def settle(self, batch: Sequence[Alert], delivery: Delivery, now_s: float) -> None:
        """Repeat what was taken, and what was turned down as a whole, after the resend interval."""
        if delivery.result is Result.RETRY:
            self._backoff.failed(now_s)
            return
        self._backoff.worked()
        for alert in batch:
            entry = self._entries.get(alert.key)
            if entry is None or entry.alert.firing != alert.firing:
                continue  # it has changed while it was on its way, and is due by itself
            refused = alert in delivery.refused
            # The same alert would meet the same answer; only its end is news, and that only once.
            entry.due_s = math.inf if refused else now_s + RESEND_S
            if entry.ended_s is not None and (refused or now_s - entry.ended_s >= RESOLVED_KEPT_S):
                del self._entries[alert.key]

    def to_json(self, now_s: float) -> Any:
        """See ``Queue``; only ends have to be kept, for what fires is known to the alert machine."""
        return [
            {"ended_ago_s": max(0.0, now_s - entry.ended_s), "alert": alert_to_json(entry.alert)}
            for entry in self._entries.values()
            if entry.ended_s is not None
        ]

    def restore(self, data: Any, now_s: float) -> None:
        """See ``Queue``."""
        for one in data:
            alert = alert_from_json(one["alert"])
            self._entries[alert.key] = _Entry(alert, now_s, now_s - float(one["ended_ago_s"]))


class FifoQueue:
    """A queue of changes."""

    def __init__(self, rng: random.Random) -> None:
        self.dropped: Counter[Reason] = Counter()
        self._queue: deque[tuple[Alert, float]] = deque()
        self._backoff = Backoff(rng)

    def submit(self, changed: Sequence[Alert], firing: Sequence[Alert], now_s: float) -> None:
        """Queue changes; where the queue is full the oldest go."""
        self._queue.extend((alert, now_s) for alert in changed)
        while len(self._queue) > QUEUE_MAX:
            self._queue.popleft()
            self.dropped[Reason.QUEUE_FULL] += 1

    def due_at_s(self) -> float | None:
        """See ``Queue``."""
        return self._backoff.until_s if self._queue else None

    def batch(self, now_s: float) -> tuple[Alert, ...]:
        """See ``Queue``."""
        if now_s < self._backoff.until_s:
            return ()
        return tuple(alert for (alert, _), _ in zip(self._queue, range(BATCH_MAX), strict=False))

    def settle(self, batch: Sequence[Alert], delivery: Delivery, now_s: float) -> None:
        """Keep what is to be tried again, unless it is too old; drop the rest."""
        if delivery.result is not Result.RETRY:
            self._backoff.worked()
            self._remove(batch)
            return
        self._backoff.failed(now_s)
        while self._queue and now_s - self._queue[0][1] >= CHANGE_KEPT_S:
            self._queue.popleft()
            self.dropped[Reason.EXPIRED] += 1

    def _remove(self, batch: Iterable[Alert]) -> None:
        """Take a batch from the front; overflow may have taken the first of it already."""
        for alert in batch:
            if self._queue and self._queue[0][0] == alert:
                self._queue.popleft()

    def to_json(self, now_s: float) -> Any:
        """See ``Queue``."""
        return [
            {"waited_s": max(0.0, now_s - since_s), "alert": alert_to_json(alert)}
            for alert, since_s in self._queue
        ]

    def restore(self, data: Any, now_s: float) -> None:
        """See ``Queue``."""
        kept = [(alert_from_json(one["alert"]), now_s - float(one["waited_s"])) for one in data]
        self._queue.extendleft(reversed(kept))
