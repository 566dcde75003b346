"""A node may cost as much as its answers; one that costs more is read slowly, then disconnected."""

import asyncio
import gc
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import asyncssh
import pytest

from skewmon.errors import Reason
from skewmon.monitor.check import opened
from skewmon.probe.metering import (
    BYTES_AT_ONCE,
    CPU_AT_ONCE_NS,
    EXCHANGE,
    MOMENT_AT_ONCE_NS,
    PAID_LIMIT,
    STATUS,
    Allowance,
    Bucket,
    Meter,
)
from skewmon.probe.stamped_socket import READ_BYTES
from skewmon.probe.time_status import read_text
from tests.fleet.scripted import ScriptedNode
from tests.fleet.sshd import Fleet
from tests.integration.measuring import TIMEOUT_S, nodes_of, scripted
from tests.probe.hostile import Liar

#: A packet of SSH as large as most servers send.
PACKET_BYTES = 8 * READ_BYTES


class Transport:
    """Notes whether it is read."""

    def __init__(self) -> None:
        self.paused = 0
        self.resumed = asyncio.Event()

    def pause_reading(self) -> None:
        self.paused += 1

    def resume_reading(self) -> None:
        self.resumed.set()


class Ssh:
    """A connection that costs as much as a test says."""

    def __init__(self, handle: Callable[[bytes], None] = lambda _: None) -> None:
        self._transport = Transport()
        self._handle = handle
        self.aborted = False
        self.packets: list[int] = []

    def data_received(self, data: bytes, datatype: Any = None) -> None:
        self._handle(data)

    def send_packet(self, pkttype: int, *args: bytes, handler: Any = None) -> None:
        self.packets.append(pkttype)

    def abort(self) -> None:
        self.aborted = True


def burn(cpu_ns: int) -> None:
    """Use so much processor time."""
    until_ns = time.thread_time_ns() + cpu_ns
    while time.thread_time_ns() < until_ns:
        pass


def metered(ssh: Ssh, meter: Meter) -> Meter:
    """Let a meter watch a connection."""
    meter.connection_made(cast("asyncssh.SSHClientConnection", ssh))
    return meter


def test_a_bucket_refills_and_never_overflows() -> None:
    """It returns how long it takes until nothing is overdrawn."""
    bucket = Bucket(limit=10, per_s=2, now_ns=0)
    assert bucket.spend(4, 0) == 0
    assert bucket.spend(10, 0) == pytest.approx(2.0)
    assert bucket.spend(0, 10**9) == pytest.approx(1.0)
    assert bucket.spend(10, 10**12) == 0
    assert bucket.spend(1, 10**12) == pytest.approx(0.5)


