"""The status sheet as it comes back over a connection."""

from pathlib import Path
from typing import cast

import pytest

from skewmon.errors import NodeError, Reason
from skewmon.monitor.check import opened
from skewmon.probe import time_status
from skewmon.probe.connection import Connection
from tests.fleet.scripted import ScriptedNode, Session
from tests.integration.measuring import scripted
from tests.probe.hostile import Liar

NONCE = "a1b2c3d4e5"
FACTS = f"\n{NONCE} begin facts\nuname Linux 6.1.0 x86_64\n\n{NONCE} err\n\n{NONCE} end 0\n"


@pytest.mark.parametrize(("last", "failures"), [(f"\n{NONCE} done\n", ()), ("", (time_status.CUT_OFF,))])
async def test_truncated_status_output_is_reported(
    last: str, failures: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tools after the cut are missing, and that must not look like health."""

    async def read_text(_: Connection) -> tuple[str, str]:
        return NONCE, FACTS + last

    monkeypatch.setattr(time_status, "read_text", read_text)
    status = await time_status.read_status(cast("Connection", None))
    assert status.failures == failures


async def test_a_flood_of_errors_ends_the_status_session_alone(tmp_path: Path) -> None:
    """With the reason; the clock of the same node is measured on."""

    async def shout(session: Session) -> None:
        first = (await session.read_line()).split()
        if first[-1] != b"status":
            await Liar(nonce=first[2].decode())(session)
        while True:
            await session.complain(b"x" * 10_000)

    async with ScriptedNode(shout, directory=tmp_path) as node, opened([scripted(node)], 10) as links:
        (link,) = links.values()
        assert link.connection
        status = await time_status.read_or_explain(link.connection)
        assert "standard error" in status.failures[0]
        assert len((await link.burst(8)).opening) == 8


async def test_a_connection_that_ends_while_a_session_opens_is_no_internal_error(tmp_path: Path) -> None:
    """The library then fails an assertion of its own; while the connection stands, that stays one."""
    async with ScriptedNode(Liar(), directory=tmp_path) as node, opened([scripted(node)], 10) as links:
        (link,) = links.values()
        connection = link.connection
        assert connection
        with pytest.raises(AssertionError), connection.opening_session():
            raise AssertionError
        connection.abort()
        await connection.ssh.wait_closed()
        with pytest.raises(NodeError) as caught, connection.opening_session():
            raise AssertionError
        assert caught.value.reason is Reason.DISCONNECTED
