"""The bursts that a round repeats, how often, and the use of their answers."""

import asyncio
import gc
import time
from collections.abc import Iterable
from dataclasses import replace

import pytest

from skewmon.clock.sampling import BurstGoal, Enough
from skewmon.errors import ProbeError, Reason
from skewmon.model import NS_PER_S, Burst, Endpoint, Exchange, Failed, Measured, Node, Program, Quantum
from skewmon.probe import budget as budget_module
from skewmon.probe import sweep as sweep_module
from skewmon.probe.budget import Budget
from skewmon.probe.clocks import ArrivalClock, base_ns
from skewmon.probe.connect import Dialer
from skewmon.probe.link import Link
from skewmon.probe.phase import NEAR_AT_ONCE
from skewmon.probe.sweep import REPEATS, REPEATS_FREE, Sweeper
from tests.integration.measuring import in_order

RAW = Program("python3", raw=Quantum(0, 1))
PLAIN = Program("bash")

MS = 1_000_000
QUIET_NS = 50_000
NOISY_NS = 500_000

#: Enough quiet rounds that a node's usual width is known.
ROUNDS = 8


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no pause of this machine make a burst old, or a round too long for repetitions."""
    monkeypatch.setattr(sweep_module, "REFRESH_AFTER_NS", 60 * NS_PER_S)
    monkeypatch.setattr(sweep_module, "REPEAT_WITHIN_NS", 60 * NS_PER_S)


class Scripted(Link):
    """A link whose exchanges take as long as its list says, and then as long as the last."""

    def __init__(self, name: str, program: Program = RAW) -> None:
        arrivals = ArrivalClock()
        super().__init__(Node(name, f"{name}.invalid"), Dialer(arrivals), arrivals)
        self.program = program
        self.trips_ns: list[int | ProbeError] = []
        self.bursts = 0

    async def burst(self, samples: int, until_ns: int | None = None, *_: object) -> Burst:
        """Return exchanges that are over already."""
        self.bursts += 1
        trip_ns = self.trips_ns.pop(0) if self.trips_ns else QUIET_NS
        if isinstance(trip_ns, ProbeError):
            raise trip_ns
        return Burst(self.program, tuple(self._exchange(trip_ns) for _ in range(samples)))

    async def exchange(self, program: Program) -> Exchange:
        """Return the closing one."""
        return self._exchange(QUIET_NS)

    def _exchange(self, trip_ns: int) -> Exchange:
        now_ns = base_ns()
        sent_ns, read_ns = now_ns - trip_ns, now_ns - trip_ns // 2
        raw_ns = None if self.program.raw is None else read_ns
        return Exchange(sent_ns, now_ns, read_ns, read_ns, raw_ns, raw_ns)


def keyed(links: Iterable[Link]) -> dict[Endpoint, Link]:
    """Return the links by their nodes' endpoints."""
    return {link.node.endpoint: link for link in links}


async def settled(links: Iterable[Scripted]) -> Sweeper:
    """Return a sweeper with a baseline for these links; their bursts are counted from here."""
    sweeper = Sweeper()
    links = list(links)
    for _ in range(ROUNDS):
        await sweeper.sweep(keyed(links), 8)
    for link in links:
        assert link.bursts == ROUNDS, "no burst is repeated without need"
        link.bursts = 0
    return sweeper


async def test_only_the_disturbed_is_asked_again_and_its_best_counts() -> None:
    """One repetition was quiet: the bound is as good as ever, from both bursts together."""
    links = [Scripted("n1"), Scripted("n2")]
    sweeper = await settled(links)
    links[0].trips_ns = [NOISY_NS]
    sweep = await sweeper.sweep(keyed(links), 8)
    assert [link.bursts for link in links] == [2, 1]
    first, second = in_order(sweep)
    assert isinstance(first, Measured)
    assert isinstance(second, Measured)
    assert (first.estimate.samples, second.estimate.samples) == (17, 9)
    assert first.estimate.wall.bound_ns < NOISY_NS // 4


async def test_a_node_that_stays_noisy_is_left_alone_after_a_few() -> None:
    """All its bursts count, and the next round begins again."""
    link = Scripted("n1")
    sweeper = await settled([link])
    link.trips_ns = [NOISY_NS] * 10
    (outcome,) = in_order(await sweeper.sweep(keyed([link]), 8))
    assert isinstance(outcome, Measured)
    assert link.bursts == 1 + REPEATS
    assert outcome.estimate.samples == 8 * (1 + REPEATS) + 1


async def test_a_busy_admin_box_asks_no_more_than_half_as_often_again() -> None:
    """When everything is slow, it is not the nodes."""
    links = [Scripted(f"n{number}") for number in range(4 * REPEATS_FREE)]
    sweeper = await settled(links)
    for link in links:
        link.trips_ns = [NOISY_NS] * 10
    await sweeper.sweep(keyed(links), 8)
    assert sum(link.bursts for link in links) == len(links) + len(links) // 2


