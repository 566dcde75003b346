"""One round over any number of nodes: bursts, the common instant, closing exchanges."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from weakref import WeakKeyDictionary

from skewmon.clock.baseline import BurstBaseline, burst_width_ns, joined
from skewmon.clock.burst import estimate
from skewmon.clock.sampling import BurstGoal, is_enough, is_expected, near_changed, never
from skewmon.errors import NodeError, Reason
from skewmon.model import (
    NS_PER_S,
    Burst,
    Endpoint,
    Exchange,
    Failed,
    Interval,
    Measured,
    Outcome,
    SyncStatus,
    VantageReading,
)
from skewmon.probe import vantage_readings
from skewmon.probe.budget import Budget
from skewmon.probe.clocks import admin_wall, base_ns
from skewmon.probe.link import Link
from skewmon.probe.phase import NEAR_AT_ONCE, Phases
from skewmon.runtime.containment import Where, node_error, translated

#: A burst younger than this is not worth repeating: 20 ppm of it are 2 µs, and the closing exchange bounds
#: the cost of a rate that is not known yet.
REFRESH_AFTER_NS = 100_000_000

#: Repeated bursts of a node whose burst was disturbed: of four bursts one is nearly always quiet.
REPEATS = 3

#: In one round at most half as many bursts again, so that a busy admin box is not made busier still; in a
#: small fleet they need no limit.
REPEATS_SHARE = 0.5
REPEATS_FREE = 16

#: A round that has lasted this long repeats no burst: its first bursts grow old.
REPEAT_WITHIN_NS = NS_PER_S

#: Nor does a repeated burst end later than this share of the interval: a narrower bound is not worth a
#: missed round.
REPEAT_WITHIN_SHARE = 0.25

NO_GOALS: Mapping[Endpoint, BurstGoal] = {}


@dataclass(frozen=True, slots=True)
class Sweep:
    """The outcome of every node at one instant of the base.

    ``admin`` is the admin box's wall clock minus the base at that instant. ``vantages`` has, by its label,
    every vantage that nodes of the round are to be measured from, or why it is not used; ``vantage_of`` has
    these nodes, ``detours`` the fault of the relay for those measured around it. ``claims`` are those that
    came with the readings of nodes measured by NTP.
    """

    at_ns: int
    admin: Interval
    duration_s: float
    outcomes: Mapping[Endpoint, Outcome]
    vantages: Mapping[str, VantageReading | Failed] = field(default_factory=dict)
    vantage_of: Mapping[Endpoint, str] = field(default_factory=dict)
    claims: Mapping[Endpoint, SyncStatus] = field(default_factory=dict)
    detours: Mapping[Endpoint, Failed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A burst and when it was taken."""

    burst: Burst
    began_ns: int
    ended_ns: int


@dataclass(slots=True)
class _Repeats:
    """The repeated bursts that a round can afford, and their deadline."""

    left: int
    until_ns: int

    def take(self, expected_ns: int) -> bool:
        """Return whether one more burst of about this duration is allowed, and count it."""
        if self.left <= 0 or base_ns() + expected_ns >= self.until_ns:
            return False
        self.left -= 1
        return True


