"""The commands that advice gives for reaching a node: those of a person, not those of skewmon itself."""

import pytest

from skewmon.model import Cluster, Node, SshSettings, commands
from skewmon.model.commands import Access

SERVICE_KEY = ("/run/credentials/skewmon.service/ssh_key",)


@pytest.mark.parametrize(
    ("ssh", "command"),
    [
        (SshSettings(), "ssh 10.0.0.1 w"),
        (SshSettings(user="u", port=2222, jump=("a", "b")), "ssh -p 2222 -J a,b u@10.0.0.1 w"),
        (SshSettings(proxy_command="nc %h %p"), "ssh -o 'ProxyCommand=nc %h %p' 10.0.0.1 w"),
        (SshSettings(user="u", port=2222, login="ssh n1"), "ssh n1 w"),
        (SshSettings(user="skewmon", jump=("skewmon@a:23", "x@b")), "ssh -J a:23,x@b 10.0.0.1 w"),
        (SshSettings(user="skewmon", advice_user="ops", jump=("a",)), "ssh -J ops@a ops@10.0.0.1 w"),
        (SshSettings(user="root", advice_user="ops"), "ssh ops@10.0.0.1 w"),
    ],
    ids=["plain", "bastions", "a command", "an alias", "the restricted account", "advice_user", "not root"],
)
def test_a_line_for_a_node_is_typed_by_a_person(ssh: SshSettings, command: str) -> None:
    """The restricted account answers skewmon and can do nothing else, so its name is in no line."""
    assert Access(Node("n1", "10.0.0.1", ssh)).run("w") == command


@pytest.mark.parametrize(
    ("ssh", "command"),
    [
        (SshSettings(user="u"), "ssh -t u@10.0.0.1 sudo w"),
        (SshSettings(user="root"), "ssh root@10.0.0.1 w"),
        (SshSettings(user="root", login="ssh n1"), "ssh n1 w"),
        (SshSettings(user="u", login="ssh -p 23 n1"), "ssh -t -p 23 n1 sudo w"),
    ],
)
def test_root_needs_no_sudo_and_may_have_none(ssh: SshSettings, command: str) -> None:
    """Any other login gets a terminal, for sudo may ask for a password."""
    assert Access(Node("n1", "10.0.0.1", ssh)).run("sudo w", terminal=True) == command


@pytest.mark.parametrize(
    ("access", "command"),
    [
        (Access(Node("n1", "a")), "skewmon probe n1 -v"),
        (Access(Node("-n", "a")), "skewmon probe -v -- -n"),
        (Access(Node("n1", "a"), "/my file"), "skewmon probe --config.file '/my file' n1 -v"),
        (
            Access(Node("n1", "a", SshSettings(identities=SERVICE_KEY)), "/f"),
            "sudo skewmon probe --config.file /f n1 -v",
        ),
        (
            Access(Node("n1", "a", SshSettings(login="ssh -i k -l u -p 23 -J b n1"))),
            "skewmon probe -v -i k -l u -p 23 -J b n1",
        ),
    ],
)
def test_a_probe_reaches_the_node_as_the_round_did(access: Access, command: str) -> None:
    """By its configuration, as root if the service's key is needed, or by the options that the user gave."""
    assert access.probe == command


def test_a_node_that_is_measured_by_ntp_is_probed_instead() -> None:
    """It has no login."""
    node = Node("sw1", "a", SshSettings(port=123), "ntp")
    assert Access(node, "/f").run("chronyc tracking") == "skewmon probe --config.file /f sw1 -v"


def test_commands_for_a_cluster_name_its_configuration() -> None:
    """And are typed as root if the service's key is needed."""
    cluster = Cluster("a b", (Node("n1", "a", SshSettings(identities=SERVICE_KEY)),), config_file="/f")
    assert commands.check(cluster) == "sudo skewmon check --config.file /f --cluster 'a b'"
    assert commands.probe(cluster, "n1") == "sudo skewmon probe --config.file /f n1 -v"


@pytest.mark.parametrize(
    ("ssh", "command"),
    [
        (SshSettings(jump=("gate",)), "ssh gate w"),
        (SshSettings(jump=("gate", "op@inner:23")), "ssh -J gate -p 23 op@inner w"),
        (SshSettings(user="skewmon", jump=("skewmon@[2001:db8::1]:23",)), "ssh -p 23 2001:db8::1 w"),
        (SshSettings(jump=("2001:db8::1",), advice_user="ops"), "ssh ops@2001:db8::1 w"),
        (SshSettings(vantage="v:24"), "ssh -p 24 v w"),
    ],
)
def test_a_line_for_the_last_bastion_passes_the_others(ssh: SshSettings, command: str) -> None:
    """Only the bastion reaches the node."""
    assert commands.on_bastion(ssh, "w") == command


def test_a_login_step_by_step_is_that_of_skewmon() -> None:
    """With its key and its user, as root if only root can read the key; or by the alias of the user."""
    own = SshSettings(user="skewmon", port=23, identities=SERVICE_KEY)
    assert commands.verbose_login("a", own) == f"sudo ssh -vv -i {SERVICE_KEY[0]} -p 23 skewmon@a"
    assert commands.verbose_login("a", SshSettings(login="ssh db")) == "ssh -vv db"
