"""What holds for every test."""

import asyncio
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

#: Two cores that others use too make a single example slow now and then; that is no finding.
settings.register_profile("default", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=5_000)
settings.load_profile("default")


def pytest_configure(config: pytest.Config) -> None:
    """Set out with no event loop: looptime asks for the current one, which would create one for good."""
    asyncio.set_event_loop(None)


@pytest.fixture(autouse=True)
def _logs_as_found() -> Iterator[None]:
    """Undo what a command run in this process made of the logs: a test that captures them wants them all."""
    yield
    structlog.reset_defaults()
