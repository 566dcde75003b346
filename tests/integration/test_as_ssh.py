"""Nodes that are reached by the user's ~/.ssh/config, keyword by keyword, against real servers."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from tests.fleet.agent import agent
from tests.fleet.processes import with_mark
from tests.fleet.sshd import Fleet, Login
from tests.integration.as_ssh import TIMEOUT_S, User


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    """Yield a user of three nodes whose home is empty."""
    with Fleet(3) as fleet:
        yield User(fleet, tmp_path)


def test_include(user: User) -> None:
    """A relative path is of ~/.ssh."""
    user.configure(f"Include more\nHost *\n{user.login()}")
    user.configure("".join(f"Host {name}\n{user.place(name)}" for name in ("n1", "n2")), "more")
    found = user.check("n[1-2]")
    found.assert_measured("n1", "n2")
    assert found.code == 0
    advice = [finding["next"] for node in found.nodes.values() for finding in node["findings"]]
    assert not [one for one in advice if one.startswith("ssh -p")]  # but `ssh n1`, as the user types it


def test_match_exec(user: User) -> None:
    """The command decides, as it does for ssh."""
    place = user.place("n1")
    user.configure(
        f'Match originalhost a,b exec "test %n = a"\n{place}Host a b\n HostName 127.0.9.9\n{user.login()}'
    )
    user.check("a", "b").assert_measured("a")


def test_a_chain_of_bastions_each_with_its_own_settings(user: User) -> None:
    """Each hop has its address, key and host keys from its own lines; the node's would not do."""
    first, second, last = user.fleet
    user.configure(
        "".join(
            f"Host {alias}\n{user.place(node.name)}{user.login(known_hosts=user.knowing(node))}"
            for alias, node in (("outer", first), ("inner", second), ("a", last))
        )
        + "Host a\n ProxyJump outer,inner\n"
    )
    found = user.check("a", "outer")
    found.assert_measured("a", "outer")
    assert found.code == 0
    assert f"Connection from {second.address}" not in last.log
    assert "Accepted publickey" in second.log


def test_a_bastion_may_itself_be_behind_another(user: User) -> None:
    """The way to the first hop is looked up in its own lines."""
    names = {"outer": "n1", "inner": "n2", "a": "n3"}
    places = "".join(f"Host {alias}\n{user.place(name)}" for alias, name in names.items())
    user.configure(f"{places}Host inner\n ProxyJump outer\nHost a\n ProxyJump inner\nHost *\n{user.login()}")
    user.check("a").assert_measured("a")
    assert "Accepted publickey" in user.fleet["n1"].log


def test_proxy_command(user: User) -> None:
    """A command carries the bytes, and nothing of it is left afterwards."""
    mark = str(user.home)
    user.configure(
        f"Host hop\n{user.place('n1')}Host a\n{user.place('n2')} ProxyCommand sleep 600 & ssh -W %h:%p hop\n"
        f"Host *\n{user.login()}"
    )
    found = user.check("a", "hop", FLEET_MARK=mark)
    found.assert_measured("a", "hop")
    assert found.code == 0
    assert "Accepted publickey" in user.fleet["n1"].log
    until_s = time.monotonic() + TIMEOUT_S
    while with_mark(mark):  # killed, and gone as soon as the kernel has its turn
        assert time.monotonic() < until_s


def test_a_bastion_behind_a_proxy_command(user: User) -> None:
    """Its %n is its name in the file."""
    user.configure(
        f"Host hop\n{user.place('n1')} ProxyCommand sh -c 'test %n = hop && exec ssh -W %h:%p outer'\n"
        f"Host outer\n{user.place('n3')}Host a\n{user.place('n2')} ProxyJump hop\nHost *\n{user.login()}"
    )
    user.check("a").assert_measured("a")
    assert "Accepted publickey" in user.fleet["n3"].log


def test_a_proxy_command_that_fails_is_quoted(user: User) -> None:
    """Its own words name the cause."""
    user.configure(f"Host a\n ProxyCommand sh -c 'echo token expired >&2; exit 7'\n{user.login()}")
    node = user.check("a").nodes["a"]
    assert node["reason"] == "proxy-failed"
    assert node["detail"].startswith("The proxy command ended with exit status 7. It said: token expired")


def test_certificate_file(tmp_path: Path) -> None:
    """The certificate is accepted; its key alone is not."""
    authority, key = tmp_path / "ca", tmp_path / "id"
    for path in (authority, key):
        path.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
        path.chmod(0o600)
    with Fleet(1, login=Login(sshd_lines=(f"TrustedUserCAKeys {authority}.pub",))) as fleet:
        user = User(fleet, tmp_path)
        for path in (authority, key):
            public = subprocess.run(
                ["ssh-keygen", "-y", "-f", str(path)], capture_output=True, text=True, check=True
            ).stdout
            path.with_suffix(".pub").write_text(public)
        sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "me", "-n", fleet.user, f"{key}.pub"]
        subprocess.run(sign, check=True)
        certificate = key.with_name("id-cert.pub").rename(tmp_path / "signed.pub")
        hosts = (
            f"Host a\n CertificateFile {certificate}\nHost a b\n{user.place('n1')}{user.login(identity=key)}"
        )
        user.configure(hosts)
        found = user.check("a", "b")
        found.assert_measured("a")
        assert found.nodes["b"]["reason"] == "permission-denied"
        certificate.rename(key.with_name("id-cert.pub"))
        user.check("a", "b").assert_measured("a", "b")  # beside the key it counts without being named


