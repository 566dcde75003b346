"""The link to a node that is measured by NTP: switches, appliances, Windows, and time servers themselves.

The exchange is that of a reference; the node's stamps are its wall clock, and all that can be read. Its own
claims come with each reply. There is no login, and nothing is authenticated.
"""

from skewmon.clock.interval import WALL, intersection, middle_ns
from skewmon.clock.sampling import Enough, never
from skewmon.errors import ConnectError, NodeError, ProbeError, Reason
from skewmon.model import NS_PER_S, Burst, Exchange, Node, Program, Quantum, ReferenceFault
from skewmon.probe.budget import PATIENT, Patience
from skewmon.probe.clocks import ArrivalClock, base_ns
from skewmon.probe.connect import Dialer
from skewmon.probe.exhaustion import out_of_files
from skewmon.probe.faults import host_port, lookup_error
from skewmon.probe.link import Link
from skewmon.probe.ntp_socket import NtpError, NtpSocket
from skewmon.probe.vantage import Vantage
from skewmon.runtime.resolver import resolver
from skewmon.timesync.ntp_claims import claims_of
from skewmon.timesync.ntp_packet import NtpReply, kiss_of

#: The rung of the ladder of an SSH node has this place in the JSON.
PROBE = "ntp"

#: UDP loses packets: the first request of a burst is sent again, after a while that a reply hardly needs.
TRIES = 3
REPLY_S = 1.0
LOST_S = 0.2
LOST_ROUND_TRIPS = 4

#: A node that answered fewer requests than it was sent may limit its clients. It gets so many for this many
#: rounds, because each request that it drops costs the round time.
LIMITED_ROUNDS = 16


class NtpLink(Link):
    """A node that speaks NTP; a socket instead of a connection and a program."""

    def __init__(
        self, node: Node, dialer: Dialer, arrivals: ArrivalClock, patience: Patience = PATIENT
    ) -> None:
        super().__init__(node, dialer, arrivals, patience)
        self._socket: NtpSocket | None = None
        self._program: Program | None = None
        self._latest: Exchange | None = None
        self._allowed = 0  # exchanges of a burst, while the node limits its clients
        self._limited_rounds = 0
        self._failures = 0

    @property
    def vantage(self) -> Vantage | None:
        """None: the admin box itself stamps."""
        return None

    @property
    def is_coarse(self) -> bool:
        """False: a server's clock has a resolution far below a second."""
        return False

    @property
    def probe(self) -> str | None:
        """``ntp``, or None without a socket."""
        return PROBE if self._socket else None

    async def open(self) -> None:
        """Open a socket and send a first request; raises NodeError, and ``failure`` is then its value."""
        self._broken.clear()
        try:
            with self._accounted():
                if self._socket is None:
                    self._socket = await self._connect()
                await self._first(self._socket)
        finally:
            self.attempted.set()
        self.failure = self.late = self.slowest_ns = None

    async def burst(self, samples: int, until_ns: int | None = None, enough: Enough = never) -> Burst:
        """Return the opening exchanges of a round, as many as the node answers; raises as a link does."""
        async with self._turn:
            opened = self._opened()
            with self._accounted():
                if opened.is_flooded:
                    opened.close()
                    opened = self._socket = await self._connect()
                exchanges = await self._series(opened, samples, until_ns)
        assert self._program is not None
        self.round_trip_ns = min(one.round_trip_ns for one in exchanges)
        self.slowest_ns = max(one.round_trip_ns for one in exchanges)
        return Burst(self._program, tuple(exchanges))

    async def exchange(self, program: Program) -> Exchange:
        """Return the exchange that closes a round; of a node that drops it, the last one of the burst."""
        async with self._turn:
            opened, latest = self._opened(), self._latest
            assert latest is not None
            with self._accounted():
                one_more = None
                if self._allowed != 1:
                    one_more = await self._one_more(opened)
        return one_more or latest

    async def _series(self, opened: NtpSocket, samples: int, until_ns: int | None) -> list[Exchange]:
        wanted, exchanges = self._wanted(samples), [await self._first(opened)]
        while len(exchanges) < wanted:
            if until_ns is not None and base_ns() + exchanges[-1].round_trip_ns > until_ns:
                break
            answered = await self._one_more(opened)
            if answered is None:
                self._note_limit(len(exchanges))
                break
            exchanges.append(answered)
        return exchanges

    def _end_connection(self) -> None:
        super()._end_connection()
        self._failures += 1
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    async def _connect(self) -> NtpSocket:
        node = self.node
        try:
            places = await resolver().places(node.address, node.ssh.port, node.ssh.connect_timeout_s)
        except (OSError, UnicodeError) as error:
            raise lookup_error(error, node.address, node.ssh) from None
        try:
            # Another address of the name after one that does not answer.
            return NtpSocket(places[self._failures % len(places)], self.arrivals, lambda _fault: None)
        except OSError as error:
            raise out_of_files(error) or ConnectError(
                Reason.NETWORK_UNREACHABLE,
                f"There is no way to {self._place}: {error.strerror or error}.",
                "Look at the routes of this machine.",
            ) from None

    async def _first(self, opened: NtpSocket) -> Exchange:
        """Return an exchange; the request is repeated if it is lost, and an error says why none succeeded."""
        fault = ReferenceFault.SILENCE
        for number in range(TRIES):
            try:
                return await self._exchange(opened, REPLY_S if number else self._limit_s)
            except NtpError as error:
                fault = error.fault
                if fault is not ReferenceFault.SILENCE:
                    break
        raise self._error(fault)

    async def _one_more(self, opened: NtpSocket) -> Exchange | None:
        """Return an exchange that the round can do without, or None if it was lost or refused."""
        try:
            return await self._exchange(opened, self._limit_s)
        except NtpError:
            return None

    async def _exchange(self, opened: NtpSocket, limit_s: float) -> Exchange:
        exchange, reply = await opened.exchange(limit_s)
        if (kiss := kiss_of(reply)) is not None:
            raise NtpError(kiss)
        program = self._program_of(reply)
        if intersection((exchange,), program, middle_ns(exchange), WALL) is None:
            raise NtpError(ReferenceFault.CONTRADICTORY)
        self._program, self._latest, self.claims = program, exchange, claims_of(reply)
        return exchange

    def _program_of(self, reply: NtpReply) -> Program:
        """Return the program, the same one while the reply's precision stays."""
        quantum = Quantum(reply.quantum_ns, reply.quantum_ns + 1)
        if self._program is not None and self._program.real == quantum:
            return self._program
        return Program(PROBE, real=quantum)

    @property
    def _limit_s(self) -> float:
        """How long to wait for a reply before it counts as lost."""
        if self.slowest_ns is None:
            return REPLY_S
        return min(REPLY_S, LOST_S + LOST_ROUND_TRIPS * self.slowest_ns / NS_PER_S)

    def _wanted(self, samples: int) -> int:
        if self._limited_rounds:
            self._limited_rounds -= 1
        else:
            self._allowed = 0
        return min(samples, self._allowed) if self._allowed else samples

    def _note_limit(self, answered: int) -> None:
        self._allowed, self._limited_rounds = answered, LIMITED_ROUNDS

    def _opened(self) -> NtpSocket:
        if self._socket is not None and self.failure is None:
            return self._socket
        failure = self.failure
        assert failure is not None
        raise NodeError(failure.reason, failure.detail, failure.advice)

    def _error(self, fault: ReferenceFault) -> NodeError:
        reason, detail, advice = _EXPLAINED.get(fault, _EXPLAINED[ReferenceFault.SILENCE])
        error = ConnectError if reason in (Reason.NO_ANSWER, Reason.CONNECTION_REFUSED) else ProbeError
        return error(reason, detail.format(place=self._place), advice)

    @property
    def _place(self) -> str:
        return host_port(self.node.address, self.node.ssh.port)


