"""State of the references between rounds, and the UTC that they agree on."""

from collections import Counter, deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from skewmon.clock.interval import WALL, intersection, middle_ns
from skewmon.clock.ntp_schedule import NtpSchedule
from skewmon.clock.utc import (
    LEAP_NEAR_NS,
    LEAP_NS,
    Agreement,
    ReferenceClock,
    Witness,
    agree,
    is_leap_possible,
    reading_of,
    upstreams,
)
from skewmon.model import (
    NO_UTC,
    NS_PER_S,
    Exchange,
    Program,
    Quantum,
    ReferenceFault,
    ReferenceView,
    TimeServer,
    Utc,
)
from skewmon.monitor.reference_votes import Update, followed, identifier, update_of
from skewmon.timesync.ntp_packet import NtpReply, not_a_reference

#: A reference that has not answered this many requests in a row no longer votes; its last answer would still
#: be true, but the server may have stopped for a reason.
MISSED_MAX = 3

#: A leap second is inserted or left out at the end of a day of UTC.
DAY_NS = 24 * 3600 * NS_PER_S

#: Updates of a server's clock that are remembered: one that is queried as often but in other rounds, or whose
#: replies are lost for a while, still shows a common one. ntpd and chronyd make one in 16 s or more.
UPDATES = 8

#: Schedules of servers that are no longer configured; more are only those of many reloads.
PAST_SCHEDULES = 256

#: The kisses that end all requests, until the entry in the configuration is another one.
FINAL = frozenset({ReferenceFault.KISS_DENY, ReferenceFault.KISS_RSTR})


@dataclass
class ReferenceState:
    """One reference: its schedule, its last answer, and UTC as it gives it."""

    server: TimeServer
    schedule: NtpSchedule
    clock: ReferenceClock | None = None
    reply: NtpReply | None = None  # the last one from which the time can be taken
    fault: ReferenceFault | None = None  # of the last request
    missed: int = 0
    address: str = ""
    round_trip_ns: int | None = None
    leap_seen_ns: int | None = None
    updates: deque[Update] = field(default_factory=lambda: deque(maxlen=UPDATES))
    rejected: Counter[str] = field(default_factory=Counter)

    @property
    def is_used(self) -> bool:
        """Whether the reference gives the time now."""
        return self.clock is not None and (self.fault is None or self.missed in range(1, MISSED_MAX + 1))

    @property
    def announces_leap(self) -> bool:
        """Whether it announces a leap second now."""
        return self.reply is not None and self.reply.announces_leap

    def is_like(self, other: "ReferenceState") -> bool:
        """Return whether both show the same update of a clock, as two addresses of one machine do."""
        return not set(self.updates).isdisjoint(other.updates)

    def moved(self, address: str) -> None:
        """Note the address that is queried from now on; the time of another machine no longer counts."""
        if address != self.address:
            self.address, self.clock, self.reply = address, None, None
            self.updates.clear()

    def asked(self, now_ns: int) -> None:
        """Note that a request is sent."""
        self.schedule = self.schedule.after_request(now_ns)

    def failed(self, fault: ReferenceFault) -> None:
        """Note that a request had no answer."""
        self.fault, self.missed = fault, self.missed + 1
        self.rejected[fault] += 1

    def answered(self, exchange: Exchange, reply: NtpReply, now_ns: int, *, steady: bool) -> None:
        """Take in a reply; ``steady`` says that the base does not stand still unnoticed."""
        self.round_trip_ns = exchange.round_trip_ns
        if (fault := not_a_reference(reply)) is ReferenceFault.KISS_RATE:
            self.failed(fault)  # it withdraws no time, so this is no more than a lost reply
            self.schedule = self.schedule.slowed(now_ns)
            return
        self.missed, self.fault = 0, fault
        if self.fault is None:
            self.fault = self._read(exchange, reply, steady=steady)
        if self.fault is None:
            self.reply = reply
            if (update := update_of(reply)) is not None and update not in self.updates:
                self.updates.append(update)
            if reply.announces_leap or reply.is_smearing:
                self.leap_seen_ns = exchange.received_ns
            return
        self.rejected[self.fault] += 1
        if self.fault is not ReferenceFault.CONTRADICTORY:
            self.clock = None  # it no longer stands by its time, so a lost reply must not bring that back
        if self.fault in FINAL:
            self.schedule = self.schedule.stopped()

    def _read(self, exchange: Exchange, reply: NtpReply, *, steady: bool) -> ReferenceFault | None:
        at_ns = middle_ns(exchange)
        quantum = Quantum(reply.quantum_ns, reply.quantum_ns + 1)
        time = intersection((exchange,), Program("ntp", real=quantum), at_ns, WALL)
        if time is None:
            return ReferenceFault.CONTRADICTORY
        reading = reading_of(time.widened(reply.root_distance_ns), at_ns)
        self.clock = self.clock.after(reading, steady=steady) if self.clock else ReferenceClock.begun(reading)
        return None


