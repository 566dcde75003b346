"""`skewmon keys`: a key that can do nothing but answer, and host keys for a person to verify."""

import base64
import hashlib
import os
import subprocess
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE, Popen

import asyncssh
import pytest
from click.testing import CliRunner

from skewmon import __version__
from skewmon.cli.keys import command
from skewmon.cli.main import run
from skewmon.errors import ConfigError
from skewmon.model import Node, SshSettings
from skewmon.monitor.probe import probe_node
from skewmon.probe import programs
from skewmon.probe.wire import parse_hello, parse_installed
from skewmon.timesync import script
from tests.fleet.node import FleetNode, free_port
from tests.fleet.sshd import Fleet, Login

NONCE = "0123456789abcdef"
SHELLS = (("dash",), ("bash", "--posix"), ("busybox", "sh"))


@pytest.fixture
def installed(tmp_path):
    """Install the program as an administrator would: from the command's output, mode 0755."""
    place = tmp_path / "node"
    place.write_text(CliRunner().invoke(command, ["authorize", "--program"]).output)
    place.chmod(0o755)
    return place


def reached(fleet: Fleet, node: FleetNode) -> Node:
    ssh = SshSettings(node.user, node.port, (str(fleet.identity),), (str(fleet.known_hosts),))
    return Node(node.name, node.address, ssh)


def answered(program: object, said: bytes, shell: tuple[str, ...] = ("sh",)) -> subprocess.CompletedProcess:
    return subprocess.run([*shell, str(program)], input=said, capture_output=True, timeout=30, check=False)


# --- the installed program ---


async def test_a_forced_command_measures_like_a_shell(installed):
    """Through a real sshd with `restrict,command=…` the offset is right and the status is there."""
    login = Login(forced_command=str(installed), key_options=("restrict",))
    with Fleet(2, login=login, offsets_ns=(0, 70_000_000_000)) as fleet:
        found = [await probe_node(reached(fleet, node), 8, 20.0) for node in fleet]
    for one, node, offset_ns in zip(found, ("n1", "n2"), (0, 70_000_000_000), strict=True):
        assert one.failure is None, (node, one.failure)
        assert one.admin_offset is not None
        assert abs(one.admin_offset.estimate_ns - offset_ns) < 50_000_000
        assert one.status_failure is None
        assert script.FACTS in one.tools


#: Commands and first lines by which the holder of the key might get more than it is for.
ESCAPES = (
    "touch {witness}",
    "sh -c 'touch {witness}'",
    "exec /bin/sh",
    ": SKEWMON1 $(touch {witness}) clock",
    ": SKEWMON1 `touch {witness}` clock",
    ": SKEWMON1 abc;touch$IFS{witness} clock",
    ": SKEWMON1 abc clock;touch {witness}",
    ": SKEWMON1 abc clock|touch {witness}",
    ": SKEWMON1 abc $(touch {witness})",
    ": SKEWMON1 'abc clock",
    ": SKEWMON1 abc\tclock",
    ": SKEWMON1 -e clock",
    ": SKEWMON1 ../../bin/sh clock",
    ": SKEWMON1 @SHEET@ status",
    ": SKEWMON1 *",
    ": SKEWMON1  abc clock",
    "skewmon_ladder abc",
    ". {witness}",
)


async def test_the_key_runs_nothing_else(installed, tmp_path):
    """No requested command and no input is executed."""
    witness = tmp_path / "witness"
    login = Login(forced_command=str(installed), key_options=("restrict",))
    with Fleet(1, login=login) as fleet:
        node = fleet["n1"]
        async with asyncssh.connect(
            node.address,
            node.port,
            username=node.user,
            client_keys=[fleet.client_key],
            known_hosts=str(fleet.known_hosts),
            config=None,
        ) as connection:
            for escape in ESCAPES:
                text = escape.format(witness=witness)
                done = await connection.run(text, input=f"{text}\n", check=False)
                assert (done.exit_status, done.stdout) == (1, ""), text
                assert done.stderr == "This key answers skewmon and nobody else.\n", text
            forwards = [
                lambda: connection.open_connection("127.0.0.1", node.port),
                lambda: connection.open_unix_connection("/run/systemd/private"),
                lambda: connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 1),
                lambda: connection.forward_remote_path(str(tmp_path / "socket"), str(tmp_path / "there")),
                lambda: connection.run("", term_type="xterm"),
                lambda: connection.create_process(subsystem="sftp"),
                lambda: connection.run("", x11_forwarding=True, x11_display=":9"),
            ]
            for forward in forwards:
                with pytest.raises((asyncssh.Error, asyncssh.ChannelListenError, OSError)):
                    await forward()
    assert not witness.exists()


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_lines_after_the_greeting_are_never_executed(shell, installed, tmp_path):
    """Commands, substitutions and the ladder itself on standard input are noise between requests."""
    witness = tmp_path / "witness"
    attack = f"touch {witness}; $(touch {witness}) `touch {witness}` ;\n'\n\";touch {witness}\n"
    said = f": SKEWMON1 {NONCE} clock\n{attack}{programs.ladder()}{NONCE} 1\n{attack}{NONCE} 2\n"
    lines = answered(installed, said.encode(), shell).stdout.decode().splitlines()
    assert parse_installed(NONCE, lines[1]) == __version__
    assert parse_hello(NONCE, lines[3]) is not None
    assert lines[4].startswith(f"{NONCE} 1 ") or lines[4].startswith(f"{NONCE} 2 ")
    status = answered(installed, f": SKEWMON1 {NONCE} status\n{attack}".encode(), shell).stdout.decode()
    assert script.is_complete(NONCE, status)
    assert not witness.exists()