class Sweeper:
    """Measures all links at one common instant."""

    def __init__(self, budget_of: Callable[[float], Budget] = Budget.of_interval) -> None:
        self._budget_of = budget_of
        self._phases = Phases()
        self._baselines: WeakKeyDictionary[Link, BurstBaseline] = WeakKeyDictionary()
        #: Wall clock minus the base in their last sweep, and when; not of those that failed in it.
        self._walls: WeakKeyDictionary[Link, tuple[Interval, int]] = WeakKeyDictionary()

    async def sweep(
        self,
        links: Mapping[Endpoint, Link],
        samples: int,
        interval_s: float = math.inf,
        goals: Mapping[Endpoint, BurstGoal] = NO_GOALS,
    ) -> Sweep:
        """Return every node's outcome; a node that fails or is late disturbs no other.

        The next round is due after ``interval_s``. Bursts of nodes with a goal end once they reach it.
        """
        first = next(iter(links.values()), None)
        if first is None:
            return await self._swept({}, samples, interval_s, goals)
        # All links have the same clock of arrivals.
        return await first.arrivals.believed(lambda: self._swept(links, samples, interval_s, goals))

    async def _swept(
        self,
        links: Mapping[Endpoint, Link],
        samples: int,
        interval_s: float,
        goals: Mapping[Endpoint, BurstGoal],
    ) -> Sweep:
        began = base_ns()
        budget = self._budget_of(interval_s)
        within_ns = int(min(REPEAT_WITHIN_NS, interval_s * REPEAT_WITHIN_SHARE * NS_PER_S))
        repeats = _Repeats(max(REPEATS_FREE, round(len(links) * REPEATS_SHARE)), began + within_ns)

        goal_of = {links[endpoint]: goal for endpoint, goal in goals.items()}

        def burst(link: Link) -> Awaitable[_Taken]:
            return self._burst(link, samples, repeats, budget, goal_of.get(link))

        vantages = {link.vantage for link in links.values() if link.vantage is not None}
        async with asyncio.TaskGroup() as beside:
            reading = beside.create_task(vantage_readings.taken(vantages, samples, budget))
            taken = await self._phases.run(links.values(), burst, budget)
            taken |= await self._phases.run(self._grown_old(taken), burst, budget)
            taken |= await self._completed(taken, goal_of, samples, budget)
            at_ns, admin = base_ns(), admin_wall()
            opened = {link: one for link, one in taken.items() if isinstance(one, _Taken)}
            closings = await self._phases.run(
                opened, lambda link: link.exchange(opened[link].burst.program), budget
            )
        outcomes: dict[Endpoint, Outcome] = {}
        for endpoint, link in links.items():
            one = taken[link]
            outcome = _outcome(one, closings[link], at_ns) if isinstance(one, _Taken) else one
            link.note_late(outcome if isinstance(outcome, Failed) and outcome.reason is Reason.LATE else None)
            outcomes[endpoint] = outcome
            if isinstance(outcome, Measured):
                self._walls[link] = outcome.estimate.wall, at_ns
            else:
                self._walls.pop(link, None)
        claims = {endpoint: link.claims for endpoint, link in links.items() if link.claims is not None}
        of = {endpoint: link.vantage.label for endpoint, link in links.items() if link.vantage is not None}
        detours = {endpoint: link.detour for endpoint, link in links.items() if link.detour is not None}
        duration_s = (base_ns() - began) / NS_PER_S
        return Sweep(at_ns, admin, duration_s, outcomes, reading.result(), of, claims, detours)

    async def _burst(
        self, link: Link, samples: int, repeats: _Repeats, budget: Budget, goal: BurstGoal | None
    ) -> _Taken:
        began = base_ns()
        baseline = self._baselines.get(link, BurstBaseline())
        enough = never if goal is None else partial(is_enough, goal, baseline)
        burst = await link.burst(samples, began + int(budget.ask_s * NS_PER_S), enough)
        if burst.program.raw is not None:
            self._baselines[link] = baseline.after(burst_width_ns(burst.opening))
            if goal is None:  # else the node is far from every line, and a repeat not worth its cost
                burst = await self._quietened(link, burst, samples, repeats, baseline)
        return _Taken(burst, began, base_ns())

    async def _completed(
        self,
        taken: "Mapping[Link, _Taken | Failed]",
        goal_of: Mapping[Link, BurstGoal],
        samples: int,
        budget: Budget,
    ) -> "Mapping[Link, _Taken | Failed]":
        """Return whole bursts of the nodes that a clock which has changed may bring near a line."""
        bursts = {link: one.burst for link, one in taken.items() if isinstance(one, _Taken)}
        short = {
            link: bursts[link].opening[-1]
            for link in goal_of
            if link in bursts and len(bursts[link].opening) < samples
        }
        if not short:
            return {}
        changed = [
            burst for link, burst in bursts.items() if self._has_changed(link, burst, goal_of.get(link))
        ]
        if not changed:
            return {}
        lines_ns = {line_ns for goal in goal_of.values() for line_ns in goal.lines_ns}

        async def complete(link: Link) -> _Taken:
            began, first = base_ns(), bursts[link]
            again = await link.burst(samples - len(first.opening), began + int(budget.ask_s * NS_PER_S))
            return _Taken(joined(first, again), began, base_ns())

        near = near_changed(short, changed, lines_ns, base_ns())
        whole = await self._phases.run(near, complete, budget)
        return {link: one for link, one in whole.items() if isinstance(one, _Taken)}  # else the short one

    def _has_changed(self, link: Link, burst: Burst, goal: BurstGoal | None) -> bool:
        """Return whether a clock is not where the last round had it, or was not measured in it."""
        before = self._walls.get(link)
        if before is None:
            return True
        if link.is_coarse:
            return False  # its single readings are off by up to a second
        wall, at_ns = (goal.wall, goal.at_ns) if goal else before
        return not is_expected(burst.opening[-1], wall, at_ns)

    @staticmethod
    async def _quietened(
        link: Link, burst: Burst, samples: int, repeats: _Repeats, baseline: BurstBaseline
    ) -> Burst:
        """Return a burst together with those that repeat it because it was disturbed."""
        width_ns = burst_width_ns(burst.opening)
        expected_ns = burst.opening[-1].received_ns - burst.opening[0].sent_ns
        for _ in range(REPEATS):
            if not (baseline.disturbed(width_ns) and repeats.take(expected_ns)):
                break
            burst = joined(burst, await link.burst(samples))
            width_ns = burst_width_ns(burst.opening)
        return burst

    @staticmethod
    def _grown_old(taken: "Mapping[Link, _Taken | Failed]") -> list[Link]:
        """Return the links to measure again because their bursts grew old while slower nodes answered.

        Only quick ones, and only if that takes less time than the age it removes: in a large cluster the
        bursts are as old as the round is long, and repeating them would not shorten it.
        """
        now = base_ns()
        old = [
            (link, one)
            for link, one in taken.items()
            if isinstance(one, _Taken) and one.ended_ns - one.began_ns < REFRESH_AFTER_NS < now - one.ended_ns
        ]
        if not old:
            return []
        cost = sum(one.ended_ns - one.began_ns for _, one in old) // NEAR_AT_ONCE
        age = sum(now - one.ended_ns for _, one in old) // len(old)
        return [link for link, _ in old] if cost * 2 < age else []


#: An error in the exchanges of one node costs that node alone.
_OF_ONE_NODE = translated(Where.NODE, node_error)


def _outcome(taken: _Taken, closing: Exchange | Failed, at_ns: int) -> Outcome:
    if isinstance(closing, Failed):
        return closing
    opened = taken.burst
    burst = Burst(opened.program, opened.opening, closing, opened.vantage)
    try:
        with _OF_ONE_NODE:
            return Measured(burst, estimate(burst, at_ns))
    except NodeError as error:
        return error.failed
