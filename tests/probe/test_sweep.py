"""Whom a round asks again, how often, and what becomes of what they answered."""

from collections.abc import Iterable

import pytest

from skewmon.errors import ProbeError, Reason
from skewmon.model import Burst, Exchange, Failed, Measured, Node, Program, Quantum
from skewmon.probe.base import ArrivalClock, base_ns
from skewmon.probe.link import Link
from skewmon.probe.ssh import Dialer
from skewmon.probe.sweep import REPEATS, REPEATS_FREE, Sweeper

RAW = Program("python3", raw=Quantum(0, 1))
PLAIN = Program("bash")

QUIET_NS = 50_000
NOISY_NS = 500_000

#: Enough quiet rounds that a node's usual width is known.
ROUNDS = 8


class Scripted(Link):
    """A link whose exchanges take as long as its list says, and then as long as the last."""

    def __init__(self, name: str, program: Program = RAW) -> None:
        arrivals = ArrivalClock()
        super().__init__(Node(name, "127.0.0.1"), Dialer(arrivals), arrivals)
        self.program = program
        self.trips_ns: list[int | ProbeError] = []
        self.bursts = 0

    async def burst(self, samples: int, timeout_s: float = 0) -> Burst:
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


async def settled(links: Iterable[Scripted]) -> Sweeper:
    """Return a sweeper that knows what is usual for these links; their bursts are counted from here."""
    sweeper = Sweeper()
    links = list(links)
    for _ in range(ROUNDS):
        await sweeper.sweep(links, 8)
    for link in links:
        assert link.bursts == ROUNDS, "nobody is asked twice without need"
        link.bursts = 0
    return sweeper


async def test_only_the_disturbed_is_asked_again_and_its_best_counts() -> None:
    """One repetition was quiet: the bound is as good as ever, from both bursts together."""
    links = [Scripted("n1"), Scripted("n2")]
    sweeper = await settled(links)
    links[0].trips_ns = [NOISY_NS]
    sweep = await sweeper.sweep(links, 8)
    assert [link.bursts for link in links] == [2, 1]
    first, second = sweep.outcomes
    assert isinstance(first, Measured)
    assert isinstance(second, Measured)
    assert (first.estimate.samples, second.estimate.samples) == (17, 9)
    assert first.estimate.wall.bound_ns < NOISY_NS // 4


async def test_a_node_that_stays_noisy_is_left_alone_after_a_few() -> None:
    """All its bursts count, and the next round begins anew."""
    link = Scripted("n1")
    sweeper = await settled([link])
    link.trips_ns = [NOISY_NS] * 10
    (outcome,) = (await sweeper.sweep([link], 8)).outcomes
    assert isinstance(outcome, Measured)
    assert link.bursts == 1 + REPEATS
    assert outcome.estimate.samples == 8 * (1 + REPEATS) + 1


async def test_a_busy_admin_box_asks_no_more_than_half_as_often_again() -> None:
    """When everything is slow, it is not the nodes."""
    links = [Scripted(f"n{number}") for number in range(4 * REPEATS_FREE)]
    sweeper = await settled(links)
    for link in links:
        link.trips_ns = [NOISY_NS] * 10
    await sweeper.sweep(links, 8)
    assert sum(link.bursts for link in links) == len(links) + len(links) // 2


async def test_a_wall_clock_alone_is_never_joined() -> None:
    """It may be stepped between two bursts, and then both are wrong together."""
    link = Scripted("n1", PLAIN)
    sweeper = await settled([link])
    link.trips_ns = [NOISY_NS]
    await sweeper.sweep([link], 8)
    assert link.bursts == 1


async def test_a_node_that_fails_when_asked_again_fails() -> None:
    """Its link is gone, and so is what it could have said after the common instant."""
    links = [Scripted("n1"), Scripted("n2")]
    sweeper = await settled(links)
    links[0].trips_ns = [NOISY_NS, ProbeError(Reason.DISCONNECTED, "The connection was lost.")]
    first, second = (await sweeper.sweep(links, 8)).outcomes
    assert isinstance(first, Failed)
    assert first.reason is Reason.DISCONNECTED
    assert isinstance(second, Measured)


async def test_a_round_that_lasts_asks_nobody_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A box that is too busy for its rounds is not made busier."""
    link = Scripted("n1")
    sweeper = await settled([link])
    link.trips_ns = [NOISY_NS]
    monkeypatch.setattr("skewmon.probe.sweep.REPEAT_WITHIN_NS", 0)
    await sweeper.sweep([link], 8)
    assert link.bursts == 1


async def test_asking_again_never_makes_the_next_round_late() -> None:
    """A far node's burst is repeated where the interval has room for it, and not where a round would wait."""
    link = Scripted("n1")
    sweeper = await settled([link])
    for interval_s, trip_ns, bursts in ((15.0, NOISY_NS, 2), (1.0, 300_000_000, 1), (1e-6, NOISY_NS, 1)):
        link.bursts, link.trips_ns = 0, [trip_ns]
        await sweeper.sweep([link], 8, interval_s)
        assert link.bursts == bursts
