"""A link is opened again and again: soon after an accident, seldom after a refusal."""

import asyncio

import pytest

from skewmon.errors import ConnectError, Reason
from skewmon.model import Node
from skewmon.probe import link
from skewmon.probe.base import ArrivalClock
from skewmon.probe.link import (
    BACKOFF_FIRST_S,
    BACKOFF_LIMIT_S,
    BACKOFF_REFUSED_FIRST_S,
    BACKOFF_REFUSED_LIMIT_S,
    REFUSED,
    Link,
)
from skewmon.probe.ssh import Connection, Dialer

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
    monkeypatch.setattr(link.random, "uniform", lambda _least, most: most)
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
    """What a person must mend is tried seldom: servers ban an address that goes on failing."""
    first_s, limit_s = (
        (BACKOFF_REFUSED_FIRST_S, BACKOFF_REFUSED_LIMIT_S)
        if reason in REFUSED
        else (BACKOFF_FIRST_S, BACKOFF_LIMIT_S)
    )
    pauses = await pauses_s(reason, monkeypatch)
    assert pauses == [min(limit_s, first_s * 2**number) for number in range(ATTEMPTS)]


def test_pauses_are_spread_so_that_nodes_do_not_come_back_all_at_once() -> None:
    """Between half of the pause and the whole of it."""
    arrivals = ArrivalClock()
    one = Link(Node("n1", "127.0.0.1"), Dialer(arrivals), arrivals)
    drawn_s = [one._backoff_s(3) for _ in range(100)]
    assert all(BACKOFF_FIRST_S * 4 <= pause_s <= BACKOFF_FIRST_S * 8 for pause_s in drawn_s)
    assert len(set(drawn_s)) > 90