def test_identity_agent(user: User) -> None:
    """The agent of a host is not that of SSH_AUTH_SOCK."""
    with agent(user.fleet.identity) as socket:
        user.configure(
            f"Host a\n IdentityAgent {socket}\nHost a b\n{user.place('n1')}{user.login(identity='none')}"
        )
        found = user.check("a", "b", SSH_AUTH_SOCK="/nonexistent")
    found.assert_measured("a")
    assert found.nodes["b"]["reason"] == "key-unusable"


def test_host_key_alias(user: User) -> None:
    """The host key is looked up under the alias."""
    known = user.knowing(user.fleet["n1"], name=f"[cluster]:{user.fleet['n1'].port}")
    user.configure(
        f"Host a\n HostKeyAlias cluster\nHost a b\n{user.place('n1')}{user.login(known_hosts=known)}"
    )
    found = user.check("a", "b")
    found.assert_measured("a")
    assert found.nodes["b"]["reason"] == "host-key-unknown"


def test_canonicalize_hostname(user: User) -> None:
    """The name is completed by the resolver, and the configuration read again for the result."""
    hosts = user.home / "hosts"
    hosts.write_text(f"{user.fleet['n1'].address} a.fleet.test a.fleet.test.\n")
    user.configure(
        "CanonicalizeHostname yes\nCanonicalDomains fleet.test\n"
        f"Match canonical host *.fleet.test\n Port {user.fleet['n1'].port}\nMatch all\n{user.login()}"
    )
    with user.fleet.known_hosts.open("a") as file:
        file.write(user.fleet["n1"].host_line.replace(user.fleet["n1"].address, "a.fleet.test"))
    own_hosts = f'mount --bind {hosts} /etc/hosts && exec "$@"'
    node = user.check("a", prefix=("unshare", "-rm", "sh", "-c", own_hosts, "sh")).nodes["a"]
    assert node["measured"], node
    assert node["address"] == "a.fleet.test"


def test_known_hosts_command(user: User) -> None:
    """The lines that it prints count like those of a file."""
    known = user.home / "printed"
    known.write_text(user.fleet["n1"].host_line)
    login = user.login(known_hosts="none")
    user.configure(
        f"Host a\n KnownHostsCommand /bin/cat {known}\nHost b\n KnownHostsCommand /bin/false\n"
        f"Host *\n{user.place('n1')}{login}"
    )
    found = user.check("a", "b")
    found.assert_measured("a")
    assert found.nodes["b"]["detail"].startswith("KnownHostsCommand failed: exit status 1. Run")


@pytest.mark.parametrize("files", ["none", "/dev/null"])
def test_host_keys_are_verified_with_any_ssh_config(user: User, files: str) -> None:
    """For ssh each of these lines turns the check off."""
    user.configure(
        f"StrictHostKeyChecking no\nGlobalKnownHostsFile none\n"
        f"Host a\n{user.place('n1')}{user.login(known_hosts=files)}"
    )
    assert user.check("a").nodes["a"]["reason"] == "host-key-unknown"


def test_host_key_algorithms(user: User) -> None:
    """A host key of another algorithm than these is not accepted."""
    user.configure(
        f"Host a\n HostKeyAlgorithms ssh-ed25519\nHost b\n HostKeyAlgorithms rsa-sha2-512\n"
        f"Host *\n{user.place('n1')}{user.login()}"
    )
    found = user.check("a", "b")
    found.assert_measured("a")
    assert found.nodes["b"]["reason"] == "host-key-changed"


def test_a_host_that_cannot_be_used_costs_itself_alone(user: User) -> None:
    """The others are measured."""
    user.configure(
        "Host bad\n IdentityFile ${NO_SUCH_VARIABLE}\nHost worse\n HostName %z\n"
        f"Host n1\n{user.place('n1')}Host n2\n{user.place('n2')}Host n1 n2\n{user.login()}"
    )
    found = user.check("n1", "bad", "n2", "worse")
    found.assert_measured("n1", "n2")
    assert found.code == 3
    assert found.nodes["bad"]["reason"] == found.nodes["worse"]["reason"] == "ssh-config-unusable"
    assert found.nodes["bad"]["detail"].startswith("The variable NO_SUCH_VARIABLE is not set. ")
    assert "%z" in found.nodes["worse"]["detail"]


def test_without_an_ssh_client_only_ssh_config_fails(user: User, tmp_path: Path) -> None:
    """A configuration file that names its nodes needs no ssh client; the message names the part that does."""
    done = user.run("check", "n1", PATH="/nonexistent")
    assert done.returncode == 3
    assert done.stderr.startswith("skewmon: there is no ssh in PATH, and only ssh itself evaluates an ssh")
    assert done.stderr.count("\n") == 1
    config = user.fleet.write_config(tmp_path / "skewmon.yml")
    user.check("--config.file", str(config), PATH="/nonexistent").assert_measured("n1", "n2", "n3")
