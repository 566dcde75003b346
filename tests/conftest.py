"""Settings for every test."""

import asyncio
import signal
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

from skewmon.runtime.containment import InternalErrors, internal_errors

#: Two cores that others use too make a single example slow now and then; that is not a failure.
settings.register_profile("default", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=5_000)
settings.load_profile("default")


#: Their files take longest, the first ones most. If one began last, all other workers would idle beside it.
SLOW = ("integration", "alert", "daemon", "runtime", "culprit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow files, in the random order that they have."""
    rank = {name: place for place, name in enumerate(SLOW)}
    items.sort(key=lambda item: rank.get(item.path.parent.name, len(SLOW)))


def pytest_configure(config: pytest.Config) -> None:
    """Set out with no event loop, since looptime would keep one, and with Ctrl-C as a person has it."""
    asyncio.set_event_loop(None)
    # A shell starts jobs in the background with SIGINT ignored, and so would every program that tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _logs_as_found() -> Iterator[None]:
    """Undo the log setup of a command run in this process: a test that captures logs needs all of them."""
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _no_internal_errors() -> None:
    """Begin with none counted and none logged."""
    vars(internal_errors).update(vars(InternalErrors()))
