"""What holds for every test."""

import asyncio

import pytest
from hypothesis import settings

#: Two cores that others use too make a single example slow now and then; that is no finding.
settings.register_profile("default", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=5_000)
settings.load_profile("default")


def pytest_configure(config: pytest.Config) -> None:
    """Set out with no event loop: looptime asks for the current one, which would create one for good."""
    asyncio.set_event_loop(None)