@pytest.mark.parametrize(
    "greeting",
    [
        b"",
        b"\n",
        b": SKEWMON1\n",
        b": SKEWMON1 abc;id clock\n",
        b": SKEWMON1 $(id) clock\n",
        b": SKEWMON1 'a' clock\n",
        b": SKEWMON1 abcdefgh shell\n",
        b": SKEWMON1 abcdefgh clock more\n",
        b": SKEWMON2 abcdefgh clock\n",
        b"id\n",
        "\u0663 : SKEWMON1 abcdefgh clock\n".encode(),
    ],
)
def test_a_greeting_that_is_none_is_refused(greeting, installed):
    """Only the exact first line starts anything; the rest gets one sentence on standard error."""
    done = answered(installed, greeting + b"id\n")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"This key answers skewmon and nobody else.\n"


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@pytest.mark.parametrize("sent", [b"", b": SKEWMON1 ", b"x"], ids=["nothing", "half a line", "one byte"])
def test_a_first_line_that_does_not_come_ends_the_program(sent, shell, installed):
    """A thief of the key cannot hold processes on the node; none is left behind."""
    patience_s = 1
    installed.write_text(installed.read_text().replace("\npatience=30\n", f"\npatience={patience_s}\n"))
    process = Popen([*shell, str(installed)], stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True)
    with process:
        process.stdin.write(sent)
        process.stdin.flush()
        assert process.wait(30) == 1
        assert process.stderr.read() == b"This key answers skewmon and nobody else.\n"
        assert process.stdout.read() == b""
    assert_gone(process.pid)


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_a_first_line_without_an_end_ends_the_program(shell, installed):
    """A hundred megabytes are offered; next to nothing of them is read, and at once."""
    process = Popen([*shell, str(installed)], stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True)
    with process:
        taken = taken_from(process.stdin.fileno(), 100)
        process.wait(30)
    assert process.returncode == 1
    assert taken <= 2 << 20, "the pipe's own buffer, and no more"
    assert_gone(process.pid)


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_no_guard_of_the_first_line_is_left_behind(shell, installed):
    """Neither while the program answers, nor after it."""
    process = Popen([*shell, str(installed)], stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True)
    with process:
        process.stdin.write(f": SKEWMON1 {NONCE} clock\n".encode())
        process.stdin.flush()
        lines = [process.stdout.readline().decode() for _ in range(4)]
        assert parse_hello(NONCE, lines[3]) is not None
        assert_gone(process.pid, {"sleep", "dd"})
        process.stdin.close()
        process.wait(30)
    assert_gone(process.pid)


def taken_from(pipe: int, megabytes: int) -> int:
    """Return how many bytes of a line without an end a program lets into its pipe."""
    taken = 0
    with suppress(BrokenPipeError):
        for _ in range(megabytes):
            taken += os.write(pipe, b": SKEWMON1 " + b"x" * (1 << 20))
    return taken


