"""Delivers alerts: one queue and one task a receiver.

A receiver that is slow or dead holds up its own queue and nothing else: ``submit`` only queues alerts and
returns. Queues survive a restart through ``Store``, as far as the alert machine does not know their content.
"""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from skewmon.alert.alerts import Alert, Key
from skewmon.notify.queues import FifoQueue, Queue, ResendQueue
from skewmon.notify.receiver import Delivery, DeliveryReason, Notifier, Result
from skewmon.runtime.containment import Where, contained

#: One sending with all its parts: a webhook's refused batch is halved, each part a request of at most 10 s.
SEND_TIMEOUT_S = 120.0

#: State is on disk before it is sent, so that a process that is killed in between resumes. A slower disk does
#: not delay a page.
STORE_TIMEOUT_S = 1.0

#: While a queue is being delivered it is saved this often, and when nothing more is due: ten thousand alerts
#: would otherwise be written a hundred times. A daemon that is killed in between repeats so much.
SAVE_EVERY_S = 10.0

#: After an internal error a queue rests: its cause may still be there, and must not keep a processor busy.
DEFECT_PAUSE_S = 10.0


class Store(Protocol):
    """Storage of queues between runs; implemented by the journal."""

    def load(self, name: str) -> Any:
        """Return the last value saved under a name, or None."""
        ...

    def save(self, name: str, data: Any) -> None:
        """Save JSON values under a name if they changed; return soon, and raise nothing if the disk fails."""
        ...

    async def flush(self) -> bool:
        """Return True once everything saved so far is on disk, False if writing it failed."""
        ...


class MemoryStore:
    """A store in memory: for a dry run, which must not touch the saved state."""

    def __init__(self) -> None:
        self.saved: dict[str, Any] = {}

    def load(self, name: str) -> Any:
        """See ``Store``."""
        return self.saved.get(name)

    def save(self, name: str, data: Any) -> None:
        """See ``Store``."""
        self.saved[name] = data

    async def flush(self) -> bool:
        """See ``Store``."""
        return True


@dataclass(slots=True)
class Counts:
    """Alerts handed to receivers since the start, failed attempts included, and those that failed."""

    total: Counter[str] = field(default_factory=Counter)  # by notifier
    failed: Counter[tuple[str, str]] = field(default_factory=Counter)  # by notifier and reason


@dataclass(slots=True)
class Receiver:
    """A notifier with its queue, when that was saved, and the error logged last.

    ``wake`` is set when an alert was queued.
    """

    notifier: Notifier
    queue: Queue
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    saved_s: float = -math.inf  # on the base
    logged_error: str = ""

    def is_due(self, now_s: float) -> bool:
        """Whether alerts are to be sent now."""
        due_at_s = self.queue.due_at_s()
        return due_at_s is not None and due_at_s <= now_s


