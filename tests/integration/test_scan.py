"""`skewmon keys scan` as a command: every kind of server, and keys compared with known_hosts."""

import subprocess
import sys
from pathlib import Path

import asyncssh
import pytest

from tests.fleet.node import FleetNode, public_text
from tests.fleet.sshd import Fleet, Login

#: A scan of one node takes less than a second; this is for a busy machine.
TIMEOUT_S = 60.0


def scanned(node: FleetNode, known_hosts: Path) -> subprocess.CompletedProcess[str]:
    """Scan a node, with the warnings that users see."""
    target = f"{node.address}:{node.port}"
    return subprocess.run(
        [sys.executable, "-m", "skewmon", "keys", "scan", "--known-hosts", str(known_hosts), target],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )


def with_key(node: FleetNode, algorithm: str, **options: int) -> FleetNode:
    """Restart a node with a host key of this algorithm."""
    node.stop()
    node.host_key = asyncssh.generate_private_key(algorithm, **options)
    node.start()
    return node


@pytest.mark.parametrize(
    "login",
    [
        Login(sshd_lines=("HostKeyAlgorithms rsa-sha2-512",)),
        Login(sshd_lines=("HostKeyAlgorithms rsa-sha2-256",)),
        Login(server="dropbear"),
    ],
    ids=["rsa-sha2-512", "rsa-sha2-256", "dropbear"],
)
def test_an_rsa_key_is_shown_without_a_warning(login: Login, tmp_path: Path) -> None:
    """Servers of one signature, and dropbear."""
    with Fleet(1, login=login) as fleet:
        node = with_key(fleet["n1"], "ssh-rsa", key_size=2048)
        done = scanned(node, tmp_path / "none")
    assert (done.returncode, done.stderr) == (0, "")
    assert node.host_line.strip() in done.stdout.splitlines()


@pytest.mark.parametrize("lines", [("HostKeyAlgorithms ssh-rsa",)], ids=["sha1"])
def test_a_server_with_sha1_alone_gets_the_reason_and_no_warning(
    lines: tuple[str, ...], tmp_path: Path
) -> None:
    """One line on standard error, about this server."""
    with Fleet(1, login=Login(sshd_lines=lines)) as fleet:
        done = scanned(with_key(fleet["n1"], "ssh-rsa", key_size=2048), tmp_path / "none")
    assert done.returncode == 3
    assert "has no host key algorithm that skewmon accepts, only ssh-rsa" in done.stderr
    assert done.stderr.count("\n") == 1


def test_every_key_is_compared_with_known_hosts() -> None:
    """The same, another, one of a new kind, none, and a revoked one; another one fails."""
    with Fleet(1) as fleet:
        node, known = fleet["n1"], fleet.known_hosts
        line = node.host_line.strip()
        other = f"[{node.address}]:{node.port} {public_text(asyncssh.generate_private_key('ssh-ed25519'))}"
        expected = [
            (line, 0, f"same key as in {known}", True),
            (other, 3, f"DIFFERENT KEY from the one in {known}", False),
            ("", 0, f"NEW, not in {known}", True),
            (f"{line}\n@revoked {line}", 3, f"REVOKED in {known}", False),
            (f"{line}\n@cert-authority {other}", 0, "has a certificate authority", True),
        ]
        for text, code, words, usable in expected:
            known.write_text(f"{text}\n")
            done = scanned(node, known)
            assert done.returncode == code, (text, done)
            assert words in done.stdout
            assert (line in done.stdout.splitlines()) is usable  # else it is a comment
            assert ("Find out" in done.stderr) is (code != 0)