async def test_a_wall_clock_alone_is_never_joined() -> None:
    """It may be stepped between two bursts, and then both are wrong together."""
    link = Scripted("n1", PLAIN)
    sweeper = await settled([link])
    link.trips_ns = [NOISY_NS]
    await sweeper.sweep(keyed([link]), 8)
    assert link.bursts == 1


async def test_a_node_that_fails_when_asked_again_fails() -> None:
    """Its link is gone, and so is the exchange after the common instant."""
    links = [Scripted("n1"), Scripted("n2")]
    sweeper = await settled(links)
    links[0].trips_ns = [NOISY_NS, ProbeError(Reason.DISCONNECTED, "The connection was lost.")]
    first, second = in_order(await sweeper.sweep(keyed(links), 8))
    assert isinstance(first, Failed)
    assert first.reason is Reason.DISCONNECTED
    assert isinstance(second, Measured)


async def test_a_long_round_repeats_no_burst(monkeypatch: pytest.MonkeyPatch) -> None:
    """A box that is too busy for its rounds is not made busier."""
    link = Scripted("n1")
    sweeper = await settled([link])
    link.trips_ns = [NOISY_NS]
    monkeypatch.setattr("skewmon.probe.sweep.REPEAT_WITHIN_NS", 0)
    await sweeper.sweep(keyed([link]), 8)
    assert link.bursts == 1


async def test_asking_again_never_makes_the_next_round_late() -> None:
    """A far node's burst is repeated if the interval has room for it, and not if a round would wait."""
    link = Scripted("n1")
    sweeper = await settled([link])
    for interval_s, trip_ns, bursts in ((15.0, NOISY_NS, 2), (1.0, 300_000_000, 1), (1e-6, NOISY_NS, 1)):
        link.bursts, link.trips_ns = 0, [trip_ns]
        await sweeper.sweep(keyed([link]), 8, interval_s)
        assert link.bursts == bursts


# --- late nodes -----------------------------------------------------------------------------------------

#: A round waits 0.4 s for a node at this interval.
INTERVAL_S = 1.0


class Dawdling(Scripted):
    """A link whose bursts take as long as it says, or until it is let go."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.go = asyncio.Event()
        self.is_slow = True
        self.begun = self.ended = 0

    async def burst(self, samples: int, until_ns: int | None = None, *_: object) -> Burst:
        """Wait to be let go if it is slow."""
        began = base_ns()
        self.begun += 1
        if self.is_slow:
            await self.go.wait()
        burst = await super().burst(samples, until_ns)
        self.slowest_ns = base_ns() - began
        self.ended += 1
        return burst


async def test_a_round_closes_without_the_late() -> None:
    """The others are measured at once; the late one has a reason, and its log line comes once."""
    quick, slow = Scripted("n1"), Dawdling("n2")
    changes: list[Failed | None] = []
    slow._changed = lambda link: changes.append(link.late)
    sweeper = Sweeper()
    for _ in range(2):
        sweep = await sweeper.sweep(keyed([quick, slow]), 8, INTERVAL_S)
        assert isinstance(in_order(sweep)[0], Measured)
        assert isinstance(in_order(sweep)[1], Failed)
        assert in_order(sweep)[1].reason is Reason.LATE
        assert sweep.duration_s < 5 * Budget.of_interval(INTERVAL_S).late_s
    assert slow.bursts == 0, "it is not asked again while its answer is on the way"
    assert len(changes) == 1
    slow.go.set()
    slow.is_slow = False
    await _ended(slow)
    await sweeper.sweep(keyed([quick, slow]), 8, INTERVAL_S)  # asked without waiting: it was slow
    await _ended(slow, 2)
    sweep = await sweeper.sweep(keyed([quick, slow]), 8, INTERVAL_S)
    assert isinstance(in_order(sweep)[1], Measured)
    assert changes[-1] is None


async def _ended(link: Dawdling, count: int = 1) -> None:
    async with asyncio.timeout(10):
        while link.ended < count:
            await asyncio.sleep(0.01)


async def test_a_node_that_is_always_late_stretches_one_round_alone() -> None:
    """It is asked in each round, so that its recovery is seen, but not waited for."""
    slow, budget = Dawdling("n1"), Budget.of_interval(INTERVAL_S)
    sweeper, lengths_s = Sweeper(), []
    for number in range(1, 4):
        slow.go.clear()
        sweep = await sweeper.sweep(keyed([slow]), 8, INTERVAL_S)
        lengths_s.append(sweep.duration_s)
        await asyncio.sleep(budget.late_s)
        slow.go.set()
        await _ended(slow, number)
    assert lengths_s[0] >= budget.late_s
    assert max(lengths_s[1:]) < budget.late_s / 2


async def test_a_coarse_clock_that_is_late_stretches_one_round_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the first round waits for a whole search; the next ones wait as for any node."""

    class Coarse(Dawdling):
        is_coarse = True

    monkeypatch.setattr(budget_module, "SEARCH_S", 4 * Budget.of_interval(INTERVAL_S).late_s)
    slow, sweeper = Coarse("n1"), Sweeper()
    lengths_s = [(await sweeper.sweep(keyed([slow]), 8, INTERVAL_S)).duration_s for _ in range(2)]
    slow.go.set()
    assert lengths_s[1] < lengths_s[0] / 2


