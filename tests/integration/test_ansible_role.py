"""The Ansible role on real sshd: it sets up the restricted account once, and skewmon then measures by it."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from skewmon.cli.main import run
from tests.fleet.sshd import Fleet, Login

REPOSITORY = Path(__file__).parents[2]
RELEASES = REPOSITORY / ".cache/ansible"

#: The account's own file of keys; root logs in by that of the fleet.
ACCOUNT = "Match User skewmon\n  AuthorizedKeysFile .ssh/authorized_keys\nMatch all"

#: Nodes that are set up; the full count takes a minute more.
COUNTS = (2, pytest.param(5, marks=[pytest.mark.prove, pytest.mark.timeout(900)]))


@pytest.fixture(params=[pytest.param("2.16", marks=pytest.mark.prove), "2.19"])
def playbook(request):
    """Return the command of a release of ansible-core."""
    return [str(RELEASES / request.param / "bin/python3"), "-m", "ansible", "playbook"]


def play(playbook: list[str], fleet: Fleet, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run the shipped playbook once: the first node is a vantage."""
    hosts: dict[str, dict[str, object]] = {
        node.name: {"ansible_host": node.address, "ansible_port": node.port, "ansible_user": "root"}
        for node in fleet
    }
    hosts["n1"]["skewmon_vantage"] = True
    inventory = directory / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    options = f"-F none -o UserKnownHostsFile={fleet.known_hosts} -o ControlMaster=no"
    variables = {
        "skewmon_public_key_file": str(directory / "ssh/id_ed25519.pub"),
        "skewmon_command": str(REPOSITORY / ".venv/bin/skewmon"),
        "skewmon_from": "127.0.0.0/8",
        "skewmon_config": str(directory / "fleet.yml"),
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    arguments = [*playbook, "-i", str(inventory), str(REPOSITORY / "config/ansible/skewmon.yml")]
    for name, value in variables.items():
        arguments += ["-e", f"{name}={value}"]
    environment = {
        **os.environ,
        "ANSIBLE_SSH_ARGS": options,
        "ANSIBLE_PRIVATE_KEY_FILE": str(fleet.identity),
        "ANSIBLE_HOME": str(directory / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
    }
    return subprocess.run(
        arguments, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def applied(playbook: list[str], fleet: Fleet, directory: Path) -> list[str]:
    """Run the playbook, which must succeed; return the recap, a line a node."""
    done = play(playbook, fleet, directory)
    assert done.returncode == 0, done.stdout + done.stderr
    return re.findall(r"(?m)^n\d .*", done.stdout.partition("PLAY RECAP")[2])


@pytest.mark.parametrize("count", COUNTS)
def test_the_role_sets_up_the_account_once(count, playbook, tmp_path, capsys):
    """The second run changes nothing, and every node is measured by the restricted key, from the vantage."""
    assert run(["init", "--config.file", str(tmp_path / "skewmon.yml"), f"n[1-{count}]"]) == 0
    with Fleet(count, login=Login(server="fresh", sshd_lines=(ACCOUNT,))) as fleet:
        vantage, *_ = fleet
        ssh = {
            "user": "skewmon",
            "identity": str(tmp_path / "ssh/id_ed25519"),
            "known_hosts": str(fleet.known_hosts),
            "vantage": f"skewmon@{vantage.address}:{vantage.port}",
        }
        config = fleet.write_config(tmp_path / "fleet.yml", ssh=ssh, web={"listen": "127.0.0.1:0"})
        assert all("changed=0" not in line for line in applied(playbook, fleet, tmp_path))
        assert all("changed=0" in line for line in applied(playbook, fleet, tmp_path))
        capsys.readouterr()
        assert run(["doctor", "--config.file", str(config)]) == 0
        assert f"{count} nodes of {count} measured" in capsys.readouterr().out
        run(["check", "--config.file", str(config), "--rounds", "2", "-o", "json"])
        (cluster,) = json.loads(capsys.readouterr().out)["clusters"]
        assert {node["axis"] for node in cluster["nodes"]} == {f"{vantage.address}:{vantage.port}"}
        (refused,) = {
            subprocess.run(
                [
                    "ssh",
                    "-F",
                    "none",
                    "-i",
                    ssh["identity"],
                    "-o",
                    f"UserKnownHostsFile={fleet.known_hosts}",
                    "-p",
                    str(node.port),
                    f"skewmon@{node.address}",
                    "id",
                ],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
                stdin=subprocess.DEVNULL,
            ).stderr.splitlines()[-1]
            for node in fleet
        }
        assert refused == "This key answers skewmon and nobody else."


@pytest.mark.prove  # a play is slow, and the same refusal of the script is tested by default
def test_the_role_follows_no_link_that_the_account_made(playbook, tmp_path):
    """Root would change the file that it names."""
    assert run(["init", "--config.file", str(tmp_path / "skewmon.yml"), "n1"]) == 0
    with Fleet(1, login=Login(server="fresh", sshd_lines=(ACCOUNT,))) as fleet:
        fleet.write_config(tmp_path / "fleet.yml", web={"listen": "127.0.0.1:0"})
        (node,) = fleet
        planted = "useradd -m skewmon; mkdir ~skewmon/.ssh; ln -s /etc/victim ~skewmon/.ssh/authorized_keys"
        ssh = [
            "ssh",
            "-F",
            "none",
            "-i",
            str(fleet.identity),
            "-o",
            f"UserKnownHostsFile={fleet.known_hosts}",
        ]
        login = [*ssh, "-p", str(node.port), f"root@{node.address}"]
        subprocess.run([*login, f"echo kept >/etc/victim && {planted}"], check=True, capture_output=True)
        done = play(playbook, fleet, tmp_path)
        assert done.returncode != 0
        assert "/home/skewmon/.ssh/authorized_keys is a link; remove it" in done.stdout, done.stdout
        victim = subprocess.run([*login, "cat /etc/victim"], check=True, capture_output=True, text=True)
        assert victim.stdout == "kept\n"
