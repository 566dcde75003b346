"""What holds for every test."""

import asyncio

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Set out with no event loop: looptime asks for the current one, which would create one for good."""
    asyncio.set_event_loop(None)
