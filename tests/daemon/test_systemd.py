"""Notifications to systemd, on a real datagram socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from skewmon.daemon.report import status_line
from skewmon.daemon.systemd import Systemd
from tests.export.samples import cluster_view, node, unreachable


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Listen as systemd does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield listener


def told(manager: socket.socket) -> list[str]:
    """Return the lines of the next message."""
    return manager.recv(4096).decode().splitlines()


def test_every_stage_is_sent_in_the_sd_notify_protocol(manager: socket.socket) -> None:
    """Ready, reloading, stopping, status and the watchdog."""
    systemd = Systemd({"NOTIFY_SOCKET": manager.getsockname()})
    systemd.ready("3 nodes")
    assert told(manager) == ["READY=1", "STATUS=3 nodes"]
    systemd.reloading()
    first, second = told(manager)
    assert first == "RELOADING=1"
    assert second.startswith("MONOTONIC_USEC=")
    assert int(second.partition("=")[2]) > 0
    systemd.status("all well")
    assert told(manager) == ["STATUS=all well"]
    systemd.alive()
    assert told(manager) == ["WATCHDOG=1"]
    systemd.stopping()
    assert told(manager) == ["STOPPING=1"]


def test_an_abstract_socket_is_found() -> None:
    """Its name begins with a zero byte, which the variable writes as @."""
    name = f"skewmon-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(5)
        Systemd({"NOTIFY_SOCKET": f"@{name}"}).alive()
        assert told(listener) == ["WATCHDOG=1"]


def test_without_systemd_nothing_is_sent(tmp_path: Path) -> None:
    """No variable, or a manager that went away."""
    Systemd({}).ready("fine")
    Systemd({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("fine")
    assert Systemd({}).watchdog_interval_s is None


def test_the_watchdog_is_fed_twice_as_often_as_it_bites() -> None:
    """As sd_watchdog_enabled(3) recommends, and only if this process is the one that is watched."""
    assert Systemd({"WATCHDOG_USEC": "30000000"}).watchdog_interval_s == 15
    assert Systemd({"WATCHDOG_USEC": "0"}).watchdog_interval_s is None
    mine = {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())}
    assert Systemd(mine).watchdog_interval_s == 1
    assert Systemd({**mine, "WATCHDOG_PID": "1"}).watchdog_interval_s is None


def test_programs_that_the_daemon_starts_do_not_inherit_its_variables() -> None:
    """A time tool or a proxy command would notify systemd in the daemon's name."""
    environment = {"NOTIFY_SOCKET": "/nonexistent", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "HOME": "/"}
    Systemd(environment)
    assert environment == {"HOME": "/"}


def test_a_node_of_two_clusters_counts_once() -> None:
    """Also if it is not measured."""
    nodes = (node("n1", 0), node("n2", 1_000_000), unreachable("n3"))
    views = [cluster_view(nodes, "one"), cluster_view(nodes[1:], "two")]
    assert status_line(views).startswith("3 nodes, 1 not measured")