def session_of(leader: int) -> list[str]:
    """Return the names of the processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
            if int(rest.split()[3]) == leader and rest.split()[0] != "Z":
                found.append(name)
    return found


def assert_gone(leader: int, names: Collection[str] = ()) -> None:
    """Wait until no process of a session is left, or none of these names; well below the guard's 30 s."""
    deadline = time.monotonic() + 20
    while left := [name for name in session_of(leader) if not names or name in names]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def test_the_environment_that_a_login_may_send_is_dropped(installed, tmp_path):
    """Variables by which sh, bash, perl or python would run something are not passed on."""
    witness = tmp_path / "witness"
    script = tmp_path / "evil"
    script.write_text(f"touch {witness}\n")
    evil = {"SSH_ORIGINAL_COMMAND": f"touch {witness}", "BASH_ENV": str(script), "PYTHONSTARTUP": str(script)}
    said = f": SKEWMON1 {NONCE} clock\n".encode()
    subprocess.run(
        ["sh", str(installed)], input=said, env={**os.environ, **evil}, capture_output=True, check=True
    )
    assert not witness.exists()


# --- keys authorize ---


def test_authorize_prints_a_line_that_sshd_takes(tmp_path):
    """The line has the key without its comment, restrict, the program and the addresses."""
    key = asyncssh.generate_private_key("ssh-ed25519", comment="somebody@somewhere")
    (tmp_path / "id.pub").write_bytes(key.export_public_key())
    result = CliRunner().invoke(
        command, ["authorize", "-i", str(tmp_path / "id"), "--from", "10.0.0.5,*.example"]
    )
    *comments, line = result.output.splitlines()
    assert all(comment.startswith("#") for comment in comments)
    assert line.startswith(
        'restrict,command="/usr/local/lib/skewmon/node",from="10.0.0.5,*.example" ssh-ed25519 '
    )
    assert "somebody" not in line
    (entry,) = asyncssh.import_authorized_keys(line)._user_entries
    assert entry.options["command"] == "/usr/local/lib/skewmon/node"
    assert entry.options["restrict"] is True


@pytest.mark.parametrize(
    "arguments",
    [
        ["--from", '10.0.0.5" environment="A=b'],
        ["--path", "relative"],
        ["--path", '/a",environment="b'],
        ["--path", "/usr/local/lib/skew mon"],
        ["--program", "--path", "/a\nid"],
    ],
)
def test_authorize_lets_nothing_out_of_its_quotes(arguments, tmp_path):
    """Text that could end a quoted option early is refused."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    (tmp_path / "id.pub").write_bytes(key.export_public_key())
    result = CliRunner().invoke(command, ["authorize", "-i", str(tmp_path / "id"), *arguments])
    assert isinstance(result.exception, ConfigError)


def test_authorize_says_how_to_make_a_key(tmp_path, capsys):
    """If there is no key yet, the fault names the command that makes one."""
    assert run(["keys", "authorize", "-i", str(tmp_path / "id")]) == 3
    assert (
        f"make a key: ssh-keygen -t ed25519 -N '' -C skewmon -f {tmp_path / 'id'}" in capsys.readouterr().err
    )


def test_authorize_says_how_to_make_a_key_in_a_directory_that_is_not_there(tmp_path, capsys):
    """ssh-keygen makes no directory, so the command does."""
    assert run(["keys", "authorize", "-i", str(tmp_path / "ssh" / "id")]) == 3
    assert f"make a key: install -d {tmp_path / 'ssh'} && ssh-keygen " in capsys.readouterr().err


def test_authorize_refuses_a_file_without_a_public_key(tmp_path, capsys):
    """A private key in the wrong place is never printed."""
    (tmp_path / "id.pub").write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    assert run(["keys", "authorize", "-i", str(tmp_path / "id")]) == 3
    printed = capsys.readouterr()
    assert "this is not a public key" in printed.err
    assert "PRIVATE" not in printed.out + printed.err


# --- keys scan ---


def test_scan_prints_lines_that_known_hosts_takes_and_adds_none(tmp_path, capsys):
    """Each node's real key and its fingerprint; no file changes; with a dead node the code is 3."""
    dead = free_port("127.0.0.1")
    with Fleet(2) as fleet:
        before = fleet.known_hosts.read_text()
        config = fleet.write_config(tmp_path / "skewmon.yml")
        assert run(["keys", "scan", "--config.file", str(config)]) == 0
        printed = capsys.readouterr().out
        nodes = [f"{node.address}:{node.port}" for node in fleet]
        assert run(["keys", "scan", *nodes, f"127.0.0.1:{dead}"]) == 3
        listed = capsys.readouterr()
        for node in fleet:
            assert node.host_line in printed
            assert node.host_line in listed.out
            digest = hashlib.sha256(node.host_key.public_data).digest()
            assert f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}" in printed
        assert fleet.known_hosts.read_text() == before
    assert f"Nothing listens at 127.0.0.1:{dead}" in listed.err
    assert printed.count("same key as in") == 2
