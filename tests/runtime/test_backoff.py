"""Pauses between attempts."""

import random

from skewmon.runtime.backoff import Backoff


def test_pauses_double_up_to_the_limit() -> None:
    """Also after more failures than a float has room for."""
    steady = Backoff(1.0, 60.0, jitter=0.0)
    assert [steady.pause_s(failures) for failures in (0, 1, 5, 6, 100_000)] == [1.0, 2.0, 32.0, 60.0, 60.0]


def test_pauses_are_spread_so_that_clients_do_not_return_at_once() -> None:
    """Between half of the pause and the whole of it."""
    drawn_s = [Backoff(1.0, 60.0).pause_s(3, random.Random(seed)) for seed in range(100)]
    assert all(4.0 <= pause_s <= 8.0 for pause_s in drawn_s)
    assert len(set(drawn_s)) > 90