async def test_a_person_who_waits_gets_slow_nodes_too() -> None:
    """As ``check`` and ``watch`` do: no node is late, however short the interval."""
    slow = Dawdling("n1")
    sweeper = Sweeper(lambda _: Budget.patient(4.0))
    round_ = asyncio.create_task(sweeper.sweep(keyed([slow]), 8, INTERVAL_S))
    await asyncio.sleep(2 * Budget.of_interval(INTERVAL_S).late_s)
    slow.go.set()
    (outcome,) = in_order(await round_)
    assert isinstance(outcome, Measured)


async def test_many_silent_nodes_hold_up_no_other() -> None:
    """A near node that is silent gives its place to the next one."""
    silent, quick = [Dawdling(f"s{number}") for number in range(3 * NEAR_AT_ONCE)], Scripted("n1")
    for link in (*silent, quick):
        link.round_trip_ns = QUIET_NS
    sweep = await Sweeper().sweep(keyed([*silent, quick]), 8, INTERVAL_S)
    assert isinstance(in_order(sweep)[-1], Measured)
    assert sweep.duration_s < 3 * Budget.of_interval(INTERVAL_S).late_s
    for link in silent:
        link.go.set()


async def test_a_pause_of_this_process_makes_no_node_late() -> None:
    """The reply waits in the kernel meanwhile, and a second one comes soon after it."""

    class Paused(Dawdling):
        async def burst(self, samples: int, until_ns: int | None = None, *_: object) -> Burst:
            burst = await super().burst(samples, until_ns)
            await asyncio.sleep(0.02)
            return burst

    link, sweeper = Paused("n1"), Sweeper()
    round_ = asyncio.create_task(sweeper.sweep(keyed([link]), 8, INTERVAL_S))
    async with asyncio.timeout(10):
        while not link.begun:
            await asyncio.sleep(0)
    time.sleep(2 * Budget.of_interval(INTERVAL_S).late_s)  # the pause
    link.go.set()
    (outcome,) = in_order(await round_)
    assert isinstance(outcome, Measured)


async def test_a_round_that_is_cancelled_ends_its_requests_and_leaves_their_places() -> None:
    """Those on their way are cancelled, those in turn are never sent, and the next round measures all."""
    links = [Dawdling(f"n{number}") for number in range(3 * NEAR_AT_ONCE)]
    for link in links:
        link.round_trip_ns = QUIET_NS
    sweeper = Sweeper(lambda _: Budget.patient(4.0))
    round_ = asyncio.create_task(sweeper.sweep(keyed(links), 8))
    async with asyncio.timeout(10):
        while sum(link.begun for link in links) < NEAR_AT_ONCE:
            await asyncio.sleep(0)
    round_.cancel()
    with pytest.raises(asyncio.CancelledError):
        await round_
    assert sum(link.begun for link in links) == NEAR_AT_ONCE
    for link in links:
        link.go.set()
    sweep = await sweeper.sweep(keyed(links), 8)
    assert all(isinstance(outcome, Measured) for outcome in in_order(sweep))
    assert [link.ended for link in links] == [1] * len(links)


@pytest.mark.parametrize("error", [ProbeError(Reason.NO_REPLY, "It is down."), ValueError("a bug")])
async def test_links_that_fail_at_once_leave_turns_to_others(error: Exception) -> None:
    """Whatever they fail with, the event loop goes round for each few of them."""

    class Failing(Scripted):
        async def burst(self, *_: object) -> Burst:
            raise error

    links = [Failing(f"n{number}") for number in range(50 * NEAR_AT_ONCE)]
    for link in links:
        link.round_trip_ns = QUIET_NS
    round_ = asyncio.create_task(Sweeper().sweep(keyed(links), 8))
    turns = 0
    while not round_.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= len(links) / NEAR_AT_ONCE