class Dispatcher:
    """Delivers alerts to every receiver, each at its own pace.

    Receivers that the ``previous`` dispatcher had keep their queues.
    """

    def __init__(
        self,
        notifiers: Iterable[Notifier],
        store: Store,
        counts: Counts,
        previous: "Dispatcher | None" = None,
        *,
        rng: random.Random | None = None,
        wall_clock: Callable[[], int] = time.time_ns,
        base_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._counts = counts
        self._store = store
        self._wall_clock = wall_clock
        self._base_clock = base_clock
        self._log = structlog.get_logger("skewmon.notify")
        self._rng = rng or random.Random()  # noqa: S311 - spreads retries, guards no secret
        kept = {one.notifier.identity: one.queue for one in previous.receivers} if previous else {}
        self.receivers: list[Receiver] = [
            Receiver(notifier, kept.get(notifier.identity) or self._new_queue(notifier))
            for notifier in notifiers
        ]
        for receiver in self.receivers:
            if isinstance(receiver.queue, ResendQueue):
                receiver.queue.heartbeat = receiver.notifier.heartbeat
            counts.total[receiver.notifier.name] += 0  # a rate needs a series before the first alert
            for reason in DeliveryReason:
                counts.failed[receiver.notifier.name, reason.value] += 0

    def submit(self, changed: Sequence[Alert], firing: Mapping[Key, Alert]) -> None:
        """Queue changes; return at once.

        Receivers that want resending mirror ``firing``, and read from it the newest texts when they send.
        """
        now_s = self._base_clock()
        for receiver in self.receivers:
            with contained(Where.RECEIVER, receiver=receiver.notifier.receiver):
                receiver.queue.submit(changed, firing, now_s)
                if changed:
                    self._save(receiver)
            receiver.wake.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for receiver in self.receivers:
                    group.create_task(self._serve(receiver), name=f"notify {receiver.notifier.receiver}")
        finally:
            for receiver in self.receivers:
                self._save(receiver)

    async def _serve(self, receiver: Receiver) -> None:
        while True:
            with contained(Where.RECEIVER, receiver=receiver.notifier.receiver) as delivering:
                await self._deliver(receiver)
            if delivering.error:
                await asyncio.sleep(DEFECT_PAUSE_S)

    async def _deliver(self, receiver: Receiver) -> None:
        """Wait until alerts are due, and try to send them once."""
        await self._until_due(receiver)
        await self._stored()
        now_s = self._base_clock()
        if not receiver.is_due(now_s):
            return
        batch = receiver.queue.batch(now_s)
        delivery = await self._send(receiver.notifier, batch)
        now_s = self._base_clock()
        receiver.queue.settle(batch, delivery, now_s)
        self._count(receiver, batch, delivery)
        if now_s - receiver.saved_s >= SAVE_EVERY_S or not receiver.is_due(now_s):
            self._save(receiver)

    async def _until_due(self, receiver: Receiver) -> None:
        """Wait until alerts are due, or the queue has changed."""
        due_at_s = receiver.queue.due_at_s()
        wait_s = None if due_at_s is None else due_at_s - self._base_clock()
        if wait_s is not None and wait_s <= 0:
            return
        receiver.wake.clear()
        try:
            async with asyncio.timeout(wait_s):
                await receiver.wake.wait()
        except TimeoutError:
            return

    async def _stored(self) -> None:
        """Wait until the saved state is on disk."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STORE_TIMEOUT_S):
                await self._store.flush()

    async def _send(self, notifier: Notifier, batch: Sequence[Alert]) -> Delivery:
        try:
            with contained(Where.RECEIVER, passing=(TimeoutError,), receiver=notifier.receiver) as sending:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    return await notifier.send(batch, self._wall_clock())
        except TimeoutError:
            return Delivery(Result.RETRY, DeliveryReason.TIMEOUT, f"not sent within {SEND_TIMEOUT_S:g} s")
        return Delivery(Result.RETRY, DeliveryReason.INTERNAL_ERROR, sending.error)

    def _count(self, receiver: Receiver, batch: Sequence[Alert], delivery: Delivery) -> None:
        """Count alerts, and log an error or recovery of a receiver once."""
        name = receiver.notifier.name
        sent = len(batch) or 1  # a heartbeat alone
        failed = len(delivery.refused) if delivery.refused else 0 if delivery.result is Result.OK else sent
        self._counts.total[name] += sent
        if failed and delivery.reason is not None:
            self._counts.failed[name, delivery.reason.value] += failed
        for reason, lost in receiver.queue.dropped.items():
            self._counts.failed[name, reason.value] += lost
        receiver.queue.dropped.clear()
        error = delivery.detail if failed else ""
        if error != receiver.logged_error:
            self._log_change(receiver, delivery, error)
        receiver.logged_error = error

    def _log_change(self, receiver: Receiver, delivery: Delivery, error: str) -> None:
        about = {"notifier": receiver.notifier.name, "receiver": receiver.notifier.receiver}
        if error:
            reason = delivery.reason.value if delivery.reason else ""
            retried = delivery.result is Result.RETRY
            self._log.warning("notification failed", **about, reason=reason, detail=error, retried=retried)
        else:
            self._log.info("notifications work again", **about)

    def _save(self, receiver: Receiver) -> None:
        receiver.saved_s = self._base_clock()
        self._store.save(receiver.notifier.identity, receiver.queue.to_json(receiver.saved_s))

    def _new_queue(self, notifier: Notifier) -> Queue:
        """Return a queue as it was when the last process ended."""
        queue: Queue = ResendQueue(self._rng) if notifier.repeats else FifoQueue(self._rng)
        try:
            queue.restore(self._store.load(notifier.identity) or (), self._base_clock())
        except (KeyError, TypeError, ValueError) as fault:
            self._log.warning(
                "saved notifications are unreadable and were dropped",
                notifier=notifier.name,
                receiver=notifier.receiver,
                fault=repr(fault),
            )
        return queue
