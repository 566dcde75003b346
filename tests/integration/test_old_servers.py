"""Old servers: OpenSSH 7.4 works as it comes, older ones once they are allowed to; refusals name the cure.

The server is this machine's own sshd, restricted to the algorithms that the old one has by default.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from skewmon.errors import ConnectError, Reason
from skewmon.model import Failed, Node, SshSettings
from skewmon.probe.clocks import ArrivalClock
from skewmon.probe.connect import Dialer
from skewmon.probe.scan import scan
from tests.fleet.node import public_text
from tests.fleet.sshd import Fleet, Login
from tests.integration.measuring import assert_inside, failed, node_of, outcome_of
from tests.integration.running import Running

#: sshd_config(5) of OpenSSH 7.4p1 on CentOS 7, without algorithms that later versions dropped.
OPENSSH_7_4 = """\
KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,\
ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,\
diffie-hellman-group18-sha512,diffie-hellman-group-exchange-sha1,diffie-hellman-group14-sha256,\
diffie-hellman-group14-sha1,diffie-hellman-group1-sha1
Ciphers chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,\
aes256-gcm@openssh.com,aes128-cbc,aes192-cbc,aes256-cbc,3des-cbc
MACs umac-64-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,\
hmac-sha2-512-etm@openssh.com,hmac-sha1-etm@openssh.com,umac-64@openssh.com,umac-128@openssh.com,\
hmac-sha2-256,hmac-sha2-512,hmac-sha1
HostKeyAlgorithms ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,ssh-ed25519,\
rsa-sha2-512,rsa-sha2-256,ssh-rsa
PubkeyAcceptedAlgorithms ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,ssh-ed25519,\
rsa-sha2-512,rsa-sha2-256,ssh-rsa
"""

#: The same of OpenSSH 5.3p1 on CentOS 6, without RC4 and RIPEMD.
OPENSSH_5_3 = """\
KexAlgorithms diffie-hellman-group-exchange-sha256,diffie-hellman-group-exchange-sha1,\
diffie-hellman-group14-sha1,diffie-hellman-group1-sha1
Ciphers aes128-ctr,aes192-ctr,aes256-ctr,aes128-cbc,3des-cbc,aes192-cbc,aes256-cbc
MACs hmac-md5,hmac-sha1,umac-64@openssh.com,hmac-sha1-96,hmac-md5-96
HostKeyAlgorithms ssh-rsa
"""

#: A warning of finite-field key exchange, which would fail the test run.
pytestmark = pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")


@contextmanager
def old(directory: Path, *lines: str, rsa: bool = False) -> Iterator[tuple[Fleet, Node]]:
    """Yield a node with these lines of sshd_config; with ``rsa`` its host key and the user's are RSA."""
    with Fleet(1, login=Login(sshd_lines=lines)) as fleet:
        node = fleet["n1"]
        identity = fleet.identity
        if rsa:
            key = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
            identity = directory / "id_rsa"
            identity.write_bytes(key.export_private_key())
            node.stop()
            node.host_key = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
            node.start()
            fleet.known_hosts.write_text(node.host_line)
            (node.directory / "authorized_keys").write_text(public_text(key))
        yield fleet, node_of(fleet, node, identities=(str(identity),))


def legacy(node: Node) -> Node:
    """Return the node with ``ssh.legacy: true``."""
    return replace(node, ssh=replace(node.ssh, legacy=True))


@pytest.mark.parametrize("rsa", [False, True], ids=["ed25519", "rsa"])
async def test_openssh_7_4_works_as_it_comes(tmp_path: Path, rsa: bool) -> None:
    """CentOS 7 needs no switch, whichever keys it has; `keys scan` shows its key."""
    with old(tmp_path, OPENSSH_7_4, rsa=rsa) as (fleet, node):
        assert_inside(fleet["n1"], await outcome_of(node))
        (found,) = await scan((node,))
        assert [key.text for key in found.keys] == [public_text(fleet["n1"].host_key)]


async def test_openssh_5_3_works_once_it_is_allowed_to(tmp_path: Path) -> None:
    """CentOS 6: without the switch a reason that names it, from measuring and from `keys scan`."""
    with old(tmp_path, OPENSSH_5_3, rsa=True) as (fleet, node):
        refused = failed(await outcome_of(node), Reason.NO_COMMON_ALGORITHM)
        assert "ssh.legacy: true" in refused.advice
        (found,) = await scan((node,))
        assert found.failure
        assert found.failure.reason is Reason.NO_COMMON_ALGORITHM
        assert "ssh.legacy: true" in found.failure.advice
        assert_inside(fleet["n1"], await outcome_of(legacy(node)))
        (found,) = await scan((legacy(node),))
        assert [key.text for key in found.keys] == [public_text(fleet["n1"].host_key)]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("KexAlgorithms diffie-hellman-group14-sha1", "key exchange"),
        ("HostKeyAlgorithms ssh-rsa", "host key"),
        ("MACs hmac-sha1\nCiphers aes256-ctr", "MAC"),
    ],
)
async def test_each_kind_with_sha1_needs_the_switch(tmp_path: Path, line: str, kind: str) -> None:
    """And with the switch it suffices."""
    with old(tmp_path, line, rsa=True) as (fleet, node):
        refused = failed(await outcome_of(node), Reason.NO_COMMON_ALGORITHM)
        assert f"no {kind} algorithm" in refused.detail
        assert "ssh.legacy: true" in refused.advice
        (found,) = await scan((node,))
        assert found.failure
        assert "ssh.legacy: true" in found.failure.advice
        assert_inside(fleet["n1"], await outcome_of(legacy(node)))


