"""``skewmon doctor`` on broken set-ups: the first line names the fault and its cure."""

import grp
import os
import socket
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from skewmon.cli.doctor_unit import credentials
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


def assert_names(printed: tuple[int, list[str]], start: str, fault: str, cure: str) -> None:
    """Compare the exit code, and fault and cure in the first line."""
    code, lines = printed
    assert code == 3, lines
    assert lines[0].startswith(start), lines
    assert fault in lines[0]
    assert cure in lines[0]


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
    assert_names(setup.doctor(capsys), "fault  ", fault, cure)


def test_one_broken_node_costs_itself_alone(fleet, tmp_path, capsys):
    """The other is measured all the same."""
    setup = Setup(fleet, tmp_path / "skewmon.yml")
    setup.config["clusters"]["fleet"]["nodes"][1]["port"] = 1
    code, lines = setup.doctor(capsys)
    assert code == 3, lines
    assert "node n2" in lines[0]
    assert any(line.startswith("ok     cluster fleet: 1 node of 2 measured.") for line in lines)


class Service:
    """An installed unit, as a stand-in for systemctl prints it."""

    def __init__(self, directory: Path, setup: Setup) -> None:
        self.properties = {"LoadState": "loaded", "ActiveState": "active", "DynamicUser": "yes"}
        self.files = "[Service]\nLoadCredential=ssh_key:/etc/skewmon/ssh/id_ed25519\n"
        self.setup, self.directory = setup, directory
        (directory / "systemctl").write_text(f'#!/bin/sh\ncat "{directory}/$1"\n')
        (directory / "systemctl").chmod(0o755)
        directory.chmod(0o755)
        # The fleet's own files are the test's: the service gets copies.
        setup.config["ssh"] = {
            "user": setup.config["ssh"]["user"],
            "identity": self.file("key", Path(setup.config["ssh"]["identity"]).read_text(), 0o644),
            "known_hosts": self.file("known_hosts", setup.fleet.known_hosts.read_text(), 0o644),
        }

    def file(self, name: str, text: str, mode: int) -> str:
        path = self.directory / name
        path.write_text(text)
        path.chmod(mode)
        return str(path)

    def doctor(self, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
        shown = "".join(f"{name}={value}\n" for name, value in self.properties.items())
        self.file("show", shown, 0o644)
        self.file("cat", self.files, 0o644)
        return self.setup.doctor(capsys)


@pytest.fixture
def service(fleet, monkeypatch):
    """Not below tmp_path, to which pytest lets its user alone, every time that one starts."""
    with tempfile.TemporaryDirectory() as place:
        monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
        yield Service(Path(place), Setup(fleet, Path(place) / "skewmon.yml"))


def certificate(service: Service, mode: int) -> None:
    """Give the page TLS, by a key of this mode."""
    names = [str(service.directory / name) for name in ("tls.key", "tls.crt")]
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=page -days 2"
    subprocess.run([*make.split(), "-keyout", names[0], "-out", names[1]], check=True, capture_output=True)
    Path(names[0]).chmod(mode)
    web = f"tls_server_config: {{cert_file: {names[1]}, key_file: {names[0]}}}\n"
    service.setup.config["web"]["config_file"] = service.file("web.yml", web, 0o644)


def test_a_service_that_can_read_its_files_is_in_order(service, capsys):
    """A file for a group counts if a drop-in adds the service to the group."""
    certificate(service, 0o640)
    own = grp.getgrgid(os.getgid()).gr_name
    service.properties |= {"SupplementaryGroups": f"tty {own}", "DropInPaths": "/etc/x/override.conf"}
    code, lines = service.doctor(capsys)
    assert code == 0, lines
    wanted = "ok     service: It can read its files, and is active. Its drop-ins: /etc/x/override.conf."
    assert wanted in lines


def secret_of_root(service: Service) -> None:
    path = service.file("hook", "http://127.0.0.1:9/", 0o600)
    service.setup.config["alerts"] = {"webhooks": [{"url_file": path}]}


def tls_key_of_root(service: Service) -> None:
    certificate(service, 0o600)


def tls_key_of_another_group(service: Service) -> None:
    certificate(service, 0o640)
    service.properties["SupplementaryGroups"] = "adm"


def web_file_of_root(service: Service) -> None:
    service.setup.config["web"]["config_file"] = service.file("web.yml", "basic_auth_users: {}\n", 0o600)


def targets_of_root(service: Service) -> None:
    path = service.file("targets.json", '[{"targets": ["127.0.0.1"]}]', 0o600)
    service.setup.config["clusters"]["fleet"]["inventory"] = [{"file_sd": path}]


def files_below_home(service: Service) -> None:
    service.properties["PrivateTmp"] = "yes"


def other_state_directory(service: Service) -> None:
    service.setup.config["state_directory"] = str(service.directory)
    service.properties |= {"ProtectSystem": "strict", "StateDirectory": "skewmon"}


def drop_in_without_key(service: Service) -> None:
    service.setup.config["ssh"]["identity"] = "credential:ssh_key"
    service.files += "# /etc/systemd/system/skewmon.service.d/override.conf\n[Service]\nLoadCredential=\n"


def program_elsewhere(service: Service) -> None:
    service.properties["ExecStart"] = "{ path=/opt/none/skewmon ; argv[]=/opt/none/skewmon run ; pid=0 }"


def masked(service: Service) -> None:
    service.properties["LoadState"] = "masked"


def failed(service: Service) -> None:
    service.properties["ActiveState"] = "failed"


@pytest.mark.parametrize(
    ("break_it", "fault", "cure"),
    [
        (secret_of_root, "cannot read it", "LoadCredential=alerts:"),
        (tls_key_of_root, "tls.key: The service's user cannot read it", "SupplementaryGroups=ssl-cert"),
        (tls_key_of_another_group, "tls.key: The service's user cannot read it", "SupplementaryGroups="),
        (web_file_of_root, "web.yml: The service's user cannot read it", "chgrp ssl-cert"),
        (targets_of_root, "targets.json: The service's user cannot read it", "chmod 644"),
        (files_below_home, "PrivateTmp=yes hides it from the service", "Move it to /etc/skewmon"),
        (other_state_directory, "cannot write there", "ReadWritePaths="),
        (drop_in_without_key, "The unit loads no credential ssh_key", "LoadCredential=ssh_key:"),
        (program_elsewhere, "/opt/none/skewmon: It does not exist", "ExecStart="),
        (masked, "systemd does not load its unit: masked", "systemctl unmask skewmon"),
        (failed, "It has failed", "journalctl -u skewmon"),
    ],
)
def test_the_first_line_names_the_fault_of_the_service(
    break_it: Callable[[Service], None], fault: str, cure: str, service, capsys
):
    """Root, who runs the command, could read everything."""
    break_it(service)
    assert_names(service.doctor(capsys), "fault  service", fault, cure)


@pytest.mark.parametrize(
    ("properties", "warning"),
    [
        ({"NeedDaemonReload": "yes"}, "Run: systemctl daemon-reload"),
        (
            {"ExecStart": "{ argv[]=x run --config.file /etc/b.yml ; }"},
            "skewmon doctor --config.file /etc/b.yml",
        ),
    ],
)
def test_a_unit_that_is_not_what_its_files_say_is_a_warning(properties, warning, service, capsys):
    """Changed after systemd read it, or started with another configuration than this one."""
    service.properties |= properties
    code, lines = service.doctor(capsys)
    assert code == 0, lines
    assert lines[0].startswith("warn   service: It")
    assert warning in lines[0]


def test_credentials_are_those_of_the_last_drop_in():
    """An empty setting takes back those before it; comments and other settings count for nothing."""
    text = "#LoadCredential=a:/1\nLoadCredential=b:/2\nLoadCredential=\nSetCredential=c:x\n"
    text += "LoadCredential=d:/4\nLoadCredentialEncrypted=e:/5\nLoadCredential=f\nUser=LoadCredential=g\n"
    assert credentials(text) == {"c": "", "d": "/4", "e": "", "f": ""}
