"""State of the references between rounds, and the UTC that they agree on."""

import ipaddress
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from skewmon.clock.interval import WALL, intersection, middle_ns
from skewmon.clock.ntp_schedule import NtpSchedule
from skewmon.clock.utc import LEAP_NS, Agreement, ReferenceClock, Witness, agree, reading_of, upstreams
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
from skewmon.timesync import refid as refids
from skewmon.timesync.ntp_packet import NtpReply, not_a_reference

#: A reference that has not answered this many requests in a row no longer votes; its last answer would still
#: be true, but the server may have stopped for a reason.
MISSED_MAX = 3

#: A smear may last for a day about the leap second, while its announcement ends with the leap second itself.
LEAP_NEAR_NS = 24 * 3600 * NS_PER_S

#: A leap second is inserted or left out at the end of a day of UTC.
DAY_NS = 24 * 3600 * NS_PER_S

#: The kisses that end all requests, until the configuration is read again.
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
    rejected: Counter[str] = field(default_factory=Counter)

    @property
    def is_used(self) -> bool:
        """Whether the reference gives the time now."""
        return self.clock is not None and (self.fault is None or self.missed in range(1, MISSED_MAX + 1))

    def asked(self, now_ns: int) -> None:
        """Note that a request is sent."""
        self.schedule = self.schedule.after_request(now_ns)

    def failed(self, fault: ReferenceFault) -> None:
        """Note that a request had no answer."""
        self.fault, self.missed = fault, self.missed + 1
        self.rejected[fault] += 1

    def answered(self, exchange: Exchange, reply: NtpReply, now_ns: int, *, steady: bool) -> None:
        """Take in a reply; ``steady`` says that the base does not stand still unnoticed."""
        self.missed, self.fault = 0, not_a_reference(reply)
        self.round_trip_ns = exchange.round_trip_ns
        if self.fault is None:
            self.fault = self._read(exchange, reply, steady=steady)
        if self.fault is None:
            self.reply = reply
            if reply.announces_leap or reply.is_smearing:
                self.leap_seen_ns = exchange.received_ns
            return
        self.rejected[self.fault] += 1
        if self.fault is ReferenceFault.KISS_RATE:
            self.schedule = self.schedule.slowed(now_ns)
        elif self.fault is not ReferenceFault.CONTRADICTORY:
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

    def adopt(self, servers: Iterable[TimeServer]) -> None:
        """Query these servers from now on; those that stay keep their state and their schedule."""
        known = {one.server: one for one in self.states}
        self.states = [
            known.get(server) or ReferenceState(server, NtpSchedule(server.interval_s))
            for server in dict.fromkeys(servers)
        ]

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
        votes_for = _upstreams(used)
        leaping = any(
            one.leap_seen_ns is not None and at_ns - one.leap_seen_ns < LEAP_NEAR_NS for one in self.states
        )
        witnesses = [_witness(one, votes_for, at_ns, leaping=leaping) for one in used]
        found = agree(witnesses, leaping=leaping)
        utc = {one.name: one for one in witnesses}
        views = tuple(_view(one, utc.get(one.server.name), found) for one in self.states)
        return Utc(found.state, found.utc, found.reason or "", views)


def _witness(state: ReferenceState, votes_for: dict[str, str], at_ns: int, *, leaping: bool) -> Witness:
    """Return a reference's claim; around a leap second a reading of the day before may be a second off."""
    assert state.clock is not None
    name, read, utc = state.server.name, state.clock.reading, state.clock.utc_at(at_ns)
    if leaping and (at_ns + utc.upper_ns) // DAY_NS != (read.at_ns + read.lower_ns) // DAY_NS:
        utc = utc.widened(LEAP_NS)
    return Witness(name, utc, votes_for[name])


def _upstreams(used: Sequence[ReferenceState]) -> dict[str, str]:
    """Return the source that each reference's vote counts for, as NTP's own identifiers name it."""
    addresses = {one.server.name: refids.of_address(one.address) or one.address for one in used}
    return upstreams(addresses, {one.server.name: _followed(one) for one in used})


def _followed(state: ReferenceState) -> str | None:
    """Return the identifier of a reference's upstream; None if it has a clock of its own, or none is known.

    Many a public server follows some 10.0.0.1 of its own, and each another one.
    """
    assert state.reply is not None
    source = state.reply.source
    if state.reply.stratum < 2 or refids.is_none(source) or refids.of_address(source) is None:
        return None
    if _is_public(state.address) and not _is_public(source):
        return f"{source} of {state.address}"
    return source


def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_global
    except ValueError:
        return False


def _view(state: ReferenceState, witness: Witness | None, found: Agreement) -> ReferenceView:
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
    )