@pytest.mark.parametrize(
    ("line", "directive"),
    [
        ("KexAlgorithms diffie-hellman-group1-sha1", "KexAlgorithms"),
        ("KexAlgorithms diffie-hellman-group-exchange-sha256", "KexAlgorithms"),
        ("Ciphers aes128-cbc", "Ciphers"),
        ("MACs hmac-md5\nCiphers aes128-ctr", "MACs"),
    ],
)
async def test_algorithms_beyond_the_legacy_option_are_named(
    tmp_path: Path, line: str, directive: str
) -> None:
    """1024-bit groups, CBC and MD5; the advice names the line of sshd_config."""
    with old(tmp_path, line) as (_, node):
        for one in (node, legacy(node)):
            refused = failed(await outcome_of(one), Reason.NO_COMMON_ALGORITHM)
            assert "ssh.legacy" not in refused.advice
            assert directive in refused.advice


async def test_an_rsa_key_that_an_old_server_refuses_is_explained(tmp_path: Path) -> None:
    """Before OpenSSH 7.2 RSA keys sign with SHA-1; nothing but the refusal shows that."""
    user, host = (asyncssh.generate_private_key("ssh-rsa", key_size=2048) for _ in range(2))
    (tmp_path / "id_rsa").write_bytes(user.export_private_key())
    (tmp_path / "authorized_keys").write_text(public_text(user))
    server = await asyncssh.listen(
        "127.0.3.1",
        0,
        server_host_keys=[host],
        authorized_client_keys=str(tmp_path / "authorized_keys"),
        signature_algs=["ssh-rsa"],
    )
    async with server:
        (tmp_path / "known_hosts").write_text(f"[127.0.3.1]:{server.get_port()} {public_text(host)}\n")
        settings = SshSettings(
            user="skewmon",
            port=server.get_port(),
            identities=(str(tmp_path / "id_rsa"),),
            known_hosts=(str(tmp_path / "known_hosts"),),
        )
        node, dialer = Node("n1", "127.0.3.1", settings), Dialer(ArrivalClock())
        with pytest.raises(ConnectError) as refused:
            await dialer.connect(node)
        assert refused.value.reason is Reason.PERMISSION_DENIED
        assert "ssh.legacy: true" in refused.value.advice
        (await dialer.connect(legacy(node))).abort()


async def test_a_server_is_asked_for_the_key_that_known_hosts_has(tmp_path: Path) -> None:
    """It has an Ed25519 key as well, which would look like a changed one."""
    other = tmp_path / "other_key"
    key = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    other.write_bytes(key.export_private_key())
    other.chmod(0o600)
    with old(tmp_path, f"HostKey {other}") as (fleet, node):
        fleet.known_hosts.write_text(f"[{node.address}]:{node.ssh.port} {public_text(key)}\n")
        assert not isinstance(await outcome_of(node), Failed)


async def test_a_server_without_the_kind_of_key_that_is_known_has_changed_it(tmp_path: Path) -> None:
    """It hangs up without a word, and not because of its limits on connections."""
    with old(tmp_path) as (fleet, node):
        key = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
        fleet.known_hosts.write_text(f"[{node.address}]:{node.ssh.port} {public_text(key)}\n")
        failed(await outcome_of(node), Reason.HOST_KEY_CHANGED)


async def test_warnings_of_the_cryptography_library_are_log_lines(tmp_path: Path) -> None:
    """Nothing on standard error of a check; one line of the daemon's log, like every other."""
    with Fleet(1, login=Login(sshd_lines=("KexAlgorithms diffie-hellman-group14-sha256",))) as fleet:
        config = fleet.write_config(
            tmp_path / "skewmon.yml", web={"listen": "127.0.0.1:0"}, state_directory=str(tmp_path)
        )
        command = [sys.executable, "-m", "skewmon", "check", "--config.file", str(config), "-o", "json"]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        assert json.loads(done.stdout)["clusters"][0]["nodes"][0]["measured"], done
        assert done.stderr == ""
        async with Running(config) as daemon:
            await daemon.until(lambda: "a library warns" in daemon.log)
            assert [line for line in daemon.log.splitlines() if not line.startswith("timestamp=")] == []
            assert daemon.log.count("a library warns") == 1
