"""Ways in: the restricted key with the installed program, and the agent."""

import asyncio
import subprocess
import sys
from pathlib import Path

import asyncssh
import pytest
from click.testing import CliRunner

from skewmon.cli.main import skewmon
from skewmon.errors import Reason
from skewmon.model import NS_PER_S
from tests.fleet.agent import agent
from tests.fleet.sshd import Fleet, Login, public_text
from tests.integration.measuring import (
    assert_inside,
    failed,
    in_order,
    measured,
    measured_once,
    node_of,
    nodes_of,
)


def authorize(fleet_identity: Path, *arguments: str) -> str:
    """Return the output of ``skewmon keys authorize``."""
    done = CliRunner().invoke(skewmon, ["keys", "authorize", "-i", str(fleet_identity), *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("rest", [(), ("python",), ("python", "perl")], ids=["python3", "perl", "bash"])
async def test_a_key_that_can_do_nothing_else_measures(rest: tuple[str, ...], tmp_path: Path) -> None:
    """The installed program as forced command, with every restriction that sshd knows."""
    program = tmp_path / "node"
    key = tmp_path / "id"
    key.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    program.write_text(authorize(key, "--program"))
    program.chmod(0o755)
    tmp_path.chmod(0o755)
    login = Login(forced_command=str(program), key_options=("restrict",), without=rest)
    with Fleet(1, login=login, offsets_ns=[-3 * NS_PER_S]) as fleet:
        outcome = in_order(await measured_once(nodes_of(fleet)))[0]
        assert measured(outcome).burst.program.probe == {0: "python3", 1: "perl", 2: "bash"}[len(rest)]
        assert_inside(fleet["n1"], outcome)
        ssh = [
            *("ssh", "-F", str(fleet.write_ssh_config(tmp_path / "ssh_config"))),
            *("-o", "BatchMode=yes", "n1", "echo pwned"),
        ]
        done = subprocess.run(
            ssh, input="id\necho pwned\n", capture_output=True, text=True, timeout=30, check=False
        )
        assert "pwned" not in done.stdout


def other_keys(directory: Path, count: int) -> list[Path]:
    """Write keys that no node knows."""
    paths = [directory / f"other{number}" for number in range(count)]
    for path in paths:
        path.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
        path.chmod(0o600)
    return paths


async def test_the_agents_key_opens_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key with a passphrase that was given to the agent."""
    async with Fleet(1) as fleet:
        with agent(fleet.identity) as place:
            monkeypatch.setenv("SSH_AUTH_SOCK", place)
            node = node_of(fleet, fleet["n1"], identities=(), agent=True)
            assert_inside(fleet["n1"], in_order(await measured_once([node]))[0])


async def test_the_named_key_of_an_agent_is_offered_first_or_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With seven keys in the agent the server hangs up before the right one has its turn."""
    async with Fleet(1, login=Login(sshd_lines=("MaxAuthTries 3",))) as fleet:
        locked = tmp_path / "id_locked"
        locked.write_bytes(fleet.client_key.export_private_key(passphrase="secret"))
        locked.with_name("id_locked.pub").write_text(public_text(fleet.client_key) + "\n")
        with agent(*other_keys(tmp_path, 6), fleet.identity) as place:
            monkeypatch.setenv("SSH_AUTH_SOCK", place)
            node = node_of(fleet, fleet["n1"], identities=(), agent=True)
            failed(in_order(await measured_once([node]))[0], Reason.PERMISSION_DENIED)
            for only in (False, True):
                settings = {"identities": (str(locked),), "agent": True, "identities_only": only}
                node = node_of(fleet, fleet["n1"], **settings)
                assert_inside(fleet["n1"], in_order(await measured_once([node]))[0])


async def test_an_agent_that_does_not_answer_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its socket is left over from a session that ended."""
    async with Fleet(1) as fleet:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "gone"))
        node = node_of(fleet, fleet["n1"], identities=(), agent=True)
        outcome = failed(in_order(await measured_once([node]))[0], Reason.KEY_UNUSABLE)
        assert "agent" in outcome.detail
        node = node_of(fleet, fleet["n1"], agent=True)
        assert_inside(fleet["n1"], in_order(await measured_once([node]))[0])


async def test_a_home_that_cannot_be_looked_into_is_not_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As that of root is under runuser; asyncssh would look there for certificates to trust."""
    monkeypatch.setenv("HOME", f"/{'x' * 300}")  # refused even to root
    async with Fleet(1) as fleet:
        config = fleet.write_config(tmp_path / "skewmon.yml")
        for command in (["probe", "n1"], ["keys", "scan", "n1"]):
            arguments = [sys.executable, "-m", "skewmon", *command, "--config.file", str(config)]
            done = await asyncio.to_thread(
                subprocess.run, arguments, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
