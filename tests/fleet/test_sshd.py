"""The fleet: real servers, known clocks, logins of every kind, and nothing left behind."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
import yaml

from tests.fleet.clocks import base_ns
from tests.fleet.node import hides, path_without
from tests.fleet.processes import descendants, state_of, with_mark
from tests.fleet.sshd import Fleet, FleetNode, Login

NS_PER_S = 1_000_000_000


def ssh(fleet: Fleet, node: FleetNode, command: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command on a node with OpenSSH's own client."""
    config = fleet.write_ssh_config(fleet.identity.with_name("ssh_config"))
    return subprocess.run(
        ["ssh", "-F", str(config), "-o", "BatchMode=yes", node.name, command],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """Start eight nodes, all different, for the tests that change nothing."""
    logins = {
        "n2": Login(shell="/bin/dash"),
        "n3": Login(shell="/usr/bin/tcsh", without=("python3", "perl")),
        "n4": Login(rc_files={".bashrc": "echo welcome\n"}, commands={"date": "/bin/busybox"}),
        "n5": Login(forced_command='echo "forced: $SSH_ORIGINAL_COMMAND"'),
        "n7": Login(server="dropbear", shell="/bin/dash", without=("python3",)),
        "n8": Login(server="bullseye", without=("perl",)),
        "n6": Login(shimmed=False, environment={"TMOUT": "7"}, sshd_lines=("Banner /etc/hostname",)),
    }
    with Fleet(8, logins=logins, offsets_ns=[0, 70 * NS_PER_S, -NS_PER_S]) as one:
        yield one


@pytest.mark.parametrize("name", ["n1", "n2", "n3", "n7", "n8"])
def test_each_node_has_its_own_clock(fleet: Fleet, name: str) -> None:
    """The output of date on a node is that node's truth."""
    node = fleet[name]
    before = base_ns()
    seconds, _, decimals = ssh(fleet, node, "date +%s.%N").stdout.strip().partition(".")
    after = base_ns()
    assert node.clock.truth(before) <= int(seconds) * NS_PER_S + int(decimals) <= node.clock.truth(after)


def test_nodes_differ_by_exactly_what_was_asked_for(fleet: Fleet) -> None:
    """Nodes share an origin, so no reading error lies between their truths."""
    now = base_ns()
    assert fleet["n2"].clock.truth(now) - fleet["n1"].clock.truth(now) == 70 * NS_PER_S
    assert fleet["n3"].clock.truth(now) - fleet["n1"].clock.truth(now) == -NS_PER_S


def test_a_login_finds_the_shell_and_home_that_were_asked_for(fleet: Fleet) -> None:
    """The login shell is the one asked for and the home holds the rc files."""
    for name, shell in (("n2", "/bin/dash"), ("n3", "/usr/bin/tcsh")):
        home = fleet[name].directory / "home"
        assert ssh(fleet, fleet[name], "echo $SHELL $HOME").stdout.split() == [shell, str(home)]
    assert ssh(fleet, fleet["n4"], "true").stdout == "welcome\n"


def test_a_login_finds_only_the_programs_it_may(fleet: Fleet) -> None:
    """Programs that a node lacks are not on its PATH; their replacements answer instead."""
    answer = ssh(fleet, fleet["n3"], "sh -c 'command -v python3; command -v perl; command -v bash'").stdout
    assert answer == f"{path_without(tuple(fleet['n3'].login.without))}/bash\n"
    assert "BusyBox" in ssh(fleet, fleet["n4"], "date --help 2>&1").stdout


def test_a_node_may_run_dropbear_or_a_whole_older_system(fleet: Fleet) -> None:
    """Dropbear and Debian 11 answer as themselves, with the PATH that they were given."""
    asked = "echo $SHELL; for one in python2.7 python3 perl; do command -v $one; done"
    left = {name: path_without(tuple(fleet[name].login.without), fleet[name].root) for name in ("n7", "n8")}
    assert ssh(fleet, fleet["n7"], asked).stdout == f"/bin/dash\n{left['n7']}/perl\n"
    assert ssh(fleet, fleet["n8"], asked).stdout == f"/bin/bash\n{left['n8']}/python2.7\n"
    assert "11" in ssh(fleet, fleet["n8"], "cat /etc/debian_version").stdout


def test_options_of_the_key_and_of_the_server_hold(fleet: Fleet) -> None:
    """A forced command, a line of sshd_config and a variable arrive."""
    assert ssh(fleet, fleet["n5"], "rm -rf /").stdout == "forced: rm -rf /\n"
    done = ssh(fleet, fleet["n6"], "echo $TMOUT ${LD_PRELOAD-none}")
    assert done.stdout == "7 none\n"
    assert socket.gethostname().split(".")[0] in done.stderr


def test_the_written_configuration_names_every_node(fleet: Fleet, tmp_path: Path) -> None:
    """The configuration has every node's address and port, and the additions."""
    path = fleet.write_config(tmp_path / "skewmon.yml", cluster={"samples": 4}, web={"listen": "127.0.0.1:0"})
    whole = yaml.safe_load(path.read_text())
    cluster = whole["clusters"]["fleet"]
    assert [node["port"] for node in cluster["nodes"]] == [node.port for node in fleet.nodes]
    assert (cluster["samples"], whole["web"]["listen"]) == (4, "127.0.0.1:0")


@pytest.mark.parametrize(
    ("name", "program", "hidden"),
    [
        ("python3", "python3.11", True),
        ("python3", "python3", True),
        ("python3", "python", False),
        ("perl", "perl5.36-x86_64-linux-gnu", True),
        ("perl", "perldoc", False),
        ("bash", "bashbug", False),
    ],
)
def test_versions_of_a_hidden_program_are_hidden_too(name: str, program: str, *, hidden: bool) -> None:
    """Leaving out a program leaves out its versions and nothing else."""
    assert hides(name, program) is hidden


def test_faults_are_real_and_pass() -> None:
    """A node can be frozen, cut off, stopped, given another host key, and refuse the client's key."""
    with Fleet(1) as fleet:
        (node,) = fleet.nodes
        sleeper = threading.Thread(target=ssh, args=(fleet, node, "echo; exec sleep 100"))
        sleeper.start()
        while not node.session_ids():
            assert sleeper.is_alive()
        node.freeze()
        states = {state_of(pid) for pid in (node.process_id, *node.session_ids())}
        assert states == {"T"}
        node.thaw()
        node.cut_connections()
        sleeper.join(10)
        assert not sleeper.is_alive()
        assert ssh(fleet, node, "echo back").stdout == "back\n"
        port = node.port
        node.change_host_key()
        assert node.port == port
        assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in ssh(fleet, node, "true").stderr
        fleet.trust(node.address, node.port, node)
        node.refuse_key()
        assert "Permission denied" in ssh(fleet, node, "true").stderr


@pytest.mark.parametrize("server", ["dropbear", "bullseye"])
def test_other_servers_end_whole_too(server: Literal["dropbear", "bullseye"]) -> None:
    """Nothing of Dropbear or of a chroot is left, nor anything mounted."""
    with Fleet(1, login=Login(server=server)) as fleet:
        (node,) = fleet.nodes
        ssh(fleet, node, "setsid sleep 1000 >/dev/null 2>&1 </dev/null &")
        assert node.session_ids()
        servers = [node.process_id, *descendants(node.process_id)]
    assert not with_mark(node.mark)
    assert not [pid for pid in servers if state_of(pid) not in "ZX"]
    assert ".cache/bullseye" not in Path("/proc/mounts").read_text()


class _FailedError(Exception):
    """A test that fails."""


def test_nothing_is_left_when_a_test_fails() -> None:
    """Servers, sessions and their background processes are gone, and so are the files."""
    marks, servers, directory = [], [], Path("/nonexistent")
    with pytest.raises(_FailedError), Fleet(3) as fleet:  # noqa: PT012  # the failing body is the point
        for node in fleet.nodes:
            ssh(fleet, node, "setsid nohup sleep 1000 >/dev/null 2>&1 </dev/null &")
            assert node.session_ids()
        marks = [node.mark for node in fleet.nodes]
        servers = [pid for node in fleet.nodes for pid in (node.process_id, *descendants(node.process_id))]
        directory = fleet.identity.parent
        raise _FailedError
    assert len(servers) >= 3
    assert not [pid for mark in marks for pid in with_mark(mark)]
    assert not [pid for pid in servers if state_of(pid) not in "ZX"]
    assert not directory.exists()


def test_a_large_fleet_starts_quickly() -> None:
    """Forty servers start well inside the patience of a developer."""
    before = base_ns()
    with Fleet(40) as fleet:
        assert len({(node.address, node.port) for node in fleet.nodes}) == 40
        assert base_ns() - before < 20 * NS_PER_S
