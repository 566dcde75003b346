"""Arguments of ssh in Ansible's variables."""

import shlex
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skewmon.inventory.ssh_arguments import with_arguments
from skewmon.model import SshSettings

BASE = SshSettings(user="skewmon", identities=("/key",), jump=("cluster-gate",), known_hosts=("/hosts",))


def read(text: str) -> SshSettings:
    """Return the settings with the arguments of a text."""
    return with_arguments(BASE, shlex.split(text), "/inventory", is_data=False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-C -o ControlMaster=auto -o ControlPersist=60s",
        "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
        "-oBatchMode=yes -tt -vvv -o 'ServerAliveInterval 30' -4",
    ],
)
def test_options_that_change_nothing_are_left_out(text: str) -> None:
    """The settings of the cluster stay; host keys are verified in any case."""
    assert read(text) == BASE


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("-J gate", {"jump": ("gate",)}),
        ("-Jops@gate:2222,[2001:db8::1]:22", {"jump": ("ops@gate:2222", "[2001:db8::1]:22")}),
        ("-o ProxyJump=gate", {"jump": ("gate",)}),
        ("-oproxyjump=gate -o ProxyCommand='nc gate'", {"jump": ("gate",)}),
        ("-o 'ProxyJump gate'", {"jump": ("gate",)}),
        ("-o ProxyJump=none", {"jump": ()}),
        ("-o ProxyCommand=none -J gate", {"jump": ()}),
        (
            """-o ProxyCommand='ssh -W "[%h]:%p" -q gate'""",
            {"jump": (), "proxy_command": 'ssh -W "[%h]:%p" -q gate'},
        ),
        (
            """-o 'ProxyCommand="ssh -W %h:%p gate"'""",
            {"jump": (), "proxy_command": "ssh -W %h:%p gate"},
        ),
        ("-p 2222 -p 2223", {"port": 2222}),
        ("-Ap2222", {"port": 2222}),
        ("-l ops -o User=root", {"user": "ops"}),
        ("-i keys/n1", {"identities": ("/inventory/keys/n1",)}),
        ("-o IdentitiesOnly=yes", {"identities_only": True}),
        ("-o UserKnownHostsFile='/a /b'", {"known_hosts": ("/a", "/b")}),
        ("-o HostKeyAlias=db1", {"host_key_alias": "db1"}),
    ],
)
def test_options_that_lead_to_the_host_are_read(text: str, changed: dict[str, Any]) -> None:
    """The first value counts, and of ProxyJump and ProxyCommand the first one."""
    assert read(text) == replace(BASE, **changed)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("-F /etc/other", "the option '-F' of ssh is not read"),
        ("-o Ciphers=aes256-ctr", "the option 'ciphers' of ssh is not read"),
        ("-o ProxyUseFdpass=yes", "the option 'proxyusefdpass' of ssh is not read"),
        ("-o BindAddress=10.0.0.1", "the option 'bindaddress' of ssh is not read"),
        ("-o HostName=10.0.0.1", "the option 'hostname' of ssh is not read"),
        ("gate", "'gate' is not an option of ssh"),
        ("-J", "the option 'proxyjump' of ssh has no value"),
        ("-o", "the option '' of ssh is not read"),
        ("-p 22x", "'22x' is not a port"),
        ("-J 'a b'", "is not a host name"),
        ("-J -oProxyCommand=id", "'-oProxyCommand=id' is not a host name"),
        ("-J " + ",".join(["gate"] * 9), "ProxyJump has 9 hops; at most 8"),
        ("-i ~/.ssh/%r", "has a token"),
        ("-l -x", "'-x' is not a user name"),
    ],
)
def test_any_other_argument_refuses_its_host(text: str, words: str) -> None:
    """Reached in another way than Ansible does, it might be another machine."""
    with pytest.raises(ValueError, match=words):
        read(text)


words_of_ssh = st.sampled_from(["-o", "-J", "-p", "-oProxyJump=", "-oPort="])


@given(st.lists(st.text(max_size=12) | words_of_ssh, max_size=8))
def test_any_words_are_read_or_refused(words: list[str]) -> None:
    """No other error leaves the parser."""
    try:
        with_arguments(BASE, words, "/inventory", is_data=False)
    except ValueError:
        return
