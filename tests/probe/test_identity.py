"""The keys that are offered, and an agent that does not do its part."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from skewmon.errors import ConnectError, Reason
from skewmon.model import SshSettings
from skewmon.probe import identity

#: The time limit for an agent in a test, instead of five seconds.
PATIENCE_S = 0.2

#: An agent's client leaves at once; a machine under load takes longer.
DEADLINE_S = 30.0

#: Takes a question and never answers it, like a forwarded agent whose far end is gone.
HANGS = b""

#: No answer of an agent.
BABBLES = b"\x00\x00\x00\x01\xff" * 10


@asynccontextmanager
async def answering(place: str, answer: bytes) -> AsyncIterator[asyncio.Event]:
    """Listen as an agent and answer each client so, until it leaves; set the event when one comes."""
    asked, left = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        writer.write(answer)
        await reader.read()
        writer.close()
        left.set()

    async with await asyncio.start_unix_server(serve, place):
        yield asked
        async with asyncio.timeout(DEADLINE_S):
            await left.wait()


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the path of the agent's socket."""
    place = str(tmp_path / "agent")
    monkeypatch.setenv("SSH_AUTH_SOCK", place)
    monkeypatch.setattr(identity, "AGENT_TIMEOUT_S", PATIENCE_S)
    return place


@pytest.mark.parametrize("answer", [HANGS, BABBLES])
async def test_an_agent_that_does_not_answer_is_named_and_not_waited_for(answer: bytes, agent: str) -> None:
    """Without another key the node cannot be logged in to, and the fault says whose it is."""
    async with answering(agent, answer):
        began_s = time.monotonic()
        with pytest.raises(ConnectError, match="does not answer") as caught:
            await identity.load(SshSettings(agent=True))
        assert time.monotonic() - began_s < 10 * PATIENCE_S
    assert caught.value.reason is Reason.KEY_UNUSABLE


@pytest.mark.parametrize("answer", [HANGS, BABBLES])
async def test_a_key_of_a_file_is_offered_despite_a_broken_agent(
    answer: bytes, agent: str, tmp_path: Path
) -> None:
    """A broken agent is no reason not to log in."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(str(tmp_path / "key"))
    async with answering(agent, answer):
        offered = await identity.load(SshSettings(agent=True, identities=(str(tmp_path / "key"),)))
    assert [one.public_data for one in offered.keys] == [key.public_data]
    assert offered.agent is None


async def test_a_login_given_up_while_the_agent_hangs_leaves_the_agent(
    agent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that stays open would hold a descriptor of the daemon and of the agent."""
    monkeypatch.setattr(identity, "AGENT_TIMEOUT_S", 10 * DEADLINE_S)
    async with answering(agent, HANGS) as asked:
        loading = asyncio.create_task(identity.load(SshSettings(agent=True)))
        await asked.wait()
        loading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading
