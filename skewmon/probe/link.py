"""One node's link: opened, kept open with back-off, and used for bursts."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from skewmon.clock.sampling import Enough, never
from skewmon.errors import NodeError, ProbeError, Reason
from skewmon.model import NS_PER_S, Burst, Exchange, Failed, Node, Program, SyncStatus
from skewmon.probe.budget import PATIENT, Patience
from skewmon.probe.clocks import ArrivalClock, base_ns
from skewmon.probe.connect import Dialer
from skewmon.probe.connection import Connection
from skewmon.probe.relay import Relay
from skewmon.probe.retry import HOST_KEYS, STEADY_S, after_node
from skewmon.probe.session import Session
from skewmon.probe.tick_burst import TickSearch, is_coarse
from skewmon.probe.vantage import Vantage
from skewmon.runtime.containment import Where, contained, node_error, translated
from skewmon.runtime.tasks import Flag

#: A burst that takes longer has lost its value: the clocks it compares have moved on.
BURST_TIMEOUT_S = 10


class Link:
    """A node, its connection and program, or the reason if there is none."""

    def __init__(
        self, node: Node, dialer: Dialer, arrivals: ArrivalClock, patience: Patience = PATIENT
    ) -> None:
        self.node = node
        self.failure: Failed | None = Failed(Reason.CONNECTING, "The first connection is being made.")
        self.attempted = Flag()  # set once the first attempt to open has ended
        self.late: Failed | None = None  # the last round closed without an answer of this open link
        self.round_trip_ns: int | None = None
        self.claims: SyncStatus | None = None  # of the node's time server, if they come with its readings
        self.slowest_ns: int | None = None  # the slowest round trip since the last burst began
        self._changed: Callable[[Link], None] = lambda _link: None
        self._dialer = dialer
        self.arrivals = arrivals  # whoever uses bursts must confirm it, see ``ArrivalClock.believed``
        self._patience = patience
        self._connection: Connection | None = None
        self._session: Session | None = None
        self._broken = Flag()
        self._turn = asyncio.Lock()  # clusters of different intervals share a node's program
        self._ticks = TickSearch()
        self._next: tuple[Connection, Session] | None = None  # from the next burst on
        self._vantage = dialer.vantage(node.ssh)

    @property
    def session(self) -> Session | None:
        """The session to measure with, or None."""
        return self._session if self._session and self._session.is_open else None

    @property
    def vantage(self) -> Vantage | None:
        """The machine that is to stamp the node's exchanges, or None."""
        return self._vantage

    @property
    def detour(self) -> Failed | None:
        """The fault of the relay around which the node is measured, or None."""
        return self._connection.detour if self._connection else None

    @property
    def is_throttled(self) -> bool:
        """Whether the node's answers wait behind a flood of its own."""
        return self._connection is not None and self._connection.meter.is_throttled

    @property
    def is_coarse(self) -> bool:
        """Whether the node's clock has a resolution of one second, so that bursts wait for its ticks."""
        return is_coarse(self._session)

    @property
    def connection(self) -> Connection | None:
        """The connection on which other sessions may be opened, or None."""
        return self._connection if self._connection and self._connection.is_open else None

    @property
    def probe(self) -> str | None:
        """The rung of the ladder that answers, or None."""
        return self._session.program.probe if self._session and self._session.program else None

    async def open(self) -> None:
        """Connect if needed and start the node-side program.

        Raises NodeError; ``failure`` is then its value.
        """
        self._broken.clear()
        try:
            with self._accounted():
                connection = self._connection = self.connection or await self._dialer.connect(self.node)
                session = Session(connection, self._patience)
                await session.start()
        finally:
            self.attempted.set()
        self._serve(session)

    def _serve(self, session: Session) -> None:
        self._session = session
        self.failure = self.late = self.slowest_ns = None
        session.on_failure = self._drop

    async def keep(self, changed: Callable[["Link"], None] = lambda _link: None) -> None:
        """Keep the link open for ever; ``changed`` is called after every opening and every failure."""
        self._changed = changed
        attempt = 0
        while True:
            opened = asyncio.get_running_loop().time()
            with suppress(NodeError), contained(Where.NODE, node=self.node.name) as standing:
                await self.open()
                changed(self)
                await self._until_broken()
            if standing.error:
                self._drop(node_error(standing.error))
            if asyncio.get_running_loop().time() - opened > STEADY_S:
                attempt = 0
            with contained(Where.NODE, node=self.node.name):
                changed(self)
            with contained(Where.NODE, node=self.node.name):
                await asyncio.sleep(after_node(self.failure).pause_s(attempt))
            attempt += 1

    async def _until_broken(self) -> None:
        """Wait for the end of the link; meanwhile try to lead it through its vantage, if it is not."""
        tries = 0
        while not self._broken.is_set():
            vantage, there = self.vantage, self.connection
            wait_s = vantage.retry_s(there, tries) if vantage and there else None
            if wait_s is None:
                await self._broken.wait()
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._broken.wait(), wait_s)
                return
            waits = self._next is not None and self._next[1].is_open
            if waits or self.connection is not there:
                continue
            if relay := await self._dialer.relay(self.node.ssh):
                tries += 1
                await self._move(relay)

    async def _move(self, relay: Relay) -> None:
        """Connect through a relay; the connection around it serves until a round begins after that."""
        self._end_next()  # its session has ended before any round
        try:
            self._next = await self._relayed(relay)
        except NodeError as error:
            if error.reason in HOST_KEYS:
                self._drop(error)
            elif self._connection is not None:
                self._connection.detour = error.failed

    def _change(self) -> None:
        """Go on with the connection that is to serve from this burst on, if there is one."""
        if self._next is not None and self._next[1].is_open:
            (connection, session), self._next = self._next, None
            self.close()
            self._connection = connection
            self._serve(session)

    async def _relayed(self, relay: Relay) -> tuple[Connection, Session]:
        """Return a connection through a relay and a session on it; raise NodeError if there is none."""
        with translated(Where.NODE, node_error, node=self.node.name), ExitStack() as undone:
            connection = await self._dialer.relayed(self.node, relay)
            undone.callback(connection.abort)
            session = Session(connection, self._patience)
            await session.start()
            undone.pop_all()
        return connection, session

    def note_late(self, late: Failed | None) -> None:
        """Note that a round closed without this node, or, with None, that it answered in time."""
        was_late, self.late = self.late, late
        if (was_late is None) != (late is None):
            self._changed(self)

    async def burst(self, samples: int, until_ns: int | None = None, enough: Enough = never) -> Burst:
        """Return the first exchanges of a round, until they are ``enough`` or it is ``until_ns`` of the base.

        Raises NodeError if there is no link, or if it broke on the way.
        """
        self.arrivals.calibrate()
        async with self._turn:
            self._change()
            session = self._ready()
            with self._accounted():
                if is_coarse(session):
                    burst = await self._search(session)
                else:
                    latest_ns = base_ns() + BURST_TIMEOUT_S * NS_PER_S
                    last_ns = latest_ns if until_ns is None else min(until_ns, latest_ns)
                    burst = await session.burst(samples, last_ns, enough)
        self.round_trip_ns = min(exchange.round_trip_ns for exchange in burst.opening)
        self.slowest_ns = max(exchange.round_trip_ns for exchange in burst.opening)
        return burst

    async def _search(self, session: Session) -> Burst:
        """Return a burst whose requests arrive when the clock ticks, which takes as long as a few ticks."""
        try:
            async with asyncio.timeout(BURST_TIMEOUT_S):
                return await self._ticks.burst(session)
        except TimeoutError:
            raise ProbeError(
                Reason.NO_REPLY,
                f"The burst was not done within {BURST_TIMEOUT_S} s.",
                "The machine is overloaded, or the network loses packets.",
            ) from None

    async def exchange(self, program: Program) -> Exchange:
        """Return the one exchange that closes a round; raises as ``burst`` does.

        ``program`` is that of the burst: a program that was started again, perhaps after a reboot, reads
        other clocks, and its readings must not be compared with those of the burst.
        """
        async with self._turn:
            session = self._ready()
            if session.program is not program:
                raise ProbeError(
                    Reason.PROGRAM_ENDED,
                    "The node-side program was started again in the middle of a round.",
                    "The next round measures it again.",
                )
            with self._accounted():
                exchange = await session.exchange()
        self.slowest_ns = max(self.slowest_ns or 0, exchange.round_trip_ns)
        return exchange

    @contextmanager
    def _accounted(self) -> Iterator[None]:
        """Drop the session after every failure of the block; an unexpected one becomes a NodeError."""
        try:
            with translated(Where.NODE, node_error, node=self.node.name):
                yield
        except NodeError as error:
            self._drop(error)
            raise

    def close(self) -> None:
        """Close program and connection."""
        self._end_session()
        self._end_connection()

    def _end_session(self) -> None:
        session, self._session = self._session, None
        if session:
            session.on_failure = None  # its end is a consequence, not another failure
            with contained(Where.NODE, node=self.node.name):
                session.close()
        self._end_next()

    def _end_next(self) -> None:
        following, self._next = self._next, None
        if following:
            with contained(Where.NODE, node=self.node.name):
                following[0].abort()

    def _end_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            with contained(Where.NODE, node=self.node.name):
                connection.abort()

    def _ready(self) -> Session:
        session = self.session
        if session:
            return session
        if self.failure is None and self._session:
            self._drop(self._session.failure or ProbeError(Reason.DISCONNECTED, "The connection was lost."))
        failure = self.failure
        assert failure is not None
        raise NodeError(failure.reason, failure.detail, failure.advice)

    def _drop(self, error: NodeError) -> None:
        """Note a failure; the connection stays if only the program failed, and both if a clock moved."""
        if error.reason is Reason.CLOCK_MOVED:
            return
        self.failure = error.failed
        self._end_session()
        if error.reason is not Reason.PROGRAM_ENDED:
            self._end_connection()
        self._broken.set()
