"""The commands that a fault of the network advises."""

import socket

import asyncssh
import pytest

from skewmon.errors import Reason
from skewmon.model import SshSettings
from skewmon.probe.faults import dial_error, login_error, lookup_error

UNVERIFIABLE = asyncssh.HostKeyNotVerifiable("no")


@pytest.mark.parametrize(
    ("address", "ssh", "command"),
    [
        ("n1.example.com", SshSettings(), "skewmon keys scan n1.example.com"),
        ("n1.example.com", SshSettings(port=2222), "skewmon keys scan n1.example.com:2222"),
        ("2001:db8::1", SshSettings(), "skewmon keys scan 2001:db8::1"),
        ("2001:db8::1", SshSettings(port=2222), "skewmon keys scan '[2001:db8::1]:2222'"),
        ("n1", SshSettings(known_hosts=("/my kh",)), "skewmon keys scan --known-hosts '/my kh' n1"),
        (
            "10.0.0.1",
            SshSettings(jump=("gate", "op@inner:23")),
            "ssh -J gate -p 23 op@inner ssh-keyscan -p 22 10.0.0.1",
        ),
    ],
)
def test_an_unknown_host_key_is_collected_as_the_guide_says(
    address: str, ssh: SshSettings, command: str
) -> None:
    """By skewmon, at the port that the node has; behind a bastion only the bastion can ask."""
    error = login_error(UNVERIFIABLE, "n1", address, ssh)
    assert error.reason is Reason.HOST_KEY_UNKNOWN
    assert error.advice.endswith(f": {command}")


def test_advice_uses_the_name_by_which_the_user_logs_in() -> None:
    """The alias of ~/.ssh/config, and not the address behind it."""
    ssh = SshSettings(port=2222, login="ssh db")
    assert login_error(UNVERIFIABLE, "db", "10.0.0.1", ssh).advice.endswith(": skewmon keys scan db")
    assert login_error(TimeoutError(), "db", "10.0.0.1", ssh).advice.endswith(": ssh -vv db")
    assert login_error(TimeoutError(), "db", "10.0.0.1", SshSettings()).advice.endswith(
        "ssh -vv -p 22 10.0.0.1"
    )


def test_an_absent_zone_is_not_a_name_that_does_not_resolve() -> None:
    """The interface is missing on this machine; no name server and no route has a part in it."""
    with pytest.raises(socket.gaierror) as caught:
        socket.getaddrinfo("fe80::1%no-such-if", 22)
    error = lookup_error(caught.value, "fe80::1%no-such-if", SshSettings())
    assert error.reason is Reason.NAME_NOT_RESOLVED
    assert error.detail.startswith("This machine has no interface no-such-if, ")
    assert error.advice == "List its interfaces: ip -brief link"
    numbered = socket.getaddrinfo("fe80::1%4000000000", 22, type=socket.SOCK_STREAM)[0]
    with socket.socket(numbered[0]) as sock, pytest.raises(OSError) as refused:
        sock.connect(numbered[4])
    error = dial_error(refused.value, "fe80::1%4000000000", SshSettings())
    assert error.detail.startswith("This machine has no interface 4000000000, ")
