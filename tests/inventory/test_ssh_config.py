"""Logging in as ssh would, and the hosts of an ssh configuration as live nodes."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skewmon.config.schema import SourceSpec
from skewmon.errors import ConfigError, InventoryError
from skewmon.inventory import ssh_config
from skewmon.inventory.settings import Context
from skewmon.inventory.ssh_config import settings_for
from skewmon.inventory.ssh_lines import ConfigFile, Line, Reader, parse_lines
from skewmon.inventory.ssh_surroundings import Given, Surroundings
from skewmon.model import Node, SshSettings


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home with an empty .ssh."""
    (tmp_path / ".ssh").mkdir()
    return tmp_path


@pytest.fixture
def around(home: Path) -> Surroundings:
    """Return surroundings that know nothing of this machine."""
    return Surroundings(
        user="me",
        home=str(home),
        uid=1000,
        agent_socket=None,
        files=(
            ConfigFile(f"{home}/.ssh/config", f"{home}/.ssh", private=True),
            ConfigFile(f"{home}/ssh_config", f"{home}"),
        ),
        global_known_hosts=(f"{home}/ssh_known_hosts", f"{home}/ssh_known_hosts2"),
    )


def write(home: Path, text: str, name: str = ".ssh/config") -> str:
    """Write a file under the home and return its path."""
    path = home / name
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def test_without_any_file_the_defaults_are_those_of_ssh(around: Surroundings) -> None:
    """The local user, port 22, no key, no known host: nothing can be trusted and nothing is."""
    assert settings_for("n1", around) == ("n1", SshSettings(user="me", port=22))


def test_the_usual_files_count_where_they_exist(home: Path, around: Surroundings) -> None:
    """Keys in ssh's order, host keys of the user before those of the machine."""
    for name in ("id_ed25519", "id_rsa", "id_ed25519_sk", "known_hosts", "known_hosts2"):
        write(home, "", f".ssh/{name}")
    write(home, "", "ssh_known_hosts")
    _, found = settings_for("n1", around)
    assert found.identities == (f"{home}/.ssh/id_rsa", f"{home}/.ssh/id_ed25519")
    assert found.known_hosts == (
        f"{home}/.ssh/known_hosts",
        f"{home}/.ssh/known_hosts2",
        f"{home}/ssh_known_hosts",
    )


def test_the_users_file_goes_before_that_of_the_machine(home: Path, around: Surroundings) -> None:
    """First value wins, across files too."""
    write(home, "User a\n")
    write(home, "User b\nPort 2222\n", "ssh_config")
    _, found = settings_for("n1", around)
    assert (found.user, found.port) == ("a", 2222)


def test_the_command_line_goes_before_every_file(home: Path, around: Surroundings) -> None:
    """Its key is offered first, and its known hosts are the only ones."""
    key = write(home, "", ".ssh/of-config")
    write(home, f"Host n1\nUser a\nPort 1\nIdentityFile {key}\nProxyJump hop\nUserKnownHostsFile {key}\n")
    given = Given(user="b", port=2, identities=("/k",), known_hosts=("/kh",), jump=("c@h:3",))
    assert settings_for("n1", around, given) == (
        "n1",
        SshSettings(user="b", port=2, identities=("/k", key), known_hosts=("/kh",), jump=("c@h:3",)),
    )


def test_no_known_hosts_means_that_nothing_is_known(home: Path, around: Surroundings) -> None:
    """Never that nothing is checked; and StrictHostKeyChecking changes nothing."""
    write(home, "", ".ssh/known_hosts")
    write(home, "UserKnownHostsFile none\nStrictHostKeyChecking no\n")
    assert settings_for("n1", around)[1].known_hosts == ()


def test_identities_that_do_not_exist_are_passed_over(home: Path, around: Surroundings) -> None:
    """As ssh does; the default keys do not come back for that."""
    write(home, "", ".ssh/id_rsa")
    write(home, "IdentityFile ~/.ssh/gone\n")
    assert settings_for("n1", around)[1].identities == ()
    write(home, "IdentityFile none\n")
    assert settings_for("n1", replace(around, reader=Reader()))[1].identities == ()


@pytest.mark.parametrize(
    ("text", "socket", "agent"),
    [
        ("", None, False),
        ("", "/run/agent", True),
        ("IdentityAgent none\n", "/run/agent", False),
        ("IdentityAgent SSH_AUTH_SOCK\n", "/run/agent", True),
        ("IdentityAgent $AGENT\n", "/run/agent", True),
        ("IdentityAgent /run/agent\n", "/run/agent", True),
    ],
)
def test_the_agent_is_asked_where_ssh_would(
    text: str,
    socket: str | None,
    agent: bool,
    home: Path,
    around: Surroundings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is the one of SSH_AUTH_SOCK or none."""
    monkeypatch.setenv("AGENT", "/run/agent")
    write(home, text)
    assert settings_for("n1", replace(around, agent_socket=socket))[1].agent is agent


def test_a_public_half_is_enough_to_name_a_key_of_the_agent(home: Path, around: Surroundings) -> None:
    """The private half may live in the agent alone."""
    write(home, "", ".ssh/token.pub")
    write(home, "IdentityFile ~/.ssh/token\nIdentitiesOnly yes\n")
    _, found = settings_for("n1", replace(around, agent_socket="/run/agent"))
    assert (found.identities, found.identities_only) == ((f"{home}/.ssh/token",), True)


def test_only_the_named_keys_of_the_agent_are_asked_for(home: Path, around: Surroundings) -> None:
    """IdentitiesOnly is passed on."""
    write(home, "Host n1\n IdentitiesOnly yes\n")
    assert settings_for("n1", around)[1].identities_only
    assert not settings_for("n2", around)[1].identities_only


def test_a_bastion_is_looked_up_like_any_host(home: Path, around: Surroundings) -> None:
    """Address, user and port come from its own lines, and its own bastion goes first."""
    write(
        home,
        "Host inner\n HostName 10.0.0.1\n User i\n ProxyJump outer\n"
        "Host outer\n HostName outer.example.com\n Port 2222\n"
        "Host n*\n ProxyJump x@inner,ssh://[2001:db8::1]:23\n",
    )
    assert settings_for("n1", around)[1].jump == (
        "me@outer.example.com:2222",
        "x@10.0.0.1:22",
        "me@[2001:db8::1]:23",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ProxyCommand nc %h %p\n", "n1 is reached by ProxyCommand, which skewmon does not run"),
        ("Host n1\n ProxyJump hop\nHost hop\n ProxyCommand nc %h\n", "hop is reached by ProxyCommand"),
        ("Host *\n ProxyJump hop\n", "leads back to itself"),
        ("ProxyJump a b c\n", "takes one value"),
        ("ProxyJump a:x\n", "expected a port"),
        ("Match exec true\n User a\n", "Match exec runs a command, which skewmon does not do"),
        ("Match localnetwork 10.0.0.0/8\n", "Match localnetwork is not supported"),
        ("IdentityFile ~/.ssh/%C\n", "the token %C is not supported"),
        ("IdentityFile ${NO_SUCH_VARIABLE_HERE}\n", "the variable NO_SUCH_VARIABLE_HERE is not set"),
        ("IdentityFile ~no-such-user-here/k\n", "home of an unknown user"),
        ("IdentityAgent /other\n", "set SSH_AUTH_SOCK=/other"),
        ("HostName a b\n", "takes one value"),
        ('HostName "a b"\n', "'a b' is not a host name"),
        ("HostName %p\n", "is not a host name"),
        ("Include config\n", "Include goes deeper than 16 levels"),
    ],
)
def test_what_cannot_be_done_is_refused(text: str, words: str, home: Path, around: Surroundings) -> None:
    """Passing over it would reach another machine, or none, without a word."""
    write(home, text)
    with pytest.raises(ConfigError) as caught:
        settings_for("n1", around)
    assert words in str(caught.value)


def test_a_fault_names_the_line(home: Path, around: Surroundings) -> None:
    """File and line, as ssh tells them."""
    path = write(home, "User a\n\nMatch exec true\n")
    with pytest.raises(ConfigError) as caught:
        settings_for("n1", around)
    assert str(caught.value).startswith(f"{path}:3: ")


def test_a_file_that_others_may_write_to_is_refused(home: Path, around: Surroundings) -> None:
    """Whoever writes to it decides where one's key is offered."""
    path = Path(write(home, "User a\n"))
    path.chmod(0o666)
    with pytest.raises(ConfigError, match="others may write to it"):
        settings_for("n1", around)


WORDS = [
    *("Host", "Match", "host", "all", "final", "!", "n1", "*", "=", "'", '"', "\\", "#", "Include", "User"),
    *("Port", "22", "HostName", "%h", "%", "ProxyJump", "IdentityFile", "~", "none", " ", "\n", "\t", "\0"),
    "${HOME}",
]


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(WORDS),
        max_size=40,
    ).map("".join)
)
def test_any_text_gives_settings_or_a_told_fault(text: str) -> None:
    """Nothing but ConfigError comes out."""
    reader = Reader({"config": tuple(ssh_config_lines(text))})
    around = Surroundings("me", "/nowhere", 1, None, (ConfigFile("config", "/nowhere"),), (), reader)
    try:
        address, found = settings_for("n1", around)
    except ConfigError as error:
        address, found = str(error), SshSettings()
    assert address
    assert 1 <= found.port <= 65535


