"""Settings from an ssh configuration, and the hosts that it names as live nodes."""

import os
import pwd
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skewmon.config.schema import SourceSpec
from skewmon.errors import InventoryError
from skewmon.inventory import openssh, ssh_config
from skewmon.inventory.openssh import OpenSsh
from skewmon.inventory.settings import Context
from skewmon.inventory.ssh_login import Given, SshLogin
from skewmon.model import Node, SshSettings
from tests.fleet.processes import with_mark

ME = pwd.getpwuid(os.getuid()).pw_name
HOME = pwd.getpwuid(os.getuid()).pw_dir

#: So that no file of this machine counts.
NONE = "IdentityFile none\nIdentityAgent none\nUserKnownHostsFile none\nGlobalKnownHostsFile none\n"

PLAIN = SshSettings(user=ME, port=22)


async def settings(text: str, host: str = "n1", given: Given | None = None) -> tuple[str, SshSettings]:
    """Return the address and the settings of one host."""
    (node,) = await SshLogin(OpenSsh(text + NONE)).nodes([(host, given or Given())])
    return node.address, node.ssh


@pytest.fixture
def key(tmp_path: Path) -> str:
    """Return a file that exists."""
    path = tmp_path / "key"
    path.touch()
    return str(path)


async def test_without_any_setting_the_defaults_are_those_of_ssh() -> None:
    """The local user, port 22, no key, no host key: nothing can be trusted and nothing is."""
    assert await settings("") == ("n1", PLAIN)


async def test_each_setting_is_taken_over(key: str) -> None:
    """Of several values in one setting, those of files that exist."""
    text = (
        f"HostName %h.example.com\nUser u\nPort 2\nHostKeyAlias c\nConnectTimeout 1m\nIdentitiesOnly yes\n"
        f"IdentityFile {key}\nIdentityFile {key}-gone\nCertificateFile {key}\nIdentityAgent ~/a.sock\n"
        f"UserKnownHostsFile {key} /gone\nGlobalKnownHostsFile {key}\nHostKeyAlgorithms ssh-rsa\n"
        "KnownHostsCommand /bin/keys %H '%t %n'\nProxyCommand nc %h %p\n"
    )
    assert await settings(text) == (
        "n1.example.com",
        SshSettings(
            user="u",
            port=2,
            host_key_alias="c",
            connect_timeout_s=60.0,
            identities_only=True,
            identities=(key,),
            certificates=(key,),
            agent=True,
            agent_socket=f"{HOME}/a.sock",
            known_hosts=(key, key),
            host_key_algorithms=("ssh-rsa",),
            legacy=True,
            known_hosts_command=("/bin/keys", "[c]:2", "NONE n1"),
            proxy_command="nc %h %p",
        ),
    )


async def test_the_command_line_goes_before_the_configuration(key: str) -> None:
    """Its key is offered first, and its known hosts are the only ones, also to bastions."""
    text = f"Host n1\nUser a\nPort 1\nIdentityFile {key}\nProxyCommand x\nHost *\n"
    own = Given(user="b", port=2, identities=("/k",), known_hosts=("/kh",), jump="c@h:3")
    hop = replace(PLAIN, user="c", port=3, identities=("/k",), known_hosts=("/kh",))
    whole = replace(hop, user="b", port=2, identities=("/k", key), jump=("c@h:3",), bastions=(hop,))
    assert await settings(text, given=own) == ("n1", whole)


async def test_the_vantage_of_the_command_line_is_looked_up_like_a_host() -> None:
    """By its own lines, and through the bastions of the node unless it has a way of its own."""
    text = "Host n1\nProxyJump gate\nHost stamp\nHostName 10.0.0.7\nPort 7\nUser s\nHost *\nUser u\n"
    for name in ("auto", "none"):
        assert (await settings(text, given=Given(vantage=name)))[1].vantage == name
    _, found = await settings(text, given=Given(vantage="stamp"))
    assert found.vantage == "s@10.0.0.7:7"
    assert found.vantage_ssh is not None
    assert (found.vantage_ssh.user, found.vantage_ssh.port) == ("s", 7)
    assert found.vantage_ssh.jump == found.jump == ("u@gate:22",)
    _, found = await settings(text.replace("Port 7", "Port 7\nProxyJump other"), given=Given(vantage="stamp"))
    assert found.vantage_ssh is not None
    assert found.vantage_ssh.jump == ("u@other:22",)


