"""The Ansible role on real sshd: it sets up the restricted account once, and skewmon then measures by it."""

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

NODES = 2


@pytest.fixture(params=[pytest.param("2.16", marks=pytest.mark.prove), "2.19"])
def playbook(request):
    """Return the command of a release of ansible-core."""
    return [str(RELEASES / request.param / "bin/python3"), "-m", "ansible", "playbook"]


def applied(playbook: list[str], fleet: Fleet, directory: Path) -> list[str]:
    """Run the shipped playbook once; return the recap, a line a node."""
    hosts = {
        node.name: {"ansible_host": node.address, "ansible_port": node.port, "ansible_user": "root"}
        for node in fleet
    }
    inventory = directory / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    options = f"-F none -o UserKnownHostsFile={fleet.known_hosts} -o ControlMaster=no"
    variables = {
        "skewmon_public_key_file": str(directory / "ssh/id_ed25519.pub"),
        "skewmon_command": str(REPOSITORY / ".venv/bin/skewmon"),
        "skewmon_from": "127.0.0.0/8",
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
    done = subprocess.run(
        arguments, env=environment, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return re.findall(r"(?m)^n\d .*", done.stdout.partition("PLAY RECAP")[2])


def test_the_role_sets_up_the_account_once(playbook, tmp_path, capsys):
    """The second run changes nothing, and every node is measured by the restricted key."""
    assert run(["init", "--config.file", str(tmp_path / "skewmon.yml"), "n[1-2]"]) == 0
    with Fleet(NODES, login=Login(server="fresh", sshd_lines=(ACCOUNT,))) as fleet:
        assert all("changed=0" not in line for line in applied(playbook, fleet, tmp_path))
        assert all("changed=0" in line for line in applied(playbook, fleet, tmp_path))
        ssh = {
            "user": "skewmon",
            "identity": str(tmp_path / "ssh/id_ed25519"),
            "known_hosts": str(fleet.known_hosts),
        }
        config = fleet.write_config(tmp_path / "fleet.yml", ssh=ssh, web={"listen": "127.0.0.1:0"})
        capsys.readouterr()
        assert run(["doctor", "--config.file", str(config)]) == 0
        assert f"{NODES} nodes of {NODES} measured" in capsys.readouterr().out
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