def ssh_config_lines(text: str) -> list[Line]:
    """Return the lines of a text, none where it is refused as a whole."""
    try:
        return parse_lines(text, "config")
    except ConfigError:
        return []


def test_the_surroundings_of_this_process_can_be_had() -> None:
    """The home comes from the user database, as ssh takes it."""
    assert Surroundings.here().files[0].path.endswith("/.ssh/config")


# --- the live source -----------------------------------------------------------------------------------

BASE = SshSettings(user="skewmon", identities=("/key",), known_hosts=("/kh",), jump=("hop",), agent=True)


async def read(path: str, pattern: str) -> list[Node]:
    """Return the nodes of one file."""
    return await ssh_config.read(SourceSpec(ssh_config=path, hosts=pattern), Context(BASE))


async def test_named_hosts_that_match_are_nodes(home: Path) -> None:
    """Patterns are no hosts; includes are looked into; a pattern may exclude."""
    write(home, "Host etcd2 etcd9\n", ".ssh/more")
    path = write(
        home, "Include more\nHost etcd1 web1\n HostName %h.example.com\nHost etcd* !web1\n Port 2222\n"
    )
    nodes = await read(path, "etcd*,!etcd9")
    assert [(n.name, n.address, n.ssh.port) for n in nodes] == [
        ("etcd1", "etcd1.example.com", 2222),
        ("etcd2", "etcd2", 2222),
    ]


async def test_what_the_file_leaves_open_stays_as_the_cluster_says(home: Path) -> None:
    """Only what is said is taken over."""
    key = write(home, "", "key")
    path = write(
        home,
        f"Host a\nHost b\n User u\n Port 2\n IdentityFile {key}\n UserKnownHostsFile /x\n ProxyJump none\n"
        " HostKeyAlias c\n IdentityAgent none\n ConnectTimeout 3\n",
    )
    a, b = await read(path, "*")
    assert a == Node("a", "a", BASE)
    assert b.ssh == SshSettings(
        user="u", port=2, identities=(key,), known_hosts=("/x",), connect_timeout_s=3.0, host_key_alias="c"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "says nothing or does not exist"),
        ("Host n*\n", "no Host of .* matches"),
        ("Host n1\n ProxyCommand x\n", "ProxyCommand"),
        ("Host n1\n Port x\n", "Port 'x' is not a number"),
    ],
)
async def test_a_bad_file_is_told(text: str | None, words: str, home: Path) -> None:
    """As a fault of the inventory."""
    path = f"{home}/none" if text is None else write(home, text)
    with pytest.raises(InventoryError, match=words):
        await read(path, "*")


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
def test_a_host_that_ssh_allows_older_algorithms_may_use_them(
    line: str, legacy: bool, home: Path, around: Surroundings
) -> None:
    """As with ``ssh.legacy: true`` in a configuration of skewmon."""
    write(home, f"Host old*\n  {line}\n")
    assert settings_for("old1", around)[1].legacy is legacy
    assert settings_for("new1", around)[1].legacy is False