class References:
    """All configured references; changed by ``adopt``, ``forget_…`` and the states' own methods."""

    def __init__(self) -> None:
        self.states: list[ReferenceState] = []
        self._axis: Hashable = None
        self._past: dict[tuple[str, int], NtpSchedule] = {}

    def adopt(self, servers: Iterable[TimeServer]) -> None:
        """Query these servers from now on; those that stay keep their state.

        A server that returns, or whose entry changes, keeps its schedule: no reload begins another burst.
        """
        known = {one.server: one for one in self.states}
        for one in self.states:
            place = one.server.address, one.server.port
            self._past.pop(place, None)  # to the end, so that the oldest is forgotten
            self._past[place] = one.schedule
        self.states = [
            known.get(server) or ReferenceState(server, self._schedule(server))
            for server in dict.fromkeys(servers)
        ]
        for place in [*self._past][:-PAST_SCHEDULES]:
            del self._past[place]

    def _schedule(self, server: TimeServer) -> NtpSchedule:
        past = self._past.get((server.address, server.port))
        return past.resumed(server.interval_s) if past else NtpSchedule(server.interval_s)

    def on_axis(self, axis: Hashable) -> None:
        """Measure against this clock from now on; the readings against another one are dropped."""
        if axis != self._axis:
            self._axis = axis
            self.forget_base()

    def forget_base(self) -> None:
        """Drop every reading: the base stood still."""
        for one in self.states:
            one.clock = None

    def forget_rates(self) -> None:
        """Drop every rate: the base's oscillator left its course. Readings age by H2a alone then."""
        for one in self.states:
            one.clock = one.clock and one.clock.without_rate()

    def utc_at(self, at_ns: int) -> Utc:
        """Return UTC minus the base at an instant, as the references agree on it now."""
        if not self.states:
            return NO_UTC
        used = [one for one in self.states if one.is_used]
        possible = is_leap_possible(at_ns, [one.clock.utc_at(at_ns) for one in used if one.clock])
        leaping = possible and any(
            one.leap_seen_ns is not None and at_ns - one.leap_seen_ns < LEAP_NEAR_NS for one in self.states
        )
        votes_for = _upstreams(used)
        witnesses = [_witness(one, votes_for, at_ns, leaping=leaping) for one in used]
        found = agree(witnesses, leaping=leaping)
        utc = {one.name: one for one in witnesses}
        views = tuple(
            _view(one, utc.get(one.server.name), found, leap_possible=possible) for one in self.states
        )
        return Utc(found.state, found.utc, found.reason or "", views)


def _witness(state: ReferenceState, votes_for: dict[str, str], at_ns: int, *, leaping: bool) -> Witness:
    """Return a reference's claim; around a leap second a reading of the day before may be a second off."""
    assert state.clock is not None
    name, read, utc = state.server.name, state.clock.reading, state.clock.utc_at(at_ns)
    # The last second of a day may be the one that is left out.
    if leaping and (at_ns + utc.upper_ns + LEAP_NS) // DAY_NS != (read.at_ns + read.lower_ns) // DAY_NS:
        utc = utc.widened(LEAP_NS)
    return Witness(name, utc, votes_for[name])


def _upstreams(used: list[ReferenceState]) -> dict[str, str]:
    """Return the source that each reference's vote counts for; a second address of a machine has no vote."""
    names, above, machines = dict[str, str](), dict[str, str | None](), list[list[ReferenceState]]()
    for state in used:
        assert state.reply is not None
        # Like all others of its machine: a liar that copies the updates of several must not merge them.
        machine = next((one for one in machines if all(map(state.is_like, one))), [])
        if not machine:
            machines.append(machine)
        machine.append(state)
        name, own, first = state.server.name, identifier(state.address), identifier(machine[0].address)
        names[name], above[name] = own, followed(state.reply) if own == first else first
    return upstreams(names, above)


def _view(
    state: ReferenceState, witness: Witness | None, found: Agreement, *, leap_possible: bool
) -> ReferenceView:
    name = state.server.name
    fault = ReferenceFault.LEAP_SMEAR if name in found.split else state.fault
    return ReferenceView(
        name,
        offset=witness.utc - found.utc if witness and found.utc else None,
        success=state.reply is not None and state.fault is None,
        stratum=state.reply.stratum if state.reply else None,
        falseticker=name in found.falsetickers,
        reason=fault or "",
        upstream=witness.upstream if witness else "",
        address=state.address,
        round_trip_ns=state.round_trip_ns,
        rejected=dict(state.rejected),
        early_leap=witness is not None and state.announces_leap and not leap_possible,
    )