@pytest.mark.parametrize("path", ["%n-%h-%p-%r-%u-%%", "${SKEWMON_TEST}", "x%d/%i-%l-%L", "a b"])
async def test_tokens_in_paths_are_those_of_ssh(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ssh -G` leaves them in IdentityFile and replaces them in UserKnownHostsFile: both come to the same."""
    monkeypatch.setenv("SKEWMON_TEST", "value")
    text = f'HostName h\nUser u\nPort 5\nUserKnownHostsFile "{tmp_path}/{path}"\n'
    answer = await OpenSsh(text).ask("n1")
    expected = answer.files("userknownhostsfile")[0]
    Path(expected).parent.mkdir(parents=True, exist_ok=True)
    Path(expected).touch()
    _, found = await settings(f'{text}IdentityFile "{tmp_path}/{path}"\n')
    assert found.identities == found.known_hosts == (expected,)


async def test_the_hash_of_a_connection_is_that_of_ssh(tmp_path: Path) -> None:
    """%C of several values, of which one is a file that exists."""
    answer = await OpenSsh("").ask("n1")
    (tmp_path / answer.expanded("%C")).touch()
    assert len(answer.expanded("%C")) == 40
    assert (await settings(f"IdentityFile {tmp_path}/%C\n"))[1].identities == (
        str(tmp_path / answer.expanded("%C")),
    )


@pytest.mark.parametrize(
    ("text", "agent", "socket"),
    [
        ("", True, None),
        ("IdentityAgent none\n", False, None),
        ("IdentityAgent SSH_AUTH_SOCK\n", True, None),
        ("IdentityAgent $AGENT\n", True, "/run/agent"),
        ("IdentityAgent $NO_SUCH_AGENT\n", False, None),
        ("IdentityAgent /run/%r\n", True, f"/run/{ME}"),
    ],
)
async def test_the_agent_is_the_one_that_ssh_would_ask(
    text: str, agent: bool, socket: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a setting the base decides."""
    monkeypatch.setenv("AGENT", "/run/agent")
    (node,) = await SshLogin(OpenSsh(text), SshSettings(agent=True)).nodes([("n1", Given())])
    assert (node.ssh.agent, node.ssh.agent_socket) == (agent, socket)


async def test_a_public_half_is_enough_to_name_a_key_of_the_agent(tmp_path: Path) -> None:
    """The private half may be in the agent alone."""
    (tmp_path / "token.pub").touch()
    assert (await settings(f"IdentityFile {tmp_path}/token\n"))[1].identities == (f"{tmp_path}/token",)


async def test_a_bastion_is_evaluated_like_any_host(key: str) -> None:
    """Address, user, port and files come from its own lines, and its own bastion goes first."""
    address, found = await settings(
        f"Host inner\n HostName 10.0.0.1\n User i\n IdentityFile {key}\n ProxyJump outer\n"
        "Host outer\n HostName outer.example.com\n Port 2222\n ProxyCommand x %n %h\n"
        "Host last\n ProxyJump unused\nHost n1\n ProxyJump x@inner,[2001:db8::1]:23,last\nHost *\n"
    )
    outer = f"{ME}@outer.example.com:2222"
    assert address == "n1"
    assert found.jump == (outer, "x@10.0.0.1:22", f"{ME}@[2001:db8::1]:23", f"{ME}@last:22")
    assert [hop.identities for hop in found.bastions] == [(), (key,), (), ()]
    assert [hop.jump for hop in found.bastions] == [found.jump[:count] for count in range(4)]
    assert [hop.proxy_command for hop in found.bastions] == ["x outer %h", None, None, None]


@pytest.mark.parametrize(
    ("line", "legacy"),
    [
        ("HostKeyAlgorithms +ssh-rsa", True),
        ("KexAlgorithms diffie-hellman-group14-sha1", True),
        ("PubkeyAcceptedKeyTypes ^ssh-rsa,ssh-ed25519", True),
        ("HostKeyAlgorithms -ssh-rsa", False),
        ("HostKeyAlgorithms rsa-sha2-512", False),
        ("MACs hmac-sha1", False),  # one of ssh's own defaults
    ],
)
async def test_a_host_that_ssh_allows_older_algorithms_may_use_them(line: str, legacy: bool) -> None:
    """As with ``ssh.legacy: true`` in a configuration of skewmon."""
    text = f"Host old*\n  {line}\nHost *\n"
    assert (await settings(text, "old1"))[1].legacy is legacy
    assert (await settings(text, "new1"))[1].legacy is False


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ProxyUseFdpass yes\nProxyCommand x\n", "n1 has ProxyUseFdpass, which is not supported"),
        ("ProxyJump n1\n", "jumphost loop via n1"),
        ("Host n1\n ProxyJump a\nHost a\n ProxyJump b\nHost b\n ProxyJump a\n", "more than 8 hops"),
        ("ProxyJump a:x\n", "ssh refuses the configuration: .*ProxyJump"),
        ("IdentityFile /%Z\n", "the token %Z of '/%Z' has no meaning there"),
        ("IdentityFile ${NO_SUCH_VARIABLE_HERE}\n", "the variable NO_SUCH_VARIABLE_HERE is not set"),
        ("IdentityFile ~no-such-user-here/k\n", "home of an unknown user"),
        ("KnownHostsCommand /x 'y\n", "ssh refuses the configuration"),
        ('HostName "a b"\n', "'a b' is not a host name"),
        ("NoSuchKeyword x\n", "Bad configuration option: nosuchkeyword"),
    ],
)
async def test_a_host_that_cannot_be_used_has_a_refusal(text: str, words: str) -> None:
    """Passing over it would reach another machine, or none."""
    _, found = await settings(text)
    with pytest.raises(AssertionError, match=words):
        assert not found.refusal, found.refusal


async def test_a_command_that_hangs_is_ended_and_costs_its_host_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With everything that it started."""
    monkeypatch.setattr(openssh, "EVALUATION_TIMEOUT_S", 1.0)
    monkeypatch.setenv("FLEET_MARK", str(tmp_path))
    text = 'Match originalhost bad exec "sleep 600 & sleep 600"\n User x\n'
    began_s = time.monotonic()
    nodes = await SshLogin(OpenSsh(text)).nodes([(host, Given()) for host in ("n1", "bad", "n2")])
    assert ["took longer than 1 s" in node.ssh.refusal for node in nodes] == [False, True, False]
    assert time.monotonic() - began_s < 300
    while with_mark(str(tmp_path)):  # killed, and gone as soon as the kernel has its turn
        assert time.monotonic() - began_s < 300


async def test_all_hosts_together_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand hosts of a command that hangs take no longer than one."""
    monkeypatch.setattr(openssh, "TOTAL_TIMEOUT_S", 0.5)
    monkeypatch.setattr(openssh, "AT_ONCE", 2)
    hosts = [(f"n{number}", Given()) for number in range(20)]
    began_s = time.monotonic()
    nodes = await SshLogin(OpenSsh('Match exec "sleep 600"\n User x\n')).nodes(hosts)
    assert all("took longer than" in node.ssh.refusal for node in nodes)
    assert time.monotonic() - began_s < 300


async def test_a_host_is_evaluated_once(tmp_path: Path) -> None:
    """However many nodes need it."""
    count = tmp_path / "count"
    text = f'Match originalhost hop exec "echo >>{count}"\n User x\nHost n*\n ProxyJump hop\n'
    await SshLogin(OpenSsh(text)).nodes([(f"n{number}", Given()) for number in range(10)])
    assert count.read_text() == "\n"


# --- the live source -----------------------------------------------------------------------------------

BASE = SshSettings(
    user="skewmon", identities=("/key",), known_hosts=("/dev/null",), jump=("hop",), agent=True
)


def write(directory: Path, text: str, name: str = "config") -> str:
    """Write a file and return its path."""
    path = directory / name
    path.write_text(text)
    return str(path)


async def read(path: str, pattern: str, base: SshSettings = BASE) -> list[Node]:
    """Return the nodes of one file."""
    return (await ssh_config.read(SourceSpec(ssh_config=path, hosts=pattern), Context(base))).nodes


async def test_named_hosts_that_match_are_nodes(tmp_path: Path) -> None:
    """Patterns are no hosts; includes are looked into; a pattern may exclude."""
    write(tmp_path, "Host 'etcd2' etcd9 # not etcd3\n", "more 1")
    path = write(
        tmp_path,
        f'Include "{tmp_path}/more*"\nHOST = "etcd1" web1 web[1]\n HostName %h.example.com\n'
        "Host etcd* !web1\n Port 2222\n",
        "a [config]*",
    )
    nodes = await read(path, "etcd*,web[1],!etcd9")
    assert [(n.name, n.address, n.ssh.port) for n in nodes] == [
        ("etcd1", "etcd1.example.com", 2222),
        ("etcd2", "etcd2", 2222),
    ]


async def test_what_the_file_leaves_open_stays_as_the_cluster_says(tmp_path: Path) -> None:
    """Each setting alone, also if the file sets the value that ssh has by default."""
    path = write(
        tmp_path,
        f"Host a\nHost b\n User {ME}\n Port 22\n IdentityFile {tmp_path}/config\n"
        f" UserKnownHostsFile {tmp_path}/config\n ProxyJump none\n HostKeyAlias c\n IdentityAgent none\n"
        " ConnectTimeout 3\nHost c\n ProxyCommand x %h\n",
    )
    base = replace(BASE, port=2222)
    a, b, c = await read(path, "*", base)
    assert a == Node("a", "a", base)
    assert b.ssh == replace(
        PLAIN, identities=(path,), known_hosts=(path,), connect_timeout_s=3.0, host_key_alias="c"
    )
    assert (c.ssh.jump, c.ssh.proxy_command) == ((), "x %h")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no such file"),
        ("Host n*\n", "no Host of .* matches"),
        ('Host "n1\n', "config:1: no closing quotation"),
    ],
)
async def test_a_bad_file_is_refused(text: str | None, words: str, tmp_path: Path) -> None:
    """As a fault of the inventory."""
    path = str(tmp_path / "none") if text is None else write(tmp_path, text)
    with pytest.raises(InventoryError, match=words):
        await read(path, "*")


async def test_a_bad_host_costs_itself_alone(tmp_path: Path) -> None:
    """The others keep their settings."""
    path = write(tmp_path, "Host n1 n2\nHost n1\n IdentityFile ${NO_SUCH_VARIABLE_HERE}\n")
    n1, n2 = await read(path, "*")
    assert n1.ssh.refusal == "the variable NO_SUCH_VARIABLE_HERE is not set"
    assert n2 == Node("n2", "n2", BASE)


async def test_without_ssh_the_inventory_says_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one sentence."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InventoryError, match=r"there is no ssh in PATH.*install the OpenSSH client"):
        await read(write(tmp_path, "Host n1\n"), "*")


WORDS = [
    "Host",
    "Include",
    "include ",
    "'",
    '"',
    "\\",
    "#",
    "=",
    "n1",
    "*",
    "~",
    " ",
    "\n",
    "\t",
    "\0",
    "${HOME}",
]


@given(st.lists(st.sampled_from(WORDS), max_size=40).map("".join))
def test_any_text_gives_hosts_or_an_inventory_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    """No other exception leaves the reader."""
    path = write(tmp_path_factory.mktemp("any"), text)
    with suppress(InventoryError):
        assert ssh_config.hosts(path, ["*"])
