"""The unit as it is shipped, under a real systemd: its sandbox, its key, reload, watchdog, a refused file."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.lab.cluster import Lab, lab
from tests.lab.guest import Guest, until

pytestmark = pytest.mark.lab

#: So long a hung daemon is left alone here; a minute as shipped.
WATCHDOG_S = 8

#: A reload checks the file first, and a guest takes some ten seconds to start Python.
SLOWLY_S = 120.0


@pytest.fixture(scope="module")
def guests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two guests to be measured, and n3 with systemd: the admin box."""
    with lab(tmp_path_factory.mktemp("systemd"), 3, inits={"n3": "init-systemd"}) as opened:
        furnish(opened)
        yield opened


def furnish(here: Lab) -> None:
    """Set up the admin box as in docs/keys.md: a key for root alone, host keys, a configuration."""
    box = here["n3"]
    box.shell("mkdir -p /etc/skewmon/ssh /etc/systemd/system/skewmon.service.d")
    box.write("/etc/skewmon/ssh/id_ed25519", here.keys.identity.read_text(), mode="600")
    box.write("/etc/skewmon/ssh/known_hosts", here.keys.known_hosts.read_text())
    box.write(
        "/etc/systemd/system/skewmon.service.d/lab.conf",
        f"[Service]\nWatchdogSec={WATCHDOG_S}s\nRestartSec=1s\n",
    )
    configure(here, "first")
    box.shell("systemctl daemon-reload")


def configure(here: Lab, cluster: str) -> None:
    """Write the configuration of a cluster with this name."""
    nodes = [{"name": name, "address": here[name].address} for name in ("n1", "n2")]
    ssh = {"user": "root", "identity": "credential:ssh_key", "known_hosts": "/etc/skewmon/ssh/known_hosts"}
    whole = {"ssh": ssh, "clusters": {cluster: {"nodes": nodes, "interval": "1s"}}}
    here["n3"].write("/etc/skewmon/skewmon.yml", yaml.safe_dump(whole))


def status(box: Guest) -> list[dict[str, Any]]:
    """Return the clusters of the daemon's status, none if it does not answer."""
    url = "http://127.0.0.1:10061/api/v1/status"
    ask = f"import urllib.request; print(urllib.request.urlopen('{url}', timeout=5).read().decode())"
    answer = box.shell(f'python3 -c "{ask}" 2>/dev/null; true')
    found: list[dict[str, Any]] = json.loads(answer)["clusters"] if answer else []
    return found


def measured(box: Guest, name: str) -> bool:
    """Return whether the cluster of this name is measured, and no other."""
    return [(one["name"], one["round"]["measured"]) for one in status(box)] == [(name, 2)]


def shown(box: Guest, *properties: str) -> list[str]:
    """Return properties of the unit."""
    return [box.shell(f"systemctl show -P {one} skewmon").strip() for one in properties]


def test_the_unit_lives_in_its_sandbox_reloads_and_is_watched(guests: Lab) -> None:
    """From the first start to a refused configuration, as an operator would see it."""
    box = guests["n3"]
    box.shell("systemctl start skewmon")  # returns when the daemon says that it is ready
    until(lambda: measured(box, "first"))
    assert_confined(box)

    configure(guests, "second")
    box.shell("systemctl reload skewmon", limit_s=SLOWLY_S)
    until(lambda: measured(box, "second"))
    box.write("/etc/skewmon/skewmon.yml", "clusters: {wrong: {knots: [n1]}}\n")
    assert "FAILED" in box.shell("systemctl reload skewmon 2>&1 || echo FAILED", limit_s=SLOWLY_S)
    configure(guests, "second")
    assert shown(box, "ActiveState", "NRestarts") == ["active", "0"]
    assert measured(box, "second")

    box.shell("kill -STOP $(systemctl show -P MainPID skewmon)")
    until(lambda: shown(box, "ActiveState", "NRestarts") == ["active", "1"])
    until(lambda: measured(box, "second"))
    assert "Watchdog timeout" in box.shell("journalctl -u skewmon --no-pager")

    box.shell("systemctl stop skewmon")
    assert shown(box, "ActiveState", "Result") == ["inactive", "success"]
    box.write("/etc/skewmon/skewmon.yml", "clusters: {wrong: {knots: [n1]}}\n")
    box.shell("systemctl start skewmon 2>&1; true")
    assert shown(box, "ActiveState", "ExecMainStatus", "NRestarts") == ["failed", "78", "0"]
    journal = box.shell("journalctl -u skewmon --no-pager")
    assert "skewmon.yml:1:" in journal
    assert "Traceback" not in journal


def assert_confined(box: Guest) -> None:
    """Check the kernel's limits of the daemon, and that only it can read its key."""
    said = box.shell("cat /proc/$(systemctl show -P MainPID skewmon)/status")
    facts = dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)
    assert facts["Uid"].split()[0] != "0"
    assert int(facts["CapBnd"], 16) == int(facts["CapEff"], 16) == 0
    assert (facts["NoNewPrivs"].strip(), facts["Seccomp"].strip()) == ("1", "2")
    key = box.shell("stat -L -c '%a %U' /etc/skewmon/ssh/id_ed25519").split()
    assert key == ["600", "root"]
    state = box.shell("ls /var/lib/private/skewmon").split()
    assert any(name.endswith((".sqlite", ".db")) for name in state), state
