"""Bursts of a node whose clock ticks coarsely: their requests are to arrive when it ticks."""

import asyncio

from skewmon.clock.burst import moved
from skewmon.clock.interval import RHO_WALL_PPB, WALL, intersection
from skewmon.clock.tick_search import COARSE_NS, ROWS, send_instants
from skewmon.model import NS_PER_S, Burst, Exchange, Interval
from skewmon.probe.clocks import base_ns
from skewmon.probe.session import Session


class TickSearch:
    """Searches for the ticks of one node's clock, round after round."""

    def __init__(self) -> None:
        self._hint: tuple[int, Interval] | None = None  # the tick that the last search found

    async def burst(self, session: Session) -> Burst:
        """Return a burst whose requests arrive when the clock ticks."""
        assert session.program is not None
        program = session.program
        exchanges = [await session.exchange()]
        for _ in range(ROWS):
            wall = self._expected(exchanges, session)
            round_trip_ns = min(exchange.round_trip_ns for exchange in exchanges)
            for instant in send_instants(wall, round_trip_ns, base_ns()):
                await asyncio.sleep(max(0, instant - base_ns()) / NS_PER_S)
                exchanges.append(await session.exchange())
        self._hint = (base_ns(), self._expected(exchanges, session))
        return Burst(program, tuple(exchanges), vantage=session.vantage_label)

    def _expected(self, exchanges: list[Exchange], session: Session) -> Interval:
        """Return the narrowest span in which the clock can be expected; the last search is only a hint."""
        assert session.program is not None
        now = base_ns()
        wall = intersection(exchanges, session.program, now, WALL)
        if wall is None:
            raise moved()
        if self._hint:
            found_ns, hint = self._hint
            expected = hint.widened((now - found_ns) * RHO_WALL_PPB // NS_PER_S)
            return wall.meet(expected) or wall
        return wall


def is_coarse(session: Session | None) -> bool:
    """Return whether the clock of a session has a resolution of one second."""
    program = session.program if session else None
    return program is not None and program.real.late_ns >= COARSE_NS