_LET_IN = "Allow this machine in the server's access list (restrict of ntpd, allow of chronyd)."

#: The failure for each fault of a reply.
_EXPLAINED: dict[ReferenceFault, tuple[Reason, str, str]] = {
    ReferenceFault.SILENCE: (
        Reason.NO_ANSWER,
        "{place} does not answer NTP requests.",
        f"Check that it is up and serves NTP, and that the firewall admits UDP. {_LET_IN}",
    ),
    ReferenceFault.REFUSED: (
        Reason.CONNECTION_REFUSED,
        "No NTP server listens at {place}.",
        "Start one, or measure the node over SSH.",
    ),
    ReferenceFault.NO_ROUTE: (
        Reason.NETWORK_UNREACHABLE,
        "There is no way to {place}.",
        "Look at the routes of this machine.",
    ),
    ReferenceFault.KISS_DENY: (
        Reason.PERMISSION_DENIED,
        "{place} refuses NTP requests of this machine (kiss-o'-death DENY).",
        _LET_IN,
    ),
    ReferenceFault.KISS_RSTR: (
        Reason.PERMISSION_DENIED,
        "{place} refuses NTP requests of this machine (kiss-o'-death RSTR).",
        _LET_IN,
    ),
    ReferenceFault.KISS_RATE: (
        Reason.NO_REPLY,
        "{place} limits the NTP requests of this machine (kiss-o'-death RATE).",
        "Lift the limit for this machine on the server (limited of ntpd, ratelimit of chronyd).",
    ),
    ReferenceFault.KISS_OTHER: (
        Reason.GARBLED_REPLY,
        "{place} answers NTP requests with an unknown kiss-o'-death.",
        "Look at the documentation of the server.",
    ),
    ReferenceFault.MALFORMED: (
        Reason.GARBLED_REPLY,
        "{place} answers NTP requests without its time.",
        "Look at the server's own state.",
    ),
    ReferenceFault.CONTRADICTORY: (
        Reason.CLOCK_MOVED,
        "The stamps of {place} are further apart than the round trip.",
        "The next round measures it again; if this repeats, two programs set its clock.",
    ),
}


def link_to(node: Node, dialer: Dialer, arrivals: ArrivalClock, patience: Patience = PATIENT) -> Link:
    """Return a link to a node by the transport that its configuration names."""
    kind = NtpLink if node.transport == "ntp" else Link
    return kind(node, dialer, arrivals, patience)
