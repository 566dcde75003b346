"""The relay delays each direction by its setting, never less, and keeps the order."""

import socket
import statistics
import threading
from collections.abc import Iterator

import pytest

from tests.fleet.clocks import base_ns
from tests.fleet.relay import Relay

NS_PER_MS = 1_000_000

#: The median may come later than asked by the scheduling of a busy machine, never earlier.
LATE_NS = 2 * NS_PER_MS

PINGS = 15


class Target:
    """Answers every chunk with the instant of its arrival on the base."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        try:
            while connection.recv(1 << 16):
                connection.sendall(b"%d\n" % base_ns())
        except ConnectionResetError:
            return

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._thread.join(10)


class Client:
    """A connection to the target through the relay."""

    def __init__(self, relay: Relay) -> None:
        self.socket = socket.create_connection((relay.address, relay.port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ping(self) -> tuple[int, int]:
        """Return how long the way there and the way back took."""
        sent = base_ns()
        self.socket.sendall(b"x")
        arrived = int(self.socket.recv(100))
        return arrived - sent, base_ns() - arrived

    def legs(self) -> tuple[list[int], list[int]]:
        """Return the legs of several pings."""
        there, back = zip(*(self.ping() for _ in range(PINGS)), strict=True)
        return list(there), list(back)


@pytest.fixture
def relay() -> Iterator[Relay]:
    """Start a relay before a target that records arrivals."""
    target = Target()
    with Relay("127.0.0.1", target.listener.getsockname()[1]) as one:
        yield one
    target.close()


@pytest.fixture
def client(relay: Relay) -> Iterator[Client]:
    """Connect through the relay."""
    one = Client(relay)
    yield one
    one.socket.close()


def assert_delayed(legs_ns: list[int], delay_ms: int) -> None:
    """Check that no leg was shorter than asked and the typical one not much longer."""
    assert min(legs_ns) >= delay_ms * NS_PER_MS
    assert statistics.median(legs_ns) < delay_ms * NS_PER_MS + LATE_NS


def test_each_direction_has_its_own_delay_that_may_change(relay: Relay, client: Client) -> None:
    """A delay holds for its direction alone, and a new one for the same connection."""
    relay.delay("forward", delay_s=0.010)
    there, back = client.legs()
    assert_delayed(there, 10)
    assert_delayed(back, 0)
    relay.delay("forward", delay_s=0)
    relay.delay("backward", delay_s=0.005)
    there, back = client.legs()
    assert_delayed(there, 0)
    assert_delayed(back, 5)


def test_jitter_spreads_but_never_reorders(relay: Relay, client: Client) -> None:
    """With jitter legs differ, and a stream still arrives in order."""
    relay.delay("backward", delay_s=0.001, jitter_s=0.004)
    _, back = client.legs()
    assert max(back) - min(back) > NS_PER_MS
    for _ in range(20):
        client.socket.sendall(b"x")
    client.socket.shutdown(socket.SHUT_WR)
    lines = client.socket.makefile("rb").read().split()
    assert [int(line) for line in lines] == sorted(int(line) for line in lines)


def test_a_rate_limits_what_passes(relay: Relay, client: Client) -> None:
    """A thousand bytes at a hundred thousand a second take ten milliseconds."""
    relay.limit("forward", 100_000)
    before = base_ns()
    client.socket.sendall(b"x" * 1000)
    assert int(client.socket.recv(100)) - before >= 10 * NS_PER_MS


def test_a_stall_holds_back_and_a_drop_loses(relay: Relay, client: Client) -> None:
    """Data held back by a stall arrives after it; dropped data never does."""
    client.socket.settimeout(0.1)
    relay.stall("backward", on=True)
    client.socket.sendall(b"x")
    with pytest.raises(TimeoutError):
        client.socket.recv(100)
    relay.stall("backward", on=False)
    assert client.socket.recv(100)
    relay.drop("backward", on=True)
    client.socket.sendall(b"x")
    with pytest.raises(TimeoutError):
        client.socket.recv(100)
    relay.drop("backward", on=False)
    with pytest.raises(TimeoutError):
        client.socket.recv(100)


def test_a_cut_resets_connections_and_new_ones_pass(relay: Relay, client: Client) -> None:
    """A cut ends open connections; the relay goes on."""
    client.ping()
    relay.cut()
    with pytest.raises(ConnectionResetError):
        client.socket.recv(100)
    again = Client(relay)
    assert again.ping()
    again.socket.close()
