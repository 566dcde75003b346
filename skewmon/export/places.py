"""Places for HTTP connections: idle, slow and streaming ones never take those of short requests.

A connection starts in the lobby. A whole request that needs no password, or has the right one, admits it.
A full lobby closes the connection that has waited longest, of the client that holds most of the lobby, so a
client that sends its request always gets through. Admitted connections are limited per client; idle ones
are closed first when a place is needed, then those that read their answers slowly. Streams have a pool of
their own.
"""

import asyncio
import resource
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from skewmon.export.paced import PacedLog

#: Many times the connections that scrapers, dashboards and the browsers of a team need at once.
CONNECTIONS_MAX = 256

#: Of a tight limit on descriptors, HTTP gets one in this many; the rest is for SSH and the journal.
DESCRIPTORS_SHARE = 4

#: One place in four is for connections without an admitted request. At a thousand new connections a second,
#: the oldest of 64 is 64 ms old: many times the delay between a connection and its request.
LOBBY_SHARE = 4

#: One client may hold one in two of the admitted places. Behind a reverse proxy all users are one client,
#: and 96 places serve them; a second client still gets as many.
CLIENT_SHARE = 2

#: One in three of the admitted places may be streams: 64 browsers, while 128 places serve short requests.
STREAMS_SHARE = 3

#: One client may hold one in two of the streams, for the same reason.
CLIENT_STREAMS_SHARE = 2

#: An answer that is still being written after this long goes to a slow reader: scrapers take a megabyte in
#: a tenth of it, also over a poor line.
SLOW_S = 2.0


class ClientPhase(Enum):
    """The state of one connection."""

    ARRIVING = auto()  # no whole request yet
    WORKING = auto()  # skewmon makes the answer, or checks the password
    WRITING = auto()  # the client takes the answer
    RESTING = auto()  # admitted, between two requests
    STREAMING = auto()


class Occupant(Protocol):
    """A connection that holds a place."""

    client: str

    def evict(self) -> None:
        """End the connection at once."""


@dataclass(slots=True)
class _Place:
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

    lobby: int
    admitted: int
    client: int
    streams: int
    client_streams: int


def limits() -> Limits:
    """Return the limits that hold now; each is at least one."""
    total = connections_max()
    lobby = max(1, total // LOBBY_SHARE)
    admitted = max(1, total - lobby)
    streams = max(1, admitted // STREAMS_SHARE)
    return Limits(
        lobby, admitted, max(1, admitted // CLIENT_SHARE), streams, max(1, streams // CLIENT_STREAMS_SHARE)
    )


_Pool = dict[Occupant, _Place]


class Places:
    """Every open connection. Both pools are in the order in which their connections entered their phases."""

    def __init__(self) -> None:
        self._lobby: _Pool = {}
        self._admitted: _Pool = {}
        self._log = PacedLog()

    def __len__(self) -> int:
        return len(self._lobby) + len(self._admitted)

    def arrive(self, occupant: Occupant) -> None:
        """Give a new connection its place in the lobby, if need be that of another one."""
        while len(self._lobby) >= limits().lobby:
            self._evict(self._lobby, _longest_waiting(self._lobby, occupant.client))
        self._lobby[occupant] = _Place(occupant.client, ClientPhase.ARRIVING, _now_s())

    def replace(self, arrival: Occupant, connection: Occupant) -> None:
        """Give a connection the place, and the position, of its arrival."""
        self._lobby = {connection if held is arrival else held: p for held, p in self._lobby.items()}

    def admit(self, occupant: Occupant) -> bool:
        """Give a connection with a good request its place; return False if none can be made free."""
        if occupant in self._admitted:
            return True
        if occupant not in self._lobby or not self._make_room(occupant.client):
            return False
        self._admitted[occupant] = self._lobby.pop(occupant)
        return True

    def stream(self, occupant: Occupant) -> bool:
        """Let an admitted connection stream; return False if there are too many streams."""
        streaming = [
            place.client for place in self._admitted.values() if place.phase is ClientPhase.STREAMING
        ]
        own, allowed = streaming.count(occupant.client), limits()
        if len(streaming) >= allowed.streams or own >= allowed.client_streams:
            self._log.warning("HTTP streams were refused", client=occupant.client, open=own)
            return False
        self.enter(occupant, ClientPhase.STREAMING)
        return True

    def enter(self, occupant: Occupant, phase: ClientPhase) -> None:
        """Note the phase that a connection enters; one that was evicted has none."""
        for pool in (self._lobby, self._admitted):
            if occupant in pool:
                del pool[occupant]
                pool[occupant] = _Place(occupant.client, phase, _now_s())

    def admitted(self, occupant: Occupant) -> bool:
        """Return whether the connection has left the lobby."""
        return occupant in self._admitted

    def leave(self, occupant: Occupant) -> None:
        """Free the place of a connection that has ended."""
        self._lobby.pop(occupant, None)
        self._admitted.pop(occupant, None)

    def _make_room(self, client: str) -> bool:
        """Free a place for one more connection of the client, if need be and if possible."""
        allowed = limits()
        own = {held: place for held, place in self._admitted.items() if place.client == client}
        if len(own) >= allowed.client:
            return self._evict(self._admitted, _dispensable(own.items()))
        if len(self._admitted) >= allowed.admitted:
            counts = Counter(place.client for place in self._admitted.values())
            largest_first = sorted(self._admitted.items(), key=lambda item: -counts[item[1].client])
            return self._evict(self._admitted, _dispensable(largest_first))
        return True

    def _evict(self, pool: _Pool, victim: Occupant | None) -> bool:
        if victim is None:
            self._log.warning("HTTP requests were refused", reason="too many are being answered")
            return False
        count = sum(place.client == victim.client for place in pool.values())
        self._log.warning("HTTP connections were closed to make room", client=victim.client, open=count)
        del pool[victim]
        victim.evict()
        return True


def _longest_waiting(lobby: _Pool, newcomer: str) -> Occupant:
    """Return the connection to close, of the client that would hold most of the lobby."""
    counts = Counter([newcomer, *(place.client for place in lobby.values())])
    most = max(counts[place.client] for place in lobby.values())
    of_largest = [held for held, place in lobby.items() if counts[place.client] == most]
    return next((held for held in of_largest if lobby[held].phase is not ClientPhase.WORKING), of_largest[0])


def _dispensable(places: Iterable[tuple[Occupant, _Place]]) -> Occupant | None:
    """Return the first idle connection, else the first slow reader, else None."""
    slow_since_s = _now_s() - SLOW_S
    slow = None
    for held, place in places:
        if place.phase is ClientPhase.RESTING:
            return held
        if slow is None and place.phase is ClientPhase.WRITING and place.since_s < slow_since_s:
            slow = held
    return slow


def _now_s() -> float:
    return asyncio.get_running_loop().time()
