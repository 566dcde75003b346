"""Rounds happen on a grid: no drift, no overlap, no second round at one tick."""

import asyncio
from itertools import pairwise

import pytest

from skewmon.monitor.schedule import every

pytestmark = pytest.mark.looptime


async def times(interval_s: float, takes_s: list[float]) -> tuple[list[float], list[int]]:
    """Return when rounds that take so long began, and each one's number of missed ticks."""
    loop = asyncio.get_running_loop()
    start, began, missed = loop.time(), [], []
    bodies = iter(takes_s)
    async for tick in every(interval_s):
        began.append(round(loop.time() - start, 6))
        missed.append(tick.missed)
        try:
            await asyncio.sleep(next(bodies))
        except StopIteration:
            return began, missed
    raise AssertionError


async def test_the_first_round_is_at_once() -> None:
    """The first result must not take a minute."""
    assert await times(60, []) == ([0], [0])


async def test_the_duration_of_a_round_does_not_shift_the_next() -> None:
    """Weeks of schedule stay on the grid."""
    began, missed = await times(15, [0.1 + number % 7 for number in range(1_000)])
    assert began == [15 * number for number in range(1_001)]
    assert not any(missed)


async def test_a_round_that_takes_too_long_misses_ticks_and_makes_none_up() -> None:
    """They are counted, and the next is on the grid again."""
    assert await times(10, [35, 1, 10.5, 1]) == ([0, 40, 50, 70, 80], [0, 3, 0, 1, 0])


async def test_a_round_that_takes_no_time_is_not_repeated() -> None:
    """An interval that no binary fraction holds, and bodies that end at the very tick."""
    began, missed = await times(0.1, [0] * 2_000)
    assert began == pytest.approx([0.1 * number for number in range(2_001)], abs=1e-5)
    assert not any(missed)


async def test_a_round_that_takes_exactly_the_interval_misses_none_or_one() -> None:
    """Never a tick twice."""
    began, _ = await times(0.3, [0.3] * 100)
    assert all(later - earlier >= 0.299 for earlier, later in pairwise(began))


async def test_lateness_of_the_loop_is_returned() -> None:
    """On time in virtual time."""
    ticks = []
    async for tick in every(1):
        ticks.append(tick.late_s)
        if len(ticks) == 5:
            break
    assert max(ticks) < 1e-6
