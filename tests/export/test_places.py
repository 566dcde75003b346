"""Which connection has to go when a place is needed."""

import pytest

from skewmon.export import places
from skewmon.export.clients import client_of
from skewmon.export.places import ClientPhase, Limits, Places


class Guest:
    """A connection that notes its end."""

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
    monkeypatch.setattr(places, "limits", lambda: Limits(4, 6, 3, 2, 1))


def admitted(held: Places, client: str, phase: ClientPhase) -> Guest:
    """Return a connection of the client in this phase."""
    guest = Guest(client)
    held.arrive(guest)
    assert held.admit(guest)
    held.enter(guest, phase)
    return guest


@pytest.mark.usefixtures("small")
async def test_the_largest_client_of_the_lobby_makes_room() -> None:
    """A client with one connection keeps it, however many another one opens."""
    held = Places()
    lone = Guest("a")
    held.arrive(lone)
    crowd = [Guest("b") for _ in range(50)]
    for guest in crowd:
        held.arrive(guest)
    assert not lone.ended
    assert [guest.ended for guest in crowd] == [True] * 47 + [False] * 3
    assert held.admit(lone)


@pytest.mark.usefixtures("small")
async def test_a_checked_password_outlasts_silent_connections() -> None:
    """A connection whose request is whole goes last."""
    held = Places()
    first = Guest("a")
    held.arrive(first)
    held.enter(first, ClientPhase.WORKING)
    for _ in range(20):
        held.arrive(Guest("a"))
    assert not first.ended


@pytest.mark.usefixtures("small")
async def test_a_client_at_its_limit_loses_its_own_idle_connections() -> None:
    """The oldest idle one goes first; those of others stay, and a busy client is refused."""
    held = Places()
    other = admitted(held, "b", ClientPhase.RESTING)
    own = [admitted(held, "a", ClientPhase.RESTING) for _ in range(3)]
    held.enter(own[0], ClientPhase.WORKING)
    admitted(held, "a", ClientPhase.WORKING)
    assert [guest.ended for guest in (other, *own)] == [False, False, True, False]
    held.enter(own[2], ClientPhase.STREAMING)
    refused = Guest("a")
    held.arrive(refused)
    assert not held.admit(refused)
    assert not other.ended


@pytest.mark.usefixtures("small")
async def test_slow_readers_go_after_idle_connections(monkeypatch) -> None:
    """An answer that has been written for a moment is left alone, one that takes long is not."""
    held = Places()
    slow, idle = admitted(held, "a", ClientPhase.WRITING), admitted(held, "a", ClientPhase.RESTING)
    admitted(held, "a", ClientPhase.WORKING)
    admitted(held, "a", ClientPhase.WORKING)
    assert (slow.ended, idle.ended) == (False, True)
    next_one = Guest("a")
    held.arrive(next_one)
    assert not held.admit(next_one)
    monkeypatch.setattr(places, "SLOW_S", -1.0)
    assert held.admit(next_one)
    assert slow.ended


@pytest.mark.usefixtures("small")
async def test_a_full_house_closes_an_idle_connection_of_the_largest_client() -> None:
    """Whoever holds most gives first."""
    held = Places()
    small = admitted(held, "b", ClientPhase.RESTING)
    large = [admitted(held, "a", ClientPhase.RESTING) for _ in range(3)]
    for _ in range(2):
        admitted(held, "c", ClientPhase.WORKING)
    admitted(held, "d", ClientPhase.WORKING)
    assert [guest.ended for guest in (small, *large)] == [False, True, False, False]


@pytest.mark.usefixtures("small")
async def test_streams_have_their_own_limits() -> None:
    """One client cannot hold all streams, and all streams leave places for requests."""
    held = Places()
    guests = [admitted(held, client, ClientPhase.WORKING) for client in ("a", "a", "b", "c")]
    assert [held.stream(guest) for guest in guests] == [True, False, True, False]
    held.leave(guests[0])
    assert held.stream(guests[1])


@pytest.mark.parametrize("soft", [16, 64, 200, 1_024, 1_000_000])
def test_streams_and_idle_connections_leave_places_at_every_limit(monkeypatch, soft: int) -> None:
    """However few descriptors there are, each pool has a place, and streams never fill theirs."""
    monkeypatch.setattr(places.resource, "getrlimit", lambda _: (soft, soft))
    allowed = places.limits()
    assert min(allowed.lobby, allowed.client, allowed.client_streams) >= 1
    assert allowed.lobby + allowed.admitted == places.connections_max()
    assert allowed.client_streams <= allowed.client
    assert allowed.streams < allowed.admitted
