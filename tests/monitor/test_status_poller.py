"""When time daemons are asked: again and again, and each node as soon as it is connected."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from skewmon.model import Endpoint, Node, SyncStatus
from skewmon.monitor import status_poller
from skewmon.monitor.state import MonitorState
from skewmon.monitor.status_poller import StatusPoller
from skewmon.probe.link import Link

NODE = Node("n1", "10.0.0.1")
PLACE = NODE.endpoint
HELD = SyncStatus("chronyd", synchronized=True, refid="192.0.2.1")


class Connection:
    """A connection on which nothing happens."""


class Canned:
    """A link whose connection a test sets."""

    node = NODE
    connection: Connection | None = None

    def __init__(self) -> None:
        self.attempted = asyncio.Event()


def links_of(link: Canned) -> Mapping[Endpoint, Link]:
    """Return one link, as the type checker wants it."""
    found: dict[Endpoint, Any] = {PLACE: link}
    return found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return the connections on which a node was asked; each answers at once."""
    found: list[object] = []

    async def answer(connection: object) -> SyncStatus:
        found.append(connection)
        return HELD

    monkeypatch.setattr(status_poller, "read_or_explain", answer)
    monkeypatch.setattr(status_poller, "NEWCOMERS_S", 0.02)
    return found


async def test_a_node_is_asked_as_soon_as_it_is_connected(asked: list[object]) -> None:
    """Not an interval later, and once a connection; again after it was lost: the node may have rebooted."""
    link, first, second = Canned(), Connection(), Connection()
    asking = asyncio.create_task(StatusPoller(MonitorState()).poll(links_of(link), 3600.0))
    async with asyncio.timeout(30):
        for connection in (None, first, None, second):
            link.connection = connection
            while connection is not None and connection not in asked:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)  # in which a second question would come
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert asked == [first, second]


async def test_the_first_round_waits_for_the_first_answers(asked: list[object]) -> None:
    """Only for nodes that are connected, and not for long."""
    link, state = Canned(), MonitorState()
    async with asyncio.timeout(5):
        await StatusPoller(state).first_answers(links_of(link))
        link.connection = Connection()
        await StatusPoller(state).first_answers(links_of(link))
        assert state.node(PLACE).timesync is None
        asking = asyncio.create_task(StatusPoller(state).poll(links_of(link), 3600.0))
        await StatusPoller(state).first_answers(links_of(link))
        assert state.node(PLACE).timesync == HELD
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert len(asked) == 1


async def test_no_node_is_asked_while_first_logins_wait_for_their_turn(asked: list[object]) -> None:
    """The tools of a thousand nodes would delay the logins; the first round does not wait for them."""
    links = {Node(f"n{number}", f"10.0.1.{number}").endpoint: Canned() for number in range(66)}
    found: Any = links
    first, second, *_ = links.values()
    state = MonitorState()
    asking = asyncio.create_task(StatusPoller(state).poll(found, 3600.0))
    async with asyncio.timeout(30):
        await asyncio.sleep(0.05)
        first.connection = Connection()
        first.attempted.set()
        await StatusPoller(state).first_answers(found)
        await asyncio.sleep(0.1)  # in which a question would come
        assert asked == []
        second.attempted.set()  # it failed
        while not asked:
            await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert asked == [first.connection]