async def test_a_costly_connection_is_read_more_slowly_then_closed() -> None:
    """First its peer has to wait, then it is disconnected with the reason."""
    too_much_ns = MOMENT_AT_ONCE_NS * 6 // 5  # in one piece, so that no allowance grows meanwhile
    ssh = Ssh(lambda _: burn(too_much_ns))
    meter = metered(ssh, Meter("n1"))
    ssh.data_received(b"x")
    assert ssh._transport.paused
    assert meter.is_throttled
    assert not ssh.aborted
    await asyncio.wait_for(ssh._transport.resumed.wait(), 10)
    for _ in range(2 * CPU_AT_ONCE_NS // too_much_ns):
        ssh.data_received(b"x")
    assert ssh.aborted
    assert meter.fault
    assert meter.fault.reason is Reason.FLOOD
    assert "n1" in meter.fault.detail
    assert meter.fault.advice


async def test_bytes_that_were_not_asked_for_close_the_connection() -> None:
    """However little processor time they cost."""
    ssh = Ssh()
    meter = metered(ssh, Meter("n1"))
    for _ in range(BYTES_AT_ONCE // 4096):
        ssh.data_received(bytes(4096))
    assert not ssh.aborted
    for _ in range(100):
        ssh.data_received(bytes(4096))
    assert ssh.aborted
    assert meter.fault
    assert "MiB" in meter.fault.detail


async def test_a_request_pays_for_its_answer() -> None:
    """Status output at its limits again and again, and a thousand exchanges on a slow board."""
    ssh = Ssh(lambda data: burn(1_000_000 if len(data) == 100 else 0))
    meter = metered(ssh, Meter("n1"))
    for _ in range(20):
        meter.allow(STATUS)
        for _ in range(STATUS.byte_count // 4096 - 1):
            ssh.data_received(bytes(4096))
    for _ in range(1000):
        meter.allow(EXCHANGE)
        ssh.data_received(bytes(100))
    assert not ssh.aborted
    assert not ssh._transport.paused


async def test_a_new_connection_is_no_new_allowance() -> None:
    """A node that floods, leaves and comes back goes on with the same allowance."""
    allowance, closed = Allowance(), []
    for _ in range(3):
        ssh = Ssh(lambda _: burn(CPU_AT_ONCE_NS // 2))
        metered(ssh, Meter("n1", allowance))
        ssh.data_received(b"x")
        closed.append(ssh.aborted)
    assert closed == [False, False, True] or closed == [False, True, True]


async def test_no_node_is_charged_for_a_garbage_collection() -> None:
    """It looks at the objects of all nodes, and comes while any of them is handled."""
    heap = [[number] for number in range(1_000_000)]
    spent_ns: list[int] = []

    def handle(_data: bytes) -> None:
        began_ns = time.thread_time_ns()
        while sum(spent_ns) < 2 * CPU_AT_ONCE_NS:
            gc.collect()
            spent_ns.append(time.thread_time_ns() - began_ns - sum(spent_ns))

    ssh = Ssh(handle)
    meter = metered(ssh, Meter())
    ssh.data_received(b"x")
    assert len(heap) == 1_000_000
    assert not ssh.aborted
    assert meter.fault is None
    assert not ssh._transport.paused


async def test_a_bastion_is_not_charged_for_the_nodes_behind_it() -> None:
    """Each node's cost is its own, although it arrives through the bastion."""
    inner = Ssh(lambda _: burn(MOMENT_AT_ONCE_NS))
    bastion = Meter("bastion")
    node = metered(inner, Meter("n1", outer=bastion))
    outer = Ssh(inner.data_received)
    metered(outer, bastion)
    for _ in range(5):
        outer.data_received(b"x")
    assert node.fault
    assert inner.aborted
    assert not outer.aborted
    assert not outer._transport.paused


async def test_bytes_through_a_bastion_count_for_their_node_alone() -> None:
    """Two nodes send three quarters of what one may; each packet of the bastion comes in pieces of a read."""
    bastion = Meter("bastion")
    inner = [Ssh(), Ssh()]
    for number, ssh in enumerate(inner):
        metered(ssh, Meter(f"n{number}", outer=bastion))
    pieces = bytearray()

    def hand_over(data: bytes) -> None:
        pieces.extend(data)
        if len(pieces) == PACKET_BYTES:
            inner[0].data_received(bytes(pieces))
            pieces.clear()
            inner.reverse()

    outer = Ssh(hand_over)
    metered(outer, bastion)
    for _ in range(2 * BYTES_AT_ONCE // READ_BYTES * 3 // 4):
        outer.data_received(bytes(READ_BYTES))
    assert not any(one.aborted for one in (outer, *inner))
    inner.clear()
    pieces.extend(b"its own")
    for _ in range(BYTES_AT_ONCE // READ_BYTES + PAID_LIMIT.byte_count // READ_BYTES + 1):
        outer.data_received(bytes(READ_BYTES))
    assert outer.aborted


async def test_honest_servers_are_never_throttled(tmp_path: Path) -> None:
    """The largest bursts, repeated, and status output, on one connection to a real sshd."""
    async with Fleet(1) as fleet, opened(nodes_of(fleet), TIMEOUT_S) as links:
        (link,) = links.values()
        connection = link.connection
        assert connection
        for _ in range(20):
            await link.burst(64)
        for _ in range(3):
            await read_text(connection)
        assert connection.fault is None
        assert connection.meter._charged_ns < CPU_AT_ONCE_NS / 4


@pytest.mark.parametrize("where", ["node", "bastion"])
async def test_a_session_that_ends_for_its_cost_has_that_reason(tmp_path: Path, where: str) -> None:
    """And not that the connection was lost."""
    async with ScriptedNode(Liar(), directory=tmp_path) as node, opened([scripted(node)], 5) as links:
        (link,) = links.values()
        assert link.connection
        connection = link.connection
        if where == "bastion":
            connection.via = replace(connection, meter=Meter("bastion"))
            culprit = connection.via.meter
        else:
            culprit = connection.meter
        culprit.connection = connection.ssh
        culprit._due_bytes = 2 * BYTES_AT_ONCE
        culprit._charge()
        deadline = time.monotonic() + 10
        while link.failure is None and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        assert link.failure
        assert link.failure.reason is Reason.FLOOD
