"""``skewmon doctor`` on broken set-ups: the first line names the fault and its cure."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from skewmon.cli.main import run
from tests.fleet.sshd import Fleet


class Setup:
    """A configuration of two real nodes that a test breaks."""

    def __init__(self, fleet: Fleet, path: Path) -> None:
        self.fleet = fleet
        self.path = path
        self.config: dict[str, Any] = yaml.safe_load(
            fleet.write_config(path, web={"listen": "127.0.0.1:0"}).read_text()
        )

    def doctor(self, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
        self.path.write_text(yaml.safe_dump(self.config))
        code = run(["doctor", "--config.file", str(self.path), "--timeout", "5s"])
        return code, capsys.readouterr().out.splitlines()


@pytest.fixture(scope="module")
def fleet():
    with Fleet(2) as opened:
        yield opened


@pytest.fixture
def setup(fleet, tmp_path):
    return Setup(fleet, tmp_path / "skewmon.yml")


def test_a_sound_set_up_is_in_order(setup, capsys):
    """Every line begins with ok."""
    code, lines = setup.doctor(capsys)
    assert code == 0, lines
    assert [line.split()[0] for line in lines] == ["ok"] * len(lines)
    assert any("2 nodes of 2 measured" in line for line in lines)


def unknown_key(setup: Setup) -> None:
    setup.config["clusters"]["fleet"]["intervall"] = "5s"


def no_nodes(setup: Setup) -> None:
    path = setup.path.with_name("empty.json")
    path.write_text("[]")
    setup.config["clusters"]["fleet"] = {"inventory": [{"file_sd": str(path)}]}


def missing_inventory(setup: Setup) -> None:
    setup.config["clusters"]["fleet"]["inventory"] = [{"ansible": str(setup.path.with_name("hosts"))}]


def missing_key(setup: Setup) -> None:
    setup.config["ssh"]["identity"] = str(setup.path.with_name("id_none"))


def unknown_credential(setup: Setup) -> None:
    setup.config["ssh"]["identity"] = "credential:other"


def public_key_as_identity(setup: Setup) -> None:
    path = setup.path.with_name("id.pub")
    path.write_text("ssh-ed25519 AAAA skewmon\n")
    setup.config["ssh"]["identity"] = str(path)


def empty_known_hosts(setup: Setup) -> None:
    path = setup.path.with_name("known_hosts")
    path.touch()
    setup.config["ssh"]["known_hosts"] = str(path)


def other_host_key(setup: Setup) -> None:
    first, second = setup.fleet
    path = setup.path.with_name("known_hosts")
    key = setup.fleet.known_hosts.read_text()
    swapped = key.replace(f"[{first.address}]:{first.port}", "@first@").replace(
        f"[{second.address}]:{second.port}", f"[{first.address}]:{first.port}"
    )
    path.write_text(swapped.replace("@first@", f"[{second.address}]:{second.port}"))
    setup.config["ssh"]["known_hosts"] = str(path)


def nothing_listens(setup: Setup) -> None:
    for node in setup.config["clusters"]["fleet"]["nodes"]:
        node["port"] = 1


def unknown_name(setup: Setup) -> None:
    setup.config["clusters"]["fleet"]["nodes"][0]["address"] = "n1.invalid"


def wrong_user(setup: Setup) -> None:
    setup.config["ssh"]["user"] = "nosuchuser"


def busy_address(setup: Setup) -> None:
    setup.config["web"]["listen"] = "192.0.2.1:10061"


def receiver_down(setup: Setup) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    setup.config["alerts"] = {"alertmanagers": [f"http://127.0.0.1:{port}"]}


def secret_missing(setup: Setup) -> None:
    setup.config["alerts"] = {"webhooks": [{"url_file": str(setup.path.with_name("secret"))}]}


def missing_web_config(setup: Setup) -> None:
    setup.config["web"]["config_file"] = str(setup.path.with_name("web.yml"))


@pytest.mark.parametrize(
    ("break_it", "fault", "cure"),
    [
        (unknown_key, "intervall", "interval"),
        (no_nodes, "It has no nodes", "Add nodes, or an inventory"),
        (missing_inventory, "there is no", "Correct inventory"),
        (missing_key, "id_none: there is no such file", "Name one with"),
        (unknown_credential, "credential:other", "LoadCredential=other"),
        (public_key_as_identity, "key-unusable", "id.pub"),
        (empty_known_hosts, "host-key-unknown", "keys scan"),
        (other_host_key, "host-key-changed", "ssh-keygen -R"),
        (nothing_listens, "connection-refused", "systemctl status ssh"),
        (unknown_name, "name-not-resolved", "getent hosts n1.invalid"),
        (wrong_user, "permission-denied", "authorized_keys"),
        (busy_address, "192.0.2.1:10061 cannot be listened at", "Change web.listen"),
        (receiver_down, "does not accept a connection", "Start it"),
        (secret_missing, "The file cannot be read", "Correct the path"),
        (missing_web_config, "web.yml", "no such file"),
    ],
)
def test_the_first_line_names_the_fault_and_the_cure(
    break_it: Callable[[Setup], None], fault: str, cure: str, setup, capsys
):
    """Fifteen ways to get it wrong."""
    break_it(setup)
    code, lines = setup.doctor(capsys)
    assert code == 3, lines
    assert lines[0].startswith("fault  "), lines
    assert fault in lines[0]
    assert cure in lines[0]


def test_one_broken_node_costs_itself_alone(fleet, tmp_path, capsys):
    """The other is measured all the same."""
    setup = Setup(fleet, tmp_path / "skewmon.yml")
    setup.config["clusters"]["fleet"]["nodes"][1]["port"] = 1
    code, lines = setup.doctor(capsys)
    assert code == 3, lines
    assert "node n2" in lines[0]
    assert any(line.startswith("ok     cluster fleet: 1 node of 2 measured.") for line in lines)


def test_a_secret_that_the_service_cannot_read_is_a_fault(setup, tmp_path, monkeypatch, capsys):
    """Root can read it; the installed unit has a user of its own, as systemctl says."""
    systemctl = tmp_path / "bin/systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text("#!/bin/sh\nprintf 'LoadState=loaded\\nActiveState=active\\nDynamicUser=yes\\n'\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{systemctl.parent}:{os.environ['PATH']}")
    secret = tmp_path / "hook"
    secret.write_text("http://127.0.0.1:9/")
    secret.chmod(0o600)
    setup.config["alerts"] = {"webhooks": [{"url_file": str(secret)}]}
    code, lines = setup.doctor(capsys)
    assert code == 3, lines
    (line,) = [line for line in lines if "LoadCredential=alerts" in line]
    assert f"service, {secret}: The service's user cannot read it." in line
    assert line.endswith(f"LoadCredential=alerts:{secret}")
