"""Nodes behind a ProxyCommand: bounds stay proven, and the command ends with its connection."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from skewmon.errors import Reason
from skewmon.model import NS_PER_S
from skewmon.monitor.check import opened
from skewmon.probe.scan import scan
from skewmon.probe.sweep import Sweeper
from tests.fleet.processes import with_mark
from tests.fleet.sshd import Fleet
from tests.integration.measuring import assert_inside, failed, in_order, node_of, outcome_of

#: A relay of two lines, as any proxy command is; its children have to end with it.
RELAY = "sh -c 'sleep 600 & exec python3 {path} %h %p'"

RELAY_PROGRAM = """\
import socket, sys, threading
far = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def carry(read, write):
    while data := read(65536):
        write(data)
    far.close()
import os
threading.Thread(target=carry, args=(lambda n: os.read(0, n), far.sendall), daemon=True).start()
carry(far.recv, lambda data: os.write(1, data))
"""

DEADLINE_S = 60.0


@pytest.fixture
def relay(tmp_path: Path) -> str:
    """Return a command that carries bytes to %h and %p."""
    program = tmp_path / "relay.py"
    program.write_text(RELAY_PROGRAM)
    return RELAY.format(path=program)


async def gone(mark: str) -> None:
    """Wait until no process has the mark."""
    until_s = time.monotonic() + DEADLINE_S
    while with_mark(mark):
        assert time.monotonic() < until_s
        await asyncio.sleep(0.02)


async def test_a_node_is_measured_with_kernel_stamps(relay: str) -> None:
    """The command's end of the connection is over loopback, so that the kernel stamps the arrivals."""
    async with Fleet(1, offsets_ns=[-3 * NS_PER_S]) as fleet:
        node = node_of(fleet, fleet["n1"], proxy_command=relay)
        async with opened([node], DEADLINE_S) as links:
            (link,) = links.values()
            stamped = 0
            for _ in range(5):
                sweep = await Sweeper().sweep({link.node.endpoint: link}, 8)
                assert_inside(fleet["n1"], in_order(sweep)[0])
                assert link.connection is not None
                stamped += link.connection.stamps.received_ns < link.connection.stamps.returned_ns
            assert stamped


async def test_the_command_ends_with_its_connection(
    relay: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all that it started, whichever side ended the connection; the node then connects again."""
    monkeypatch.setenv("FLEET_MARK", str(tmp_path))
    async with Fleet(1) as fleet:
        node = node_of(fleet, fleet["n1"], proxy_command=relay)
        async with opened([node], DEADLINE_S) as links:
            (link,) = links.values()
            first = set(with_mark(str(tmp_path)))
            assert len(first) == 2
            fleet["n1"].cut_connections()
            await gone(str(tmp_path))
            await link.open()
            assert len(with_mark(str(tmp_path))) == 2
        await gone(str(tmp_path))


async def test_a_command_that_ignores_signals_is_killed(
    relay: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a moment of grace."""
    monkeypatch.setenv("FLEET_MARK", str(tmp_path))
    async with Fleet(1) as fleet:
        command = relay.replace("sh -c '", 'sh -c \'trap "" TERM; ')
        async with opened([node_of(fleet, fleet["n1"], proxy_command=command)], DEADLINE_S):
            assert with_mark(str(tmp_path))
        await gone(str(tmp_path))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            "sh -c 'echo noise; echo one >&2; echo \"\x1b[31mtwo\" >&2; exit 4'",
            "status 4. It said: one; \\x1b[31mtwo",
        ),
        ("sh -c 'yes x | head -c 3000000 >&2; exit 5'", "status 5. It said: x; x"),
        ("no-such-program-here %h", "status 127. It said: "),
        ("cat /dev/zero", "not understand each other"),
        ("sh -c 'echo waiting >&2; exec sleep 600'", "no login in time. It said: waiting"),
        ("nc %h %p %q", "%q cannot stand in a proxy command"),
    ],
    ids=["status", "flood of words", "no program", "flood of bytes", "hangs", "unknown token"],
)
async def test_a_command_that_fails_is_quoted(command: str, words: str) -> None:
    """Its own words help, bounded and without control characters."""
    async with Fleet(1) as fleet:
        node = node_of(fleet, fleet["n1"], proxy_command=command, connect_timeout_s=2.0)
        outcome = failed(await outcome_of(node), Reason.PROXY_FAILED)
        assert words in outcome.detail


async def test_a_flood_of_standard_error_costs_no_processor() -> None:
    """The command has to wait, and so has its flood; read without end it would cost a whole processor."""
    async with Fleet(1) as fleet:
        began_s, used_s = time.monotonic(), time.thread_time()
        async with opened([node_of(fleet, fleet["n1"], proxy_command="yes >&2")], 2.0) as links:
            (link,) = links.values()
            assert link.failure is not None
            assert link.failure.reason in {Reason.CONNECTING, Reason.PROXY_FAILED}
        assert time.thread_time() - used_s < (time.monotonic() - began_s) / 8


async def test_a_process_that_keeps_standard_error_costs_no_descriptor(tmp_path: Path) -> None:
    """An ssh master that stays behind leaves the group of the command."""
    ended = tmp_path / "ended"
    command = f"sh -c 'setsid sh -c \"until [ -e {ended} ]; do sleep 0.1; done\" & exit 1'"
    try:
        async with Fleet(1) as fleet:
            before = descriptors()
            for _ in range(3):
                async with opened([node_of(fleet, fleet["n1"], proxy_command=command)], DEADLINE_S):
                    pass
            until_s = time.monotonic() + DEADLINE_S
            while descriptors() > before:
                assert time.monotonic() < until_s
                await asyncio.sleep(0.02)
    finally:
        ended.touch()


def descriptors() -> int:
    """Return how many files and sockets this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_name_from_an_inventory_cannot_add_to_the_command(tmp_path: Path) -> None:
    """A label of a target list may set the user; a shell must not obey it."""
    async with Fleet(1) as fleet:
        node = node_of(
            fleet, fleet["n1"], proxy_command="sh -c 'true %r'", user=f"x';touch${{IFS}}{tmp_path}/y;'"
        )
        outcome = failed(await outcome_of(node), Reason.PROXY_FAILED)
        assert "cannot stand in a proxy command" in outcome.detail
        assert not (tmp_path / "y").exists()


async def test_a_failure_of_the_node_is_not_blamed_on_the_proxy(relay: str) -> None:
    """The command is not at fault for a key that is refused."""
    async with Fleet(1) as fleet:
        fleet["n1"].refuse_key()
        failed(await outcome_of(node_of(fleet, fleet["n1"], proxy_command=relay)), Reason.PERMISSION_DENIED)


async def test_host_keys_are_shown_through_the_command(relay: str) -> None:
    """The command is the only way to the node."""
    async with Fleet(1) as fleet:
        node = node_of(fleet, fleet["n1"], proxy_command=relay)
        (found,) = await scan((node,))
        assert [key.algorithm for key in found.keys] == ["ssh-ed25519"]
        broken = replace(node, ssh=replace(node.ssh, proxy_command="sh -c 'echo gone >&2; exit 1'"))
        (found,) = await scan((broken,))
        assert found.failure is not None
        assert "It said: gone" in found.failure.detail
