"""Guests for the tests."""

from collections.abc import Iterator

import pytest

from tests.lab.cluster import Lab, lab


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Three guests, switched on once; after their module this thread has this machine's network again."""
    with lab(tmp_path_factory.mktemp("lab"), 3) as opened:
        yield opened


@pytest.fixture
def three(booted: Lab) -> Lab:
    """Three guests whose clocks agree with this machine's to some milliseconds and run at their own rate."""
    for guest in booted.guests:
        guest.console.slew(0)
        guest.console.set_right()
    return booted