class Short(Scripted):
    """A link whose bursts end as early as they may, of a node whose wall clock can be set."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.ahead_ns = 0
        self.made: list[int] = []

    async def burst(self, samples: int, until_ns: int | None = None, *enough: Enough) -> Burst:
        """Return exchanges until they are enough, and note how many."""
        exchanges = [self._exchange(QUIET_NS)]
        while len(exchanges) < samples and not (enough and enough[0](exchanges)):
            exchanges.append(self._exchange(QUIET_NS))
        self.made.append(len(exchanges))
        return Burst(self.program, tuple(exchanges))

    def _exchange(self, trip_ns: int) -> Exchange:
        seen = super()._exchange(trip_ns)
        ahead_ns = self.ahead_ns
        return replace(seen, real_in_ns=seen.real_in_ns + ahead_ns, real_out_ns=seen.real_out_ns + ahead_ns)


@pytest.mark.parametrize("has_goal", [True, False], ids=["far before", "near another line before"])
@pytest.mark.parametrize(
    ("step_ns", "made"),
    [(0, [[1], [1], [1]]), (20 * MS, [[8], [1], [1]]), (50 * MS, [[8], [1, 7], [1, 7]])],
    ids=["none", "far from the line", "to the line"],
)
async def test_a_clock_that_moves_near_a_line_gets_whole_bursts_of_its_pairs(
    step_ns: int, made: list[list[int]], *, has_goal: bool
) -> None:
    """In the same round: their short bursts rest on where the last round had the clock."""
    links = [Short("n1"), Short("n2"), Short("n3")]
    sweeper = Sweeper()
    for _ in range(ROUNDS):
        last = await sweeper.sweep(keyed(links), 8)
    goals = {
        endpoint: BurstGoal((50 * MS,), one.estimate.wall, one.estimate.at_ns)
        for endpoint, one in last.outcomes.items()
        if isinstance(one, Measured) and (has_goal or endpoint != links[0].node.endpoint)
    }
    for link in links:
        link.made.clear()
    links[0].ahead_ns = step_ns
    sweep = await sweeper.sweep(keyed(links), 8, INTERVAL_S, goals)
    of_first = made[0] if has_goal else [8]
    assert [link.made for link in links] == [of_first, *made[1:]]
    for outcome, link in zip(in_order(sweep), links, strict=True):
        assert isinstance(outcome, Measured)
        assert len(outcome.burst.opening) == sum(link.made)


@pytest.mark.parametrize("has_goal", [True, False])
async def test_a_node_that_contradicts_itself_costs_no_other_a_round(*, has_goal: bool) -> None:
    """Its wall clock leaps within each exchange, of a node that is near a line or far from every one."""

    class Leaping(Short):
        leap_ns = 0

        def _exchange(self, trip_ns: int) -> Exchange:
            seen = super()._exchange(trip_ns)
            return replace(seen, real_out_ns=seen.real_out_ns + self.leap_ns)

    leaping, links = Leaping("n1"), [Short("n2"), Short("n3")]
    sweeper = Sweeper()
    for _ in range(ROUNDS):
        last = await sweeper.sweep(keyed([leaping, *links]), 8)
    goals = {
        endpoint: BurstGoal((50 * MS,), one.estimate.wall, one.estimate.at_ns)
        for endpoint, one in last.outcomes.items()
        if isinstance(one, Measured) and (has_goal or endpoint != leaping.node.endpoint)
    }
    for leap_ns in (MS, 10**20, -(10**20)):
        leaping.leap_ns = leap_ns
        sweep = await sweeper.sweep(keyed([leaping, *links]), 8, INTERVAL_S, goals)
        assert all(isinstance(outcome, Measured) for outcome in in_order(sweep)[1:])


async def test_the_exchanges_of_a_round_are_in_no_cycle() -> None:
    """Python searches for cycles seldom, and until then they would keep all that a round found."""
    links = [Short(f"n{number}") for number in range(2 * NEAR_AT_ONCE)]
    sweeper = Sweeper()
    for _ in range(2):  # from the second round on their places are those of near nodes
        await sweeper.sweep(keyed(links), 8, INTERVAL_S)
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        await sweeper.sweep(keyed(links), 8, INTERVAL_S)
        gc.collect()
        assert not [one for one in gc.garbage if isinstance(one, Exchange | Burst)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


async def test_a_round_is_measured_again_if_the_kernels_stamps_became_doubtful_within_it() -> None:
    """Once: the second time no stamp is used until the next calibration."""

    class Doubtful(Scripted):
        async def burst(self, samples: int, until_ns: int | None = None, *enough: object) -> Burst:
            self.arrivals.doubts += 1
            return await super().burst(samples, until_ns, *enough)

    link = Doubtful("n1")
    (outcome,) = in_order(await Sweeper().sweep(keyed([link]), 8))
    assert isinstance(outcome, Measured)
    assert link.bursts == 2
