"""After a login its connection keeps what sessions and later key exchanges need, and nothing else."""

import asyncio

import pytest

from skewmon.errors import Reason
from skewmon.monitor.check import opened
from skewmon.probe import login
from tests.fleet.sshd import Fleet, Login
from tests.integration.measuring import TIMEOUT_S, nodes_of


async def test_keys_are_exchanged_again_on_a_connection_that_forgot_its_login() -> None:
    """A server may ask for it at any time; its host key is verified once more, and the bursts go on."""
    login = Login(sshd_lines=["RekeyLimit 16K"])
    async with Fleet(1, login=login) as fleet, opened(nodes_of(fleet), TIMEOUT_S) as links:
        (link,) = links.values()
        assert link.connection
        async with asyncio.timeout(TIMEOUT_S):
            while not getattr(link.connection.ssh, "_server_kexinit"):  # noqa: B009
                await link.burst(64)
        assert len((await link.burst(64)).opening) == 64
        assert link.failure is None


async def test_connections_of_one_user_share_their_options() -> None:
    """They are as large as everything else of a connection."""
    async with Fleet(2) as fleet, opened(nodes_of(fleet), TIMEOUT_S) as links:
        connections = [link.connection for link in links.values() if link.connection]
        first, second = (getattr(connection.ssh, "_options") for connection in connections)  # noqa: B009
        assert first is second


async def test_a_dead_peer_is_noticed_by_keepalives_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No request is sent to it: its silence ends the connection, and answers to keepalives do not."""
    monkeypatch.setattr(login, "KEEPALIVE_INTERVAL_S", 0.2)
    login.common.cache_clear()
    try:
        async with Fleet(1) as fleet, opened(nodes_of(fleet), TIMEOUT_S) as links:
            (link,) = links.values()
            await asyncio.sleep(0.2 * (login.KEEPALIVE_COUNT + 3))
            assert link.connection is not None
            assert getattr(link.connection.ssh, "_keepalive_count") <= 1  # noqa: B009
            fleet["n1"].freeze()
            async with asyncio.timeout(TIMEOUT_S):
                while link.failure is None:
                    await asyncio.sleep(0.05)
            fleet["n1"].thaw()
            assert link.failure.reason is Reason.DISCONNECTED
    finally:
        login.common.cache_clear()
