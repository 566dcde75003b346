"""The command that advice names for logging in to a node."""

import pytest

from skewmon.model import Node, SshSettings
from skewmon.monitor.evaluate import login


@pytest.mark.parametrize(
    ("ssh", "command"),
    [
        (SshSettings(), "ssh 10.0.0.1"),
        (SshSettings(user="u", port=2222, jump=("a", "b")), "ssh -p 2222 -J a,b u@10.0.0.1"),
        (SshSettings(proxy_command="nc %h %p"), "ssh -o 'ProxyCommand=nc %h %p' 10.0.0.1"),
        (SshSettings(user="u", port=2222, login="ssh n1"), "ssh n1"),
    ],
    ids=["plain", "through bastions", "through a command", "by the name in ssh_config"],
)
def test_the_command_reaches_the_node_as_skewmon_does(ssh: SshSettings, command: str) -> None:
    """It can be pasted into a shell."""
    assert login(Node("n1", "10.0.0.1", ssh)) == command
