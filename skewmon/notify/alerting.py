"""Alerting of the daemon: turns the views of each round into notifications.

The machine's state is saved before anything is sent: after a crash an alert may be sent twice, but is never
lost. The times that it counts are saved each round; those of many alerts once a minute and at the end, and at
once if one counts no longer.
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping

import aiohttp
import structlog

from skewmon.alert import saved_state
from skewmon.alert.alerts import Alert, Key, Transition
from skewmon.alert.conditions import observe
from skewmon.alert.machine import State, step, withdraw
from skewmon.errors import JournalError
from skewmon.model import NS_PER_S, ClusterView
from skewmon.notify.dispatcher import Counts, Dispatcher, MemoryStore, Store
from skewmon.notify.dry_run import DryRun, Print
from skewmon.notify.receiver import Origin, ReceiverConfig
from skewmon.notify.registry import build
from skewmon.runtime import client
from skewmon.runtime.containment import Where, contained

#: The name under which the machine's state is kept in the store.
STATE = "alerts"

#: The log gets every change, in addition to the configured receivers.
LOG = ReceiverConfig("log")

#: The times that so many alerts have counted are saved each round, so that a daemon that is killed again and
#: again still lets them fire. Those of more, at half a kilobyte each, are saved less often; a kill loses a
#: minute.
FEW_ALERTS = 100
SAVE_EVERY_NS = 60 * NS_PER_S


class Firing(Mapping[Key, Alert]):
    """The alerts that fire, in a stable order, each with its newest texts: these are built on access."""

    def __init__(self, states: Mapping[str, State]) -> None:
        self._states = states
        self._keys = dict.fromkeys(key for name in sorted(states) for key in states[name].firing)

    def __getitem__(self, key: Key) -> Alert:
        if key not in self._keys:
            raise KeyError(key)
        state = self._states[key.cluster]
        with contained(Where.ROUND, cluster=key.cluster):
            return state.alert(key)
        return state.slots[key].alert  # a fault in one text must not hold up the other alerts

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


class Alerting:
    """The alert machine with its saved state and its dispatcher.

    ``configure`` opens connections, in a running loop; the end of ``run`` closes them.
    """

    def __init__(self, store: Store, dry_run: Print | None = None) -> None:
        self.counts = Counts()
        self._dry_run = dry_run
        self._store = MemoryStore() if dry_run else store
        self._session: aiohttp.ClientSession | None = None
        self._configured: tuple[tuple[ReceiverConfig, ...], Origin] | None = None
        self._states = self._restored()
        self._is_unsaved = False
        self._saved_ns: int | None = None  # on the base
        self.firing = Firing(self._states)  # replaced when an alert starts or ends
        self._dispatcher = Dispatcher((), self._store, self.counts)
        self._replaced = asyncio.Event()

    def configure(self, targets: Iterable[ReceiverConfig], origin: Origin) -> None:
        """Send to these receivers from now on; those that stay keep their queues."""
        configured = (tuple(targets), origin)
        if configured == self._configured:
            return  # a changed inventory must not interrupt deliveries
        self._configured = configured
        if self._session is None:
            self._session = client.session()
        notifiers = build((*configured[0], LOG), origin, self._session)
        if self._dry_run is not None:
            notifiers = tuple(DryRun(one, self._dry_run) for one in notifiers if one.name != LOG.kind)
        self._dispatcher = Dispatcher(notifiers, self._store, self.counts, self._dispatcher)
        self._dispatcher.submit((), self.firing)
        self._replaced.set()

    def take(self, views: Iterable[ClusterView], base_ns: int) -> tuple[Transition, ...]:
        """Process one round of some clusters at an instant of the base; return the transitions."""
        transitions: list[Transition] = []
        is_urgent = self._saved_ns is None or base_ns - self._saved_ns >= SAVE_EVERY_NS
        for view in views:
            with contained(Where.ROUND, cluster=view.name):
                before = self._states.get(view.name, State())
                now, changed = step(before, observe(view, before.slots), base_ns)
                self._states[view.name] = now
                self._is_unsaved |= now.slots != before.slots
                is_urgent |= now.has_taken_back(before)
                transitions += changed
        if is_urgent or sum(len(state.slots) for state in self._states.values()) <= FEW_ALERTS:
            self._saved_ns = base_ns
            self._save()
        self._send(transitions)
        return tuple(transitions)

    def retain(self, clusters: Collection[str], wall_ns: int) -> tuple[Transition, ...]:
        """End the alerts of every cluster that is not among these; return the transitions."""
        gone = [name for name in self._states if name not in clusters]
        transitions = [one for name in gone for one in withdraw(self._states.pop(name), wall_ns)]
        self._is_unsaved |= bool(gone)
        self._save()  # also if none of them fired: they had counted
        self._send(transitions)
        return tuple(transitions)

    async def run(self) -> None:
        """Deliver until cancelled, also across ``configure``."""
        try:
            while True:
                self._replaced.clear()
                async with asyncio.TaskGroup() as group:
                    delivering = group.create_task(self._dispatcher.run())
                    await self._replaced.wait()
                    delivering.cancel()
        finally:
            self._save_texts()
            if self._session is not None:
                await self._session.close()
                self._session = None

    def _send(self, transitions: Collection[Transition]) -> None:
        if transitions:
            self._save()
            self.firing = Firing(self._states)
            self._dispatcher.submit([transition.alert for transition in transitions], self.firing)

    def _save_texts(self) -> None:
        """Save the newest texts, too: the next process sends the alerts before its first round."""
        for name, state in self._states.items():
            with contained(Where.ROUND, cluster=name):
                self._states[name] = state.described()
        self._is_unsaved = True
        self._save()

    def _save(self) -> None:
        if self._is_unsaved:
            self._is_unsaved = False
            self._store.save(STATE, saved_state.to_json(self._states.values()))

    def _restored(self) -> dict[str, State]:
        saved = self._store.load(STATE)
        if saved is None:
            return {}
        try:
            return saved_state.from_json(saved)
        except JournalError as fault:
            structlog.get_logger("skewmon.alerts").warning(
                "the saved alerts are unreadable and were dropped", fault=str(fault)
            )
            return {}
