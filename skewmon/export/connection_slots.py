"""Slots for HTTP connections: idle, slow and streaming ones never take those of short requests.

A connection starts as pending. It is admitted by a whole request that needs no password or has a valid one.
If all pending slots are taken, the connection that has waited longest is closed, of the client that holds
most of them, so a client that sends its request always gets through. Admitted connections are limited per
client. When a slot is needed, idle ones are closed first, then slow readers. Streams have their own limit.
"""

import asyncio
import resource
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from skewmon.export.rate_limited_log import RateLimitedLog

#: Many times the connections that scrapers, dashboards and the browsers of a team need at once.
CONNECTIONS_MAX = 256

#: Of a tight limit on descriptors, HTTP gets one in this many; the rest is for SSH and the journal.
DESCRIPTORS_SHARE = 4

#: One slot in four is for connections without an admitted request. At a thousand new connections a second,
#: the oldest of 64 is 64 ms old: many times the delay between a connection and its request.
PENDING_SHARE = 4

#: One client may hold one in two of the admitted slots. Behind a reverse proxy all users are one client,
#: and 96 slots serve them; a second client still gets as many.
CLIENT_SHARE = 2

#: One in three of the admitted slots may be streams: 64 browsers, while 128 slots serve short requests.
STREAMS_SHARE = 3

#: One client may hold one in two of the streams, for the same reason.
CLIENT_STREAMS_SHARE = 2

#: A response that takes longer than this to send goes to a slow reader; scrapers read a megabyte in a tenth
#: of it, even over a poor line.
SLOW_S = 2.0


class ClientPhase(Enum):
    """The state of one connection."""

    READING = auto()  # no whole request yet
    WORKING = auto()  # skewmon renders the response, or checks the password
    WRITING = auto()  # the client reads the response
    IDLE = auto()  # admitted, between two requests
    STREAMING = auto()


class SlotHolder(Protocol):
    """A connection that holds a slot."""

    client: str

    def evict(self) -> None:
        """End the connection at once."""


@dataclass(slots=True)
class _Slot:
    client: str
    phase: ClientPhase
    since_s: float


def connections_max() -> int:
    """Return how many connections may be open at once under this process' limit of descriptors."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    return min(CONNECTIONS_MAX, soft // DESCRIPTORS_SHARE)


@dataclass(frozen=True, slots=True)
class Limits:
    """The sizes of the pools."""

    pending: int
    admitted: int
    client: int
    streams: int
    client_streams: int


def limits() -> Limits:
    """Return the limits under the present limit of descriptors; each is at least one."""
    total = connections_max()
    pending = max(1, total // PENDING_SHARE)
    admitted = max(1, total - pending)
    streams = max(1, admitted // STREAMS_SHARE)
    return Limits(
        pending, admitted, max(1, admitted // CLIENT_SHARE), streams, max(1, streams // CLIENT_STREAMS_SHARE)
    )


_Pool = dict[SlotHolder, _Slot]


class ConnectionSlots:
    """Every open connection. Both pools are in the order in which their connections entered their phases."""

    def __init__(self) -> None:
        self._pending: _Pool = {}
        self._admitted: _Pool = {}
        self._log = RateLimitedLog()

    def __len__(self) -> int:
        return len(self._pending) + len(self._admitted)

    def add(self, holder: SlotHolder) -> None:
        """Give a new connection a pending slot, taking that of another one if all are taken."""
        while len(self._pending) >= limits().pending:
            self._evict(self._pending, _longest_waiting(self._pending, holder.client))
        self._pending[holder] = _Slot(holder.client, ClientPhase.READING, _now_s())

    def replace(self, accepted: SlotHolder, connection: SlotHolder) -> None:
        """Hand the slot of an accepted socket, and its position, to the connection made of it."""
        self._pending = {connection if held is accepted else held: p for held, p in self._pending.items()}

    def admit(self, holder: SlotHolder) -> bool:
        """Admit a connection whose request is valid; return False if no slot can be freed."""
        if holder in self._admitted:
            return True
        if holder not in self._pending or not self._make_room(holder.client):
            return False
        self._admitted[holder] = self._pending.pop(holder)
        return True

    def stream(self, holder: SlotHolder) -> bool:
        """Let an admitted connection stream; return False if there are too many streams."""
        streaming = [slot.client for slot in self._admitted.values() if slot.phase is ClientPhase.STREAMING]
        own, allowed = streaming.count(holder.client), limits()
        if len(streaming) >= allowed.streams or own >= allowed.client_streams:
            self._log.warning("HTTP streams were refused", client=holder.client, open=own)
            return False
        self.set_phase(holder, ClientPhase.STREAMING)
        return True

    def set_phase(self, holder: SlotHolder, phase: ClientPhase) -> None:
        """Record the phase of a connection, unless it was evicted."""
        for pool in (self._pending, self._admitted):
            if holder in pool:
                del pool[holder]
                pool[holder] = _Slot(holder.client, phase, _now_s())

    def admitted(self, holder: SlotHolder) -> bool:
        """Return whether the connection is admitted."""
        return holder in self._admitted

    def remove(self, holder: SlotHolder) -> None:
        """Free the slot of a connection that has ended."""
        self._pending.pop(holder, None)
        self._admitted.pop(holder, None)

    def _make_room(self, client: str) -> bool:
        """Return whether one more connection of the client fits, after closing another one if needed."""
        allowed = limits()
        own = {held: slot for held, slot in self._admitted.items() if slot.client == client}
        if len(own) >= allowed.client:
            return self._evict(self._admitted, _evictable(own.items()))
        if len(self._admitted) >= allowed.admitted:
            counts = Counter(slot.client for slot in self._admitted.values())
            largest_first = sorted(self._admitted.items(), key=lambda item: -counts[item[1].client])
            return self._evict(self._admitted, _evictable(largest_first))
        return True

    def _evict(self, pool: _Pool, victim: SlotHolder | None) -> bool:
        if victim is None:
            self._log.warning("HTTP requests were refused", reason="too many are being answered")
            return False
        count = sum(slot.client == victim.client for slot in pool.values())
        self._log.warning("HTTP connections were closed to make room", client=victim.client, open=count)
        del pool[victim]
        victim.evict()
        return True


def _longest_waiting(pending: _Pool, newcomer: str) -> SlotHolder:
    """Return the connection to close, of the client that would hold most pending slots."""
    counts = Counter([newcomer, *(slot.client for slot in pending.values())])
    most = max(counts[slot.client] for slot in pending.values())
    of_largest = [held for held, slot in pending.items() if counts[slot.client] == most]
    return next(
        (held for held in of_largest if pending[held].phase is not ClientPhase.WORKING), of_largest[0]
    )


def _evictable(slots: Iterable[tuple[SlotHolder, _Slot]]) -> SlotHolder | None:
    """Return the first idle connection, else the first slow reader, else None."""
    slow_since_s = _now_s() - SLOW_S
    slow = None
    for held, slot in slots:
        if slot.phase is ClientPhase.IDLE:
            return held
        if slow is None and slot.phase is ClientPhase.WRITING and slot.since_s < slow_since_s:
            slow = held
    return slow


def _now_s() -> float:
    return asyncio.get_running_loop().time()
