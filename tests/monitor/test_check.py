"""A check comes to an end within its time, and leaves nothing behind."""

import asyncio
import socket
import time
from pathlib import Path

import pytest

from skewmon.model import Cluster, Measured, Node
from skewmon.monitor.check import check, opened
from tests.fleet.scripted import ScriptedNode, hang
from tests.integration.measuring import scripted
from tests.probe.hostile import Liar


async def test_progress_is_reported_from_the_first_to_the_last(tmp_path: Path) -> None:
    """None of all, then one by one."""
    told: list[tuple[int, int]] = []
    async with (
        ScriptedNode(Liar(), directory=tmp_path) as node,
        opened([scripted(node)], 4.0, lambda done, count: told.append((done, count))),
    ):
        pass
    assert told == [(0, 1), (1, 1)]


async def test_a_node_that_is_named_twice_is_reached_once(tmp_path: Path) -> None:
    """Two clusters, one login."""
    async with ScriptedNode(Liar(), directory=tmp_path) as node:
        one = scripted(node)
        async with opened([one, one], 4.0) as links:
            assert len(links) == 1
        assert node.logins == 1


async def test_a_check_leaves_no_task_behind(tmp_path: Path) -> None:
    """Whether the node answered or hung."""
    before = asyncio.all_tasks()
    for script in (Liar(), hang):
        async with ScriptedNode(script, directory=tmp_path) as node:
            cluster = Cluster("c", (scripted(node),))
            await check([cluster], rounds=1, timeout_s=1.0)
    for _ in range(100):
        if asyncio.all_tasks() <= before:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(asyncio.all_tasks() - before)


async def test_the_time_limit_holds_for_a_node_that_never_speaks(tmp_path: Path) -> None:
    """Well within the given timeout, so that a plugin is not killed by its own time limit."""
    async with ScriptedNode(hang, directory=tmp_path) as node:
        began = time.monotonic()
        await check([Cluster("c", (scripted(node),))], rounds=1, timeout_s=2.0)
        assert time.monotonic() - began < 2.0 + 1.0


async def test_rounds_are_counted_and_the_last_is_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several rounds on one login."""
    monkeypatch.setattr("skewmon.monitor.check.ROUND_GAP_S", 0.01)
    async with ScriptedNode(Liar(), directory=tmp_path) as node:
        snapshot = await check([Cluster("c", (scripted(node),))], rounds=3, timeout_s=20.0)
        assert node.logins == 1
    view = snapshot.clusters[0]
    assert view.rounds == 3
    assert isinstance(view.nodes[0].outcome, Measured)


async def test_a_name_that_hangs_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead name server blocks lookups for half a minute; a check does not wait for it."""
    monkeypatch.setattr("skewmon.runtime.resolver._look_up", lambda _name, flags=0: _gone(flags))
    began = time.monotonic()
    snapshot = await check([Cluster("c", (Node("n", "name.example"),))], rounds=1, timeout_s=1.0)
    assert time.monotonic() - began < 2.0
    assert snapshot.clusters[0].measured == 0


def _gone(flags: int) -> list[tuple[int, object]]:
    if flags:
        raise socket.gaierror(socket.EAI_NONAME, "not a number")
    time.sleep(3)  # like a resolver with dead servers, in its own thread
    return []
