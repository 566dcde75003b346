"""A link is opened again and again: soon after an accident, seldom after a refusal."""

import asyncio

import pytest

from skewmon.errors import ConnectError, Reason
from skewmon.model import Node
from skewmon.probe import link
from skewmon.probe.clocks import ArrivalClock
from skewmon.probe.connect import Dialer
from skewmon.probe.connection import Connection
from skewmon.probe.link import Link
from skewmon.probe.retry import BACKOFF, BACKOFF_REFUSED, REFUSED
from skewmon.runtime import backoff

#: Attempts until both limits are reached, and a few more.
ATTEMPTS = 12


class Refusing(Dialer):
    """Fails every connection for the same reason."""

    def __init__(self, arrivals: ArrivalClock, reason: Reason) -> None:
        super().__init__(arrivals)
        self._reason = reason

    async def connect(self, node: Node) -> Connection:
        """Fail."""
        raise ConnectError(self._reason, "It does not work.")


async def pauses_s(reason: Reason, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return how long a link waits after each of many failures, when chance is at its most patient."""
    pauses: list[float] = []
    reached = asyncio.Event()
    really_sleep = asyncio.sleep

    async def sleep(delay_s: float) -> None:
        pauses.append(delay_s)
        if len(pauses) == ATTEMPTS:
            reached.set()
        await really_sleep(0)

    monkeypatch.setattr(link.asyncio, "sleep", sleep)
    monkeypatch.setattr(backoff.random, "uniform", lambda _least, most: most)
    arrivals = ArrivalClock()
    keeping = asyncio.create_task(Link(Node("n1", "127.0.0.1"), Refusing(arrivals, reason), arrivals).keep())
    await reached.wait()
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    return pauses[:ATTEMPTS]


@pytest.mark.parametrize("reason", list(Reason))
async def test_each_failure_doubles_the_pause_up_to_a_limit(
    reason: Reason, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failures that need a person are tried seldom: servers ban an address that goes on failing."""
    wanted = BACKOFF_REFUSED if reason in REFUSED else BACKOFF
    pauses = await pauses_s(reason, monkeypatch)
    assert pauses == [min(wanted.limit_s, wanted.first_s * 2**number) for number in range(ATTEMPTS)]
