"""Which connection is closed when a slot is needed."""

import pytest

from skewmon.export import connection_slots
from skewmon.export.clients import client_of
from skewmon.export.connection_slots import ClientPhase, ConnectionSlots, Limits


class FakeConnection:
    """A connection that records its end."""

    def __init__(self, client: str) -> None:
        self.client = client
        self.ended = False

    def evict(self) -> None:
        """End."""
        self.ended = True


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        (("192.0.2.7", 1), "192.0.2.7"),
        (("::ffff:192.0.2.7", 1, 0, 0), "192.0.2.7"),
        (("2001:db8:1:2:3:4:5:6", 1, 0, 0), "2001:db8:1:2::/64"),
        (("2001:db8:1:2:ffff::", 1, 0, 0), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 1, 0, 3), "fe80::/64"),
        ("/run/socket", "unknown"),
        (None, "unknown"),
        (("name", 1), "unknown"),
    ],
)
def test_a_client_is_an_ipv4_address_or_an_ipv6_network(peer, client) -> None:
    """A host cannot multiply itself by the addresses of its own network."""
    assert client_of(peer) == client


@pytest.fixture
def small(monkeypatch) -> None:
    """Set limits that a test can fill by hand."""
    monkeypatch.setattr(connection_slots, "limits", lambda: Limits(4, 6, 3, 2, 1))


def admitted(held: ConnectionSlots, client: str, phase: ClientPhase) -> FakeConnection:
    """Return a connection of the client in this phase."""
    connection = FakeConnection(client)
    held.add(connection)
    assert held.admit(connection)
    held.set_phase(connection, phase)
    return connection


@pytest.mark.usefixtures("small")
async def test_the_client_with_most_pending_connections_makes_room() -> None:
    """A client with one connection keeps it, however many another one opens."""
    held = ConnectionSlots()
    lone = FakeConnection("a")
    held.add(lone)
    clients = [FakeConnection("b") for _ in range(50)]
    for connection in clients:
        held.add(connection)
    assert not lone.ended
    assert [connection.ended for connection in clients] == [True] * 47 + [False] * 3
    assert held.admit(lone)


@pytest.mark.usefixtures("small")
async def test_a_checked_password_outlasts_silent_connections() -> None:
    """A connection whose request is whole goes last."""
    held = ConnectionSlots()
    first = FakeConnection("a")
    held.add(first)
    held.set_phase(first, ClientPhase.WORKING)
    for _ in range(20):
        held.add(FakeConnection("a"))
    assert not first.ended


@pytest.mark.usefixtures("small")
async def test_a_client_at_its_limit_loses_its_own_idle_connections() -> None:
    """The oldest idle one goes first; those of others stay, and a busy client is refused."""
    held = ConnectionSlots()
    other = admitted(held, "b", ClientPhase.IDLE)
    own = [admitted(held, "a", ClientPhase.IDLE) for _ in range(3)]
    held.set_phase(own[0], ClientPhase.WORKING)
    admitted(held, "a", ClientPhase.WORKING)
    assert [connection.ended for connection in (other, *own)] == [False, False, True, False]
    held.set_phase(own[2], ClientPhase.STREAMING)
    refused = FakeConnection("a")
    held.add(refused)
    assert not held.admit(refused)
    assert not other.ended


@pytest.mark.usefixtures("small")
async def test_slow_readers_go_after_idle_connections(monkeypatch) -> None:
    """An answer that has been written for a moment is left alone, one that takes long is not."""
    held = ConnectionSlots()
    slow, idle = admitted(held, "a", ClientPhase.WRITING), admitted(held, "a", ClientPhase.IDLE)
    admitted(held, "a", ClientPhase.WORKING)
    admitted(held, "a", ClientPhase.WORKING)
    assert (slow.ended, idle.ended) == (False, True)
    next_one = FakeConnection("a")
    held.add(next_one)
    assert not held.admit(next_one)
    monkeypatch.setattr(connection_slots, "SLOW_S", -1.0)
    assert held.admit(next_one)
    assert slow.ended


@pytest.mark.usefixtures("small")
async def test_full_slots_close_an_idle_connection_of_the_largest_client() -> None:
    """The client that holds most loses one first."""
    held = ConnectionSlots()
    small = admitted(held, "b", ClientPhase.IDLE)
    large = [admitted(held, "a", ClientPhase.IDLE) for _ in range(3)]
    for _ in range(2):
        admitted(held, "c", ClientPhase.WORKING)
    admitted(held, "d", ClientPhase.WORKING)
    assert [connection.ended for connection in (small, *large)] == [False, True, False, False]


@pytest.mark.usefixtures("small")
async def test_streams_have_their_own_limits() -> None:
    """One client cannot hold all streams, and all streams leave slots for requests."""
    held = ConnectionSlots()
    connections = [admitted(held, client, ClientPhase.WORKING) for client in ("a", "a", "b", "c")]
    assert [held.stream(connection) for connection in connections] == [True, False, True, False]
    held.remove(connections[0])
    assert held.stream(connections[1])


@pytest.mark.parametrize("soft", [16, 64, 200, 1_024, 1_000_000])
def test_streams_and_idle_connections_leave_slots_at_every_limit(monkeypatch, soft: int) -> None:
    """However few descriptors there are, each pool has a slot, and streams never fill theirs."""
    monkeypatch.setattr(connection_slots.resource, "getrlimit", lambda _: (soft, soft))
    allowed = connection_slots.limits()
    assert min(allowed.pending, allowed.client, allowed.client_streams) >= 1
    assert allowed.pending + allowed.admitted == connection_slots.connections_max()
    assert allowed.client_streams <= allowed.client
    assert allowed.streams < allowed.admitted
