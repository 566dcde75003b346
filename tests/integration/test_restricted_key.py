"""Ways out of the restricted key, tried with a real client against a real sshd: all are closed."""

import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest

from tests.fleet.sshd import Fleet, FleetNode, Login
from tests.integration.test_measure_keys import agent, authorize

#: A client that gets no answer ends after this; none of the ways out needs more.
PATIENCE_S = 20.0

#: The program's message to clients other than skewmon.
REFUSAL = "This key answers skewmon and nobody else."


@dataclass(frozen=True)
class Restricted:
    """A node whose key may only run the installed program, and a client with that key."""

    node: FleetNode
    client: list[str]
    canary: Path

    def run(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Run the client to its end."""
        return subprocess.run(
            [*self.client, *arguments],
            input=typed,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
        )


@pytest.fixture(scope="module")
def restricted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restricted]:
    """Start one node with the line of authorized_keys that ``skewmon keys authorize`` prints."""
    directory = tmp_path_factory.mktemp("restricted")
    program, key = directory / "node", directory / "id"
    key.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    program.write_text(authorize(key, "--program"))
    program.chmod(0o755)
    login = Login(
        forced_command=str(program),
        key_options=("restrict",),
        # sshd accepts every variable here, to test the program itself.
        sshd_lines=("AcceptEnv *", "PermitUserEnvironment yes", "Subsystem sftp internal-sftp"),
    )
    with Fleet(1, login=login) as fleet:
        config = fleet.write_ssh_config(directory / "ssh_config")
        client = ["ssh", "-F", str(config), "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]
        yield Restricted(fleet["n1"], client, directory / "canary")


COMMANDS = {
    "command": "touch {canary}",
    "after-a-semicolon": "; touch {canary}",
    "after-a-pipe": "| touch {canary}",
    "after-an-and": "&& touch {canary}",
    "substituted": "$(touch {canary})",
    "in-backquotes": "`touch {canary}`",
    "on-a-second-line": "true\ntouch {canary}",
    "of-another-shell": "bash -c 'touch {canary}'",
    "of-python": 'python3 -c \'open("{canary}", "w")\'',
    "as-an-option": " -c 'touch {canary}'",
    "behind-the-protocol": ": SKEWMON1 abc clock; touch {canary}",
    "of-scp": "scp -t {canary}",
    "of-sftp": "/usr/lib/openssh/sftp-server",
    "of-rsync": "rsync --server -logDtpre.iLsfxC . {canary}",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_that_is_asked_for_does_not_run(restricted: Restricted, name: str) -> None:
    """The forced command ignores it."""
    done = restricted.run("n1", COMMANDS[name].format(canary=restricted.canary))
    assert REFUSAL in done.stderr
    assert not restricted.canary.exists()


TYPED = {
    "a-command": "touch {canary}\n",
    "in-the-nonce": ": SKEWMON1 $(touch${{IFS}}{canary}) clock\n",
    "backquoted-in-the-nonce": ": SKEWMON1 `touch${{IFS}}{canary}` clock\n",
    "quoted-in-the-nonce": ": SKEWMON1 '\";touch${{IFS}}{canary};' clock\n",
    "in-the-mode": ": SKEWMON1 abc $(touch${{IFS}}{canary})\n",
    "behind-the-mode": ": SKEWMON1 abc clock ;touch {canary}\n",
    "after-the-mode": ": SKEWMON1 abc clock\ntouch {canary}\nabc $(touch {canary})\nabc 1;touch {canary}\n",
    "after-the-status": ": SKEWMON1 abc status\ntouch {canary}\n$(touch {canary})\n",
    "with-backslashes": ": SKEWMON1 abc\\\ntouch {canary}\n",
}


@pytest.mark.parametrize("name", TYPED)
def test_no_line_of_the_input_is_run(restricted: Restricted, name: str) -> None:
    """It only selects one of two answers and requests clocks, with any content."""
    restricted.run("n1", typed=TYPED[name].format(canary=restricted.canary))
    assert not restricted.canary.exists()


VARIABLES = {
    "BASH_ENV": "{script}",
    "ENV": "{script}",
    "PYTHONSTARTUP": "{script}",
    "PERL5OPT": "-Mlib={directory} -MCanary",
    "PYTHONPATH": "{directory}",
    "PS4": "$(touch {canary})",
}


@pytest.mark.parametrize("name", VARIABLES)
def test_no_variable_of_the_client_runs_anything(restricted: Restricted, name: str) -> None:
    """Not even if sshd accepts every variable."""
    directory = restricted.canary.parent
    touch = f"import os; os.system('touch {restricted.canary}')\n"
    for module in ("sitecustomize.py", "os.py", "time.py"):
        (directory / module).write_text(touch)
    (directory / "Canary.pm").write_text(f"system('touch {restricted.canary}'); 1;\n")
    script = directory / "script"
    script.write_text(f"touch {restricted.canary}\n")
    value = VARIABLES[name].format(script=script, directory=directory, canary=restricted.canary)
    for mode in ("clock", "status"):
        restricted.run("-o", f"SetEnv={name}={value}", "n1", typed=f": SKEWMON1 abc {mode}\nabc 1\n")
    assert not restricted.canary.exists()


def test_a_subsystem_is_not_served(restricted: Restricted) -> None:
    """The forced command runs in the place of sftp, and does not speak its protocol."""
    done = restricted.run("-s", "n1", "sftp", typed="\0\0\0\5\1\0\0\0\3\n")
    assert done.returncode
    assert done.stdout == ""


def test_no_terminal_is_given(restricted: Restricted) -> None:
    """Neither on request nor by force."""
    done = restricted.run("-tt", "n1", typed=": SKEWMON1 abc status\n")
    assert "PTY allocation request failed" in done.stderr + done.stdout


def test_nothing_is_forwarded_through_the_node(restricted: Restricted) -> None:
    """No connection from the node, and none to it."""
    with socket.socket() as inner:
        inner.bind(("127.0.0.1", 0))
        inner.listen()
        port = inner.getsockname()[1]
        done = restricted.run("-W", f"127.0.0.1:{port}", "n1")
        assert done.returncode
        inner.setblocking(False)
        with pytest.raises(BlockingIOError):
            inner.accept()
    done = restricted.run("-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1", "-N", "n1")
    assert "remote port forwarding failed" in done.stderr
    socket_path = restricted.canary.with_name("forwarded")
    done = restricted.run("-o", "ExitOnForwardFailure=yes", "-R", f"{socket_path}:127.0.0.1:1", "-N", "n1")
    assert done.returncode
    assert not socket_path.exists()


def test_no_agent_is_forwarded(restricted: Restricted, monkeypatch: pytest.MonkeyPatch) -> None:
    """No process of the session knows of the client's agent."""
    with agent() as path, monkeypatch.context() as patched:
        patched.setenv("SSH_AUTH_SOCK", path)
        session = subprocess.Popen(
            [*restricted.client, "-A", "n1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with session:
            session.stdin.write(": SKEWMON1 abc clock\n")
            session.stdin.flush()
            assert any("SKEWMON1 abc hello" in session.stdout.readline() for _ in range(4))
            processes = restricted.node.session_ids()
            environments = [Path(f"/proc/{pid}/environ").read_bytes() for pid in processes]
            session.stdin.close()
    assert any(b"SSH_CONNECTION=" in environment for environment in environments)
    assert not any(b"SSH_AUTH_SOCK=" in environment for environment in environments)
