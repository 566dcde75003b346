"""History narrows bounds that queues widen, and never misses the truth."""

import pytest

from skewmon.probe.sweep import REPEATS
from tests.clock.gains import simulated_gain


@pytest.mark.parametrize(
    ("queue_us", "interval_ms"),
    [(1_000, 200), (3_000, 1_000), (3_000, 2_000), (10_000, 5_000), (30_000, 15_000)],
)
def test_history_narrows_bounds_that_queues_widen(queue_us: int, interval_ms: int) -> None:
    """A bound ages by 20 us a second; a burst that is worse than that gains a third and more."""
    assert simulated_gain(queue_us, interval_ms) >= 0.3


def test_history_gains_nothing_if_it_ages_faster_than_bursts_are_wide() -> None:
    """On a LAN of some hundred microseconds a bound that is 15 s old is worth little, and does no harm."""
    assert 0 <= simulated_gain(300, 15_000) < 0.1


@pytest.mark.parametrize(("queue_us", "least"), [(300, 0.05), (1_000, 0.2), (3_000, 0.3), (10_000, 0.4)])
def test_repeating_disturbed_bursts_narrows_bounds_at_any_interval(queue_us: int, least: float) -> None:
    """A disturbed burst is asked again in the same round, so that nothing has aged."""
    assert simulated_gain(queue_us, 15_000, repeats=REPEATS) >= least
