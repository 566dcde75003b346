"""Queries the references within rounds, no more often than their schedules allow."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from skewmon.clock.history import STEADY_CLOCKSOURCES
from skewmon.errors import SkewmonError
from skewmon.model import NS_PER_S, Exchange, ReferenceFault, TimeServer
from skewmon.monitor.reference_state import References, ReferenceState
from skewmon.probe.clocks import ArrivalClock, base_ns, own_clocksource
from skewmon.probe.exhaustion import out_of_files
from skewmon.probe.ntp_socket import NtpError, NtpSocket
from skewmon.probe.relay import Relay
from skewmon.runtime.containment import Where, translated
from skewmon.runtime.resolver import resolver
from skewmon.timesync.ntp_packet import NtpReply

#: A reply that takes longer proves nothing useful about UTC; satellites need 0.7 s.
REPLY_S = 1.0

#: For a name to resolve; the lookup goes on for the next request.
LOOKUP_S = 2.0

#: A round waits for a reference this many of its last round trips, and a moment.
PATIENCE_ROUND_TRIPS = 2
PATIENCE_S = 0.05

#: After so many unanswered requests in a row the name is looked up again: its server may have moved.
LOOK_UP_AFTER = 3


class ReferenceAsker:
    """Sends the requests of a round and takes the replies into the states.

    Requests go out together with the bursts of the nodes, so that UTC is as young as they are. A reply that
    a round does not wait for still counts in later rounds.
    """

    def __init__(self, references: References, on_axes: dict[str, References]) -> None:
        self._references = references
        self._on_axes = on_axes
        self._arrivals = ArrivalClock()
        self._sockets: dict[TimeServer, NtpSocket] = {}
        self._open: dict[tuple[str, TimeServer], tuple[ReferenceState, asyncio.Task[None]]] = {}

    def adopt(self, servers: Iterable[TimeServer]) -> None:
        """Query these servers from now on; those that stay keep their state."""
        self._references.adopt(servers)
        kept = {one.server for one in self._references.states}
        for key in [key for key in self._open if key[1] not in kept]:
            self._open.pop(key)[1].cancel()
        for server in self._sockets.keys() - kept:
            self._sockets.pop(server).close()

    def begin(self, relays: Mapping[str, Relay] = MappingProxyType({})) -> None:
        """Send a request to every reference whose schedule allows one, also from vantages with a relay."""
        for state in self._references.states:
            self._begin("", state, partial(self._by_socket, state))
        # States of other vantages stay: one that is lost, or that only other clusters use, must not begin
        # another burst in its next round, nor forget an order to go away.
        for label, relay in relays.items():
            self._begin_there(label, relay)

    async def settle(self) -> None:
        """Wait for the replies that are expected soon; silent references hold up no round."""
        waits = {task: _patience_s(state) for state, task in self._open.values() if not state.missed}
        if waits:
            await asyncio.wait(waits, timeout=max(waits.values()))

    def close(self) -> None:
        """End all requests and close the sockets."""
        self.adopt(())

    def _begin_there(self, label: str, relay: Relay) -> None:
        assert relay.program is not None
        there = self._on_axes.setdefault(label, References())
        here = {one.server: one for one in self._references.states if one.server.from_vantages}
        there.adopt(here)
        there.on_axis((relay.program.boot_id, relay.program.clocksource))
        for state in there.states:
            address = here[state.server].address
            if address:  # looked up on the admin box, so that all ask the same server
                self._begin(label, state, partial(self._by_relay, state, relay, address))

    def _begin(self, label: str, state: ReferenceState, ask: Callable[[], Coroutine[Any, Any, None]]) -> None:
        key = label, state.server
        if state.schedule.allows(base_ns()) and key not in self._open:
            state.asked(base_ns())
            task = asyncio.create_task(self._ask(state, ask))
            self._open[key] = state, task
            task.add_done_callback(partial(self._ended, key))

    def _ended(self, key: tuple[str, TimeServer], task: "asyncio.Task[None]") -> None:
        if key in self._open and self._open[key][1] is task:
            del self._open[key]

    async def _ask(self, state: ReferenceState, ask: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            with translated(Where.REFERENCE, _internal, reference=state.server.name):
                await ask()
        except NtpError as error:
            state.failed(error.fault)

    async def _by_socket(self, state: ReferenceState) -> None:
        opened = await self._socket(state)
        exchange, reply = await self._confirmed(opened)
        steady = own_clocksource() in STEADY_CLOCKSOURCES
        state.answered(exchange, reply, base_ns(), steady=steady)

    async def _by_relay(self, state: ReferenceState, relay: Relay, address: str) -> None:
        state.moved(address)
        exchange, reply = await relay.datagrams.exchange(state.address, state.server.port, REPLY_S)
        assert relay.program is not None
        steady = relay.program.clocksource in STEADY_CLOCKSOURCES
        state.answered(exchange, reply, base_ns(), steady=steady)

    async def _confirmed(self, opened: NtpSocket) -> tuple[Exchange, NtpReply]:
        """Return an exchange; its arrival is that of now if the kernel stamps with another clock."""
        doubts = self._arrivals.doubts
        exchange, reply = await opened.exchange(REPLY_S)
        self._arrivals.confirm()
        if self._arrivals.doubts != doubts:
            exchange = replace(exchange, received_ns=base_ns())
        return exchange, reply

    async def _socket(self, state: ReferenceState) -> NtpSocket:
        """Return the socket to a server, opened and its name looked up if needed."""
        server = state.server
        known, is_lost = self._sockets.get(server), state.missed and state.missed % LOOK_UP_AFTER == 0
        if known is not None and not known.is_flooded and not is_lost:
            return known
        self._forget(server)
        try:
            places = await resolver().places(server.address, server.port, LOOKUP_S)
            place = places[state.missed % len(places)]  # another address after one that does not answer
        except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
            raise _unopened(error, ReferenceFault.NAME_NOT_RESOLVED) from None
        state.moved(str(place[1][0]))

        def rejected(fault: ReferenceFault) -> None:
            state.rejected[fault] += 1

        try:
            opened = self._sockets[server] = NtpSocket(place, self._arrivals, rejected)
        except OSError as error:
            raise _unopened(error, ReferenceFault.NO_ROUTE) from None
        return opened

    def _forget(self, server: TimeServer) -> None:
        opened = self._sockets.pop(server, None)
        if opened is not None:
            opened.close()


def _unopened(error: Exception, fault: ReferenceFault) -> NtpError:
    """Return the error of a request that was not sent: by ``fault``, unless descriptors are lacking."""
    return NtpError(ReferenceFault.TOO_MANY_OPEN_FILES if out_of_files(error) else fault)


def _internal(_sentence: str) -> SkewmonError:
    return NtpError(ReferenceFault.INTERNAL_ERROR)


def _patience_s(state: ReferenceState) -> float:
    """Return how long a round waits for a reference: it answered the last request, or never had one."""
    if state.round_trip_ns is None:
        return (0.0 if state.address else LOOKUP_S) + REPLY_S + PATIENCE_S
    return min(REPLY_S, PATIENCE_ROUND_TRIPS * state.round_trip_ns / NS_PER_S) + PATIENCE_S
