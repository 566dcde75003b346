"""The admin box's own status sheet, asked with a real shell."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from skewmon.model import SyncStatus
from skewmon.monitor.node_state import MISSED_ANSWERS
from skewmon.monitor.state import MonitorState
from skewmon.monitor.status_poller import ADMIN_BOX_S, StatusPoller
from skewmon.probe import time_status
from skewmon.probe.time_status import own_status
from skewmon.timesync import script
from tests.timesync.captures import captures

TRACKING = next(one.stdout for one in captures() if one.name == "chronyc-tracking-4.3-synchronized")


def tool(directory: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Put a chronyc before the machine's own."""
    (directory / "chronyc").write_text(f"#!/bin/sh\n{text}")
    (directory / "chronyc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")


async def test_the_claims_of_the_admin_box_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the same sheet and the same parsers as a node's."""
    (tmp_path / "tracking").write_text(TRACKING)
    tool(tmp_path, monkeypatch, f'[ "$2" = tracking ] && cat {tmp_path}/tracking\n')
    status = await own_status()
    assert status is not None
    assert status.synchronized
    assert status.root_distance_s is not None


async def test_a_tool_that_hangs_costs_the_admin_box_its_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves no process behind: timeout(1) leads a group of its own, and ends what it started itself."""
    tool(tmp_path, monkeypatch, f"echo $$ >>{tmp_path}/pids\nexec sleep 1000\n")
    monkeypatch.setattr(script, "TOOL_LIMIT_S", 1)
    monkeypatch.setattr(script, "SCRIPT_LIMIT_S", 0.5)
    monkeypatch.setattr(time_status, "GRACE_S", 0.0)
    began = time.monotonic()
    assert await own_status() is None
    assert time.monotonic() - began < 3
    pids = (tmp_path / "pids").read_text().split()
    assert pids
    async with asyncio.timeout(10):
        while any(map(is_running, pids)):
            await asyncio.sleep(0.05)


def is_running(pid: str) -> bool:
    """Return whether a process is there and not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_an_admin_box_without_a_shell_claims_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an image that has nothing but Python."""

    async def none_there(*_args: object, **_options: object) -> None:
        raise FileNotFoundError("/bin/sh")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", none_there)
    assert await own_status() is None


async def test_a_sheet_that_is_cut_off_claims_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """That a tool is missing from it does not mean that the admin box has none."""
    monkeypatch.setattr(script, "script", lambda nonce: f"printf '\n{nonce} begin facts\n'; kill -KILL $$")
    assert await own_status() is None


async def test_a_check_in_a_hurry_does_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking ends with the limit; an older claim is kept for a moment, and not for long."""
    tool(tmp_path, monkeypatch, "exec sleep 1000\n")
    monkeypatch.setattr(script, "TOOL_LIMIT_S", 1)
    state, claim = MonitorState(), SyncStatus("chronyd", synchronized=True)
    await StatusPoller(state).query_all({}, 0.3)
    assert state.admin_answer.status is None
    state.admin_answer.note(claim)
    for _ in range(MISSED_ANSWERS):
        await StatusPoller(state).query_all({}, 0.3)
        assert state.admin_answer.status == claim
    await StatusPoller(state).query_all({}, 0.3)
    assert state.admin_answer.status is None


async def test_tools_that_hang_on_the_admin_box_delay_no_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nodes' claims are to be compared with their clocks while they are fresh."""
    tool(tmp_path, monkeypatch, "exec sleep 1000\n")
    monkeypatch.setattr(script, "TOOL_LIMIT_S", 1)
    state, began = MonitorState(), time.monotonic()
    await StatusPoller(state).query_all({}, 20.0)
    assert time.monotonic() - began < 3 * ADMIN_BOX_S
    assert state.admin_answer.status is None
