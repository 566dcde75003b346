"""What a fault of the network tells an operator to type."""

import asyncssh
import pytest

from skewmon.errors import Reason
from skewmon.model import SshSettings
from skewmon.probe.faults import login_error

UNVERIFIABLE = asyncssh.HostKeyNotVerifiable("no")


@pytest.mark.parametrize(
    ("address", "ssh", "command"),
    [
        ("n1.example.com", SshSettings(), "skewmon keys scan n1.example.com"),
        ("n1.example.com", SshSettings(port=2222), "skewmon keys scan n1.example.com:2222"),
        ("2001:db8::1", SshSettings(), "skewmon keys scan 2001:db8::1"),
        ("2001:db8::1", SshSettings(port=2222), "skewmon keys scan [2001:db8::1]:2222"),
        ("10.0.0.1", SshSettings(jump=("gate", "op@inner:23")), "ssh-keyscan -p 22 10.0.0.1 on op@inner:23"),
    ],
)
def test_an_unknown_host_key_is_collected_as_the_guide_says(
    address: str, ssh: SshSettings, command: str
) -> None:
    """By skewmon, at the port that the node has; behind a bastion only the bastion can ask."""
    error = login_error(UNVERIFIABLE, "n1", address, ssh)
    assert error.reason is Reason.HOST_KEY_UNKNOWN
    assert error.advice.endswith(f": {command}")
