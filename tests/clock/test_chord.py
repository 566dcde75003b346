"""The mean rate of the last minute against rates that change at random."""

from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skewmon.clock.chord import RESTLESS_PPB_PER_MIN, SPAN_NS, chord
from skewmon.clock.drift import fit
from skewmon.clock.line import Point
from skewmon.clock.rate import LEAST_SAMPLES
from skewmon.model import NS_PER_S
from tests.clock.test_line import track_of

#: Between two changes of the rate.
TICK_NS = NS_PER_S // 2

MS, US = 10**6, 10**3


class Wandering(NamedTuple):
    """Bursts, newest first, and the true offset at each."""

    points: list[Point]
    truths: list[float]

    def mean(self, samples: int) -> float:
        """Return the mean rate of the truth over so many bursts."""
        last, first = self.points[0], self.points[samples - 1]
        return (self.truths[0] - self.truths[samples - 1]) / (last.at_ns - first.at_ns)


def wandering(rng: Random, interval_s: int, count: int, width_ns: int) -> Wandering:
    """Return bursts of an oscillator whose rate goes up and down as fast as allowed, turning at random.

    Each burst holds the truth anywhere.
    """
    change_ppb = RESTLESS_PPB_PER_MIN * TICK_NS / (60 * NS_PER_S)
    rate_ppb, offset_ns, turn_ns, direction = rng.uniform(-9e5, 9e5), 0.0, 0, 1
    points, truths = [], []
    for at_ns in range(0, interval_s * NS_PER_S * count, TICK_NS):
        if at_ns >= turn_ns:
            turn_ns, direction = at_ns + rng.randrange(TICK_NS, SPAN_NS), rng.choice((-1, 0, 1))
        if at_ns % (interval_s * NS_PER_S) == 0:
            middle_ns = round(offset_ns + rng.uniform(-0.49, 0.49) * width_ns)
            points.append(Point(at_ns, middle_ns, width_ns))
            truths.append(offset_ns)
        rate_ppb += change_ppb * direction
        offset_ns += rate_ppb * TICK_NS / NS_PER_S
    return Wandering(points[::-1], truths[::-1])


@given(
    st.randoms(use_true_random=False),
    st.sampled_from((1, 2, 15, 60)),
    st.integers(LEAST_SAMPLES, 32),
    st.sampled_from((20 * US, 80 * US, MS)),
)
def test_the_mean_rate_is_never_missed(rng: Random, interval_s: int, count: int, width_ns: int) -> None:
    """However the rate turns, and wherever in its burst each offset lies."""
    seen = wandering(rng, interval_s, count, width_ns)
    found = chord(seen.points, LEAST_SAMPLES)
    assert found is not None
    assert found.lower <= seen.mean(found.samples) <= found.upper
    first = seen.points[found.samples - 1]
    assert found.upper - found.lower <= 2.01 * width_ns / (seen.points[0].at_ns - first.at_ns)


@pytest.mark.parametrize("interval_s", [2, 15])
def test_its_middle_is_nearer_to_the_truth_than_a_fit(interval_s: int) -> None:
    """A fit lags behind the rate, because its bursts scatter too much to show the bend."""
    chords, fits = [], []
    for seed in range(40):
        seen = wandering(Random(seed), interval_s, 32, 200 * US)
        found, fitted = chord(seen.points, LEAST_SAMPLES), fit(track_of(seen.points))
        assert found is not None
        truth = seen.mean(found.samples)
        chords.append(abs((found.lower + found.upper) / 2 - truth))
        fits += [] if fitted is None else [abs(fitted.ratio - truth)]
    assert max(chords) < max(fits)


def test_bursts_from_before_a_jump_are_dropped() -> None:
    """No line meets bursts of two rates; the mean is that of the newer ones."""
    points = [
        Point(at * NS_PER_S, at * 300_000 if at < 0 else at * 100_000, 100 * US) for at in range(-16, 9)
    ]
    found = chord(points[::-1], LEAST_SAMPLES)
    assert found is not None
    assert found.lower <= 100e-6 <= found.upper
    assert found.samples <= 9


def test_too_few_bursts_are_no_rate() -> None:
    """Four bursts give no mean rate."""
    assert chord([Point(at, at, 1) for at in range(4, 0, -1)], LEAST_SAMPLES) is None
